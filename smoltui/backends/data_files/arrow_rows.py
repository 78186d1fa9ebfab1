"""Rows of Arrow data as Python objects, a bounded number of bytes at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from smoltui.backends.data_files.text import MAX_ROW_BYTES, Broken, shown_text
from smoltui.core.foreign.foreign_json import DEEPEST
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_BYTES = 4 << 20
"""Bytes of a batch converted to Python objects at a time; these take several times as much."""
SLICE_ROWS = 500
HEAD_CHARS = 4 << 20
"""Characters of the first rows, which are kept while a set is open: fewer rows if they are long."""
VALUE_BYTES = 8
"""Bytes per value in Python's list, even for one that takes no space in Arrow."""


def rows_of(batch: pa.RecordBatch | pa.Table, first_row: int, name: str) -> Iterator[object]:
    """The rows of a RecordBatch or Table as Python objects. `first_row` is the number of the first one, for messages.

    Raises:
        PairsError: a column of an unsupported type.
    """
    for kind in batch.schema.types:
        _refuse_unbounded(kind)
    step = slice_rows(batch.nbytes, batch.num_rows)
    for begin in range(0, batch.num_rows, step):
        yield from _rows_within(batch.slice(begin, step), first_row + begin, name)


def _rows_within(batch: pa.RecordBatch | pa.Table, first_row: int, name: str) -> Iterator[object]:
    """The rows of a batch, split in halves while all of them would take more than the limit of a row."""
    if sum(map(unfolded_bytes, batch.columns)) <= MAX_ROW_BYTES:
        yield from _pylist(_plain(batch), first_row, name)
    elif batch.num_rows == 1:
        yield Broken(f"{name} row {first_row + 1} is longer than {MAX_ROW_BYTES >> 20} MB", "")
    else:
        half = batch.num_rows // 2
        yield from _rows_within(batch.slice(0, half), first_row, name)
        yield from _rows_within(batch.slice(half), first_row + half, name)


def _refuse_unbounded(kind: pa.DataType, left: int = DEEPEST) -> None:
    """Rejects types in which a few bytes represent any number of values: overlapping lists, and runs.

    Raises:
        PairsError: one of these, or a type that is nested too deeply.
    """
    import pyarrow as pa

    types = pa.types
    overlaps = types.is_list_view(kind) or types.is_large_list_view(kind)
    if overlaps or types.is_run_end_encoded(kind) or types.is_union(kind) or left == 0:
        raise PairsError(
            f"Unsupported column type: {safe_line(str(kind)[:200], 80)}",
            "Save the set as JSONL or Parquet, with plain text and lists.",
        )
    for place in range(kind.num_fields):
        _refuse_unbounded(kind.field(place).type, left - 1)


def first_of(rows: Iterator[object], most: int) -> list[object]:
    """The first `most` rows, fewer if their texts exceed `HEAD_CHARS` in total; at least one."""
    found: list[object] = []
    size = 0
    while len(found) < most and size <= HEAD_CHARS and (row := next(rows, _END)) is not _END:
        found.append(row)
        size += chars_of(row)
    return found


_END = object()


def chars_of(value: object) -> int:
    """Characters of all texts in a decoded row."""
    if type(value) is str:
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    size = 0
    for part in parts:  # a text is counted here, because most parts are one
        size += len(part) if type(part) is str else chars_of(part) if isinstance(part, _CONTAINERS) else 0
    return size


_CONTAINERS = (dict, list)


def unfolded_bytes(column: pa.Array | pa.ChunkedArray) -> int:
    """Approximate bytes of a column's values as Python objects, counting repeated values each time."""
    import pyarrow as pa
    from pyarrow import compute as pc

    if isinstance(column, pa.ChunkedArray):
        return sum(map(unfolded_bytes, column.chunks))
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    kind, least = column.type, VALUE_BYTES * len(column)
    if pa.types.is_dictionary(kind):
        values = column.dictionary
        if _is_text(values.type):
            return least + int(pc.sum(pc.binary_length(values).take(column.indices)).as_py() or 0)
        return least + len(column) * max((unfolded_bytes(values.slice(at, 1)) for at in range(len(values))), default=0)
    if _is_text(kind):
        return least + int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        views = memoryview(column.buffers()[1]).cast("i")  # four for each value, of which the first is its length
        return least + sum(views[4 * column.offset : 4 * (column.offset + len(column)) : 4])
    if pa.types.is_struct(kind):
        return least + sum(map(unfolded_bytes, column.flatten()))
    if kind.num_fields == 1:  # some kind of list
        return least + unfolded_bytes(column.flatten())
    return least + int(column.nbytes)


def _is_text(kind: pa.DataType) -> bool:
    """Whether `pyarrow.compute.binary_length` supports it."""
    import pyarrow as pa

    return bool(
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    )


def slice_rows(size: int, rows: int) -> int:
    """Number of rows in about `SLICE_BYTES` of something with `size` bytes and `rows` rows."""
    return max(1, min(SLICE_ROWS, rows * SLICE_BYTES // max(size, 1)))


def _plain(batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
    """Converts nanosecond times, which only pandas could convert to objects, to microseconds."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if (pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type)) and field.type.unit == "ns":
            kind = pa.duration("us") if pa.types.is_duration(field.type) else pa.timestamp("us", field.type.tz)
            batch = batch.set_column(place, field.name, batch.column(place).cast(kind, safe=False))
    return batch


def _pylist(batch: pa.RecordBatch | pa.Table, first_row: int, name: str) -> list[object]:
    """A row with text that is not UTF-8, which some programs write, is unreadable."""
    with suppress(UnicodeDecodeError):
        # Column by column, which takes a fraction of the time of `batch.to_pylist()`.
        columns = [column.to_pylist() for column in batch.columns]
        names = batch.schema.names
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    rows: list[object] = []
    for row in range(batch.num_rows):
        try:
            rows += batch.slice(row, 1).to_pylist()
        except UnicodeDecodeError as error:
            bad = error.object[error.start]
            said = f"contains a byte that is not UTF-8: 0x{bad:02X}, byte {error.start + 1:,} of a text"
            rows.append(Broken(f"{name} row {first_row + row + 1} {said}", shown_text(error.object)))
    return rows


# -------------------------------------------------------------------------------------------------------------- damage


def damage(*more: type[BaseException]) -> tuple[type[BaseException], ...]:
    """What Arrow and our reading of its messages raise for a damaged or malicious file.

    OSError is not included if the file may be on the Hub, whose errors are different.
    """
    import pyarrow as pa

    reading = (EOFError, struct.error, LookupError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)
    return (pa.ArrowException, *reading, *more)


def path_of(data: IO[bytes]) -> str | None:
    """Path of an open file; None for one without a name: temporary, or on the Hub."""
    name = getattr(data, "name", None)
    return name if isinstance(name, str) else None


def unreadable(name: str, row: int, error: BaseException) -> PairsError:
    """The error for a file that opened but cannot be read further."""
    return PairsError(
        f"{name} cannot be read beyond row {row}: {safe_line(str(error), 120)}",
        "The file is damaged, or it changed while being read.",
    )
