"""The curves of a run as the rules of the reading line look at them: means, shares of the run, rewards in nats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

Points = Sequence[tuple[int, float]]
"""(step, value) in step order; may hold NaN and infinity."""
Curves = Mapping[str, Points]
"""TRL's name of a metric → its series; `eval_…` are the held-out ones."""

DEFAULT_BETA = 0.1
"""TRL's (`DPOConfig.beta`), where neither the plan nor the curves tell."""
MOST = 1e150
"""Larger values count as this, so that sums and squares are finite."""
HELD_OUT = "eval_"
CHOSEN, REJECTED, MARGIN, ACCURACY = "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"


@dataclass(frozen=True)
class CurveView:
    """A run's curves with what is known of the run. Rewards are asked for in nats: TRL's value ÷ beta."""

    curves: Curves
    planned: int | None = None
    """Optimizer steps in all; None if unknown."""
    over: bool = False
    """The run has ended."""
    known_beta: float | None = None
    """None if the plan isn't known."""
    dtype: str = ""
    """Type of the trained weights, for example float16; empty if unknown."""

    @cached_property
    def beta(self) -> float:
        """From the plan; else from held-out values: a change of reward is beta × that of the log-probability."""
        if self.known_beta is not None and self.known_beta > 0:
            return self.known_beta
        for side in ("chosen", "rejected"):
            rewards, logps = self.finite(f"eval_rewards/{side}"), self.finite(f"eval_logps/{side}")
            if len(rewards) >= 2 and len(rewards) == len(logps) and abs(logps[-1] - logps[0]) > 0.1:
                found = (rewards[-1] - rewards[0]) / (logps[-1] - logps[0])
                if math.isfinite(found) and found > 0:
                    return found
        return DEFAULT_BETA

    def points(self, key: str) -> Points:
        """The series of a metric; empty if it was never logged."""
        return self.curves.get(key, ())

    def finite(self, key: str) -> list[float]:
        """The finite values of a metric, in step order. Rules ask for the same ones again and again."""
        found = self._finite.get(key)
        if found is None:
            values = (value for _, value in self.points(key) if math.isfinite(value))
            found = self._finite[key] = [max(-MOST, min(MOST, value)) for value in values]
        return found

    @cached_property
    def _finite(self) -> dict[str, list[float]]:
        return {}

    def last(self, key: str) -> float | None:
        """The newest value, finite or not; None without one."""
        points = self.points(key)
        return points[-1][1] if points else None

    @cached_property
    def step(self) -> int:
        """The newest step with a training value; 0 without one."""
        losses = self.points("loss") or self.points(MARGIN)
        return losses[-1][0] if losses else 0

    @cached_property
    def done(self) -> float | None:
        """Share of the planned steps, 0..1; None if unknown."""
        if self.planned:
            return min(1.0, self.step / self.planned)
        return 1.0 if self.over else None

    def is_past(self, share: float) -> bool:
        """Whether this share of the planned steps is known to be done."""
        return self.done is not None and self.done >= share

    def first(self, key: str) -> float | None:
        """The first finite value; None without one."""
        values = self.finite(key)
        return values[0] if values else None

    def end(self, key: str) -> float | None:
        """Mean of the last quarter of the finite values; None without one."""
        values = self.finite(key)
        return mean(values[-max(len(values) // 4, 1) :]) if values else None

    def half(self, key: str) -> list[float]:
        """The finite values of the second half of the logged points."""
        values = self.finite(key)
        return values[len(values) // 2 :]

    def nats(self, key: str) -> float | None:
        """`end` of a reward, in nats."""
        value = self.end(key)
        return None if value is None else value / self.beta

    @cached_property
    def reference_logp(self) -> float | None:
        """Log-probability of a chosen answer under the reference, nats, mean; None if it isn't logged."""
        for prefix in (HELD_OUT, ""):
            logps, rewards = self.end(f"{prefix}logps/chosen"), self.nats(f"{prefix}{CHOSEN}")
            if logps is not None and rewards is not None:
                return logps - rewards
        return None

    def is_large(self, nats: float, least: float, share: float) -> bool:
        """Whether a change in nats is at least `least`, and at least `share` of the answer's log-probability.

        The absolute size holds for short answers, the share for long ones.
        """
        reference = self.reference_logp
        return nats > max(least, share * abs(reference) if reference is not None else 0.0)


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value. Divided first, because the sum of finite numbers may not be finite."""
    return math.fsum(value / len(values) for value in values)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of at least one value."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values]))
