"""Rules over a run that goes on: what a person would want to be told of before it ends.

The thresholds are conventions of ours, not findings: each says when a curve is worth a look. Only one of them, the cost
over a limit, can end a run, and only where that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from smoltui.core.runs.cost import usd
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, Stage

EARLY_SHARE = 0.2
"""Reward accuracy at 1.0 within this share of the steps: the pairs are told apart by something trivial."""
POINTS = 8
"""Logged values below which no trend is told."""
FALLEN_SHARE = 0.05
"""By how much of its size a log-probability has to fall to count as falling."""
PERFECT_POINTS = 3
"""So many values of 1.0 one after the other count; a single batch can be lucky."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`[watch]` of smoltui.toml: which rules are on. A number of 0 turns its rule off."""

    nan: bool = True
    """The loss is NaN or infinite."""
    margin_steps: int = 100
    """The reward margin is not above where it began after so many steps."""
    logps: bool = True
    """The log-probabilities of chosen and rejected answers both fall."""
    accuracy: bool = True
    """The reward accuracy is 1.0 within the first fifth of the steps."""
    silent_minutes: float = 10.0
    """A running run has said nothing for so long."""
    cost_usd: float = 0.0
    """A Job has cost more than this."""
    cancel_over_cost: bool = False
    """…and is then cancelled."""
    time_left: bool = True
    """At the present pace the timeout comes before the last step."""


RULES: dict[str, str] = {
    "nan": "the loss is NaN or infinite",
    "margin_steps": "the margin does not rise",
    "logps": "both log-probabilities fall",
    "accuracy": "accuracy is 1.0 early",
    "silent_minutes": "no line of log for long",
    "cost_usd": "the cost is over a limit",
    "time_left": "the timeout comes too early",
}
"""Field of `WatchSettings` → what the rule is about."""


@dataclass(frozen=True, slots=True)
class Warned:
    """A rule that holds for a run now."""

    rule: str
    """Key of `RULES`."""
    word: str
    """For the row in the list."""
    sentence: str
    """For the notification, with what to do."""


def watched(
    run: Run,
    settings: WatchSettings,
    now: float,
    *,
    cost: float | None = None,
    quiet_for: float | None = None,
    seconds_left: float | None = None,
) -> list[Warned]:
    """The rules that hold for a run now (`now` in seconds since the epoch); none for one that has ended.

    `cost` is what it has cost so far, USD; `quiet_for` the seconds since its last line; `seconds_left` what its steps
    will still take at the present pace. None: not known, so that rule says nothing.
    """
    if run.is_final:
        return []
    found: list[Warned] = []
    series = run.history.series
    loss = run.history.last("loss")
    if settings.nan and loss is not None and not math.isfinite(loss):
        found.append(
            Warned("nan", "NaN", f"The loss is not a number since step {_since(series['loss'])}: a lower learning rate")
        )
    margins = _values(series.get("rewards/margins", ()))
    if settings.margin_steps and run.step >= settings.margin_steps and len(margins) >= POINTS:
        begin, end = _ends(margins)
        if end <= begin:
            found.append(
                Warned(
                    "margin_steps", "margin flat",
                    f"After {run.step} steps the margin is {end:.3f}, at the start {begin:.3f}: it does not learn to "
                    "tell the answers apart (learning rate, beta, or pairs without a pattern)",
                )
            )  # fmt: skip
    if settings.logps and _falls(series.get("logps/chosen", ())) and _falls(series.get("logps/rejected", ())):
        found.append(
            Warned(
                "logps", "log-probs fall",
                "The log-probabilities of chosen and rejected answers both fall: the model unlearns both (a larger "
                "beta, a lower learning rate)",
            )
        )  # fmt: skip
    if settings.accuracy and (step := _perfect_since(series.get("rewards/accuracies", ()))) is not None:
        planned = run.max_steps
        if planned and step <= planned * EARLY_SHARE:
            found.append(
                Warned(
                    "accuracy", "1.0 early",
                    f"Reward accuracy is 1.0 since step {step} of {planned}: the pairs differ by something trivial, "
                    "such as length or a marker",
                )
            )  # fmt: skip
    running = run.stage == Stage.RUNNING
    if settings.silent_minutes and running and quiet_for is not None and quiet_for > settings.silent_minutes * 60:
        found.append(Warned("silent_minutes", "silent", f"No line of log for {as_time(quiet_for)}: it may hang"))
    if settings.cost_usd and cost is not None and cost > settings.cost_usd:
        found.append(Warned("cost_usd", "cost", f"It has cost {usd(cost)}, the limit is {usd(settings.cost_usd)}"))
    if settings.time_left and running and run.timeout_seconds and run.started_at is not None and seconds_left:
        until = run.started_at + run.timeout_seconds - now
        if seconds_left > until:
            found.append(
                Warned(
                    "time_left", "timeout",
                    f"Its steps take {as_time(seconds_left)} more, the timeout ends it in {as_time(max(until, 0))}: "
                    "what was not pushed or saved to a volume by then is lost",
                )
            )  # fmt: skip
    return found


def _values(points: Sequence[tuple[int, float]]) -> list[float]:
    return [value for _, value in points if math.isfinite(value)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and the last quarter."""
    quarter = max(len(values) // 4, 1)
    return fmean(values[:quarter]), fmean(values[-quarter:])


def _falls(points: Sequence[tuple[int, float]]) -> bool:
    values = _values(points)
    if len(values) < POINTS:
        return False
    begin, end = _ends(values)
    return begin - end > abs(begin) * FALLEN_SHARE


def _perfect_since(points: Sequence[tuple[int, float]]) -> int | None:
    """The step of the first of `PERFECT_POINTS` values of 1.0 in a row that reach to the end."""
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
