"""`submissions.json` as bytes: read strictly, and extended by one entry without changing a byte that is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

NAME = "submissions.json"
KEY = "submissions"
MOST_BYTES = 4 << 20
"""Bytes of the file; a thousand entries take 400 kB. A larger one is not a list that people edit."""
BOM = "\ufeff"
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+')
_CONTEXT = 3
"""Lines of a diff before and after the change."""
_WIDEST = 160
"""Characters of a line of a diff; a file can be one line."""
HINT = "Nothing was sent. Report it to the owners of the leaderboard, who can repair the file."


@dataclass(frozen=True, slots=True)
class BoardFile:
    """The file as it was read."""

    data: bytes
    text: str
    """Without its byte order mark."""
    entries: tuple[Mapping[str, Any], ...]
    opening: int
    """Place in `text` of the bracket that opens the list."""
    last: tuple[int, int] | None
    """Place in `text` of the last entry: its start and its end; None for an empty list."""
    depth: int
    """Depth of an entry: 1 in a bare list, 2 inside {"submissions": […]}."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The file with one entry more."""

    data: bytes
    at: int
    """Byte at which `added` was inserted; everything before and after it is unchanged."""
    added: bytes


def read_board(data: bytes) -> BoardFile:
    """The file's entries, and where they are.

    Raises:
        InputError: it is too large, not UTF-8, not JSON, or not a list of entries; one sentence says what and where.
    """
    if len(data) > MOST_BYTES:
        raise _bad(f"is larger than {MOST_BYTES >> 20} MB ({len(data) / 1e6:.1f} MB)")
    try:
        text = data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        raise _bad(f"is not UTF-8 (byte {error.start + 1:,})") from error
    value = _decoded(text)
    rows = value.get(KEY) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise _bad(f"has no list “{KEY}”")
    if any(not isinstance(row, dict) for row in rows):
        number = next(at for at, row in enumerate(rows, 1) if not isinstance(row, dict))
        raise _bad(f"has an entry that is not an object: number {number}")
    depth = 2 if isinstance(value, dict) else 1
    opening, last = _places(text, depth)
    return BoardFile(data, text, tuple(rows), opening, last, depth)


def _decoded(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _bad(f"has a key twice in one object: {safe_line(twice, 60)}")
        return found

    def no_number(word: str) -> Any:
        raise _bad(f"has {word}, which is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_number)
        foreign_json.check_depth(value)
    except json.JSONDecodeError as error:
        raise _bad(_what(text, error)) from error
    except (RecursionError, foreign_json.JSONLimitError) as error:
        raise _bad("is nested too deeply") from error
    except ValueError as error:  # a number with thousands of digits
        raise _bad("has a number that is too long") from error
    return value


def _what(text: str, error: json.JSONDecodeError) -> str:
    """What is there instead of JSON, and where."""
    at = error.pos
    while at < len(text) and text[at].isspace():
        at += 1
    before = text[: error.pos].rstrip()
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    where = f"line {line}, column {column}"
    if text.startswith(("//", "/*", "#"), at):
        return f"is not JSON: it has a comment ({where})"
    if text.startswith(("...", "…"), at):
        return f"is not JSON: it has an ellipsis ({where})"
    if text[at : at + 1] in ("]", "}", "") and (before.endswith(",") or text[:at].rstrip().endswith(",")):
        return f"is not JSON: it has a trailing comma (before {where})"
    # Python 3.13 and later report the comma itself.
    if text[error.pos : error.pos + 1] == "," and re.match(r",\s*[\]}]", text[error.pos :]):
        return f"is not JSON: it has a trailing comma ({where})"
    if not text.strip():
        return "is empty"
    return f"is not JSON ({where})"


def _bad(what: str) -> InputError:
    return InputError(f"The leaderboard's {NAME} {what}", HINT)


class _Bracket(NamedTuple):
    """A bracket or brace of a JSON text."""

    sign: str
    at: int
    depth: int
    """Pairs of brackets around it and its counterpart."""
    key: str
    """The text before it at depth 1."""


def _brackets(text: str) -> Iterator[_Bracket]:
    """All brackets of a text that is known to be JSON, in order."""
    depth, key = 0, ""
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "[{":
            yield _Bracket(sign, token.start(), depth, key)
            depth += 1
        elif sign in "]}":
            depth -= 1
            yield _Bracket(sign, token.start(), depth, key)
        elif sign.startswith('"') and depth == 1:
            # Keys and values alike: the last one before a bracket is the key of the list.
            key = json.loads(sign)


def _places(text: str, depth: int) -> tuple[int, tuple[int, int] | None]:
    """Where the list opens, and its last entry, in a text that is known to be JSON."""
    opening, last, start = -1, None, 0
    for one in _brackets(text):
        if opening < 0:
            if one.sign == "[" and one.depth == depth - 1 and (depth == 1 or one.key == KEY):
                opening = one.at
        elif one.depth == depth and one.sign in "[{":
            start = one.at
        elif one.depth == depth:
            last = (start, one.at + 1)
        elif one.depth < depth:  # the list closes
            break
    return opening, last


def with_entry(board: BoardFile, entry: Mapping[str, str]) -> Edit:
    """The file with `entry` behind its last one, written as that one is.

    Raises:
        InputError: the result would not be the old entries and the new one. Then nothing may be sent.
    """
    text, at = board.text, board.opening + 1
    newline = "\r\n" if "\r\n" in text else "\n"
    if board.last is not None:
        start, at = board.last
        before = text[len(text[:start].rstrip()) : start]
        if len(board.entries) == 1 and not before and re.search(r',[ \t]+"', text[start:at]):
            before = " "  # as between the fields: there is no other entry to learn it from
        added = "," + before + _written(entry, text[start:at], before, newline, text)
    else:
        added = _first(entry, text, board, newline)
    encoded = added.encode()
    place = len(board.data) - len(text[at:].encode())
    edit = Edit(board.data[:place] + encoded + board.data[place:], place, encoded)
    if list(read_board(edit.data).entries) != [*board.entries, entry]:
        raise _bad("is written in a way that an entry cannot be added to")
    return edit


def _written(entry: Mapping[str, str], like: str, before: str, newline: str, text: str) -> str:
    """The entry in the style of the last one (`like`), which stands behind `before`."""
    inner = re.match(r"\{(\s*)", like)
    gap = inner[1] if inner else ""
    colon = ": " if re.search(r'"\s*:\s', like) else ":"
    comma = ", " if re.search(r',[ \t]+"', like) else ","
    pairs = [f"{_quoted(name, text)}{colon}{_quoted(value, text)}" for name, value in entry.items()]
    if "\n" not in gap:
        return "{" + gap + comma.join(pairs) + gap + "}"
    closing = re.search(r"(\s*)\}$", like)
    end = closing[1] if closing and "\n" in closing[1] else newline + before.rpartition("\n")[2]
    return "{" + gap + f",{gap}".join(pairs) + end + "}"


def _first(entry: Mapping[str, str], text: str, board: BoardFile, newline: str) -> str:
    """The entry of an empty list, indented as the file is; all in one line if the file is."""
    found = re.search(r"\n([ \t]+)\S", text)
    if found is None:
        pairs = ", ".join(f"{_quoted(name, text)}: {_quoted(value, text)}" for name, value in entry.items())
        return "{" + pairs + "}"
    unit = found[1]
    outer, inner = unit * board.depth, unit * (board.depth + 1)
    rows = f",{newline}{inner}".join(f"{_quoted(name, text)}: {_quoted(value, text)}" for name, value in entry.items())
    closes_here = text[board.opening + 1 : board.opening + 2] == "]"
    end = newline + unit * (board.depth - 1) if closes_here else ""
    return f"{newline}{outer}{{{newline}{inner}{rows}{newline}{outer}}}{end}"


def _quoted(value: str, text: str) -> str:
    """A JSON text; escaped if the file escapes what is not ASCII."""
    return json.dumps(value, ensure_ascii=text.isascii())


def diff(board: BoardFile, edit: Edit) -> list[str]:
    """The change as lines of a unified diff, with the lines around it; long ones are cut.

    A file in one line is shown as the end of what is before the entry, the entry, and what follows.
    """
    before, after = _lines(board.data[: edit.at]), _lines(board.data[edit.at :])
    added = _lines(edit.added)
    lines = [f"@@ {NAME}, line {len(before)}: one entry is added, nothing else changes @@"]
    lines += [f"  {_cut(line)}" for line in before[-_CONTEXT:-1]]
    if len(added) == 1:
        return [*lines, f"  …{_shown(before[-1][-60:])}", f"+ {_shown(added[0])}", f"  {_shown(after[0][:60])}…"]
    lines += [f"- {_cut(before[-1] + after[0])}", f"+ {_cut(before[-1] + added[0])}"]
    lines += [f"+ {_cut(line)}" for line in [*added[1:-1], added[-1] + after[0]]]
    following = after[1:-1] if not after[-1] else after[1:]
    return [*lines, *(f"  {_cut(line)}" for line in following[:_CONTEXT])]


def _lines(data: bytes) -> list[str]:
    """Only at line ends: a name may contain other separators."""
    return [line.removesuffix("\r") for line in data.decode().split("\n")]


def _cut(line: str) -> str:
    return _shown(line) if len(line) <= _WIDEST else f"{_shown(line[:_WIDEST])}…"


def _shown(text: str) -> str:
    return safe_line(text.replace("\t", "    "), 4000)
