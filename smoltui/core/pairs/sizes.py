"""Sizes of the pairs that a recipe trains on: what is cut at max_length, what is dropped, how long sequences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

QUANTILES = 128
"""Lengths that are kept of a sample."""


@dataclass(frozen=True, slots=True)
class PairSizes:
    """Of the usable pairs of a set. Lengths are tokens of prompt and answer together, before anything is cut."""

    pairs: int
    """Pairs that were looked at."""
    identical: int
    """Of those, pairs with identical answers."""
    measured: int = 0
    """Pairs whose tokens were counted: all, or a sample spread evenly; 0 if the tokenizer is not on this machine."""
    max_length: int | None = None
    """Of the recipe; None: nothing is cut."""
    cut: int = 0
    """Of the measured pairs, those with an answer that is cut."""
    same: int = 0
    """…whose answers differ only in what is cut."""
    dropped: int = 0
    """…whose prompt leaves no room for an answer: TRL drops them."""
    longest: int | None = None
    """Of the longest sequence in the set, as far as its pairs were looked at; None if not measured."""
    lengths: tuple[int, ...] = ()
    """Of the longer answer of each pair, as `QUANTILES` quantiles in rising order."""

    @property
    def is_sample(self) -> bool:
        return self.measured < self.pairs

    def share(self, count: int) -> float:
        """Share (0..1) of the measured pairs."""
        return count / self.measured if self.measured else 0.0

    def padded(self, pairs: int) -> float | None:
        """Mean length of the sequences of a batch of so many pairs, which are padded to the longest; None if unknown.

        The expected maximum of as many random draws, each cut at `max_length`.
        """
        if not self.lengths:
            return None
        known = [min(length, self.max_length or length) for length in self.lengths]
        count = len(known)
        return sum(
            length * ((place / count) ** pairs - ((place - 1) / count) ** pairs)
            for place, length in enumerate(known, 1)
        )

    @property
    def padded_to(self) -> int | None:
        """Length of the longest batch that can occur; None if unknown."""
        if self.longest is None:
            return self.max_length
        return min(self.longest, self.max_length or self.longest)


def quantiles(lengths: Sequence[int]) -> tuple[int, ...]:
    """At most `QUANTILES` values in rising order, which stand for all of them; the last one is the largest."""
    ordered = sorted(lengths)
    count = min(len(ordered), QUANTILES)
    return tuple(ordered[(place + 1) * len(ordered) // count - 1] for place in range(count))


def differ_at(chosen: str, rejected: str) -> int:
    """Characters that two answers have in common at their start."""
    size = min(len(chosen), len(rejected))
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        if chosen[:middle] == rejected[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
