"""Axes of a chart: round numbers for its ticks, and the ranges they span."""

from __future__ import annotations

import math
from typing import NamedTuple

NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Steps between ticks, times a power of ten."""


class Axis(NamedTuple):
    """The range of an axis, and the values with a tick, from low to high."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int
    """Digits after the point that tell the ticks apart."""


PARTS = 4
"""The ends of a range are multiples of this part of the step between ticks."""


def nice_axis(low: float, high: float, most: int, *, whole: bool = False) -> Axis:
    """A range of round numbers that holds `low` and `high`, with about `most` ticks, at least one.

    `whole`: ticks at whole numbers only. A range without extent is widened. Both ends must be finite.
    """
    if not high > low:
        spread = abs(low) / 2 or 0.5
        low, high = low - spread, high + spread
    # Halved before subtracting, because the difference of finite numbers may not be finite.
    rough = max((high / 2 - low / 2) / max(most, 1) * 2, 1e-300)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (factor * power for factor in (*NICE, 20.0) if not whole or (factor * power).is_integer())
    step = next((step for step in steps if step >= rough * (1 - 1e-9)), 1.0)
    part = step / PARTS
    bottom, top = math.floor(low / part + 1e-9) * part, math.ceil(high / part - 1e-9) * part
    if not bottom <= low < high <= top:  # numbers so close together, or so large, that these steps are rounded away
        return Axis(low, high, (low, high), 3)
    first, last = math.ceil(bottom / step - 1e-9), math.floor(top / step + 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1)) or (bottom, top)
    return Axis(bottom, top, ticks, _digits(step if first <= last else part))


def step_axis(first: int, last: int, cells: int) -> tuple[int, ...]:
    """The steps that get a tick on an axis of `cells` cells, each with room for its number; at least the first."""
    most = max(2, cells // (len(f"{last:,}") + 3))
    if last <= first:
        return (first,)
    axis = nice_axis(first, last, most - 1, whole=True)
    return tuple(int(tick) for tick in axis.ticks if first <= tick <= last) or (first,)


def drawn_to(step: int, planned: int | None) -> int:
    """The right end of the step axis of an unfinished run: an eighth, a quarter, half or all of the planned steps.

    It rarely moves, so that a curve that grows needs few changes on the screen.
    """
    if not planned or planned <= step:
        return step
    return next((end for part in (8, 4, 2) if (end := planned // part) >= step and end > 0), planned)


def _digits(step: float) -> int:
    """Digits after the point of multiples of a step of one or two significant digits."""
    digits = max(0, -math.floor(math.log10(step)))
    return digits + 1 if round(step * 10**digits, 6) != round(step * 10**digits) else digits
