"""Distribution of lengths: exact counts, bin edges for a width in cells, and the characters that draw them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Literal

Scale = Literal["length", "gap"]
"""length: numbers from 0; gap: positive and negative numbers."""

BLOCKS = " ▁▂▃▄▅▆▇█"
CUT_MARK = "┃"
TICK = "╵"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Whole numbers and their frequency. A few thousand distinct lengths represent millions of pairs."""

    counts: Mapping[int, int]
    """Value → number of rows with it; rows without a value are not included."""

    @classmethod
    def of(cls, values: Iterable[int | None]) -> Distribution:
        """The distribution of these values; None (unknown) is ignored."""
        return cls(Counter(value for value in values if value is not None))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def lowest(self) -> int | None:
        """None without values."""
        return min(self.counts, default=None)

    @property
    def highest(self) -> int | None:
        """None without values."""
        return max(self.counts, default=None)

    def quantile(self, share: float) -> int | None:
        """The smallest value not exceeded by `share` (0..1) of the values (nearest rank); None without values."""
        rank, passed = max(ceil(share * self.total), 1), 0
        for value in sorted(self.counts):
            passed += self.counts[value]
            if passed >= rank:
                return value
        return None

    def beyond(self, limit: int) -> int:
        """Number of values above `limit`."""
        return sum(count for value, count in self.counts.items() if value > limit)


# ---------------------------------------------------------------------------------------------------------------- edges


def length_edges(lowest: int, highest: int, cells: int) -> list[int]:
    """Edges of at most `cells` bins over `lowest`..`highest`; bin i contains edges[i] <= value < edges[i + 1].

    Logarithmic if necessary: bins are one number wide, until a constant ratio from edge to edge is wider than
    that; the ratio is the smallest with which all values fit. Raises ValueError if lowest < 0,
    highest < lowest or cells < 1.
    """
    if not 0 <= lowest <= highest or cells < 1:
        raise ValueError(f"no bins for {lowest}..{highest} in {cells} cells")
    if highest - lowest < cells:
        return list(range(lowest, highest + 2))
    ratio = _smallest_ratio(lambda ratio: len(_steps(lowest, highest, 1, ratio, cells)) <= cells)
    if ratio is None:  # from 0 the first step is 1, whatever the ratio: one bin cannot contain more
        return [lowest, highest + 1]
    return [lowest, *_steps(lowest, highest, 1, ratio, cells)]


def gap_edges(lowest: int, highest: int, cells: int, linear_to: int = 0) -> list[int]:
    """Edges of at most `cells` bins over `lowest`..`highest`, one of which is 0 if 0 is within the range or at an end.

    Symmetric-logarithmic: from 0 in both directions, bins are equally wide up to at least `linear_to`, and beyond that
    grow by a constant ratio. Equal gaps are equally far from 0, and an unused side takes no space. On a purely
    logarithmic scale, the narrow bins around 0 would look empty. The width is the smallest of 1, 2, 5, 10, … for which
    this is possible. Raises ValueError if highest < lowest or cells < 2.
    """
    if highest < lowest or cells < 2:
        raise ValueError(f"no bins for {lowest}..{highest} in {cells} cells")
    below, above = max(-lowest, 0), max(highest, 0)

    def sides(step: int, ratio: float) -> tuple[list[int], list[int]]:
        left = _steps(0, below - 1, step, ratio, cells) if below else []  # [-1, 0) already contains −1
        return left, _steps(0, above, step, ratio, cells) if highest >= 0 else []

    def fits(step: int, ratio: float) -> bool:
        return sum(len(side) for side in sides(step, ratio)) <= cells

    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            ratio = 1.0 if fits(step, 1.0) else _smallest_ratio(partial(fits, step))
            if ratio is None:
                continue
            if ratio == 1.0 or step >= linear_to * (ratio - 1):  # growth starts at step / (ratio - 1)
                left, right = sides(step, ratio)
                return [*(-edge for edge in reversed(left)), 0, *right]
        power *= 10


def _steps(start: int, highest: int, step: int, ratio: float, cells: int) -> list[int]:
    """Edges after `start`, up to the first above `highest`; at most `cells` + 1."""
    edges: list[int] = []
    edge = start
    while edge <= highest and len(edges) <= cells:
        edge = max(edge + step, int(edge * ratio))
        edges.append(edge)
    return edges


def _smallest_ratio(fits: Callable[[float], bool]) -> float | None:
    """None: no ratio is large enough."""
    low, high = 1.0, 2.0
    while not fits(high):
        if high > 1e30:
            return None
        high = high * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


LINEAR_SHARE = 0.8
"""Share of all gaps on the linear part of the scale."""


def edges_for(scale: Scale, distributions: Iterable[Distribution], cells: int) -> list[int]:
    """One list of edges for all `distributions`, so that they are comparable; empty without values."""
    known = [one for one in distributions if one.counts]
    if not known:
        return []
    lowest, highest = min(min(one.counts) for one in known), max(max(one.counts) for one in known)
    if scale == "length":
        return length_edges(max(lowest, 0), max(highest, 0), max(cells, 1))
    sizes: Counter[int] = Counter()
    for one in known:
        for value, count in one.counts.items():
            sizes[abs(value)] += count
    return gap_edges(lowest, highest, max(cells, 2), Distribution(sizes).quantile(LINEAR_SHARE) or 0)


def with_cut(edges: Sequence[int], limit: int) -> tuple[list[int], int | None]:
    """`edges` with the nearest moved to limit + 1, and that edge's index, from which bins exceed it.

    Index 0: everything exceeds the limit. None: nothing does, and the edges are unchanged.
    """
    moved = list(edges)
    if not moved or limit >= moved[-1] - 1:
        return moved, None
    if limit < moved[0]:
        return moved, 0
    inner = range(1, len(moved) - 1)
    if not inner:  # a single bin has no inner edge
        return [moved[0], limit + 1, moved[-1]], 1
    place = min(inner, key=lambda index: abs(moved[index] - limit - 1))
    moved[place] = limit + 1
    return moved, place


def binned(distribution: Distribution, edges: Sequence[int]) -> list[int]:
    """Number of values in each bin; values outside the edges count in the first or last bin, so none is lost."""
    if len(edges) < 2:
        return []
    counts = [0] * (len(edges) - 1)
    for value, count in distribution.counts.items():
        counts[bin_of(value, edges)] += count
    return counts


def bin_of(value: int, edges: Sequence[int]) -> int:
    """Index of the bin that contains `value`, or of the nearest one."""
    return min(max(bisect_right(edges, value) - 1, 0), len(edges) - 2)


# -------------------------------------------------------------------------------------------------------------- drawing


def bars(counts: Sequence[int], rows: int, tallest: int | None = None) -> list[str]:
    """`rows` lines of block characters, one character per bin, top line first.

    Heights are linear in the count, `tallest` (default: the largest) reaches the top; a non-empty bin
    shows at least an eighth.
    """
    top = max(tallest if tallest is not None else max(counts, default=0), 1)
    eighths = [min(max(round(count * rows * 8 / top), 1), rows * 8) if count else 0 for count in counts]
    return ["".join(BLOCKS[min(max(height - row * 8, 0), 8)] for height in eighths) for row in reversed(range(rows))]


def axis(edges: Sequence[int], each: int = 1) -> str:
    """The line below bars whose bins are `each` cells wide: labelled ticks at round values.

    Round values are 1, 2 and 5 times a power of ten, and 0. A tick is at the start of the bin that contains its value.
    As many as fit, powers of ten first.
    """
    width = max(len(edges) - 1, 0) * each
    line = [" "] * width
    if not width:
        return ""
    for value in _round_values(edges[0], edges[-1] - 1):
        place = bin_of(value, edges) * each
        label = TICK + short_number(value)
        end = place + len(label)
        if end <= width and all(cell == " " for cell in line[max(place - 1, 0) : end + 1]):
            line[place:end] = label
    return "".join(line)


def _round_values(lowest: int, highest: int) -> list[int]:
    """Round values within the bounds, the more important first; the lowest value is always included."""
    values = [0] if lowest <= 0 <= highest else [lowest]
    largest = max(abs(lowest), abs(highest))
    for factors in ((1,), (5,), (2,)):
        power = 1
        while power <= largest:
            for factor in factors:
                values += [value for value in (factor * power, -factor * power) if lowest <= value <= highest]
            power *= 10
    return values


def with_minus(number: str) -> str:
    """A formatted number with the sign −, as wide as + and as used on the axes."""
    return number.replace("-", "−")


def short_number(value: int) -> str:
    """A round number in few characters: 500, 1k, 20k, 3M; negative with the sign −."""
    sign, size = "−" if value < 0 else "", abs(value)
    for unit, factor in (("M", 1_000_000), ("k", 1_000)):
        if size >= factor and size % factor == 0:
            return f"{sign}{size // factor:,}{unit}"
    return f"{sign}{size:,}"
