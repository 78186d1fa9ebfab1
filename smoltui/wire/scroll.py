"""Whether a frame is the one before with some rows moved up or down, so that the terminal can move them itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from smoltui.wire.grid import Row

CHUNK = 16
"""Columns that are compared as one: a list may move beside a text that stays."""
LEAST_ROWS = 3
COST = 24
"""Bytes of setting a region, scrolling and leaving it, in cells that differ."""


class Scroll(NamedTuple):
    """Rows `top` to `bottom` (zero-based, both included) move by so many: up when it is positive, else down."""

    top: int
    bottom: int
    by: int


def scrolled(old: Sequence[Row], new: Sequence[Row]) -> Scroll | None:
    """The scroll after which least is left to write; None where none pays. Both have as many rows, equally wide."""
    changed = [y for y, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
    if len(changed) < LEAST_ROWS:
        return None
    first, last = changed[0], changed[-1]
    votes: Counter[int] = Counter()
    voters: dict[int, list[int]] = {}
    for start in range(0, len(new[0].texts), CHUNK):
        where: dict[str, int | None] = {}
        before = {}
        for y in range(first, last + 1):
            before[y] = text = "".join(old[y].texts[start : start + CHUNK])
            where[text] = None if text in where else y  # what stands there twice tells nothing
        for y in changed:
            text = "".join(new[y].texts[start : start + CHUNK])
            came_from = where.get(text)
            if text != before[y] and came_from is not None and not text.isspace():
                votes[came_from - y] += 1
                voters.setdefault(came_from - y, []).append(y)
    if not votes:
        return None
    by, count = votes.most_common(1)[0]
    if by == 0 or count < 2:
        return None
    top = min(min(voters[by]), min(voters[by]) + by)
    bottom = max(max(voters[by]), max(voters[by]) + by)
    found = Scroll(top, bottom, by)
    moved = after_scroll(old, found)
    spared = sum(_cost(old[y], new[y]) - _cost(moved[y], new[y]) for y in range(top, bottom + 1))
    return found if spared > COST else None


def _cost(old: Row, new: Row) -> int:
    """Cells to write, about; behind a cluster of unsure width all of them."""
    if old == new:
        return 0
    unsure = old.unsure | new.unsure
    return len(new.texts) - min(unsure) if unsure else old.distance(new)


def after_scroll(rows: Sequence[Row], scroll: Scroll) -> list[Row]:
    """What the screen holds after it; rows that came in are blank."""
    moved = list(rows)
    blank = Row.blank(len(rows[0].texts))
    for y in range(scroll.top, scroll.bottom + 1):
        source = y + scroll.by
        moved[y] = rows[source] if scroll.top <= source <= scroll.bottom else blank
    return moved
