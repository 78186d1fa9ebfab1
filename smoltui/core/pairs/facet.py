"""The values of one column of a set, and how many pairs have each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MOST_VALUES = 1_000
"""Values that are listed: the most frequent ones."""
VALUE_CHARS = 200
"""Characters of a value that are kept."""


class FacetColumn(NamedTuple):
    """A column whose values can be counted."""

    name: str
    """As in a condition, without quotes."""
    kind: str
    """text, number, share, yes/no or json."""
    further: str | None
    """Its name in the rows; None for one of our own columns."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a column, and the pairs that have it."""

    text: str | None
    """The value, or its first `VALUE_CHARS` characters; foreign text. None: the pairs have no value."""
    number: float | None
    """The exact value of a number; None for other columns."""
    chars: int
    """Length of the whole value in characters."""
    pairs: int
    gap: float | None
    """Median of the characters by which chosen is longer than rejected; None if unknown."""
    margin: float | None
    """Median of the scores' difference, chosen − rejected; None without scores."""
    condition: str
    """SQL condition for these pairs."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of a column, the most frequent first, at most `MOST_VALUES`."""

    column: FacetColumn
    values: tuple[FacetValue, ...]
    distinct: int
    """Number of different values in all, null included."""
    pairs: int
    """Number of pairs that were counted."""
    has_margin: bool
    """Whether the rows have scores of both answers."""
    complete: bool
    """Whether the whole set was imported when it was counted."""
