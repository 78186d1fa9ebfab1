"""What was measured on each held-out pair: its margin, what became of both answers, and how the pair is built."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smoltui.core.evaluation.figures import Tally
from smoltui.core.pairs.preference import pair_of
from smoltui.core.runs.events import strict


class Shape(NamedTuple):
    """How a pair is built."""

    chosen_chars: int
    """Characters of the answer, all its turns together."""
    rejected_chars: int
    turns: int
    """Turns of the user in the prompt; a prompt that is plain text is one."""


def shape_of(pair: Mapping[str, Any]) -> Shape:
    """The shape of a pair in the trainer's form (texts or messages)."""
    read = pair_of(0, pair)
    turns = sum(turn.role == "user" for turn in read.prompt)
    return Shape(len(read.chosen_text), len(read.rejected_text), turns)


@dataclass(frozen=True, slots=True)
class PairValue:
    """One held-out pair as the aligned model sees it, against the reference."""

    number: int
    """Its place among the pairs that were measured, from 0."""
    margin: float
    """Implicit reward margin, nats; NaN or infinite if one of the log-probabilities is."""
    chosen_change: float
    """Change of the chosen answer's summed log-probability against the reference, nats."""
    rejected_change: float
    shape: Shape
    pair: Mapping[str, Any] | None = None
    """Prompt, chosen and rejected in the trainer's form; None if they are not kept."""

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, (self.margin, self.chosen_change, self.rejected_change)))

    @property
    def right(self) -> bool:
        """Whether the margin is positive; a tie is wrong, as in TRL's `rewards/accuracies`."""
        return self.margin > 0

    def as_json(self) -> dict[str, Any]:
        """What `value_from_json` reads, without the pair."""
        numbers = (self.margin, self.chosen_change, self.rejected_change)
        return {"number": self.number, "values": [strict(number) for number in numbers], "shape": list(self.shape)}


def value_from_json(data: Mapping[str, Any]) -> PairValue:
    """What `as_json` wrote, with the pair if there is one. Raises KeyError, TypeError or ValueError for others."""
    margin, chosen, rejected = map(float, data["values"])
    shape = Shape(*map(int, data["shape"]))
    pair = data.get("pair")
    if pair is not None and not isinstance(pair, Mapping):
        raise TypeError("a pair is an object")
    return PairValue(int(data["number"]), margin, chosen, rejected, shape, pair)


def pair_values(tally: Tally, model: str, pairs: Sequence[Mapping[str, Any]]) -> list[PairValue]:
    """The values of `model` on each of the measured `pairs` that both models scored, in order."""
    return [
        PairValue(
            change.pair,
            tally.beta * (change.chosen - change.rejected),
            change.chosen,
            change.rejected,
            shape_of(pairs[change.pair]),
            pairs[change.pair],
        )
        for change in tally.changes(model)
        if change.pair < len(pairs)
    ]


def wrong_first(values: Iterable[PairValue]) -> list[PairValue]:
    """By margin, the smallest first; those that are not finite last."""
    return sorted(values, key=lambda value: (not value.finite, value.margin if value.finite else 0.0, value.number))
