"""Rows of a data file by number, whatever the file is: JSON, JSON lines, CSV, Parquet, Arrow, each also compressed.

Nothing is read whole: rows of text are found by their offsets (`pair_text.py`), those of Arrow and Parquet in batches
(`pair_arrow.py`). A compressed file is unpacked into a temporary one first.
"""

from __future__ import annotations

import io
import stat
import tempfile
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

from smoltui.backends.data_files.arrow import ArrowTable, ParquetTable, damage, first_of, path_of
from smoltui.backends.data_files.text import (
    BUFFER,
    CHUNK,
    MAX_BLANK_BYTES,
    MAX_ROW_BYTES,
    SEPARATORS,
    ArrayElements,
    CsvRecords,
    column_names,
    csv_row,
    head_of_text,
    is_array,
    json_row,
    no_rows,
    skip_mark,
    too_blank,
)
from smoltui.backends.data_files.text import Broken as Broken
from smoltui.backends.data_files.text import Head as FileHead
from smoltui.core.pairs.mapping import mapped
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
COMPRESSIONS = (".gz", ".zst")
READABLE = "JSON, JSONL, CSV, Parquet or Arrow, also compressed (.gz, .zst)"
HEAD_BYTES = 4 << 20
"""Maximum bytes, unpacked, that `head_of` reads of a text file, unless the first row is longer."""
MAX_WINDOW_BYTES = 128 << 20
"""Window size for Zstandard, which allocates it immediately; `zstd` itself accepts no larger one by default."""
SMALL_BYTES, FOLDED = 256 << 20, 100
"""A compressed file above that size may unpack to this many times its size; text seldom reaches 20."""
BLOCK_BYTES = 4 << 20
"""Bytes of a text file read at a time when rows are read in sequence."""


class Table(Protocol):
    """Rows by number from 0, each a decoded object or `Broken`. Thread-safe."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the file's order; for JSON, those of the first row."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Any:
        """One row; may read from disk, see `near`."""

    def near(self, index: int) -> bool:
        """Whether `row(index)` is fast enough for the UI thread: nothing large is decoded."""

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        """Rows from `start` to before `stop`."""


def ending_of(name: str) -> str | None:
    """The extension that determines the file type, ignoring compression; None for unsupported files."""
    name = name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return next((ending for ending in ENDINGS if name.endswith(ending)), None)


def open_table(path: Path) -> Table:
    """The table in one file.

    Raises:
        PairsError: unknown extension, empty, or other content; the message names the file, and the line if known.
    """
    name, ending = safe_line(path.name, 80), checked_ending(path.name)
    with _told(path), ExitOnError() as opened:
        data: IO[bytes] = opened.keep(_opened(path))
        if path.suffix.lower() in COMPRESSIONS:
            with data as packed:
                data = opened.keep(_unpacked(packed, path.suffix.lower(), name))
        if data.seek(0, 2) == 0:
            raise no_rows(name)
        data.seek(0)
        return _READERS[ending](data, name)


def head_of(path: Path, rows: int) -> FileHead:
    """The first `rows` rows of one file, fewer if they are long; only its start is read.

    Raises:
        PairsError: as `open_table`, as far as the start shows.
    """
    name, ending = safe_line(path.name, 80), checked_ending(path.name)
    compression = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    with _told(path), _opened(path) as data:
        if data.seek(0, 2) == 0:
            raise no_rows(name)
        data.seek(0)
        if compression and ending in (".parquet", ".arrow"):  # these are read from their end, or by offsets
            with _unpacked(data, compression, name) as plain:
                return head_of_stream(plain, ending, name, rows, HEAD_BYTES)
        return head_of_stream(data, ending, name, rows, HEAD_BYTES, compression)


def head_of_stream(
    data: IO[bytes], ending: str, name: str, rows: int, most_bytes: int, compression: str = ""
) -> FileHead:
    """As `head_of`, from any stream of bytes, one that can be sought for Arrow and Parquet."""
    if ending == ".parquet":
        table = _parquet(data, name)
        first = table.first(rows)
        return FileHead(table.columns, first, len(table) <= len(first))
    if ending == ".arrow":
        arrow = _filled(ArrowTable(data, name, most_rows=rows), name)
        first = first_of(arrow.rows(0, min(rows, len(arrow))), rows)
        return FileHead(arrow.columns, first, arrow.whole and len(arrow) <= len(first))
    if not compression:
        return head_of_text(data, ending, name, rows, most_bytes)
    with _damage(name):
        return head_of_text(_unpacking(data, compression), ending, name, rows, most_bytes)


def checked_ending(name: str) -> str:
    """The extension that determines the file type.

    Raises:
        PairsError: it has no known extension.
    """
    ending = ending_of(name)
    if ending is None:
        raise PairsError(
            f"{safe_line(name, 80)} has an unknown extension: {safe_line(Path(name).suffix, 20) or 'none'}",
            f"Readable: {READABLE}.",
        )
    return ending


def _opened(path: Path) -> IO[bytes]:
    """The file, open for reading; never one that would block waiting for a writer.

    Raises:
        PairsError: a pipe, a device, a socket.
        OSError: missing or unreadable.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise PairsError(
            f"Not a regular file but a pipe or device: {safe_line(str(path), 200)}", "Save the pairs in a file."
        )
    return path.open("rb")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = safe_line(path.name, 80)
        said = safe_line(error.strerror or str(error), 120)
        raise PairsError(f"{name} cannot be read: {said}", safe_line(str(path), 400)) from error


class ExitOnError:
    """Closes its resources if the block ends with an error; otherwise they stay open."""

    def __init__(self) -> None:
        self._open: list[IO[bytes]] = []

    def keep(self, data: IO[bytes]) -> IO[bytes]:
        self._open.append(data)
        return data

    def __enter__(self) -> ExitOnError:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for data in self._open:
                data.close()


# -------------------------------------------------------------------------------------------------------- compression


def _unpacked(packed: IO[bytes], compression: str, name: str) -> IO[bytes]:
    """A temporary file with the unpacked bytes, deleted when closed: rows are accessed by offset."""
    plain = tempfile.TemporaryFile(prefix="smoltui-")  # noqa: SIM115  # closed by its reader
    try:
        with _damage(name):
            size = packed.seek(0, 2)
            packed.seek(0)
            _copy(_unpacking(packed, compression), plain, size, name)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def _copy(unpacked: IO[bytes], plain: IO[bytes], packed_bytes: int, name: str) -> None:
    """Raises: PairsError: it unpacks to much more than text does."""
    most = max(SMALL_BYTES, FOLDED * packed_bytes)
    written = 0
    while chunk := unpacked.read(CHUNK):
        written += len(chunk)
        if written > most:
            raise PairsError(
                f"{name} unpacks to more than {most >> 20:,} MB, from {packed_bytes >> 10:,} kB",
                "If that is intended, unpack it and open the result.",
            )
        plain.write(chunk)


def _unpacking(packed: IO[bytes], compression: str) -> IO[bytes]:
    """The bytes as they are unpacked."""
    import gzip

    import zstandard

    stream: Any = (
        gzip.GzipFile(fileobj=packed)
        if compression == ".gz"
        else zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(packed, read_across_frames=True)
    )
    return cast(IO[bytes], stream)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    import gzip
    import zlib

    import zstandard

    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError, zstandard.ZstdError) as error:
        raise PairsError(f"{name} cannot be unpacked: {error}", "The file is damaged or truncated.") from error


# ---------------------------------------------------------------------------------------------------------------- text


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


class TextTable:
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

    def row(self, index: int) -> Any:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        position = start
        while position < stop:  # one read for many rows
            begin = self._starts[position]
            last = min(stop, max(bisect_right(self._starts, begin + BLOCK_BYTES) - 1, position + 1))
            size = self._stop(last - 1) - begin
            # Of a row that is too long, only enough to see that it is.
            yield from self._decoded(position, last, self._read(begin, min(size, BLOCK_BYTES + MAX_ROW_BYTES)), size)
            position = last

    def _decoded(self, start: int, stop: int, block: bytes, size: int) -> Iterator[Any]:
        """Rows `start` up to `stop`, which are in `block`; it is shorter than `size` if the file was truncated."""
        begin = self._starts[start]
        for index in range(start, stop):
            piece = block[self._starts[index] - begin : self._stop(index) - begin]
            if not piece:
                yield Broken(f"{self._place(index)} no longer exists: the file was truncated", "")
            else:
                yield self._decode(index, piece)

    def _decode(self, index: int, piece: bytes) -> Any:
        raise NotImplementedError

    def _place(self, index: int) -> str:
        raise NotImplementedError

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

    def _decode(self, index: int, piece: bytes) -> Any:
        return json_row(piece, partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} line {self._numbers.line(index)}"


def _line_starts(data: IO[bytes], name: str, numbers: LineNumbers) -> tuple[array[int], int]:
    """Offsets of the lines that are not blank, and the file's size in bytes."""
    starts: array[int] = array("Q")
    data.seek(0)
    base = line = skip_mark(io.BufferedReader(_Lent(data)), name)
    data.seek(base)
    blank, number = True, 1
    empty = base
    """Since where there are only blank lines."""
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


class _Lent(io.RawIOBase):
    """A file that a buffered reader reads and does not close."""

    def __init__(self, data: IO[bytes]) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._data.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)


class ArrayTable(TextTable):
    """The elements of a JSON array."""

    def __init__(self, data: IO[bytes], name: str) -> None:
        elements = ArrayElements(io.BufferedReader(_Lent(data), BUFFER), name)
        starts = array("Q", (piece.offset for piece in elements))
        super().__init__(data, name, starts, elements.end)
        if not starts:
            raise no_rows(name)
        self._take_columns()

    def _decode(self, index: int, piece: bytes) -> Any:
        return json_row(piece.rstrip(b" \t\r\n").removesuffix(b","), partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} row {index + 1}"


class CsvTable(TextTable):
    """The records after the header of a table; every value is text."""

    def __init__(self, data: IO[bytes], name: str, separator: str) -> None:
        records = CsvRecords(io.BufferedReader(_Lent(data), BUFFER), name, separator)
        self._separator, self._numbers = separator, LineNumbers()
        starts: array[int] = array("Q")
        for piece in records:
            self._numbers.note(len(starts), piece.number)
            starts.append(piece.offset)
        super().__init__(data, name, starts, records.end)
        self.columns = records.columns
        if not starts:
            raise no_rows(name, records.columns)

    def _decode(self, index: int, piece: bytes) -> Any:
        return csv_row(piece, self.columns, self._separator, partial(self._place, index))

    def _place(self, index: int) -> str:
        return f"{self._name} line {self._numbers.line(index)}"


def _json(data: IO[bytes], name: str) -> Table:
    """An array of rows, or, like many .json files, one object per line."""
    array_of_rows = is_array(io.BufferedReader(_Lent(data)))
    data.seek(0)
    return ArrayTable(data, name) if array_of_rows else LinesTable(data, name)


# ------------------------------------------------------------------------------------------------------- Arrow, Parquet


def _arrow(data: IO[bytes], name: str) -> Table:
    return _filled(ArrowTable(data, name), name)


def _parquet(data: IO[bytes], name: str) -> ParquetTable:
    import pyarrow as pa

    try:
        path = path_of(data)
        table = ParquetTable(pa.OSFile(path) if path is not None else pa.PythonFile(data, "r"), name)
    except damage() as error:
        raise PairsError(
            f"{name} is not a Parquet file: {safe_line(str(error), 120)}", "It may be damaged or truncated."
        ) from error
    return _filled(table, name)


T = TypeVar("T", bound=Table)


def _filled(table: T, name: str) -> T:
    if len(table) == 0:
        raise no_rows(name, table.columns)
    return table


_READERS: dict[str, Callable[[IO[bytes], str], Table]] = {
    ".jsonl": LinesTable,
    ".ndjson": LinesTable,
    ".json": _json,
    **{ending: partial(CsvTable, separator=separator) for ending, separator in SEPARATORS.items()},
    ".parquet": _parquet,
    ".arrow": _arrow,
}


# ----------------------------------------------------------------------------------------------------- tables of tables


class JoinedTable:
    """Several tables as one, in order: the shards of a split."""

    def __init__(self, tables: list[Table]) -> None:
        self._tables = tables
        self._starts = [0, *accumulate(len(table) for table in tables)]
        self.columns: tuple[str, ...] = tables[0].columns

    def __len__(self) -> int:
        return self._starts[-1]

    def _place(self, index: int) -> tuple[Table, int]:
        number = bisect_right(self._starts, index) - 1
        return self._tables[number], index - self._starts[number]

    def near(self, index: int) -> bool:
        table, inside = self._place(index)
        return table.near(inside)

    def row(self, index: int) -> Any:
        table, inside = self._place(index)
        return table.row(inside)

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        for begin, table in zip(self._starts, self._tables, strict=False):
            first, last = max(start - begin, 0), min(stop - begin, len(table))
            if first < last:
                yield from table.rows(first, last)


class MappedTable:
    """Another table with the columns of a pair, as mapped by a person."""

    def __init__(self, table: Table, columns: Mapping[str, str]) -> None:
        self._table, self._columns = table, columns
        self.columns: tuple[str, ...] = table.columns

    def __len__(self) -> int:
        return len(self._table)

    def near(self, index: int) -> bool:
        return self._table.near(index)

    def row(self, index: int) -> Any:
        return self._mapped(self._table.row(index))

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        return map(self._mapped, self._table.rows(start, stop))

    def _mapped(self, row: Any) -> Any:
        return row if isinstance(row, Broken) else mapped(row, self._columns)


class SlicedTable:
    """Rows `start` to before `stop` of another table: a split such as train[:1000]."""

    def __init__(self, table: Table, start: int, stop: int) -> None:
        self._table, self._start, self._stop = table, start, max(start, stop)
        self.columns: tuple[str, ...] = table.columns

    def __len__(self) -> int:
        return self._stop - self._start

    def near(self, index: int) -> bool:
        return self._table.near(self._start + index)

    def row(self, index: int) -> Any:
        return self._table.row(self._start + index)

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        return self._table.rows(self._start + start, self._start + stop)
