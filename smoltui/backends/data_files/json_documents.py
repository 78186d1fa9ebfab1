"""A .json file that is one object: {"data": [row, …]}, columns of values, or as pandas writes a table.

{"prompt": ["…", …], "chosen": ["…", …], …}                       columns
{"prompt": {"0": "…", …}, "chosen": {"0": "…", …}, …}             pandas, orient="columns"
{"0": {"prompt": "…", …}, …}                                      pandas, orient="index"
{"columns": ["prompt", …], "index": [0, …], "data": [["…", …]]}   pandas, orient="split"
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from typing import IO, Literal, cast

import orjson

from smoltui.backends.data_files.text import BOM
from smoltui.core.foreign import foreign_json
from smoltui.errors import PairsError
from smoltui.scripts.pair_columns import layout_of

LOOK_BYTES = 1 << 20
"""Bytes of a file that show whether it is a list, lines, or one object."""
Layout = Literal["lines", "array", "wrapped", "table"]
"""One object per line; a list of objects; an object with such a list; or a table turned to columns or the like."""
_ROLE_KEYS = ("role", "from", "content", "value")


def is_document(start: bytes, *, whole: bool) -> bool:
    """Whether a .json file that begins like this may be a single object, which is only known once all of it is read.

    `whole`: `start` is all of it.
    """
    text = start.removeprefix(BOM).lstrip()
    if not text.startswith(b"{"):
        return False
    line, newline, rest = text.partition(b"\n")
    if not newline and not whole:
        return True
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.strip() == b"{" or line.rstrip().endswith((b"{", b"[", b","))
    return not rest.strip()


def layout_of_file(data: IO[bytes]) -> Layout:
    """How a .json file holds its rows."""
    data.seek(0)
    start = data.read(LOOK_BYTES)
    if start.removeprefix(BOM).lstrip().startswith(b"["):
        return "array"
    if not is_document(start, whole=len(start) < LOOK_BYTES):
        return "lines"
    data.seek(0)
    text = data.read(foreign_json.MOST_BYTES + 1)
    if len(text) > foreign_json.MOST_BYTES:
        return "wrapped"
    value = _decoded(text)
    if not isinstance(value, dict):
        return "lines"
    if _is_table(value):
        return "table"
    if layout_of(tuple(value)).answers is None and any(map(_is_rows, value.values())):
        return "wrapped"
    return "table" if b"\n" in text.strip() else "lines"  # one row, written over several lines


def _decoded(text: bytes) -> object:
    """The value of a document; None if it is none, or beyond a limit."""
    try:
        foreign_json.check_size(text)
        value: object = orjson.loads(text.removeprefix(BOM))
        foreign_json.check_depth(value)
    except ValueError:
        return None
    return value


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_table(value: Mapping[str, object]) -> bool:
    return _split_rows(value) is not None or _column_rows(value) is not None or _index_rows(value) is not None


def rows_of_table(data: IO[bytes], name: str) -> IO[bytes]:
    """A temporary file with the rows of a table (`layout_of_file`) as a list of objects.

    Raises:
        PairsError: it is no such table.
    """
    data.seek(0)
    value = _decoded(data.read(foreign_json.MOST_BYTES + 1))
    rows = None
    if isinstance(value, dict):
        rows = next((found for read in _READERS if (found := read(value)) is not None), [value])
    if rows is None:
        raise PairsError(f"{name} is not a table of rows.", "Expected an array of objects with chosen and rejected.")
    plain = cast(IO[bytes], tempfile.TemporaryFile(prefix="smoltui-"))  # noqa: SIM115  # closed by its reader
    plain.write(b"[")
    for number, row in enumerate(rows):
        plain.write((b",\n" if number else b"\n") + json.dumps(row).encode("ascii"))
    plain.write(b"]")
    plain.seek(0)
    return plain


def _split_rows(value: Mapping[str, object]) -> list[object] | None:
    columns, data = value.get("columns"), value.get("data")
    if not (isinstance(columns, list) and isinstance(data, list) and all(isinstance(name, str) for name in columns)):
        return None
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return None
    return [dict(zip(columns, row, strict=True)) for row in data]


def _column_rows(value: Mapping[str, object]) -> list[object] | None:
    """Rows of columns of equal length. An object whose answers are lists of messages is a row itself."""
    columns = list(value.values())
    if len(columns) < 2 or not all(isinstance(column, list) for column in columns):
        return None
    lists = cast(list[list[object]], columns)
    layout = layout_of(tuple(value))
    if layout.answers is None or len({len(column) for column in lists}) != 1:
        return None
    answers = [value[name] for name in layout.answers]
    if any(_is_turn(item) for column in answers for item in cast(list[object], column)):
        return None
    return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]


def _is_turn(value: object) -> bool:
    return isinstance(value, dict) and any(key in value for key in _ROLE_KEYS)


def _index_rows(value: Mapping[str, object]) -> list[object] | None:
    """Rows of columns by name of the row, or of rows by their name."""
    inner = list(value.values())
    if not inner or not all(isinstance(one, dict) for one in inner):
        return None
    parts = cast(list[dict[str, object]], inner)
    if layout_of(tuple(value)).answers is not None:
        names = list(parts[0])
        if any(list(part) != names for part in parts) or any(map(_is_turn, parts)):
            return None
        return [dict(zip(value, row, strict=True)) for row in zip(*(part.values() for part in parts), strict=True)]
    return list(parts) if layout_of(tuple(parts[0])).answers is not None else None


_READERS = (_split_rows, _column_rows, _index_rows)
