"""Rules that watch an unfinished run: what a person wants to know before it ends.

The thresholds are our conventions, not research findings: each says when a curve is worth a look. Only one of them, the
cost limit, can end a run, and only if configured to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from smoltui.core.runs.cost import usd
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, Stage

EARLY_SHARE = 0.2
"""Reward accuracy of 1.0 within this share of the steps: something trivial separates the pairs."""
POINTS = 8
"""Minimum number of logged values for a trend."""
FALLEN_SHARE = 0.05
"""Relative decrease from which a log-probability counts as falling."""
PERFECT_POINTS = 3
"""Consecutive values of 1.0 that count; a single batch can be lucky."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`[watch]` of smoltui.toml: which rules are on. 0 turns a rule off."""

    nan: bool = True
    """The loss is NaN or infinite."""
    margin_steps: int = 100
    """The reward margin is not above its start after this many steps."""
    logps: bool = True
    """The log-probabilities of chosen and rejected answers both fall."""
    accuracy: bool = True
    """The reward accuracy is 1.0 within the first fifth of the steps."""
    silent_minutes: float = 10.0
    """A running run has printed nothing for this long."""
    cost_usd: float = 0.0
    """A Job has cost more than this."""
    cancel_over_cost: bool = False
    """…and is cancelled then."""
    time_left: bool = True
    """At the current pace, the timeout comes before the last step."""


RULES: dict[str, str] = {
    "nan": "the loss is NaN or infinite",
    "margin_steps": "the margin does not rise",
    "logps": "both log-probabilities fall",
    "accuracy": "accuracy is 1.0 early",
    "silent_minutes": "no log output for a while",
    "cost_usd": "the cost exceeds a limit",
    "time_left": "the timeout is too short",
}
"""Field of `WatchSettings` → what the rule is about."""


@dataclass(frozen=True, slots=True)
class Warned:
    """A rule that currently applies to a run."""

    rule: str
    """Key of `RULES`."""
    word: str
    """For the row in the list."""
    sentence: str
    """For the notification, with what to do."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """What the rules look at; the fields are the arguments of `watched`."""

    run: Run
    settings: WatchSettings
    now: float
    cost: float | None
    quiet_for: float | None
    seconds_left: float | None

    def points(self, metric: str) -> Sequence[tuple[int, float]]:
        """Steps and values of a metric; empty if it was never logged."""
        return self.run.history.series.get(metric, ())

    @property
    def is_running(self) -> bool:
        return self.run.stage == Stage.RUNNING


def watched(
    run: Run,
    settings: WatchSettings,
    now: float,
    *,
    cost: float | None = None,
    quiet_for: float | None = None,
    seconds_left: float | None = None,
) -> list[Warned]:
    """The rules that apply to a run now (`now` in seconds since the epoch); none if it has ended.

    `cost` is the cost so far, USD; `quiet_for` the seconds since its last line; `seconds_left` the estimated time of
    the remaining steps. None: unknown, and the rule is skipped.
    """
    if run.is_final:
        return []
    watch = _Watch(run, settings, now, cost, quiet_for, seconds_left)
    found = ((rule, apply(watch)) for rule, apply in _APPLY.items() if getattr(settings, rule))
    return [Warned(rule, *said) for rule, said in found if said is not None]


_Said = tuple[str, str] | None
"""Word and sentence of `Warned`; None if the rule doesn't apply."""


def _nan(watch: _Watch) -> _Said:
    loss = watch.run.history.last("loss")
    if loss is None or math.isfinite(loss):
        return None
    since = _since(watch.points("loss"))
    return "NaN", f"The loss has been NaN or infinite since step {since}: try a lower learning rate"


def _margin(watch: _Watch) -> _Said:
    margins, step = _values(watch.points("rewards/margins")), watch.run.step
    if step < watch.settings.margin_steps or len(margins) < POINTS:
        return None
    begin, end = _ends(margins)
    if end > begin:
        return None
    return "margin flat", (
        f"After {step} steps the margin is {end:.3f}, at the start {begin:.3f}: the model does not "
        "learn to tell the answers apart (check learning rate, beta, and whether the pairs have a pattern)"
    )


def _logps(watch: _Watch) -> _Said:
    if not (_falls(watch.points("logps/chosen")) and _falls(watch.points("logps/rejected"))):
        return None
    return "log-probs fall", (
        "The log-probabilities of chosen and rejected answers both fall: the model unlearns both (try a larger "
        "beta or a lower learning rate)"
    )


def _accuracy(watch: _Watch) -> _Said:
    step, planned = _perfect_since(watch.points("rewards/accuracies")), watch.run.max_steps
    if step is None or not planned or step > planned * EARLY_SHARE:
        return None
    return "1.0 early", (
        f"Reward accuracy has been 1.0 since step {step} of {planned}: the pairs differ by something "
        "trivial, such as length or a marker"
    )


def _silence(watch: _Watch) -> _Said:
    quiet = watch.quiet_for
    if not watch.is_running or quiet is None or quiet <= watch.settings.silent_minutes * 60:
        return None
    return "silent", f"No log output for {as_time(quiet)}: the run may hang"


def _cost(watch: _Watch) -> _Said:
    limit = watch.settings.cost_usd
    if watch.cost is None or watch.cost <= limit:
        return None
    return "cost", f"Cost so far {usd(watch.cost)}, over the limit of {usd(limit)}"


def _time_left(watch: _Watch) -> _Said:
    run, needed = watch.run, watch.seconds_left
    if not watch.is_running or not run.timeout_seconds or run.started_at is None or not needed:
        return None
    until = run.started_at + run.timeout_seconds - watch.now
    if needed <= until:
        return None
    return "timeout", (
        f"The remaining steps take {as_time(needed)}, but the timeout is in "
        f"{as_time(max(until, 0))}: anything not pushed or saved to a volume by then is lost"
    )


_APPLY: Mapping[str, Callable[[_Watch], _Said]] = {
    "nan": _nan,
    "margin_steps": _margin,
    "logps": _logps,
    "accuracy": _accuracy,
    "silent_minutes": _silence,
    "cost_usd": _cost,
    "time_left": _time_left,
}
"""Key of `RULES` → whether the rule applies; not called for a rule that is off."""


def _values(points: Sequence[tuple[int, float]]) -> list[float]:
    return [value for _, value in points if math.isfinite(value)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and the last quarter."""
    quarter = max(len(values) // 4, 1)
    # Divided first, because the sum of finite numbers may not be finite.
    first, last = (math.fsum(value / quarter for value in part) for part in (values[:quarter], values[-quarter:]))
    return first, last


def _falls(points: Sequence[tuple[int, float]]) -> bool:
    values = _values(points)
    if len(values) < POINTS:
        return False
    begin, end = _ends(values)
    return begin - end > abs(begin) * FALLEN_SHARE


def _perfect_since(points: Sequence[tuple[int, float]]) -> int | None:
    """The step at which at least `PERFECT_POINTS` consecutive values of 1.0, up to the last one, start."""
    since: int | None = None
    length = 0
    for step, value in reversed(points):
        if value < 1.0:
            break
        since, length = step, length + 1
    return since if length >= PERFECT_POINTS else None


def _since(points: Sequence[tuple[int, float]]) -> int:
    since = points[-1][0]
    for step, value in reversed(points):
        if math.isfinite(value):
            break
        since = step
    return since
