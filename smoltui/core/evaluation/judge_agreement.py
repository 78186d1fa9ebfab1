"""How far two raters agree: the share of equal judgments and Cohen's kappa, with the standard library alone.

    p_o = share of items on which both give the same category
    p_e = Σ over categories: share of the first rater × share of the second rater
    κ   = (p_o − p_e) / (1 − p_e)

Source: Cohen 1960, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20(1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smoltui.core.evaluation.figures import Interval, wilson
from smoltui.core.evaluation.vote_statistics import Z95

Category = Literal["model", "other", "even"]
"""Whose answer is better in a duel, seen from its model (`vote_figures.Duel`); even: tie, or both bad."""
CATEGORIES: tuple[Category, ...] = ("model", "other", "even")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two raters on the same items."""

    table: tuple[tuple[int, ...], ...]
    """Items by category of the first rater (rows) and of the second one (columns), in the order of `CATEGORIES`."""

    @property
    def items(self) -> int:
        return sum(map(sum, self.table))

    @property
    def equal(self) -> int:
        """Items on which both agree."""
        return sum(row[at] for at, row in enumerate(self.table))

    @property
    def share(self) -> float | None:
        """Share of equal judgments, 0..1; None without items."""
        return self.equal / self.items if self.items else None

    @property
    def interval(self) -> Interval | None:
        """95 % Wilson interval of the share."""
        return wilson(self.equal, self.items, Z95)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, −1..1: 1 is full agreement, 0 what chance gives. None without items, or if both raters always
        give one and the same category, which chance explains as well."""
        total = self.items
        if not total:
            return None
        rows = [sum(row) for row in self.table]
        columns = [sum(column) for column in zip(*self.table, strict=True)]
        # In whole numbers, so that the denominator is 0 exactly where it should be.
        chance = sum(row * column for row, column in zip(rows, columns, strict=True))
        if chance == total * total:
            return None
        kappa: float = (total * self.equal - chance) / (total * total - chance)
        return kappa

    def as_json(self) -> dict[str, Any]:
        """As `smoltui judge --json` prints it."""
        return {
            "items": self.items,
            "equal": self.equal,
            "share": self.share,
            "interval": self.interval,
            "kappa": self.kappa,
            "categories": list(CATEGORIES),
            "votes_by_judge": [list(row) for row in self.table],
        }


def agreement(first: Sequence[Category], second: Sequence[Category]) -> Agreement:
    """The agreement of two raters; the same place is the same item."""
    counted = Counter(zip(first, second, strict=True))
    return Agreement(tuple(tuple(counted[row, column] for column in CATEGORIES) for row in CATEGORIES))
