"""Held-out figures by groups of pairs: by how much longer the chosen answer is, and by the number of turns.

A model that has only learned to prefer long answers is right where the chosen answer is longer and wrong where it is
shorter. The gap is counted in characters, which are the same for every model, and is taken as a share of the longer
answer, so that sets of short and of long answers can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smoltui.core.evaluation.figures import Interval, bootstrap, wilson
from smoltui.core.evaluation.pair_values import PairValue, Shape

LEAST_PAIRS = 10
"""Of a group whose figures say something: the Wilson interval of 5 right of 10 is 53 points wide."""
ALIKE, HALF = 0.1, 0.5
"""Gaps as a share of the longer answer: up to the first, answers count as equally long; from the second, one has twice
the length of the other."""


def gap(shape: Shape) -> float:
    """Length gap, chosen minus rejected, as a share of the longer answer: -1 to 1."""
    longer = max(shape.chosen_chars, shape.rejected_chars)
    return (shape.chosen_chars - shape.rejected_chars) / longer if longer else 0.0


class Definition(NamedTuple):
    """Which pairs are in a group."""

    key: str
    kind: str
    """all, length or turns: each pair is in one group of each kind."""
    words: str
    holds: Callable[[Shape], bool]


DEFINITIONS = (
    Definition("all", "all", "all pairs", lambda shape: True),
    Definition("much_shorter", "length", "chosen at most half as long", lambda shape: gap(shape) <= -HALF),
    Definition("shorter", "length", "chosen shorter", lambda shape: -HALF < gap(shape) < -ALIKE),
    Definition("alike", "length", "about as long (±10 %)", lambda shape: abs(gap(shape)) <= ALIKE),
    Definition("longer", "length", "chosen longer", lambda shape: ALIKE < gap(shape) < HALF),
    Definition("much_longer", "length", "chosen at least twice as long", lambda shape: gap(shape) >= HALF),
    Definition("no_turn", "turns", "no turn of the user", lambda shape: shape.turns == 0),
    Definition("one_turn", "turns", "1 user turn", lambda shape: shape.turns == 1),
    Definition("two_turns", "turns", "2 user turns", lambda shape: shape.turns == 2),
    Definition("three_turns", "turns", "3 user turns", lambda shape: shape.turns == 3),
    Definition("many_turns", "turns", "4 or more user turns", lambda shape: shape.turns >= 4),
)
"""In the order in which they are shown."""
BY_KEY: Mapping[str, Definition] = {definition.key: definition for definition in DEFINITIONS}


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of the aligned model on the pairs of a group."""

    key: str
    pairs: int
    """Pairs that count: without those that are not finite."""
    not_finite: int = 0
    accuracy: float | None = None
    """Share of pairs with a positive margin, 0..1; None without pairs."""
    accuracy_interval: Interval | None = None
    """Wilson, 95 %."""
    margin: float | None = None
    """Mean margin, nats; None without pairs."""
    margin_interval: Interval | None = None
    """Bootstrap over prompts, 95 %; None for fewer than two prompts."""

    @property
    def definition(self) -> Definition:
        return BY_KEY[self.key]

    @property
    def too_few(self) -> bool:
        """Whether its figures say too little to be shown."""
        return self.pairs < LEAST_PAIRS

    def as_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints of it."""
        return {
            "group": self.key,
            "by": self.definition.kind,
            "words": self.definition.words,
            "pairs": self.pairs,
            "not_finite": self.not_finite,
            "reward_accuracy": self.accuracy,
            "reward_accuracy_interval": self.accuracy_interval,
            "margin": self.margin,
            "margin_interval": self.margin_interval,
            "too_few": self.too_few,
        }


def group_from_json(data: Mapping[str, Any]) -> Group:
    """A group as `dataclasses.asdict` wrote it. Raises KeyError, TypeError or ValueError for anything else."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    if values["key"] not in BY_KEY:
        raise ValueError(values["key"])
    return Group(**values)


def members(values: Iterable[PairValue], key: str) -> list[PairValue]:
    """The pairs of a group, in order."""
    return [value for value in values if BY_KEY[key].holds(value.shape)]


def groups(values: Sequence[PairValue], prompts: Sequence[str]) -> tuple[Group, ...]:
    """The groups that have pairs, with all pairs first. `prompts` are those of all measured pairs, by their number."""
    found = []
    for definition in DEFINITIONS:
        inside = members(values, definition.key)
        if inside:
            found.append(_group(definition.key, inside, prompts))
    return tuple(found)


def _group(key: str, values: Sequence[PairValue], prompts: Sequence[str]) -> Group:
    finite = [value for value in values if value.finite]
    margins = [value.margin for value in finite]
    right = sum(value.right for value in finite)
    return Group(
        key=key,
        pairs=len(finite),
        not_finite=len(values) - len(finite),
        accuracy=right / len(finite) if finite else None,
        accuracy_interval=wilson(right, len(finite)),
        margin=sum(margins) / len(margins) if margins else None,
        margin_interval=bootstrap(margins, [prompts[value.number] for value in finite]),
    )
