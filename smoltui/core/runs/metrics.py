"""Names of training metrics, and series of their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MetricName:
    """One metric logged by TRL's DPOTrainer (`trl/trainer/dpo_trainer.py`, 1.16)."""

    key: str
    """TRL's name; prefixed with `eval_` for the held-out pairs."""
    label: str
    unit: str


METRICS: tuple[MetricName, ...] = (
    MetricName("loss", "loss", "nats"),
    MetricName("rewards/margins", "reward margin", "nats"),
    MetricName("rewards/accuracies", "reward accuracy", "share"),
    MetricName("rewards/chosen", "reward chosen", "nats"),
    MetricName("rewards/rejected", "reward rejected", "nats"),
    MetricName("logps/chosen", "log-prob chosen", "nats"),
    MetricName("logps/rejected", "log-prob rejected", "nats"),
    MetricName("learning_rate", "learning rate", ""),
    MetricName("grad_norm", "gradient norm", ""),
    MetricName("mean_token_accuracy", "token accuracy", "share"),
    MetricName("entropy", "entropy", "nats"),
)
"""What they mean is in `core.meanings`."""

LN2 = math.log(2)
"""DPO loss of an untrained policy (margin 0): −log σ(0)."""


@dataclass(slots=True)
class History:
    """Series by metric name, each a list of (step, value) in step order.

    A repeated step (after a resume) replaces the older value, so the curve has one value per step.
    """

    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    holes: list[int] = field(default_factory=list)
    """Steps behind which lines of the log are missing, so that values may be, too."""

    def interrupt(self) -> None:
        """Notes that lines are missing behind the newest step."""
        newest = max((points[-1][0] for points in self.series.values() if points), default=0)
        if newest not in self.holes:
            self.holes.append(newest)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the values logged at `step`."""
        for key, value in values.items():
            points = self.series.setdefault(key, [])
            while points and points[-1][0] >= step and points[-1][0] != step:
                points.pop()  # the run resumed from a checkpoint: later steps are trained again
            if points and points[-1][0] == step:
                points[-1] = (step, value)
            else:
                points.append((step, value))

    @property
    def known(self) -> bool:
        """Whether there is any value; fast even if the curve has not been read yet."""
        return bool(self.series)

    @property
    def loaded(self) -> bool:
        """Whether `series` is fast. If not, call `load` in a thread first."""
        return True

    def load(self) -> None:
        """Reads new values of a curve stored elsewhere."""

    def last(self, key: str) -> float | None:
        """The newest value; None without one."""
        points = self.series.get(key)
        return points[-1][1] if points else None

    def rows(self) -> list[dict[str, float]]:
        """One object per step, `step` first, as printed by `--json`."""
        rows: dict[int, dict[str, float]] = {}
        for key, points in self.series.items():
            for step, value in points:
                rows.setdefault(step, {"step": step})[key] = value
        return [rows[step] for step in sorted(rows)]


def load_all(histories: Iterable[History]) -> None:
    """Reads new values of each; run it in a thread."""
    for history in histories:
        history.load()


def as_word(value: float | None, digits: int = 3) -> str:
    """A number for the screen: `NaN` and `∞` as words, `–` for unknown, small and large numbers in powers of ten."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value != 0 and (abs(value) < 10**-digits or abs(value) >= 1e6):
        return f"{value:.{max(digits - 1, 1)}e}"
    return f"{value:.{digits}f}"


def smoothed(points: Sequence[tuple[int, float]], weight: float) -> list[tuple[int, float]]:
    """Exponential moving average, each value keeping `weight` (0..1) of the previous average, without the bias to 0
    at the start (the correction of Adam, Kingma and Ba 2015, algorithm 1). NaN and infinity are unchanged.
    """
    if not weight:
        return list(points)
    average, seen = 0.0, 0.0
    found = []
    for step, value in points:
        if math.isfinite(value):
            average, seen = weight * average + (1 - weight) * value, weight * seen + (1 - weight)
            value = average / seen
        found.append((step, value))
    return found


def with_holes(points: Sequence[tuple[int, float]], holes: Iterable[int]) -> list[tuple[int, float]]:
    """The points with NaN behind each of the steps `holes`, where a curve then has a gap."""
    found = list(points)
    for hole in holes:
        behind = next((place for place, (step, _) in enumerate(found) if step > hole), None)
        if behind:  # neither before the first point, nor after the last one
            found.insert(behind, (hole, math.nan))
    return found


def newest_share(points: Sequence[tuple[int, float]], share: float) -> list[tuple[int, float]]:
    """The points within the last `share` (0..1] of the steps."""
    if share >= 1 or not points:
        return list(points)
    first, last = points[0][0], points[-1][0]
    begin = last - (last - first) * share
    return [point for point in points if point[0] >= begin]


def finite(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The points that a curve can draw; NaN and infinity are gaps."""
    return [(step, value) for step, value in points if math.isfinite(value)]
