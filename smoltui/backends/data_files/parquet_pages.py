"""The unpacked size of a Parquet file's pages, read from their headers before any of them is unpacked.

The sizes in a file's footer are those of the encoded values: a dictionary of one long text makes a file of a few
kilobytes unpack to gigabytes. So do highly compressed pages, and values with a common prefix (DELTA_BYTE_ARRAY).
The footer is also read here: pyarrow's `RowGroupMetaData.column` crashes the process if it is damaged.
The format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, in Thrift's compact
protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

MAX_PAGES_BYTES = 192 << 20
"""Total of the largest pages of all columns, which are in memory at the same time. Pages are mostly 1 MB; DuckDB
writes up to 100 MB."""
MAX_NESTED_BYTES = 1 << 30
"""Limit for a column of lists that unpacks to `FOLDED` times its size in the file: all of it may be in one row."""
FOLDED = 100
MAX_PAGES = 100_000
"""Limit of the pages of a column in a row group."""
STEP_BYTES = 16 << 20
"""Decoded at a time."""
_HEADER_BYTES = (1 << 12, 1 << 16, 16 << 20)
"""Bytes read for a header; the next size if it is longer, because it contains the minimum and maximum value."""
MAX_FOOTER_BYTES = 16 << 20
_DICTIONARY_PAGE, _BYTE_ARRAY, _DELTA_BYTE_ARRAY = 2, 6, 7
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
"""Parquet's numbers, and Arrow's names."""
_DEEPEST = 12


Fields = dict[int, Any]
"""A Thrift struct: field number → integer, boolean, list or struct; None for what is not needed, such as texts."""


class PagesError(ValueError):
    """Damaged pages, or pages that unpack too far; the message completes a sentence."""


@dataclass(slots=True)
class _Column:
    values: int = 0
    """In all examined pages."""
    largest: int = 0
    """Bytes of the largest page, unpacked."""
    dictionary: int = 0
    """Bytes of the dictionary page, unpacked."""
    longest: int = 8
    """Bytes of the longest value that can be repeated for free."""
    plain: int = 0
    """Bytes of all pages, unpacked."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group, as the footer describes it."""

    kind: int
    """Physical type, `parquet.thrift` Type."""
    encodings: tuple[int, ...]
    codec: int
    values: int
    """In all its pages, nulls included."""
    packed: int
    """Bytes of all its pages in the file."""
    at: int
    """Offset of its first page."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    rows: int
    chunks: tuple[Chunk, ...]


class Source(Protocol):
    """A file to read from, such as `pyarrow.NativeFile`."""

    def size(self) -> int: ...

    def read_at(self, nbytes: int, offset: int) -> bytes: ...


def read_groups(source: Source) -> list[Group]:
    """The row groups of a file.

    Raises:
        PagesError: the footer is damaged.
        OSError: the file cannot be read.
    """
    size = source.size()
    length = int.from_bytes(source.read_at(8, max(size - 8, 0))[:4], "little")
    if not 0 < length <= min(MAX_FOOTER_BYTES, size - 8):
        raise PagesError("its footer is too long")
    data = source.read_at(length, size - 8 - length)
    try:
        footer, _ = _struct(data, 0, _DEEPEST)
        return [
            Group(_whole(group[3]), tuple(_chunk(column[3]) for column in group[1])) for group in footer.get(4) or ()
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise PagesError("its footer is damaged") from error


def _chunk(fields: Fields) -> Chunk:
    at, dictionary = _whole(fields[9]), fields.get(11, 0)
    encodings = tuple(map(_whole, fields[2]))
    start = dictionary if 0 < dictionary < at else at
    return Chunk(_whole(fields[1]), encodings, _whole(fields[4]), _whole(fields[5]), _whole(fields[7]), start)


def rows_at_once(source: Source, group: Group, nested: list[bool], *, most_pages: int | None = None) -> int:
    """Number of rows of a row group that unpack to about `STEP_BYTES`, at least 1.

    `nested` says for each column whether a row can have several of its values. With
    `most_pages`, only that many pages of each column are examined, those that are unpacked for its first rows.

    Raises:
        PagesError: they unpack beyond the limit.
        OSError: the file cannot be read.
    """
    rows, held, per_row = max(group.rows, 1), 0, 0
    if len(nested) != len(group.chunks):
        raise PagesError("its footer is damaged")
    for chunk, lists in zip(group.chunks, nested, strict=True):
        # Arrow looks for missing values forever.
        if chunk.values < group.rows or (chunk.values != group.rows and not lists):
            raise PagesError("its footer is damaged")
        column = _column(source, chunk, most_pages)
        held += column.largest + 2 * column.dictionary
        if held > MAX_PAGES_BYTES:
            raise PagesError(f"its pages unpack to more than {MAX_PAGES_BYTES >> 20} MB")
        unfolded = max(column.values * column.longest, column.plain)
        if lists and unfolded > max(MAX_NESTED_BYTES, FOLDED * column.plain):
            raise PagesError(f"its lists unpack to more than {MAX_NESTED_BYTES >> 20} MB")
        # If not all pages were examined, those that were represent the rows of the whole group.
        per_row += -(-unfolded // min(rows, max(column.values, 1)))
    return int(max(1, min(rows, STEP_BYTES // max(per_row, 1))))


def _column(source: Source, chunk: Chunk, most_pages: int | None) -> _Column:
    column = _Column()
    texts = chunk.kind == _BYTE_ARRAY
    for seen, page in enumerate(_pages(source, chunk)):
        if page.kind == _DICTIONARY_PAGE:
            column.dictionary = page.unpacked
            if page.unpacked > MAX_PAGES_BYTES // 2:
                raise PagesError(f"its pages unpack to more than {MAX_PAGES_BYTES >> 20} MB")
            if texts:
                column.longest = max(column.longest, _longest(source, chunk, page))
        else:
            column.values += page.values
            column.largest = max(column.largest, page.unpacked)
        column.plain += page.unpacked
        if most_pages is not None and seen >= most_pages:
            break
    else:
        if column.values < chunk.values:
            raise PagesError("a column ends before its last value")
    if _DELTA_BYTE_ARRAY in chunk.encodings:
        column.longest = max(column.longest, column.largest)
    return column


@dataclass(frozen=True, slots=True)
class _Page:
    kind: int
    values: int
    body: int
    """Offset of its packed bytes."""
    packed: int
    unpacked: int


def _pages(source: Source, chunk: Chunk) -> Iterator[_Page]:
    at = chunk.at
    end = min(at + chunk.packed, source.size())
    for _ in range(MAX_PAGES):
        if at >= end:
            return
        fields, length = _header(source, at)
        try:
            kind, unpacked, packed = (_whole(fields[number]) for number in (1, 2, 3))
            inner: Fields = next((fields[number] for number in (5, 7, 8) if number in fields), {})
            values = _whole(inner.get(1, 0))
        except (KeyError, AttributeError) as error:
            raise PagesError("a page has no header") from error
        if at + length + packed > end:
            raise PagesError("it ends in the middle of a page")
        yield _Page(kind, values, at + length, packed, unpacked)
        at += length + packed
    raise PagesError(f"a column has more than {MAX_PAGES:,} pages")


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise PagesError("a page has an invalid header")
    return value


def _longest(source: Source, chunk: Chunk, page: _Page) -> int:
    """Bytes of the longest text in a dictionary page, whose values are consecutive, each with its length."""
    import pyarrow as pa

    packed = source.read_at(page.packed, page.body)
    codec = _CODECS.get(chunk.codec)
    if chunk.codec and codec is None:  # with its own framing
        return page.unpacked
    try:
        data = packed if codec is None else pa.decompress(packed, page.unpacked, codec, asbytes=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise PagesError("a page cannot be unpacked") from error
    longest = at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        longest = max(longest, length)
        at += 4 + length
    return min(longest, len(data))


# -------------------------------------------------------------------------------------------- Thrift, compact protocol


def _header(source: Source, at: int) -> tuple[Fields, int]:
    """The fields of the page header at an offset, and its length in bytes."""
    for size in _HEADER_BYTES:
        data = source.read_at(size, at)
        try:
            return _struct(data, 0, _DEEPEST)
        except (IndexError, struct.error):
            if len(data) < size:
                break
    raise PagesError("it ends in the middle of a page")


def _struct(data: bytes, at: int, left: int) -> tuple[Fields, int]:
    if left == 0:
        raise PagesError("a page has an invalid header")
    fields: Fields = {}
    number = 0
    while kind := data[at]:
        at += 1
        if kind >> 4:
            number += kind >> 4
        else:
            number, at = _integer(data, at)
        kind &= 15
        fields[number], at = (kind == 1, at) if kind in (1, 2) else _value(data, at, kind, left)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int, left: int) -> tuple[Any, int]:
    match kind:
        case 1 | 2 | 3:  # a boolean inside a list takes a byte
            data[at]
            return None, at + 1
        case 4 | 5 | 6:
            return _integer(data, at)
        case 7:
            return None, at + 8
        case 8:
            length, at = _plain_integer(data, at)
            return None, at + length
        case 9 | 10:
            count, inner = data[at] >> 4, data[at] & 15
            at += 1
            if count == 15:
                count, at = _plain_integer(data, at)
            values = []
            for _ in range(count):
                value, at = _value(data, at, inner, left)
                values.append(value)
            return values, at
        case 12:
            return _struct(data, at, left - 1)
    raise PagesError("a page has an invalid header")


def _plain_integer(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise PagesError("a page has an invalid header")


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _plain_integer(data, at)
    return (value >> 1) ^ -(value & 1), at
