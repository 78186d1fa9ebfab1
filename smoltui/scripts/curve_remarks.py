"""What a rule says of training curves: one remark, with how much it weighs.

Standard library only: the rules travel into a Job beside dpo.py, and the app reads curves with them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from smoltui.scripts.curve_view import CurveView
else:  # beside dpo.py
    from curve_view import CurveView

PERFECT_POINTS = 3
"""Consecutive values that count; a single batch can be lucky."""
TREND_POINTS = 8
"""Minimum number of logged values for a trend."""
FLAT_NATS = 0.1
"""Margin in nats within which nothing was learned."""


class Level(IntEnum):
    """How much a remark weighs."""

    NOTE = 0
    """Good to know; a run with nothing else is healthy."""
    WATCH = 1
    """Look at the answers: curves can't decide whether they are good."""
    NOTHING = 2
    """Nothing was learned."""
    BROKEN = 3
    """The weights are not usable, whatever the curves show later."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that the curves show."""

    rule: str
    """Name of the rule; also the term of its card (`core.meanings`)."""
    level: Level
    word: str
    """Two words for a row of the list."""
    sentence: str
    """What is seen, with its figures; without a period."""
    act: str
    """What to do; without a period."""

    def cause(self, step: int) -> str:
        """Why a run was stopped at a step."""
        return f"Stopped at step {step}: {self.sentence[:1].lower()}{self.sentence[1:]}"


Rule = Callable[[CurveView], Iterator[Remark]]
RULES: list[Rule] = []
"""In the order in which remarks of the same level are shown."""


def rule(function: Rule) -> Rule:
    """Adds a rule to `RULES`."""
    RULES.append(function)
    return function


def percent(share: float, digits: int = 0) -> str:
    """A share (0..1) in a sentence: `94 %`. Tables leave out the space."""
    return f"{share * 100:.{digits}f} %"


def minus(value: float, digits: int) -> str:
    """A number with a real minus sign; `-0.000` is 0.000."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def rate_rises(view: CurveView) -> bool:
    """Whether the learning rate is at its maximum and still rising."""
    rates = view.finite("learning_rate")
    return len(rates) >= PERFECT_POINTS and rates[-1] == max(rates) and rates[-1] > rates[-2] > rates[-3]
