"""The pairs around the current one, as lines of the list: below a short pair, or beside it on a wide screen."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smoltui.screens.pairs.pair_list import Further, PairLines, Unit, drawn, heading


class Neighbour(NamedTuple):
    """One line, exactly as wide as it was asked for."""

    text: str
    row: int | None
    """Row of its pair in the set; None for the headings."""
    is_current: bool = False
    faint: bool = False
    """The pair is excluded."""


class Listed(Protocol):
    """What is listed and in which order."""

    @property
    def index(self) -> int:
        """Row of the current pair."""

    @property
    def rows(self) -> Sequence[int] | None:
        """The listed rows; None: all, in their own order."""

    @property
    def order(self) -> tuple[str, bool]:
        """Column by which they are sorted, and whether from the largest down."""

    @property
    def listed(self) -> int:
        """Their number."""

    def row_at(self, position: int) -> int | None:
        """The row at a position of the list; None beyond its end."""


class Neighbours:
    """Lines around the current pair. They scroll by half a page, so that a step to the next pair changes two lines."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed
        self._top = 0

    def position(self, near: int = 0) -> int:
        """Where the current pair is in the list; `near` is tried first, as a sorted list is not searched."""
        listed, rows = self._listed, self._listed.rows
        if rows is None or listed.row_at(near) == listed.index:
            return listed.index if rows is None else near
        for step in (1, -1):
            if listed.row_at(near + step) == listed.index:
                return near + step
        return min(bisect_left(rows, listed.index), len(rows) - 1) if listed.order == ("row", False) and rows else 0

    def lines(
        self, lines: PairLines, width: int, count: int, unit: Unit, further: Sequence[Further]
    ) -> list[Neighbour]:
        """The headings and up to `count` - 1 pairs; nothing if there is no other pair."""
        listed, rows = self._listed, count - 1
        if rows < 1 or listed.listed < 2:
            return []
        at = self.position(self._top + rows // 2)
        if not self._top <= at < self._top + rows:
            self._top = at - rows // 2
        self._top = max(min(self._top, listed.listed - rows), 0)
        sort, descending = listed.order
        found = [Neighbour(heading(width, unit, sort, descending, further), None)]
        for position in range(self._top, min(self._top + rows, listed.listed)):
            row, line = listed.row_at(position), lines.line(position)
            is_current = row == listed.index
            text = drawn(line, width, unit, is_current, further)
            found.append(Neighbour(text, row, is_current, line is not None and "excluded" in line.flags))
        return found
