"""Rows of Arrow and Parquet files, a bounded number of bytes in memory at a time.

Files are read, not mapped: a mapped file that another program cuts short ends the process. Only a record batch of more
than `MAX_BATCH_BYTES` is mapped, because there is no other way to read a part of it.
"""

from __future__ import annotations

import struct
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import IO, Any, NamedTuple

from smoltui.backends.pair_text import Broken
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

MAX_BATCH_BYTES = 64 << 20
SLICE_BYTES = 4 << 20
"""Bytes of a batch that become Python objects at a time; those take several times as much."""
SLICE_ROWS = 500
PAGE_BUFFER_BYTES = 256 << 10
"""What is read of a Parquet column at a time; its pages are mostly 1 MB."""
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
"""Kinds of messages, Arrow format `Message.fbs`."""
_MAGIC = b"ARROW1"
_MAX_METADATA = 64 << 20


# --------------------------------------------------------------------------------------------------------- Python rows


def rows_of(batch: Any, first_row: int, name: str) -> Iterator[Any]:
    """The rows of a RecordBatch or Table as Python objects. `first_row` is its first one's number, for a sentence."""
    step = slice_rows(batch.nbytes, batch.num_rows)
    for begin in range(0, batch.num_rows, step):
        yield from _pylist(_plain(batch.slice(begin, step)), first_row + begin, name)


def slice_rows(size: int, rows: int) -> int:
    """So many rows make about `SLICE_BYTES` of something of `size` bytes and `rows` rows."""
    return max(1, min(SLICE_ROWS, rows * SLICE_BYTES // max(size, 1)))


def _plain(batch: Any) -> Any:
    """Times of nanoseconds, which only pandas could make objects of, as microseconds."""
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
            rows.append(Broken(f"{name} row {first_row + row + 1} holds text that is not UTF-8: {error.reason}", ""))
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
        """With `most_rows` no more batches are looked for than hold so many rows; `whole` says if that was all.

        Raises:
            PairsError: not an Arrow file, or cut short.
        """
        import pyarrow as pa

        self._data, self._name = data, name
        self._lock = threading.Lock()
        self._kept: tuple[int, Any] | None = None
        self._batches: list[_Batch] = []
        self._joined: list[Any] | None = None
        """The batches themselves, where they share dictionaries."""
        self.whole = True
        try:
            self._find(most_rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, struct.error, EOFError, IndexError) as error:
            raise PairsError(
                f"{name} is not an Arrow file: {safe_line(str(error), 120) or 'it ends too early'}",
                "It may be damaged or cut short.",
            ) from error
        self._starts = [0, *accumulate(batch.rows for batch in self._batches)]
        self.columns = tuple(self._schema.names)

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
                    raise pa.ArrowInvalid("it does not begin with a schema")
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
            raise pa.ArrowInvalid("it holds no schema")
        self._schema = schema

    def _read_joined(self) -> None:
        """All of it, mapped where it is a file: a batch cannot be read without the dictionaries before it."""
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
                batch = pa.ipc.read_record_batch(buffer, self._schema)
            except (pa.ArrowInvalid, OSError) as error:
                raise unreadable(self._name, self._starts[number], error) from error
            self._kept = number, batch
            return batch


def path_of(data: IO[bytes]) -> str | None:
    """Where an open file lies; None for one without a name: temporary, or on the Hub."""
    name = getattr(data, "name", None)
    return name if isinstance(name, str) else None


def unreadable(name: str, row: int, error: Exception) -> PairsError:
    """A file that opened and cannot be read further."""
    return PairsError(
        f"{name} cannot be read from row {row} on: {safe_line(str(error), 120)}",
        "It is damaged, or it changed while it was read.",
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
    # Flatbuffers: a table begins with how far before it the offsets of its fields lie.
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
        raise EOFError("it is cut short")
    return kind, total, rows


def _field(meta: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer table lies; 0 when it has none."""
    fields = table - struct.unpack_from("<i", meta, table)[0]
    slot = 4 + 2 * number
    if fields < 0 or slot >= struct.unpack_from("<H", meta, fields)[0]:
        return 0
    place = struct.unpack_from("<H", meta, fields + slot)[0]
    return table + place if place else 0


# ------------------------------------------------------------------------------------------------------------- Parquet


class ParquetTable:
    """A Parquet file. A row group of up to `MAX_BATCH_BYTES` is decoded at once and kept, a larger one in batches."""

    def __init__(self, data: Any, name: str = "the file", *, buffer_bytes: int = PAGE_BUFFER_BYTES) -> None:
        import pyarrow.parquet

        self._file = pyarrow.parquet.ParquetFile(data, buffer_size=buffer_bytes, pre_buffer=False)
        self._name = name
        self.columns = tuple(self._file.schema_arrow.names)
        metadata = self._file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        self._sizes = [group.total_byte_size for group in groups]
        self._starts = [0, *accumulate(group.num_rows for group in groups)]
        self._lock = threading.RLock()
        self._loaded: tuple[int, Any] | None = None
        """Number of the first row, and the rows: a whole group, or a batch of a large one."""
        self._going: tuple[int, int, Iterator[Any]] | None = None
        """Of a large group its number, the row behind `_loaded`, and the batches that follow."""

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
        import pyarrow as pa

        with self._lock:
            if self._loaded is not None and self.near(index):
                return self._loaded
            try:
                return self._load(index)
            except (pa.ArrowException, OSError) as error:
                self._going = None
                raise unreadable(self._name, index, error) from error

    def _load(self, index: int) -> tuple[int, Any]:
        group = bisect_right(self._starts, index) - 1
        begin, end = self._starts[group], self._starts[group + 1]
        self._loaded = None  # else two of them are in memory
        if self._sizes[group] <= MAX_BATCH_BYTES:
            self._loaded = begin, self._file.read_row_group(group)
            return self._loaded
        if self._going is None or self._going[0] != group or self._going[1] > index:
            step = slice_rows(self._sizes[group], end - begin)
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
        import pyarrow as pa

        found: list[Any] = []
        try:
            for batch in self._file.iter_batches(min(rows, 64), use_threads=False):
                found += list(rows_of(batch, len(found), self._name))
                if len(found) >= rows:
                    break
        except (pa.ArrowException, OSError) as error:
            raise unreadable(self._name, len(found), error) from error
        return found[:rows]
