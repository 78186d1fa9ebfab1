"""Rules that watch an unfinished run: what a person wants to know before it ends.

What curves say, with its thresholds, comes from `scripts/ruin_rules.py` and `answer_rules.py`. Only one rule, the cost
limit, can end a run, and only if configured to; `watch.stop_ruined` is up to the training script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from smoltui.core.runs.cost import Flavor, price, usd
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.reading import view_of
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.scripts.answer_rules import chosen_fell, trivial
from smoltui.scripts.curve_remarks import Rule
from smoltui.scripts.curve_view import CurveView
from smoltui.scripts.ruin_rules import diverged, flat, no_gradient, not_finite, wrong_way

MOST_OTHERS = 3
"""Flavors that are named instead of one that is not free."""
SLOW_SHARE = 0.25
"""Share of the steps before which a flat margin says nothing: warm-up, and small learning rates, need their time."""


RULES: dict[str, str] = {
    "nan": "the loss is NaN or far above its start",
    "margin_steps": "nothing is learned",
    "logps": "chosen answers become less likely",
    "accuracy": "the loss collapses early",
    "silent_minutes": "no log output for a while",
    "cost_usd": "the cost exceeds a limit",
    "time_left": "the timeout is too short",
    "waiting_minutes": "a Job waits for its hardware unusually long",
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
    others: Sequence[Flavor]
    view: CurveView

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
    others: Sequence[Flavor] = (),
) -> list[Warned]:
    """The rules that apply to a run now (`now` in seconds since the epoch); none if it has ended.

    `cost` is the cost so far, USD; `quiet_for` the seconds since its last line; `seconds_left` the estimated time of
    the remaining steps. None: unknown, and the rule is skipped. `others` are flavors that may replace its own.
    """
    if run.is_final:
        return []
    watch = _Watch(run, settings, now, cost, quiet_for, seconds_left, others, view_of(run))
    found = ((rule, apply(watch)) for rule, apply in _APPLY.items() if getattr(settings, rule))
    return [Warned(rule, *said) for rule, said in found if said is not None]


_Said = tuple[str, str] | None
"""Word and sentence of `Warned`; None if the rule doesn't apply."""


def _of_curve(watch: _Watch, *rules: Rule) -> _Said:
    """The first remark of these rules."""
    found = next((remark for rule in rules for remark in rule(watch.view)), None)
    said = watch.run.health  # from each of the first steps, of which the curve may have too few
    if found is None and said is not None and said.rule in {rule.__name__ for rule in rules}:
        found = said
    return (found.word, f"{found.sentence}. {found.act}") if found else None


def _nan(watch: _Watch) -> _Said:
    return _of_curve(watch, not_finite, diverged, wrong_way)


def _margin(watch: _Watch) -> _Said:
    view, steps = watch.view, watch.settings.margin_steps
    if watch.run.step >= steps and (view.done is None or view.is_past(SLOW_SHARE)) and not view.is_past(0.5):
        view = replace(view, planned=2 * view.step)  # `flat` waits for half of the run
    return _of_curve(replace(watch, view=view), no_gradient, flat)


def _logps(watch: _Watch) -> _Said:
    return _of_curve(watch, chosen_fell)


def _accuracy(watch: _Watch) -> _Said:
    return _of_curve(watch, trivial)


def _silence(watch: _Watch) -> _Said:
    quiet = watch.quiet_for
    if not watch.is_running or quiet is None or quiet <= watch.settings.silent_minutes * 60:
        return None
    return "silent", f"No log output for {as_time(quiet)}: the run may hang"


def waits_long(run: Run, minutes: float, now: float) -> bool:
    """Whether a run with a flavor has waited for it for longer than this many minutes."""
    waits = run.stage == Stage.SCHEDULING and run.flavor is not None and run.created_at is not None
    return waits and now - (run.created_at or now) > minutes * 60


def waiting_sentence(run: Run, others: Sequence[Flavor], now: float) -> str:
    """How long a run has waited, and for which flavors it need not."""
    waited = as_time(now - (run.created_at or now))
    if not others:
        return f"Waiting for {run.flavor} for {waited}, which is unusually long; waiting costs nothing"
    named = ", ".join(f"{one.name} ({price(one)})" for one in others[:MOST_OTHERS])
    return (
        f"Waiting for {run.flavor} for {waited}, which is unusually long; {named} would do, too: "
        "cancel it (X) and run it again there (R)"
    )


def _waiting(watch: _Watch) -> _Said:
    if not waits_long(watch.run, watch.settings.waiting_minutes, watch.now):
        return None
    return "waiting", waiting_sentence(watch.run, watch.others, watch.now)


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
    "waiting_minutes": _waiting,
}
"""Key of `RULES` → whether the rule applies; not called for a rule that is off."""
