"""JSON lines, JSON arrays and CSV, read from the start in memory that does not grow with the file.

This module works on any stream of bytes: a file, one being unpacked, or one on the Hub. `text_tables.py` keeps the
resulting offsets, so that rows are accessed by number; `text_head.py` stops after the first rows. The bytes are UTF-8:
`encodings.py` makes them so. A row with a byte that is not UTF-8 is unreadable.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import orjson

from smoltui.backends.data_files.csv_dialect import dialect_of
from smoltui.core.foreign import foreign_json
from smoltui.core.pairs.facts import sound
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

MAX_ROW_BYTES = 6 << 20
"""A longer row is shown as unreadable: no pair is that long, and decoding takes many times its size (four
bytes per character if one of them is an emoji, and several copies while it is examined)."""
MAX_ROW_PARTS = 300_000
"""Values in a row of JSON, likewise."""
CHUNK = 1 << 20
"""Bytes of a file read at a time."""
BUFFER = 1 << 20
"""Bytes read at a time from the start of a stream; on the Hub, the size of one request."""
DIALECT_BYTES = 64 << 10
"""Bytes of a table that show its dialect."""
SEPARATORS = {".csv": ",", ".tsv": "\t"}
MAX_COLUMNS = 10_000
MAX_BLANK_BYTES = 256 << 10
"""Limit of consecutive blank lines: a small packed file may contain any number of them."""
_KEPT_CHARS = 10_000
"""Stored characters of a row that is too long."""
BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""
_SPACE = re.compile(r"[ \t\r\n]*")
_OF_LINES = "Expected one JSON object per line, with chosen and rejected."
_OF_ARRAY = "Expected an array of objects with chosen and rejected; fix that line."
_OF_CSV = "Expected a header line and the same number of columns in every row."


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be decoded, in the place of the row."""

    problem: str
    """One sentence: the line, what was expected, what was found."""
    text: str
    """The unchanged line."""


class EmptyFileError(PairsError):
    """A file without rows: an error, unless other files of the split have some."""


class Piece(NamedTuple):
    """One row as in the file."""

    offset: int
    """Bytes from the start of the file."""
    number: int
    """Its first line, from 1; for an array, the element, from 1."""
    data: bytes
    """For a row longer than `MAX_ROW_BYTES`, only its start."""


class Head(NamedTuple):
    """The start of one file."""

    columns: tuple[str, ...]
    rows: list[object]
    """Decoded, or `Broken`."""
    whole: bool
    """These are all its rows."""
    notes: tuple[str, ...] = ()
    """What was done to read it, one sentence each."""


# ---------------------------------------------------------------------------------------------------------------- rows


def decode_json(line: bytes) -> object:
    """The value of one line or element, as `json.loads` reads it.

    orjson takes a third of the time but rejects what json accepts (NaN, lone surrogates, invalid UTF-8), and turns
    integers beyond 64 bits into floats.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deeply, or too many values.
    """
    if len(line) > 2 * MAX_ROW_PARTS:  # the shortest values take two bytes
        foreign_json.check_size(line, MAX_ROW_BYTES, MAX_ROW_PARTS)
    try:
        row: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return foreign_json.decode(_text(line))
    if type(row) is dict and set(map(type, row.values())) == {str}:
        return row
    parts = line.count(b"{") + line.count(b"[")
    if (parts <= _FEW_PARTS or _LONG_NUMBER in line.translate(_DIGITS)) and _has_huge(row):
        return foreign_json.decode(_text(line))
    if parts > foreign_json.DEEPEST:
        foreign_json.check_depth(row)
    return row


_FEW_PARTS = 4
"""Objects and lists of a row that are quickly looked through."""
_DIGITS = bytes(0x30 if chr(byte).isdecimal() and byte < 128 else 0x20 for byte in range(256))
"""Every digit as 0, anything else as a blank."""
_LONG_NUMBER = b"0" * 19
"""The digits of a whole number beyond 63 bits."""


def _text(line: bytes) -> str:
    """Raises: UnicodeDecodeError."""
    return line.decode("utf-8").rstrip("\r\n")  # otherwise an error at the end would be in column 1


def shown_text(line: bytes) -> str:
    """A line as text to show: bytes that are not UTF-8 as \\xdf."""
    return line.decode("utf-8", "backslashreplace").rstrip("\r\n")


def undecodable(data: bytes, error: UnicodeDecodeError, place: str) -> Broken:
    """The row with a byte that is not UTF-8."""
    return Broken(
        f"{place} contains a byte that is not UTF-8: 0x{error.object[error.start]:02X}, byte {error.start + 1:,} of it",
        shown_text(data),
    )


def _has_huge(value: object, left: int = foreign_json.DEEPEST) -> bool:
    """Whether it has a number so large that it may have been an integer.

    Raises:
        JSONLimitError: objects and arrays are nested more than `left` deep.
    """
    if left < 0:
        raise foreign_json.too_deep()
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,):
        if isinstance(item, float):
            if not -(2.0**63) < item < 2.0**63:
                return True
        elif isinstance(item, _CONTAINERS) and _has_huge(item, left - 1):
            return True
    return False


_CONTAINERS = (dict, list)


def column_names(names: Iterable[object]) -> tuple[str, ...]:
    """Column names as text.

    Raises:
        PairsError: a name contains half a character (a lone surrogate), which no file and no terminal accepts.
    """
    found = tuple(str(name) for name in names)
    for name in found:
        if sound(name) != name:
            raise PairsError(
                f"A column name contains half a character: {safe_line(name, 60)}", "Rename the column in the file."
            )
    return found


def json_row(data: bytes, place: Callable[[], str]) -> object:
    """The row, or a `Broken` with its location (`place`: pairs.jsonl line 5) and the problem."""
    if len(data) > MAX_ROW_BYTES:
        return too_long(data, place())
    try:
        return decode_json(data)
    except UnicodeDecodeError as error:
        return undecodable(data, error, place())
    except ValueError as error:
        where, said = "", safe_line(str(error), 100)
        if isinstance(error, json.JSONDecodeError):
            where, said = f", column {error.colno}", error.msg
        text = shown_text(data)
        return Broken(f"{place()} is not a JSON object ({said}{where}): {safe_line(text.strip(), 60)}", text)


def too_long(data: bytes, place: str) -> Broken:
    text = shown_text(data[:_KEPT_CHARS])
    return Broken(f"{place} is longer than {MAX_ROW_BYTES >> 20} MB: {safe_line(text.strip(), 60)}", text)


# --------------------------------------------------------------------------------------------------------------- lines


def skip_mark(stream: io.BufferedReader) -> int:
    """Skips a byte order mark; returns the offset after it."""
    return len(stream.read(3)) if stream.peek(3)[:3] == BOM else 0


def lines_of(stream: io.BufferedReader, name: str) -> Iterator[Piece]:
    """The lines that are not blank."""
    offset, number, empty = skip_mark(stream), 0, 0
    while line := stream.readline(MAX_ROW_BYTES + 1):
        number += 1
        empty += len(line)
        if len(line) > 80 or line.strip():
            empty = 0
            yield Piece(offset, number, line)
        elif empty > MAX_BLANK_BYTES:
            raise too_blank(name, number)
        offset += len(line) + _skip_rest(stream, line)


def too_blank(name: str, line: int) -> PairsError:
    """The error for a file with only blank lines for `MAX_BLANK_BYTES`."""
    return PairsError(
        f"{name} has only blank lines for {MAX_BLANK_BYTES >> 10} kB, up to line {line:,}.", "The file may be damaged."
    )


def _skip_rest(stream: io.BufferedReader, line: bytes) -> int:
    """Skips the rest of a partially read line; returns its number of bytes."""
    skipped = 0
    if len(line) > MAX_ROW_BYTES:
        while not line.endswith(b"\n") and (line := stream.readline(CHUNK)):
            skipped += len(line)
    return skipped


# --------------------------------------------------------------------------------------------------------------- array


class ArrayElements:
    """The elements of a JSON array in sequence, through a window on the file.

    The array may be in an object, as in {"version": 1, "data": [{…}, …]}: the first list of objects in it.

    The window is read as Latin-1, so a position in it is a byte offset; JSON's own signs are ASCII, and the content of
    strings does not matter here. `end` is the offset of the closing bracket once all have been yielded.
    """

    def __init__(self, stream: io.BufferedReader, name: str) -> None:
        self.end = 0
        self._stream, self._name = stream, name
        self._base = skip_mark(stream)
        self._line = 1
        """Line of the window's first character."""
        self._window, self._at, self._ended = "", 0, False

    def __iter__(self) -> Iterator[Piece]:
        """Raises: PairsError: not an array of JSON values, with the line."""
        # Numbers are not examined: one of 5,000 digits is a problem of its row.
        decode = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len).raw_decode
        wrapped = self._next() == "{"
        if wrapped:
            self._at += 1
            if not self._find_list(decode):
                raise self._wrong("no list of objects in it", self._at)
        elif self._next() != "[":
            raise self._wrong("Expecting value", self._at)
        else:
            self._at += 1
        number = 0
        if self._next() != "]":
            while True:
                self._next()
                end = self._value_end(decode)
                start, self._at, number = self._at, end, number + 1
                yield Piece(self._base + start, number, self._window[start:end].encode("latin-1"))
                sign = self._next()
                if sign == "]":
                    break
                if sign != ",":
                    raise self._wrong("Expecting ',' delimiter", self._at)
                self._at += 1
        self.end = self._base + self._at
        self._at += 1
        if wrapped and self._next() == ",":
            self._at += 1
            if self._find_list(decode):
                raise self._wrong("several lists of objects in it", self._at)
        elif wrapped:
            self._sign("}")
        if self._next():
            raise self._wrong("Extra data", self._at)

    def _find_list(self, decode: Callable[[str, int], tuple[object, int]]) -> bool:
        """Goes to the first element of the next list of objects in an object; False at the object's end."""
        while self._next() == '"':
            self._at = self._value_end(decode)
            self._sign(":")
            if self._next() != "[":
                self._at = self._value_end(decode)
            elif self._is_list_of_objects(decode):
                return True
            if self._next() != ",":
                break
            self._at += 1
        self._sign("}")
        return False

    def _is_list_of_objects(self, decode: Callable[[str, int], tuple[object, int]]) -> bool:
        """Goes into the list, to its first element if that is an object; otherwise behind the list."""
        self._sign("[")
        if self._next() == "{":
            return True
        while self._next() != "]":
            self._at = self._value_end(decode)
            if self._next() == ",":
                self._at += 1
        self._at += 1
        return False

    def _sign(self, sign: str) -> None:
        """Raises: PairsError: the next sign is another one."""
        if self._next() != sign:
            raise self._wrong(f"Expecting '{sign}' delimiter", self._at)
        self._at += 1

    def _next(self) -> str:
        """The next non-space character, which is then at `_at`; empty at the end."""
        while True:
            found = _SPACE.match(self._window, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if self._ended:
                return ""
            self._fill()

    def _fill(self) -> None:
        """Reads more of the file; what precedes `_at` is dropped."""
        self._line += self._window.count("\n", 0, self._at)
        self._base += self._at
        rest = self._window[self._at :]
        chunk = self._stream.read(max(CHUNK, len(rest)))
        self._ended = not chunk
        self._window, self._at = rest + chunk.decode("latin-1"), 0

    def _value_end(self, decode: Callable[[str, int], tuple[object, int]]) -> int:
        while True:
            try:
                end = decode(self._window, self._at)[1]
                if end < len(self._window) or self._ended:
                    return end
            except json.JSONDecodeError as error:
                if self._ended or not self._cut(error):
                    raise self._wrong(error.msg, error.pos) from error
            except RecursionError as error:
                raise self._wrong("nested too deeply", self._at) from error
            if len(self._window) - self._at > MAX_ROW_BYTES:
                raise self._wrong(f"a row of more than {MAX_ROW_BYTES >> 20} MB", self._at)
            self._fill()

    def _cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the window's end may have cut the value. The longest unit is an escaped surrogate pair."""
        return error.msg.startswith("Unterminated string") or len(self._window[error.pos :].strip()) <= 12

    def _wrong(self, said: str, at: int) -> PairsError:
        line = self._line + self._window.count("\n", 0, at)
        start = self._window.rfind("\n", 0, at) + 1
        found = self._window[start : start + 400].split("\n")[0].encode("latin-1").decode("utf-8", "backslashreplace")
        return PairsError(
            f"{self._name} line {line} is not valid JSON ({said}): {safe_line(found.strip(), 60)}", _OF_ARRAY
        )


# ----------------------------------------------------------------------------------------------------------------- CSV


class CsvRecords:
    """The records of a table in sequence; `columns` is available from the start. A record can span lines.

    Records end where the csv module ends them: a quote opens only at the start of a field. One not closed before
    the end of the file, or within `MAX_ROW_BYTES`, counts only for its line, so that later rows can be read.
    """

    def __init__(self, stream: io.BufferedReader, name: str, usual: str) -> None:
        """`usual`: the separator that the file's extension promises.

        Raises:
            PairsError: no header.
        """
        self._base = skip_mark(stream)
        """Offset of the window."""
        self._window = stream.read(DIALECT_BYTES)
        dialect = dialect_of(self._window, usual)
        self.separator, self._name = dialect.separator, name
        self._stream, self._record = stream, _record_pattern(dialect.separator)
        self._at, self._ended = dialect.skipped, False
        self._line = 2 if dialect.skipped else 1
        """Of the next record."""
        self.end = 0
        """Offset of the end of the file, once all records have been yielded."""
        header = next(iter(self), None)
        if header is None:
            raise no_rows(name)
        try:
            fields = csv_fields(header.data, self.separator)
        except UnicodeDecodeError:
            fields = None
        if fields is None or len(header.data) > MAX_ROW_BYTES:
            raise PairsError(f"{name} cannot be read as a table: its first line is not a header.", _OF_CSV)
        if len(fields) > MAX_COLUMNS:
            raise PairsError(f"{name} has more than {MAX_COLUMNS:,} columns.", _OF_CSV)
        self.columns = tuple(field.strip() for field in fields)

    def __iter__(self) -> Iterator[Piece]:
        empty = 0
        while (end := self._end_of_record()) > self._at:
            piece = Piece(self._base + self._at, self._line, self._window[self._at : end])
            self._line += piece.data.count(b"\n")
            self._at = end
            if len(piece.data) > MAX_ROW_BYTES and not piece.data.endswith(b"\n"):
                self._skip_line()
            if len(piece.data) > 2 or piece.data.strip(b"\r\n"):
                empty = 0
                yield piece
            elif (empty := empty + len(piece.data)) > MAX_BLANK_BYTES:
                raise too_blank(self._name, piece.number)
        self.end = self._base + self._at

    def _end_of_record(self) -> int:
        while True:
            if match := self._record.match(self._window, self._at):
                return match.end()
            if self._ended or len(self._window) - self._at > MAX_ROW_BYTES:
                rest = self._window[self._at :]
                if self._ended and self._record.fullmatch(rest + b"\n"):
                    return len(self._window)
                return self._at + (rest.find(b"\n") + 1 or len(rest))
            rest = self._window[self._at :]
            self._base += self._at
            chunk = self._stream.read(max(CHUNK, len(rest)))
            self._window, self._at, self._ended = rest + chunk, 0, not chunk

    def _skip_line(self) -> None:
        """Skips the rest of a line whose start exceeds the limit of a row."""
        self._base += self._at
        self._window, self._at = b"", 0
        while line := self._stream.readline(CHUNK):
            self._base += len(line)
            if line.endswith(b"\n"):
                self._line += 1
                return
        self._ended = True


@cache
def _record_pattern(separator: str) -> re.Pattern[bytes]:
    field = r'(?:"[^"]*+(?:""[^"]*+)*+"[^S\n]*+|[^"S\n][^S\n]*+|)'
    return re.compile(rf"{field}(?:S{field})*+\n".replace("S", re.escape(separator)).encode())


@cache
def _field_pattern(separator: str) -> re.Pattern[str]:
    """Pattern of a common field and the separator: (all of it, quoted content, unquoted content)."""
    return re.compile(r'((?:"([^"]*+(?:""[^"]*+)*+)"|([^"S\r\n][^S\r\n]*+|))S)'.replace("S", re.escape(separator)))


def csv_fields(data: bytes, separator: str) -> list[str] | None:
    """The fields of one record; None if they cannot be separated.

    Common forms are parsed here, in a fifth of the csv module's time for long texts.

    Raises:
        UnicodeDecodeError: not UTF-8.
    """
    text = data.decode("utf-8").rstrip("\r\n")
    if '"' not in text and "\r" not in text:
        return text.split(separator)
    found = _field_pattern(separator).findall(text + separator)
    if sum(len(whole) for whole, _, _ in found) == len(text) + 1:
        return [quoted.replace('""', '"') if quoted else alone for _, quoted, alone in found]
    csv.field_size_limit(MAX_ROW_BYTES)
    try:
        rows = [fields for fields in csv.reader(io.StringIO(text, newline="\n"), delimiter=separator) if fields]
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def csv_row(data: bytes, columns: tuple[str, ...], separator: str, place: Callable[[], str]) -> object:
    """The row, or a `Broken` that names the line."""
    if len(data) > MAX_ROW_BYTES:
        return too_long(data, place())
    try:
        fields = csv_fields(data, separator)
    except UnicodeDecodeError as error:
        return undecodable(data, error, place())
    if fields is not None and len(fields) == len(columns):
        return dict(zip(columns, fields, strict=True))
    text = shown_text(data)
    said = "is not a row of the table" if fields is None else f"has {len(fields)} columns instead of {len(columns)}"
    return Broken(f"{place()} {said}: {safe_line(text.strip(), 60)}", text)


def no_rows(name: str, columns: tuple[str, ...] = ()) -> EmptyFileError:
    """The error for a file without rows."""
    if columns:
        return EmptyFileError(f"{name} has no rows.", f"Its columns: {safe_line(', '.join(columns), 200)}.")
    return EmptyFileError(f"{name} is empty or has no rows.", _OF_LINES)
