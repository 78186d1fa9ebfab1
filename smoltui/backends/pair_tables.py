"""Rows of a data file by number, whatever the file is: JSON, JSON lines, CSV, Parquet, Arrow, each also compressed.

Only JSON arrays and CSV are read whole; JSON lines are found by their offsets, Arrow is mapped, Parquet is read one
row group at a time. A compressed file is unpacked into a temporary one first.
"""

from __future__ import annotations

import json
import tempfile
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Protocol

from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
COMPRESSIONS = (".gz", ".zst")
READABLE = "JSON, JSONL, CSV, Parquet or Arrow, also .gz or .zst"


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be decoded, in the place of the row."""

    problem: str
    """One sentence: the line, what was expected, what was found."""
    text: str
    """The line as it is."""


class Table(Protocol):
    """Rows by number from 0, each a decoded object or `Broken`. Threads may read at the same time."""

    columns: tuple[str, ...]
    """Names in the file's order; of JSON those of the first row."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Any:
        """One row; may read from disk, see `near`."""

    def near(self, index: int) -> bool:
        """`row(index)` is quick enough for the UI thread: nothing large is decoded for it."""

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        """Rows from `start` up to, not including, `stop`."""


def ending_of(name: str) -> str | None:
    """The ending that says how a file is read, without a compression's; None for one that cannot be read."""
    name = name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return next((ending for ending in ENDINGS if name.endswith(ending)), None)


def open_table(path: Path) -> Table:
    """The table in one file.

    Raises:
        PairsError: unknown ending, empty, not what the ending says; the message names the file, and the line if known.
    """
    ending = ending_of(path.name)
    name = safe_line(path.name, 80)
    if ending is None:
        raise PairsError(
            f"{name} has an ending that is not known: {safe_line(path.suffix, 20) or 'none'}", f"Readable: {READABLE}."
        )
    try:
        data: IO[bytes] = path.open("rb")
        try:
            if path.suffix.lower() in COMPRESSIONS:
                with data as packed:
                    data = _unpacked(packed, name, gzipped=path.suffix.lower() == ".gz")
            if data.seek(0, 2) == 0:
                raise PairsError(f"{name} is empty.", "Expected rows with chosen and rejected.")
            data.seek(0)
            table = _READERS[ending](data, name)
        except BaseException:
            data.close()
            raise
        if not isinstance(table, LinesTable):
            data.close()
        return table
    except OSError as error:
        raise PairsError(f"{name} cannot be read: {error.strerror or error}", str(path)) from error


def _unpacked(packed: IO[bytes], name: str, *, gzipped: bool) -> IO[bytes]:
    """A temporary file with the unpacked bytes, gone when it is closed: rows are reached by offset."""
    import gzip
    import shutil
    import zlib

    import zstandard

    plain = tempfile.TemporaryFile(prefix="smoltui-")  # noqa: SIM115  # closed by who reads it
    try:
        if gzipped:
            with gzip.open(packed) as stream:
                shutil.copyfileobj(stream, plain, _CHUNK)
        else:
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as frames:
                shutil.copyfileobj(frames, plain, _CHUNK)
    except (gzip.BadGzipFile, zlib.error, EOFError, zstandard.ZstdError) as error:
        plain.close()
        raise PairsError(f"{name} cannot be unpacked: {error}", "The file is damaged or was cut short.") from error
    except BaseException:
        plain.close()
        raise
    return plain


# --------------------------------------------------------------------------------------------------------------- JSON


class LinesTable:
    """One JSON object a line, reached by the offset of its line; blank lines are no rows.

    The file is read, not mapped: a mapped file that another program cuts short ends the process.
    """

    def __init__(self, data: IO[bytes], name: str) -> None:
        self._name = name
        self._data = data
        self._lock = threading.Lock()
        self._starts, self._end = _line_starts(data)
        if not self._starts:
            raise PairsError(f"{name} is empty.", "Expected one JSON object a line, with chosen and rejected.")
        first = self.row(0)
        self.columns = tuple(str(key) for key in first) if isinstance(first, dict) else ()

    def __len__(self) -> int:
        return len(self._starts)

    def near(self, index: int) -> bool:
        return True

    def row(self, index: int) -> Any:
        start = self._starts[index]
        return self._decode(index, self._read(start, self._stop(index)))

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        position = start
        while position < stop:  # one read for many lines
            begin, last = self._starts[position], min(stop, position + 200)
            block = self._read(begin, self._stop(last - 1))
            for index in range(position, last):
                yield self._decode(index, block[self._starts[index] - begin : self._stop(index) - begin])
            position = last

    def _stop(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else self._end

    def _read(self, start: int, stop: int) -> bytes:
        with self._lock:
            self._data.seek(start)
            return self._data.read(stop - start)

    def _decode(self, index: int, line: bytes) -> Any:
        text = line.decode("utf-8", "replace").rstrip("\r\n")  # else an error at the end stands in column 1
        try:
            return json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            where, said = "", "nested too deeply"
            if isinstance(error, json.JSONDecodeError):
                where, said = f", column {error.colno}", error.msg
            number = 1 + sum(block.count(b"\n") for block in self._before(self._starts[index]))
            return Broken(
                f"{self._name} line {number} is not a JSON object ({said}{where}): {safe_line(text.strip(), 60)}", text
            )

    def _before(self, offset: int) -> Iterator[bytes]:
        for begin in range(0, offset, _CHUNK):
            yield self._read(begin, min(begin + _CHUNK, offset))


_CHUNK = 1 << 20


def _line_starts(data: IO[bytes]) -> tuple[array[int], int]:
    """Offsets of the lines that are not blank, and the file's size in bytes."""
    starts: array[int] = array("Q")
    data.seek(0)
    base = line = 3 if data.read(3) == b"\xef\xbb\xbf" else 0
    data.seek(base)
    blank = True
    while chunk := data.read(_CHUNK):
        inside = 0
        while True:
            end = chunk.find(b"\n", inside)
            stop = len(chunk) if end < 0 else end
            # Only short pieces are looked at: a line of more than 80 spaces is a broken row.
            blank = blank and stop - inside <= 80 and not chunk[inside:stop].strip()
            if end < 0:
                break
            if not blank:
                starts.append(line)
            line, inside, blank = base + end + 1, end + 1, True
        base += len(chunk)
    if not blank:
        starts.append(line)
    return starts, base


class ListTable:
    """Rows that were read whole."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self.columns = tuple(str(key) for key in rows[0]) if rows and isinstance(rows[0], dict) else ()

    def __len__(self) -> int:
        return len(self._rows)

    def near(self, index: int) -> bool:
        return True

    def row(self, index: int) -> Any:
        return self._rows[index]

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        return iter(self._rows[start:stop])


def _json(data: IO[bytes], name: str) -> Table:
    """An array of rows, or, as many .json files are, one object a line."""
    head = data.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    data.seek(0)
    if not head.startswith(b"["):
        return LinesTable(data, name)
    text = data.read().decode("utf-8-sig", "replace")
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        said = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        found = text.splitlines()[error.lineno - 1 : error.lineno] if isinstance(error, json.JSONDecodeError) else []
        raise PairsError(
            f"{name}{where} is not valid JSON ({said}): {safe_line(found[0].strip() if found else '', 60)}",
            "Expected an array of objects with chosen and rejected; mend that line.",
        ) from error
    if not rows:
        raise PairsError(f"{name} holds no rows.", "Expected an array of objects with chosen and rejected.")
    return ListTable(rows)


# ---------------------------------------------------------------------------------------------------------- Arrow, CSV


class ArrowTable:
    """A pyarrow.Table in memory or mapped."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.columns = tuple(table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def near(self, index: int) -> bool:
        return True

    def row(self, index: int) -> Any:
        return self._table.slice(index, 1).to_pylist()[0]

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        for begin in range(start, stop, 500):
            yield from self._table.slice(begin, min(500, stop - begin)).to_pylist()


class ParquetTable:
    """A Parquet file, one row group decoded at a time; the last one is kept."""

    def __init__(self, data: Any) -> None:
        import pyarrow.parquet

        self._file = pyarrow.parquet.ParquetFile(data)
        self.columns = tuple(self._file.schema_arrow.names)
        metadata = self._file.metadata
        self._starts = [0, *accumulate(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))]
        self._lock = threading.Lock()
        self._loaded: tuple[int, Any] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def near(self, index: int) -> bool:
        return self._loaded is not None and self._loaded[0] == self._group_of(index)

    def row(self, index: int) -> Any:
        group = self._group_of(index)
        loaded = self._loaded
        if loaded is None or loaded[0] != group:
            with self._lock:
                loaded = self._loaded = (group, self._file.read_row_group(group))
        return loaded[1].slice(index - self._starts[group], 1).to_pylist()[0]

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        position = start
        while position < stop:
            group = self._group_of(position)
            with self._lock:
                table = self._file.read_row_group(group)
            last = min(stop, self._starts[group + 1])
            yield from ArrowTable(table).rows(position - self._starts[group], last - self._starts[group])
            position = last

    def _group_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1


class JoinedTable:
    """Several tables as one, in order: the shards of a split."""

    def __init__(self, tables: list[Table]) -> None:
        self._tables = tables
        self._starts = [0, *accumulate(len(table) for table in tables)]
        self.columns = tables[0].columns

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


class SlicedTable:
    """Rows `start` up to `stop` of another table: a split such as train[:1000]."""

    def __init__(self, table: Table, start: int, stop: int) -> None:
        self._table, self._start, self._stop = table, start, max(start, stop)
        self.columns = table.columns

    def __len__(self) -> int:
        return self._stop - self._start

    def near(self, index: int) -> bool:
        return self._table.near(self._start + index)

    def row(self, index: int) -> Any:
        return self._table.row(self._start + index)

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        return self._table.rows(self._start + start, self._start + stop)


def _csv(separator: str) -> Callable[[IO[bytes], str], Table]:
    def read(data: IO[bytes], name: str) -> Table:
        import csv
        import io

        import pyarrow
        import pyarrow.csv

        head = io.TextIOWrapper(io.BytesIO(data.read(1 << 16)), encoding="utf-8-sig", errors="replace", newline="")
        columns = next(csv.reader(head, delimiter=separator), [])
        data.seek(0)
        try:
            table = pyarrow.csv.read_csv(
                data,
                read_options=pyarrow.csv.ReadOptions(block_size=16 << 20),
                parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
                # Numbers stay text: an answer "42" is an answer.
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={column: pyarrow.string() for column in columns}, strings_can_be_null=False
                ),
            )
        except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError) as error:
            raise PairsError(
                f"{name} cannot be read as a table: {safe_line(str(error), 200)}",
                "Expected one header line and the same number of columns in every row.",
            ) from error
        return _filled(ArrowTable(table), name)

    return read


def _arrow(data: IO[bytes], name: str) -> Table:
    """Arrow IPC as `datasets` writes it (a stream) or as a file, mapped where the system can."""
    import pyarrow

    try:
        source = pyarrow.memory_map(data.name) if isinstance(data.name, str) else pyarrow.py_buffer(data.read())
        try:
            table = pyarrow.ipc.open_stream(source).read_all()
        except pyarrow.ArrowInvalid:
            if not isinstance(source, pyarrow.Buffer):
                source.seek(0)
            table = pyarrow.ipc.open_file(source).read_all()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise PairsError(f"{name} is not an Arrow file: {safe_line(str(error), 120)}", "It may be damaged.") from error
    return _filled(ArrowTable(table), name)


def _parquet(data: IO[bytes], name: str) -> Table:
    import pyarrow

    try:
        table = ParquetTable(
            pyarrow.OSFile(data.name) if isinstance(data.name, str) else pyarrow.BufferReader(data.read())
        )
    except pyarrow.ArrowInvalid as error:
        raise PairsError(
            f"{name} is not a Parquet file: {safe_line(str(error), 120)}", "It may be damaged or cut short."
        ) from error
    return _filled(table, name)


def _filled(table: Table, name: str) -> Table:
    if len(table) == 0:
        raise PairsError(f"{name} holds no rows.", f"Its columns: {safe_line(', '.join(table.columns), 200)}.")
    return table


_READERS: dict[str, Callable[[IO[bytes], str], Table]] = {
    ".jsonl": LinesTable,
    ".ndjson": LinesTable,
    ".json": _json,
    ".csv": _csv(","),
    ".tsv": _csv("\t"),
    ".parquet": _parquet,
    ".arrow": _arrow,
}
