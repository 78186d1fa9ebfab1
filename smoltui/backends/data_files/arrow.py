"""Rows of Arrow IPC files, one record batch in memory at a time.

Files are read, not mapped: truncating a mapped file in another program crashes the process. Only a record batch of
more than `MAX_BATCH_BYTES` is mapped, because there is no other way to read a part of it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import IO, TYPE_CHECKING, NamedTuple

from smoltui.backends.data_files.arrow_messages import DICTIONARY, RECORDS, SCHEMA, read_message
from smoltui.backends.data_files.arrow_rows import damage, path_of, rows_of, unreadable
from smoltui.backends.data_files.text import column_names
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BATCH_BYTES = 64 << 20
_MAGIC = b"ARROW1"


class _Batch(NamedTuple):
    offset: int
    """Of its message, in bytes."""
    size: int
    """Of the whole message."""
    rows: int


class ArrowTable:
    """Arrow IPC, a stream (as `datasets` writes) or a file. Its batches are located first, and read one by one."""

    def __init__(self, data: IO[bytes], name: str, *, most_rows: int | None = None) -> None:
        """With `most_rows`, the search for batches stops at that many rows; `whole` says if that was all.

        Raises:
            PairsError: not an Arrow file, or truncated.
        """
        self._data, self._name = data, name
        self._lock = threading.Lock()
        self._kept: tuple[int, pa.RecordBatch] | None = None
        self._batches: list[_Batch] = []
        self._joined: list[pa.RecordBatch] | None = None
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
        while message := read_message(self._data, offset, size):
            kind, length, rows = message
            if schema is None:
                if kind != SCHEMA:
                    raise pa.ArrowInvalid("it does not start with a schema")
                self._data.seek(offset)
                schema = pa.ipc.read_schema(pa.py_buffer(self._data.read(length)))
            elif kind == DICTIONARY:
                self._read_joined()
                return
            elif kind == RECORDS:
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

    def row(self, index: int) -> object:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[object]:
        while start < stop:
            number = bisect_right(self._starts, start) - 1
            begin, end = self._starts[number], min(stop, self._starts[number + 1])
            yield from rows_of(self._batch(number).slice(start - begin, end - start), start, self._name)
            start = end

    def _batch(self, number: int) -> pa.RecordBatch:
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


def _validate(chunk: pa.Array) -> None:
    """Raises ArrowInvalid for a column that points outside itself; text that is not UTF-8 is handled later."""
    import pyarrow as pa
    from pyarrow import compute as pc

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


def _as_bytes(schema: pa.Schema) -> pa.Schema:
    """The schema with bytes instead of text, which have the same layout."""
    import pyarrow as pa

    return pa.schema([field.with_type(_type_as_bytes(field.type)) for field in schema])


def _type_as_bytes(kind: pa.DataType) -> pa.DataType:
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
