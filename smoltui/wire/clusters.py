"""Text as a terminal draws it: what shares a cell, how wide it is, and whether terminals agree on that.

Widths are those of Rich, which Textual uses for layout. Characters that control a terminal, reorder or hide text are
removed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size

REPLACEMENT = "\ufffd"
"""Replaces a character that has a width but must not be drawn, so that the text after it keeps its column."""
_JOINER = "\u200d"
_PLAIN = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u0391-\u03a1\u03a3-\u03ff\u0400-\u0482"
    "\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u25fc\u2800-\u28ff]*"
)
"""Characters that are one cell wide on every terminal and never combine."""
_WIDE = (
    (0x1100, 0x115F),
    (0x2E80, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x20000, 0x3FFFD),
)
"""Ranges that are two cells wide on every terminal. No emoji: their widths depend on the Unicode version."""
_ACTING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of characters that control a terminal, reorder or hide text, or cannot be encoded."""


class Cluster(NamedTuple):
    """The content of a cell, or of several adjacent ones."""

    text: str
    width: int
    """In cells, at least 1."""


def is_plain(text: str) -> bool:
    """Whether each character is one cell wide on every terminal."""
    return _PLAIN.fullmatch(text) is not None


def clusters(text: str) -> Iterator[Cluster]:
    """Splits `text` into cells. The widths add up to Rich's `cell_len(text)`; marks without a base are dropped."""
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
        elif joined:  # Rich counts no width for a character after a joiner
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
    """Whether every terminal agrees with the width of this cluster.

    They do not for emoji, including joined sequences and variations; flags; spacing marks; private and unassigned
    characters. The position of the cursor after one of these is unknown.
    """
    base = text[:1]
    if not base or is_plain(text):
        return True
    if any(unicodedata.category(mark) not in ("Mn", "Me") or ord(mark) > 0x3100 for mark in text[1:]):
        return False
    if get_character_cell_size(base) == 2:
        return any(first <= ord(base) <= last for first, last in _WIDE)
    return unicodedata.category(base) not in ("Cn", "Co", "Mc") and not _is_regional(base) and ord(base) < 0x1F000
