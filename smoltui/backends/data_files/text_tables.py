"""Rows by number of JSON lines, JSON arrays and CSV files: each row is read from its offset in the file."""

from __future__ import annotations

import io
import threading
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING

from smoltui.backends.data_files.text import (
    BUFFER,
    CHUNK,
    MAX_BLANK_BYTES,
    MAX_ROW_BYTES,
    ArrayElements,
    Broken,
    CsvRecords,
    column_names,
    csv_row,
    decode_json,
    json_row,
    no_rows,
    skip_mark,
    too_blank,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20
"""Bytes read at a time when rows are read in sequence."""


class LineNumbers:
    """The line of each row, stored only where rows and lines diverge: at blank lines, and rows of several lines."""

    def __init__(self) -> None:
        self._rows: array[int] = array("Q")
        self._ahead: array[int] = array("Q")

    def note(self, row: int, line: int) -> None:
        """Notes that row `row` (from 0) starts in `line` (from 1); rows come in order."""
        if line - row != (self._ahead[-1] if self._ahead else 1):
            self._rows.append(row)
            self._ahead.append(line - row)

    def line(self, row: int) -> int:
        at = bisect_right(self._rows, row) - 1
        return row + (self._ahead[at] if at >= 0 else 1)


class TextTable(ABC):
    """Rows in a text file, accessed by their offsets.

    The file is read, not mapped: truncating a mapped file in another program crashes the process.
    """

    def __init__(self, data: IO[bytes], name: str, starts: array[int], end: int) -> None:
        self.columns: tuple[str, ...] = ()
        self._name = name
        self._data = data
        self._lock = threading.Lock()
        self._starts, self._end = starts, end

    def __len__(self) -> int:
        return len(self._starts)

    def near(self, index: int) -> bool:
        return True

    def row(self, index: int) -> object:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[object]:
        position = start
        while position < stop:  # one read for many rows
            begin = self._starts[position]
            last = min(stop, max(bisect_right(self._starts, begin + BLOCK_BYTES) - 1, position + 1))
            size = self._stop(last - 1) - begin
            # Of a row that is too long, only enough to recognize that.
            yield from self._decoded(position, last, self._read(begin, min(size, BLOCK_BYTES + MAX_ROW_BYTES)), size)
            position = last

    def _decoded(self, start: int, stop: int, block: bytes, size: int) -> Iterator[object]:
        """Rows `start` up to `stop`, which are in `block`; it is shorter than `size` if the file was truncated."""
        begin = self._starts[start]
        ends = [place - begin for place in self._starts[start + 1 : stop]] + [self._stop(stop - 1) - begin]
        at = 0
        for index, end in enumerate(ends, start):
            piece = block[at:end]
            at = end
            if not piece:
                yield Broken(f"{self._place(index)} no longer exists: the file was truncated", "")
            else:
                yield self._decode(index, piece)

    @abstractmethod
    def _decode(self, index: int, piece: bytes) -> object: ...

    @abstractmethod
    def _place(self, index: int) -> str: ...

    def _stop(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else self._end

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._data.seek(start)
            return self._data.read(size)

    def _take_columns(self) -> None:
        first = self.row(0)
        self.columns = column_names(first) if isinstance(first, dict) else ()


class LinesTable(TextTable):
    """One JSON object per line; blank lines are not rows."""

    def __init__(self, data: IO[bytes], name: str) -> None:
        self._numbers = LineNumbers()
        super().__init__(data, name, *_line_starts(data, name, self._numbers))
        if not self._starts:
            raise no_rows(name)
        self._take_columns()

    def _decode(self, index: int, piece: bytes) -> object:
        if len(piece) <= MAX_ROW_BYTES:
            try:  # `suppress` takes as long as decoding a short row
                return decode_json(piece)
            except ValueError:
                pass
        return json_row(piece, partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} line {self._numbers.line(index)}"


def _line_starts(data: IO[bytes], name: str, numbers: LineNumbers) -> tuple[array[int], int]:
    """Offsets of the lines that are not blank, and the file's size in bytes."""
    starts: array[int] = array("Q")
    data.seek(0)
    base = line = skip_mark(io.BufferedReader(Lent(data)))
    data.seek(base)
    blank, number = True, 1
    empty = base
    """Offset from which on there are only blank lines."""
    while chunk := data.read(CHUNK):
        inside = 0
        while True:
            end = chunk.find(b"\n", inside)
            stop = len(chunk) if end < 0 else end
            # Only short pieces are examined: a line of more than 80 spaces is a broken row.
            blank = blank and stop - inside <= 80 and not chunk[inside:stop].strip()
            if end < 0:
                break
            if not blank:
                numbers.note(len(starts), number)
                starts.append(line)
                empty = base + stop
            elif base + stop - empty > MAX_BLANK_BYTES:
                raise too_blank(name, number)
            line, inside, blank = base + end + 1, end + 1, True
            number += 1
        base += len(chunk)
    if not blank:
        numbers.note(len(starts), number)
        starts.append(line)
    return starts, base


class Lent(io.RawIOBase):
    """A file that a buffered reader may read, but does not close."""

    def __init__(self, data: IO[bytes]) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        read = self._data.read(len(view))
        view[: len(read)] = read
        return len(read)


class ArrayTable(TextTable):
    """The elements of a JSON array."""

    def __init__(self, data: IO[bytes], name: str) -> None:
        elements = ArrayElements(io.BufferedReader(Lent(data), BUFFER), name)
        starts = array("Q", (piece.offset for piece in elements))
        super().__init__(data, name, starts, elements.end)
        if not starts:
            raise no_rows(name)
        self._take_columns()

    def _decode(self, index: int, piece: bytes) -> object:
        return json_row(piece.rstrip(b" \t\r\n").removesuffix(b","), partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} row {index + 1}"


class CsvTable(TextTable):
    """The records after the header of a table; every value is text."""

    def __init__(self, data: IO[bytes], name: str, separator: str) -> None:
        records = CsvRecords(io.BufferedReader(Lent(data), BUFFER), name, separator)
        self._separator, self._numbers = records.separator, LineNumbers()
        starts: array[int] = array("Q")
        for piece in records:
            self._numbers.note(len(starts), piece.number)
            starts.append(piece.offset)
        super().__init__(data, name, starts, records.end)
        self.columns = records.columns
        if not starts:
            raise no_rows(name, records.columns)

    def _decode(self, index: int, piece: bytes) -> object:
        return csv_row(piece, self.columns, self._separator, partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} line {self._numbers.line(index)}"
