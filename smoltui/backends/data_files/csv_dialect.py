"""The dialect of a table: how its columns are separated, and whether a line before the header says so."""

from __future__ import annotations

import re
from typing import NamedTuple

from smoltui.scripts import pair_columns

CANDIDATES = (",", ";", "\t", "|")
_SEP = re.compile(rb'"?sep=(?P<separator>[^\r\n"]|\\t)"?\r?\n', re.IGNORECASE)
"""The line that Excel reads, before the header."""
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"?')
_KNOWN = frozenset(
    {name for pair in pair_columns.ANSWERS for name in pair}
    | {*pair_columns.PROMPTS, *pair_columns.SYSTEM, *pair_columns.HISTORY, *pair_columns.TOOLS}
)


class Dialect(NamedTuple):
    """How to read a table."""

    separator: str
    skipped: int
    """Bytes of the line before the header."""


def dialect_of(start: bytes, usual: str) -> Dialect:
    """The dialect of a table that begins with these bytes, after a byte order mark.

    `usual` is the separator that the file's extension promises.
    """
    if named := _SEP.match(start):
        separator = named["separator"].decode("utf-8", "replace").replace("\\t", "\t")
        return Dialect(separator if separator.isascii() and separator != '"' else usual, named.end())
    header = start.split(b"\n", 1)[0].decode("utf-8", "replace")
    bare = _QUOTED.sub(lambda found: re.sub(r"[,;\t|]", "_", found[0]), header)
    return Dialect(max(CANDIDATES, key=lambda one: (*_fit(bare, one), one == usual)), 0)


def _fit(header: str, separator: str) -> tuple[int, int]:
    """(columns with a known name, number of columns) of a header, for comparison."""
    names = [name.strip().strip('"') for name in header.split(separator)]
    return sum(pair_columns.plain(name) in _KNOWN for name in names), len(names)
