"""Rows of a data file by number, whatever its format: JSON, JSON lines, CSV, Parquet, Arrow, each also compressed.

Nothing is read whole: rows of text are located by their offsets (`text_tables.py`), those of Arrow and Parquet are read
in batches (`arrow.py`, `parquet.py`). A compressed file is unpacked into a temporary one first.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, Protocol, TypeVar

from smoltui.backends.data_files.arrow import ArrowTable
from smoltui.backends.data_files.arrow_rows import damage, first_of, path_of
from smoltui.backends.data_files.encodings import UTF_8, as_utf8, encoding_note, file_encoding, sample_encoding
from smoltui.backends.data_files.json_documents import LOOK_BYTES, is_document, layout_of_file, rows_of_table
from smoltui.backends.data_files.parquet import ParquetTable
from smoltui.backends.data_files.text import SEPARATORS, Head, no_rows
from smoltui.backends.data_files.text_head import head_of_text
from smoltui.backends.data_files.text_tables import ArrayTable, CsvTable, LinesTable
from smoltui.backends.data_files.unpacking import (
    COMPRESSIONS,
    ZIP,
    compression_of,
    damage_named,
    unpacked,
    unpacking,
    unzipped,
    zip_member,
)
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

TEXT_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
ENDINGS = (*TEXT_ENDINGS, ".parquet", ".arrow", ".feather", ZIP)
READABLE = "JSON, JSONL, CSV, Parquet, Arrow or Feather, also compressed (.gz, .zst, .xz, .bz2, .zip)"
POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file begins with that Git LFS has not fetched yet."""
HEAD_BYTES = 4 << 20
"""Maximum bytes, unpacked, that `head_of` reads of a text file, unless the first row is longer."""


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


class Opened(NamedTuple):
    """One file, opened."""

    table: Table
    notes: tuple[str, ...]
    """What was done to read it, one sentence each."""


def open_table(path: Path) -> Table:
    """The table in one file. Raises: as `open_file`."""
    return open_file(path).table


def open_file(path: Path) -> Opened:
    """The table in one file, and what was done to read it.

    Raises:
        PairsError: unknown extension, empty, or other content; the message names the file, and the line if known.
    """
    name, ending = safe_line(path.name, 80), checked_ending(path.name)
    with _described(path), CloseOnError() as opened:
        data: IO[bytes] = opened.keep(_opened(path))
        refuse_pointer(data.read(len(POINTER)), name)
        data.seek(0)
        if ending == ZIP:
            with data as packed:
                member, data = unzipped(packed, name)
                opened.keep(data)
            ending = _member_ending(member, name)
        elif compression := compression_of(path.name):
            with data as packed:
                data = opened.keep(unpacked(packed, compression, name))
        notes: tuple[str, ...] = ()
        if ending in TEXT_ENDINGS and (encoding := file_encoding(data)) != UTF_8:
            with data as foreign:
                data = opened.keep(as_utf8(foreign, encoding, name))
            notes = (encoding_note(name, encoding),)
        if data.seek(0, 2) == 0:
            raise no_rows(name)
        data.seek(0)
        return Opened(_READERS[ending](data, name), notes)


def refuse_pointer(start: bytes, name: str) -> None:
    """Raises PairsError for what Git LFS leaves in the place of a file."""
    if start.startswith(POINTER):
        raise PairsError(
            f"{name} is a Git LFS pointer: the file itself has not been downloaded.",
            "Fetch it, in its repository: git lfs pull",
        )


def _member_ending(member: str, name: str) -> str:
    """The extension that determines the type of the file in a zip archive. Raises: PairsError: it has no known one."""
    if compression_of(member) or (ending := ending_of(member)) in (None, ZIP):
        raise PairsError(
            f"{name} contains a file that cannot be read from the archive: {safe_line(member, 80)}",
            "Unpack it and open the result.",
        )
    return str(ending)


def head_of(path: Path, rows: int) -> Head:
    """The first `rows` rows of one file, fewer if they are long; only its start is read, except for a .json file that
    is one object, and for a compressed Parquet or Arrow file.

    Raises:
        PairsError: as `open_file`, as far as the start shows.
    """
    name, ending = safe_line(path.name, 80), checked_ending(path.name)
    compression = compression_of(path.name)
    try:
        with _described(path), _opened(path) as data:
            if data.seek(0, 2) == 0:
                raise no_rows(name)
            data.seek(0)
            if ending == ZIP:
                return _head_of_zip(data, name, rows)
            if compression and ending not in TEXT_ENDINGS:  # these are read from their end, or by offsets
                with unpacked(data, compression, name) as plain:
                    return head_of_stream(plain, ending, name, rows, HEAD_BYTES)
            return head_of_stream(data, ending, name, rows, HEAD_BYTES, compression)
    except WholeFileNeededError:
        table, notes = open_file(path)
        first = first_of(table.rows(0, min(rows, len(table))), rows)
        return Head(table.columns, first, len(table) <= len(first), notes)


def _head_of_zip(data: IO[bytes], name: str, rows: int) -> Head:
    with zip_member(data, name) as (member, stream), damage_named(name):
        ending = _member_ending(member, name)
        if ending not in TEXT_ENDINGS or ending == ".json":
            raise WholeFileNeededError
        return head_of_text(stream, ending, name, rows, HEAD_BYTES)


class WholeFileNeededError(Exception):
    """The first rows of a file are only known once all of it is read."""


def head_of_stream(data: IO[bytes], ending: str, name: str, rows: int, most_bytes: int, compression: str = "") -> Head:
    """As `head_of`, from any stream of bytes that can be sought.

    Raises:
        WholeFileNeededError: it is a .json file of one object.
    """
    refuse_pointer(data.read(len(POINTER)), name)
    data.seek(0)
    if ending == ".parquet":
        table = _parquet(data, name)
        first = table.first(rows)
        return Head(table.columns, first, len(table) <= len(first))
    if ending not in TEXT_ENDINGS:
        arrow = _filled(ArrowTable(data, name, most_rows=rows), name)
        first = first_of(arrow.rows(0, min(rows, len(arrow))), rows)
        return Head(arrow.columns, first, arrow.whole and len(arrow) <= len(first))
    if ending == ".json":
        _refuse_document(data, compression, name)
    if not compression:
        return head_of_text(data, ending, name, rows, most_bytes)
    with damage_named(name):
        return head_of_text(unpacking(data, compression), ending, name, rows, most_bytes)


def _refuse_document(data: IO[bytes], compression: str, name: str) -> None:
    """Raises WholeFileNeededError if a .json file may be one object."""
    stream = unpacking(data, compression) if compression else data
    start = b""
    with damage_named(name):
        while len(start) < LOOK_BYTES and (chunk := stream.read(LOOK_BYTES - len(start))):
            start += chunk
    data.seek(0)
    if sample_encoding(start) != UTF_8 or is_document(start, whole=len(start) < LOOK_BYTES):
        raise WholeFileNeededError


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


# ------------------------------------------------------------------------------------------------------------- readers


def _json(data: IO[bytes], name: str) -> Table:
    """An array of rows, one object per line, as in many .json files, or one object that holds the rows."""
    layout = layout_of_file(data)
    if layout == "table":
        with data as table:
            data = rows_of_table(table, name)
    data.seek(0)
    return LinesTable(data, name) if layout == "lines" else ArrayTable(data, name)


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
    ".feather": _arrow,
}
