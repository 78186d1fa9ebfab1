"""The messages of an Arrow IPC stream: their kind, size and rows, read before any of them is unpacked.

A message consists of metadata, a flatbuffer, and a body: Arrow's documentation, "Encapsulated message format" in
https://arrow.apache.org/docs/format/Columnar.html. The fields are numbered in its `Message.fbs`.
"""

from __future__ import annotations

import struct
from typing import IO, NamedTuple

SCHEMA, DICTIONARY, RECORDS = 1, 2, 3
"""Kinds of messages."""
MAX_UNPACKED_BYTES = 192 << 20
"""Limit of a batch with compressed buffers, which is in memory as a whole."""
_MAX_METADATA = 64 << 20
_CONTINUATION = 0xFFFFFFFF


class Message(NamedTuple):
    """What the metadata of a message says."""

    kind: int
    size: int
    """Bytes of all of it, with its body."""
    rows: int
    """Of a record batch; 0 for other kinds."""


def read_message(data: IO[bytes], offset: int, end: int) -> Message | None:
    """The message at `offset`; None at the end of the stream. `end`: bytes of the file.

    Raises:
        struct.error, EOFError, IndexError: not a message, truncated, or a batch that unpacks beyond the limit.
    """
    found = _metadata(data, offset, end)
    if found is None:
        return None
    meta, body_at = found
    root = _Table(meta, struct.unpack_from("<I", meta)[0])
    kind, header, body_size = root.number(1, "<B"), root.table(2), root.number(3, "<q")
    rows = header.number(0, "<q") if kind == RECORDS and header is not None else 0
    if body_size < 0 or rows < 0 or body_at + body_size > end:
        raise EOFError("it is truncated")
    batch = _batch_of(kind, header)
    if batch is not None and _unpacked_bytes(data, batch, body_at) > MAX_UNPACKED_BYTES:
        raise EOFError(f"a batch unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB")
    return Message(kind, body_at + body_size - offset, rows)


def _batch_of(kind: int, header: _Table | None) -> _Table | None:
    """The description of a record batch, which a dictionary contains too; None for other messages."""
    if header is None or kind not in (RECORDS, DICTIONARY):
        return None
    return header.table(1) if kind == DICTIONARY else header


def _metadata(data: IO[bytes], offset: int, end: int) -> tuple[bytes, int] | None:
    """The metadata of the message at `offset`, and the offset of its body; None at the end of the stream."""
    data.seek(offset)
    start = data.read(8)
    if len(start) < 8:
        return None
    marker, length = struct.unpack("<Ii", start)
    before = 8
    if marker != _CONTINUATION:  # as written before Arrow 0.15
        length, before = marker, 4
        data.seek(offset + 4)
    if length == 0:
        return None
    if not 0 < length <= min(_MAX_METADATA, end):
        raise EOFError
    return data.read(length), offset + before + length


def _unpacked_bytes(data: IO[bytes], batch: _Table, body_at: int) -> int:
    """Unpacked size declared by the buffers of a compressed batch, each in its first 8 bytes; else 0."""
    buffers_at = batch.at(2)
    if not buffers_at or not batch.at(3):
        return 0
    vector = buffers_at + struct.unpack_from("<I", batch.data, buffers_at)[0]
    found = 0
    for place in range(struct.unpack_from("<I", batch.data, vector)[0]):
        start, length = struct.unpack_from("<qq", batch.data, vector + 4 + 16 * place)
        if length > 8:
            data.seek(body_at + start)
            (unpacked,) = struct.unpack("<q", data.read(8))
            found += max(unpacked, 0)  # -1 for one that is not compressed
    return found


class _Table(NamedTuple):
    """A table of a flatbuffer. It starts with the distance back to the offsets of its fields."""

    data: bytes
    start: int

    def at(self, field: int) -> int:
        """Position of a field; 0 if absent."""
        offsets = self.start - int(struct.unpack_from("<i", self.data, self.start)[0])
        slot = 4 + 2 * field
        if offsets < 0 or slot >= struct.unpack_from("<H", self.data, offsets)[0]:
            return 0
        distance = int(struct.unpack_from("<H", self.data, offsets + slot)[0])
        return self.start + distance if distance else 0

    def number(self, field: int, form: str) -> int:
        """A number in the given `struct` format; 0 if absent."""
        at = self.at(field)
        return int(struct.unpack_from(form, self.data, at)[0]) if at else 0

    def table(self, field: int) -> _Table | None:
        """A table that a field refers to; None if absent."""
        at = self.at(field)
        return _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) if at else None
