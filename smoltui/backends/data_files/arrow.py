"""Rows of Arrow and Parquet files, a bounded number of bytes in memory at a time.

Files are read, not mapped: truncating a mapped file in another program crashes the process. Only a record batch of
more than `MAX_BATCH_BYTES` is mapped, because there is no other way to read a part of it.
"""

from __future__ import annotations

import struct
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, NamedTuple

from smoltui.backends.data_files.parquet_pages import Group, read_groups, rows_at_once
from smoltui.backends.data_files.text import MAX_ROW_BYTES, Broken, column_names
from smoltui.core.foreign.foreign_json import DEEPEST
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

MAX_BATCH_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 192 << 20
"""Limit of a batch with compressed buffers, which is in memory as a whole."""
SLICE_BYTES = 4 << 20
"""Bytes of a batch converted to Python objects at a time; these take several times as much."""
SLICE_ROWS = 500
FIRST_PAGES = 2
"""Pages of each column of a row group that are examined before its first rows are decoded."""
PAGE_BUFFER_BYTES = 256 << 10
"""Bytes of a Parquet column read at a time; its pages are mostly 1 MB."""
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
"""Kinds of messages, Arrow format `Message.fbs`."""
_MAGIC = b"ARROW1"
_MAX_METADATA = 64 << 20


# --------------------------------------------------------------------------------------------------------- Python rows


def rows_of(batch: Any, first_row: int, name: str) -> Iterator[Any]:
    """The rows of a RecordBatch or Table as Python objects. `first_row` is the number of the first one, for messages.

    Raises:
        PairsError: a column of an unsupported type.
    """
    for kind in batch.schema.types:
        _refuse_unbounded(kind)
    step = slice_rows(batch.nbytes, batch.num_rows)
    for begin in range(0, batch.num_rows, step):
        yield from _rows_within(batch.slice(begin, step), first_row + begin, name)


def _rows_within(batch: Any, first_row: int, name: str) -> Iterator[Any]:
    """The rows of a batch, split in halves while all of them would take more than the limit of a row."""
    if sum(map(unfolded_bytes, batch.columns)) <= MAX_ROW_BYTES:
        yield from _pylist(_plain(batch), first_row, name)
    elif batch.num_rows == 1:
        yield Broken(f"{name} row {first_row + 1} is longer than {MAX_ROW_BYTES >> 20} MB", "")
    else:
        half = batch.num_rows // 2
        yield from _rows_within(batch.slice(0, half), first_row, name)
        yield from _rows_within(batch.slice(half), first_row + half, name)


def _refuse_unbounded(kind: Any, left: int = DEEPEST) -> None:
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


HEAD_CHARS = 4 << 20
"""Characters of the first rows, which are kept while a set is open: fewer rows if they are long."""


def first_of(rows: Iterator[Any], most: int) -> list[Any]:
    """The first `most` rows, fewer if their texts exceed `HEAD_CHARS` in total; at least one."""
    found: list[Any] = []
    size = 0
    while len(found) < most and size <= HEAD_CHARS and (row := next(rows, _END)) is not _END:
        found.append(row)
        size += chars_of(row)
    return found


_END = object()


def chars_of(value: Any) -> int:
    """Characters of all texts in a decoded row."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(chars_of, parts))


VALUE_BYTES = 8
"""Bytes per value in Python's list, even for one that takes no space in Arrow."""


def unfolded_bytes(column: Any) -> int:
    """Approximate bytes of a column's values as Python objects, counting repeated values each time."""
    import pyarrow as pa
    import pyarrow.compute as pc

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


def _is_text(kind: Any) -> bool:
    """Whether `pyarrow.compute.binary_length` tells the bytes of its values."""
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


def _plain(batch: Any) -> Any:
    """Converts nanosecond times, which only pandas could convert to objects, to microseconds."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if (pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type)) and field.type.unit == "ns":
            kind = pa.duration("us") if pa.types.is_duration(field.type) else pa.timestamp("us", field.type.tz)
            batch = batch.set_column(place, field.name, batch.column(place).cast(kind, safe=False))
    return batch


def _pylist(batch: Any, first_row: int, name: str) -> list[Any]:
    """Text that is not UTF-8, which some programs write, gets U+FFFD; deeper in a row it makes the row unreadable."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        import pyarrow as pa

        for place, field in enumerate(batch.schema):
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                raw = batch.column(place).cast(pa.large_binary()).to_pylist()
                texts = [None if item is None else item.decode("utf-8", "replace") for item in raw]
                batch = batch.set_column(place, field.name, pa.array(texts, field.type))
    rows: list[Any] = []
    for row in range(batch.num_rows):
        try:
            rows += batch.slice(row, 1).to_pylist()
        except UnicodeDecodeError as error:
            rows.append(Broken(f"{name} row {first_row + row + 1} contains text that is not UTF-8: {error.reason}", ""))
    return rows


# --------------------------------------------------------------------------------------------------------------- Arrow


class _Batch(NamedTuple):
    offset: int
    """Of its message, in bytes."""
    size: int
    """Of the whole message."""
    rows: int


class ArrowTable:
    """Arrow IPC, as a stream (what `datasets` writes) or a file: found by its record batches, one read at a time."""

    def __init__(self, data: IO[bytes], name: str, *, most_rows: int | None = None) -> None:
        """With `most_rows`, the search for batches stops at that many rows; `whole` says if that was all.

        Raises:
            PairsError: not an Arrow file, or truncated.
        """
        self._data, self._name = data, name
        self._lock = threading.Lock()
        self._kept: tuple[int, Any] | None = None
        self._batches: list[_Batch] = []
        self._joined: list[Any] | None = None
        """The batches themselves, if they share dictionaries."""
        self.whole = True
        try:
            self._find(most_rows)
            self.columns = column_names(self._schema.names)
        except damage() as error:
            raise PairsError(
                f"{name} is not an Arrow file: {safe_line(str(error), 120) or 'it is truncated'}",
                "It may be damaged or truncated.",
            ) from error
        self._starts = [0, *accumulate(batch.rows for batch in self._batches)]

    def _find(self, most_rows: int | None) -> None:
        import pyarrow as pa

        size = self._data.seek(0, 2)
        self._data.seek(0)
        offset = 8 if self._data.read(len(_MAGIC)) == _MAGIC else 0
        schema, found = None, 0
        while message := _message(self._data, offset, size):
            kind, length, rows = message
            if schema is None:
                if kind != _SCHEMA:
                    raise pa.ArrowInvalid("it does not start with a schema")
                self._data.seek(offset)
                schema = pa.ipc.read_schema(pa.py_buffer(self._data.read(length)))
            elif kind == _DICTIONARY:
                self._read_joined()
                return
            elif kind == _RECORDS:
                if most_rows is not None and found >= most_rows:
                    self.whole = False
                    break
                self._batches.append(_Batch(offset, length, rows))
                found += rows
            offset += length
        if schema is None:
            raise pa.ArrowInvalid("it contains no schema")
        self._schema = schema

    def _read_joined(self) -> None:
        """Reads all of it, mapped if it is a file: a batch cannot be read without the preceding dictionaries."""
        import pyarrow as pa

        self._data.seek(0)
        path = path_of(self._data)
        whole = pa.memory_map(path) if path is not None else pa.py_buffer(self._data.read())
        try:
            table = pa.ipc.open_stream(whole).read_all()
        except pa.ArrowInvalid:
            if not isinstance(whole, pa.Buffer):
                whole.seek(0)
            table = pa.ipc.open_file(whole).read_all()
        for column in table.columns:
            for chunk in column.chunks:
                _validate(chunk)
        self._schema, self._joined = table.schema, table.to_batches()
        self._batches = [_Batch(0, 0, batch.num_rows) for batch in self._joined]

    def __len__(self) -> int:
        return self._starts[-1]

    def near(self, index: int) -> bool:
        return True

    def row(self, index: int) -> Any:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        while start < stop:
            number = bisect_right(self._starts, start) - 1
            begin, end = self._starts[number], min(stop, self._starts[number + 1])
            yield from rows_of(self._batch(number).slice(start - begin, end - start), start, self._name)
            start = end

    def _batch(self, number: int) -> Any:
        if self._joined is not None:
            return self._joined[number]
        import pyarrow as pa

        with self._lock:
            if self._kept is not None and self._kept[0] == number:
                return self._kept[1]
            offset, size, _ = self._batches[number]
            try:
                if size > MAX_BATCH_BYTES and (path := path_of(self._data)) is not None:
                    mapped = pa.memory_map(path)
                    mapped.seek(offset)
                    buffer = mapped.read_buffer(size)
                else:
                    self._data.seek(offset)
                    buffer = pa.py_buffer(self._data.read(size))
                # Invalid offsets would crash the process; text that is not UTF-8 is handled later.
                pa.ipc.read_record_batch(buffer, _as_bytes(self._schema)).validate(full=True)
                batch = pa.ipc.read_record_batch(buffer, self._schema)
            except damage(OSError) as error:
                raise unreadable(self._name, self._starts[number], error) from error
            self._kept = number, batch
            return batch


def damage(*more: type[BaseException]) -> tuple[type[BaseException], ...]:
    """What Arrow and our reading of its messages raise for a damaged or malicious file.

    OSError is not included if the file may be on the Hub, whose errors are different.
    """
    import pyarrow as pa

    reading = (EOFError, struct.error, LookupError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)
    return (pa.ArrowException, *reading, *more)


def _validate(chunk: Any) -> None:
    """Raises ArrowInvalid for a column that points outside itself; text that is not UTF-8 is handled later."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(chunk.type):
        _validate(chunk.dictionary)
        chunk.indices.validate(full=True)
        bounds = pc.min_max(chunk.indices).as_py()
        if bounds["min"] is not None and not 0 <= bounds["min"] <= bounds["max"] < len(chunk.dictionary):
            raise pa.ArrowInvalid("a value is not in its dictionary")
    elif pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type):
        chunk.cast(_type_as_bytes(chunk.type)).validate(full=True)
    elif pa.types.is_struct(chunk.type):
        chunk.validate()
        for place in range(chunk.type.num_fields):
            _validate(chunk.field(place))
    elif pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type):
        chunk.validate()
        lists = pa.ListArray if pa.types.is_list(chunk.type) else pa.LargeListArray
        lists.from_arrays(chunk.offsets, pa.nulls(len(chunk.values))).validate(full=True)
        _validate(chunk.values)
    else:
        chunk.validate(full=True)


def _as_bytes(schema: Any) -> Any:
    """The schema with bytes instead of text, which have the same layout."""
    import pyarrow as pa

    return pa.schema([field.with_type(_type_as_bytes(field.type)) for field in schema])


def _type_as_bytes(kind: Any) -> Any:
    import pyarrow as pa

    types = pa.types
    if types.is_string(kind):
        return pa.binary()
    if types.is_large_string(kind):
        return pa.large_binary()
    if types.is_string_view(kind):
        return pa.binary_view()
    if types.is_struct(kind):
        return pa.struct([inner.with_type(_type_as_bytes(inner.type)) for inner in kind])
    if types.is_list(kind) or types.is_large_list(kind):
        inner = kind.value_field.with_type(_type_as_bytes(kind.value_type))
        return pa.list_(inner) if types.is_list(kind) else pa.large_list(inner)
    return kind


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


def _message(data: IO[bytes], offset: int, size: int) -> tuple[int, int, int] | None:
    """(kind, bytes with its body, rows) of the message at `offset`; None at the end.

    The format: https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format. Only its head is read.

    Raises:
        struct.error, EOFError, IndexError: not a message.
    """
    data.seek(offset)
    start = data.read(8)
    if len(start) < 8:
        return None
    marker, length = struct.unpack("<Ii", start)
    before = 8
    if marker != 0xFFFFFFFF:  # as written before Arrow 0.15
        length, before = marker, 4
        data.seek(offset + 4)
    if length == 0:
        return None
    if not 0 < length <= min(_MAX_METADATA, size):
        raise EOFError
    meta = data.read(length)
    # Flatbuffers: a table starts with the distance back to the offsets of its fields.
    table = struct.unpack_from("<I", meta)[0]
    kind_at, header_at, body_at = (_field(meta, table, number) for number in (1, 2, 3))
    kind = meta[kind_at] if kind_at else 0
    body = struct.unpack_from("<q", meta, body_at)[0] if body_at else 0
    rows = 0
    if kind == _RECORDS and header_at:
        header = header_at + struct.unpack_from("<I", meta, header_at)[0]
        rows_at = _field(meta, header, 0)
        rows = struct.unpack_from("<q", meta, rows_at)[0] if rows_at else 0
    total = before + length + body
    if body < 0 or rows < 0 or offset + total > size:
        raise EOFError("it is truncated")
    if kind in (_RECORDS, _DICTIONARY) and header_at:
        header = header_at + struct.unpack_from("<I", meta, header_at)[0]
        if kind == _DICTIONARY:  # contains a batch
            inner_at = _field(meta, header, 1)
            header = inner_at + struct.unpack_from("<I", meta, inner_at)[0] if inner_at else 0
        if header and _unpacked_bytes(data, meta, header, offset + before + length) > MAX_UNPACKED_BYTES:
            raise EOFError(f"a batch unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB")
    return kind, total, rows


def _unpacked_bytes(data: IO[bytes], meta: bytes, header: int, body: int) -> int:
    """Unpacked size declared by the buffers of a compressed batch, each in its first 8 bytes; else 0."""
    buffers_at = _field(meta, header, 2)
    if not buffers_at or not _field(meta, header, 3):
        return 0
    vector = buffers_at + struct.unpack_from("<I", meta, buffers_at)[0]
    found = 0
    for place in range(struct.unpack_from("<I", meta, vector)[0]):
        start, length = struct.unpack_from("<qq", meta, vector + 4 + 16 * place)
        if length > 8:
            data.seek(body + start)
            (unpacked,) = struct.unpack("<q", data.read(8))
            found += max(unpacked, 0)  # -1 for one that is not compressed
    return found


def _field(meta: bytes, table: int, number: int) -> int:
    """Position of a field in a flatbuffer table; 0 if absent."""
    fields = table - struct.unpack_from("<i", meta, table)[0]
    slot = 4 + 2 * number
    if fields < 0 or slot >= struct.unpack_from("<H", meta, fields)[0]:
        return 0
    place = struct.unpack_from("<H", meta, fields + slot)[0]
    return table + place if place else 0


# ------------------------------------------------------------------------------------------------------------- Parquet


class ParquetTable:
    """A Parquet file. A row group of up to `MAX_BATCH_BYTES` is decoded whole and kept, a larger one in batches."""

    def __init__(self, data: Any, name: str = "the file", *, buffer_bytes: int = PAGE_BUFFER_BYTES) -> None:
        import pyarrow.parquet

        self._source = pyarrow.OSFile(str(data)) if isinstance(data, str | Path) else data
        self._file = pyarrow.parquet.ParquetFile(self._source, buffer_size=buffer_bytes, pre_buffer=False)
        self._name = name
        self.columns = column_names(self._file.schema_arrow.names)
        metadata = self._file.metadata
        leaves = [metadata.schema.column(number) for number in range(metadata.num_columns)]
        self._nested = [leaf.max_repetition_level > 0 for leaf in leaves]
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        self._sizes = [group.total_byte_size for group in groups]
        self._groups: list[Group] | None = None
        self._steps: dict[tuple[int, int | None], int] = {}
        """Row group and examined pages → rows of it that may be decoded together."""
        self._starts = [0, *accumulate(group.num_rows for group in groups)]
        self._lock = threading.RLock()
        self._loaded: tuple[int, Any] | None = None
        """Number of the first row, and the rows: a whole group, or a batch of a large one."""
        self._going: tuple[int, int, Iterator[Any]] | None = None
        """For a large group: its number, the row after `_loaded`, and the following batches."""

    def __len__(self) -> int:
        return int(self._starts[-1])

    def near(self, index: int) -> bool:
        loaded = self._loaded
        return loaded is not None and loaded[0] <= index < loaded[0] + loaded[1].num_rows

    def row(self, index: int) -> Any:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        while start < stop:
            begin, batch = self._holding(start)
            inside = start - begin
            count = min(stop - start, batch.num_rows - inside)
            yield from rows_of(batch.slice(inside, count), start, self._name)
            start += count

    def _holding(self, index: int) -> tuple[int, Any]:
        """The rows around row `index`, with the number of the first of them."""
        with self._lock:
            if self._loaded is not None and self.near(index):
                return self._loaded
            try:
                return self._load(index)
            except damage(OSError) as error:
                self._going = None
                raise unreadable(self._name, index, error) from error

    def _step(self, group: int, most_pages: int | None = None) -> int:
        """Number of rows of a group that can be decoded together. Raises as `rows_at_once`."""
        key = group, most_pages
        if key not in self._steps:
            if self._groups is None:
                self._groups = read_groups(self._source)
            self._steps[key] = rows_at_once(self._source, self._groups[group], self._nested, most_pages=most_pages)
        return self._steps[key]

    def _load(self, index: int) -> tuple[int, Any]:
        group = bisect_right(self._starts, index) - 1
        begin, end = self._starts[group], self._starts[group + 1]
        self._loaded = None  # otherwise two of them would be in memory
        most = self._step(group)
        if self._sizes[group] <= MAX_BATCH_BYTES and most >= end - begin:
            self._loaded = begin, self._file.read_row_group(group)
            return self._loaded
        if self._going is None or self._going[0] != group or self._going[1] > index:
            step = min(most, slice_rows(self._sizes[group], end - begin))
            self._going = group, begin, self._file.iter_batches(step, row_groups=[group], use_threads=False)
        _, at, batches = self._going
        for batch in batches:
            self._going = group, at + batch.num_rows, batches
            if index < at + batch.num_rows:
                self._loaded = at, batch
                return self._loaded
            at += batch.num_rows
        raise OSError("the group ends before its last row")

    def first(self, rows: int) -> list[Any]:
        """The first rows, without decoding more of the file than they need."""
        found: list[Any] = []
        try:
            for group in range(len(self._sizes)):
                step = min(rows, 64, self._step(group, FIRST_PAGES))
                for batch in self._file.iter_batches(step, row_groups=[group], use_threads=False):
                    found += first_of(rows_of(batch, len(found), self._name), rows - len(found))
                    if len(found) >= rows or sum(map(chars_of, found)) > HEAD_CHARS:
                        return found
        except damage(OSError) as error:
            raise unreadable(self._name, len(found), error) from error
        return found
