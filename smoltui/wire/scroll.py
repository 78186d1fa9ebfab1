"""Detects that a frame is the previous one with rows moved up or down, so that the terminal can scroll them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from smoltui.wire.grid import Row

CHUNK = 16
"""Width of the column blocks that are compared separately, as a list may scroll beside a fixed text."""
LEAST_ROWS = 3
COST = 24
"""Cost of setting a region, scrolling and resetting it, expressed in changed cells."""


class Scroll(NamedTuple):
    """Rows `top` to `bottom` (zero-based, inclusive) move by `by` rows: up if positive, else down."""

    top: int
    bottom: int
    by: int


def scrolled(old: Sequence[Row], new: Sequence[Row]) -> Scroll | None:
    """The scroll that leaves least to write; None if none is worthwhile. Both screens must have the same size."""
    changed = [y for y, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
    if len(changed) < LEAST_ROWS:
        return None
    votes = _votes(old, new, changed)
    if not votes:
        return None
    by, voters = max(votes.items(), key=lambda vote: len(vote[1]))
    if by == 0 or len(voters) < 2:
        return None
    top, bottom = min(voters) + min(by, 0), max(voters) + max(by, 0)
    found = Scroll(top, bottom, by)
    moved = after_scroll(old, found)
    spared = sum(_cost(old[y], new[y]) - _cost(moved[y], new[y]) for y in range(top, bottom + 1))
    return found if spared > COST else None


def _votes(old: Sequence[Row], new: Sequence[Row], changed: Sequence[int]) -> dict[int, list[int]]:
    """Distance → the changed rows of which some block of columns was that many rows further down."""
    votes: dict[int, list[int]] = {}
    rows = range(changed[0], changed[-1] + 1)
    for start in range(0, len(new[0].texts), CHUNK):
        before = {y: "".join(old[y].texts[start : start + CHUNK]) for y in rows}
        where: dict[str, int | None] = {}
        for y, text in before.items():
            where[text] = None if text in where else y  # a repeated text is ambiguous
        for y in changed:
            text = "".join(new[y].texts[start : start + CHUNK])
            came_from = where.get(text)
            if came_from is not None and text != before[y] and not text.isspace():
                votes.setdefault(came_from - y, []).append(y)
    return votes


def _cost(old: Row, new: Row) -> int:
    """Approximate number of cells to write; all cells after a cluster of unsure width."""
    if old == new:
        return 0
    unsure = old.unsure | new.unsure
    return len(new.texts) - min(unsure) if unsure else old.distance(new)


def after_scroll(rows: Sequence[Row], scroll: Scroll) -> list[Row]:
    """The screen after the scroll; rows that moved in are blank."""
    moved = list(rows)
    blank = Row.blank(len(rows[0].texts))
    for y in range(scroll.top, scroll.bottom + 1):
        source = y + scroll.by
        moved[y] = rows[source] if scroll.top <= source <= scroll.bottom else blank
    return moved
