"""The held-out pairs of a group, one line each, wrong ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoltui.core.evaluation.pair_values import PairValue
from smoltui.core.pairs.histogram import with_minus
from smoltui.core.runs.metrics import as_word
from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

COLUMNS = (("margin", 9), ("chosen", 10), ("rejected", 10), ("pair", 7), ("gap", 8), ("turns", 7))
"""Heading and width of each column, including the space before it. Lengths are in characters, the rest in nats."""
DROPPED_FIRST = ("turns", "gap", "pair", "rejected", "chosen")
LEAST_EXCERPT = 11
"""Cells for the beginning of the prompt; columns are dropped to keep them."""
EXCERPT = 300


@dataclass(frozen=True, slots=True)
class PairValueLine:
    """What a line shows."""

    value: PairValue
    excerpt: str | None
    """The last turn of the prompt, or its beginning; None if the pair was not kept."""


class PairValueList(CursorList):
    """Pairs with a cursor: ✗ marks wrong ones, ! those that are not finite."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines_of: Sequence[PairValueLine] = ()

    def show(self, lines: Sequence[PairValueLine], empty: str) -> None:
        """Lists these lines, with the cursor on the first; `empty` is shown if there are none."""
        self._lines_of = lines
        self.put_cursor(0, empty)

    @property
    def count(self) -> int:
        return len(self._lines_of)

    def head(self, width: int) -> str:
        shown = "".join(f"{name:>{cells}}" for name, cells in _columns(width))
        return fitted(f"   {shown}  last turn of the prompt", width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        line = self._lines_of[position]
        mark = mark_of(line.value)
        shown = "".join(f"{_cell(line.value, name):>{cells}}" for name, cells in _columns(width))
        excerpt = "–" if line.excerpt is None else safe_line(line.excerpt, EXCERPT)
        return fitted(f"{CURSOR if is_cursor else ' '}{mark} {shown}  {excerpt}", width), line.excerpt is None


def mark_of(value: PairValue) -> str:
    """✓ for a right pair, ✗ for a wrong one, ! for one that is not finite."""
    return "!" if not value.finite else "✓" if value.right else "✗"


def _columns(width: int) -> list[tuple[str, int]]:
    shown = list(COLUMNS)
    for name in DROPPED_FIRST:
        if 5 + sum(cells for _, cells in shown) + LEAST_EXCERPT <= width:
            break
        shown = [column for column in shown if column[0] != name]
    return shown


def _cell(value: PairValue, name: str) -> str:
    match name:
        case "margin":
            return signed(value.margin, 3)
        case "chosen":
            return signed(value.chosen_change, 2)
        case "rejected":
            return signed(value.rejected_change, 2)
        case "pair":
            return f"{value.number + 1:,}"
        case "turns":
            return str(value.shape.turns)
    gap = value.shape.chosen_chars - value.shape.rejected_chars
    return with_minus(f"{gap:+,}") if gap else "0"


def signed(value: float, digits: int) -> str:
    """Nats with their sign."""
    told = as_word(value, digits)
    return with_minus(f"+{told}" if value > 0 else told)
