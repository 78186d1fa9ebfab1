"""Rows of a data file by number, whatever its format: JSON, JSON lines, CSV, Parquet, Arrow, each also compressed.

Nothing is read whole: rows of text are located by their offsets (`text_tables.py`), those of Arrow and Parquet are read
in batches (`arrow.py`, `parquet.py`). A compressed file is unpacked into a temporary one first.
"""

from __future__ import annotations

import io
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Protocol, TypeVar, cast

from smoltui.backends.data_files.arrow import ArrowTable
from smoltui.backends.data_files.arrow_rows import damage, first_of, path_of
from smoltui.backends.data_files.parquet import ParquetTable
from smoltui.backends.data_files.text import CHUNK, SEPARATORS, Head, head_of_text, is_array, no_rows
from smoltui.backends.data_files.text_tables import ArrayTable, CsvTable, Lent, LinesTable
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


class Table(Protocol):
    """Rows by number from 0, each a decoded object or `Broken`. Thread-safe."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the file's order; for JSON, those of the first row."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> object:
        """One row; may read from disk, see `near`."""

    def near(self, index: int) -> bool:
        """Whether `row(index)` is fast enough for the UI thread: nothing large is decoded."""

    def rows(self, start: int, stop: int) -> Iterator[object]:
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
    with _described(path), CloseOnError() as opened:
        data: IO[bytes] = opened.keep(_opened(path))
        if path.suffix.lower() in COMPRESSIONS:
            with data as packed:
                data = opened.keep(_unpacked(packed, path.suffix.lower(), name))
        if data.seek(0, 2) == 0:
            raise no_rows(name)
        data.seek(0)
        return _READERS[ending](data, name)


def head_of(path: Path, rows: int) -> Head:
    """The first `rows` rows of one file, fewer if they are long; only its start is read.

    Raises:
        PairsError: as `open_table`, as far as the start shows.
    """
    name, ending = safe_line(path.name, 80), checked_ending(path.name)
    compression = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    with _described(path), _opened(path) as data:
        if data.seek(0, 2) == 0:
            raise no_rows(name)
        data.seek(0)
        if compression and ending in (".parquet", ".arrow"):  # these are read from their end, or by offsets
            with _unpacked(data, compression, name) as plain:
                return head_of_stream(plain, ending, name, rows, HEAD_BYTES)
        return head_of_stream(data, ending, name, rows, HEAD_BYTES, compression)


def head_of_stream(data: IO[bytes], ending: str, name: str, rows: int, most_bytes: int, compression: str = "") -> Head:
    """As `head_of`, from any stream of bytes, one that can be sought for Arrow and Parquet."""
    if ending == ".parquet":
        table = _parquet(data, name)
        first = table.first(rows)
        return Head(table.columns, first, len(table) <= len(first))
    if ending == ".arrow":
        arrow = _filled(ArrowTable(data, name, most_rows=rows), name)
        first = first_of(arrow.rows(0, min(rows, len(arrow))), rows)
        return Head(arrow.columns, first, arrow.whole and len(arrow) <= len(first))
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
def _described(path: Path) -> Iterator[None]:
    """Turns an OSError into a sentence with the name of the file."""
    try:
        yield
    except OSError as error:
        name = safe_line(path.name, 80)
        said = safe_line(error.strerror or str(error), 120)
        raise PairsError(f"{name} cannot be read: {said}", safe_line(str(path), 400)) from error


class CloseOnError:
    """Closes its resources if the block ends with an error; otherwise they stay open."""

    def __init__(self) -> None:
        self._open: list[IO[bytes]] = []

    def keep(self, data: IO[bytes]) -> IO[bytes]:
        self._open.append(data)
        return data

    def __enter__(self) -> CloseOnError:
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

    if compression == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    return cast(IO[bytes], decompressor.stream_reader(packed, read_across_frames=True))


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turns errors of a damaged compressed file into a sentence."""
    import gzip
    import zlib

    import zstandard

    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError, zstandard.ZstdError) as error:
        raise PairsError(f"{name} cannot be unpacked: {error}", "The file is damaged or truncated.") from error


# ------------------------------------------------------------------------------------------------------------- readers


def _json(data: IO[bytes], name: str) -> Table:
    """An array of rows, or, like many .json files, one object per line."""
    array_of_rows = is_array(io.BufferedReader(Lent(data)))
    data.seek(0)
    return ArrayTable(data, name) if array_of_rows else LinesTable(data, name)


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
