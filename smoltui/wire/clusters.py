"""Text as a terminal draws it: what belongs into one cell, how wide that is, and whether terminals agree on it.

Widths are those of Rich, by which Textual lays out. Nothing that acts on a terminal, reorders or hides comes out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size

REPLACEMENT = "\ufffd"
"""Stands for a character that has a width and must not be drawn, so that what is behind it keeps its column."""
_JOINER = "\u200d"
_PLAIN = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u0391-\u03a1\u03a3-\u03ff\u0400-\u0482"
    "\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u25fc\u2800-\u28ff]*"
)
"""Characters one cell wide on every terminal, none of which joins another."""
_WIDE = ((0x1100, 0x115F), (0x2E80, 0x4DBF), (0x4E00, 0xA4CF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFE30, 0xFE6F),
         (0xFF00, 0xFF60), (0xFFE0, 0xFFE6), (0x20000, 0x3FFFD))  # fmt: skip
"""Where terminals agree on two cells: not on emoji, whose widths came and changed with versions of Unicode."""
_ACTING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of characters that act on a terminal, reorder, hide, or cannot be encoded."""


class Cluster(NamedTuple):
    """What one cell, or two neighbours, hold."""

    text: str
    width: int
    """Cells, at least 1."""


def is_plain(text: str) -> bool:
    """Whether each character is one cell wide on every terminal."""
    return _PLAIN.fullmatch(text) is not None


def clusters(text: str) -> Iterator[Cluster]:
    """`text` cut into cells. The widths add up to Rich's `cell_len(text)`; what has none and no base is left out."""
    base, joined = "", False
    for char in text:
        if char == _JOINER:
            joined = True
            continue
        if unicodedata.category(char) in _ACTING:
            if not joined and get_character_cell_size(char):
                yield from _whole(base)
                base = REPLACEMENT
            joined = False
        elif joined:  # Rich counts nothing for what a joiner is followed by
            base, joined = f"{base}{_JOINER}{char}" if base else "", False
        elif not get_character_cell_size(char):
            base += char if base else ""
        elif base and _is_regional(char) and len(base) == 1 and _is_regional(base):
            base += char
        else:
            yield from _whole(base)
            base = char
    yield from _whole(base)


def _whole(text: str) -> Iterator[Cluster]:
    if text:
        yield Cluster(text, max(1, cell_len(text)))


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


@lru_cache(4096)
def is_sure(text: str) -> bool:
    """Whether every terminal gives this cluster the width that it has here.

    Not sure: emoji, and what is joined or varied into one; flags; marks with a width of their own; private and unknown
    characters. Where the cursor stands after one of these is not known.
    """
    base = text[:1]
    if not base or is_plain(text):
        return True
    if any(unicodedata.category(mark) not in ("Mn", "Me") or ord(mark) > 0x3100 for mark in text[1:]):
        return False
    if get_character_cell_size(base) == 2:
        return any(first <= ord(base) <= last for first, last in _WIDE)
    return unicodedata.category(base) not in ("Cn", "Co", "Mc") and not _is_regional(base) and ord(base) < 0x1F000
