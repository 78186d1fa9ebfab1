"""What is spent on runs: USD per hour now, and since a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import Run, Stage


@dataclass(frozen=True, slots=True)
class Spending:
    """What all runs with a price cost."""

    per_hour: float = 0.0
    """USD, of those that run now."""
    today: float = 0.0
    """USD, since the start of the day."""
    unpriced: int = 0
    """Running runs whose price is unknown, which are not in the sums."""


def spending(runs: Iterable[Run], flavor_of: Callable[[Run], Flavor | None], now: float) -> Spending:
    """What the runs cost now and today; `now` in seconds since the epoch, and the day is that of the local clock."""
    day = day_start(now)
    per_hour, today, unpriced = 0.0, 0.0, 0
    for run in runs:
        running = run.stage == Stage.RUNNING
        if not run.flavor or (not running and (run.finished_at or 0.0) < day):
            continue
        flavor = flavor_of(run)
        if flavor is None or flavor.usd_per_minute is None:
            unpriced += running
            continue
        per_hour += flavor.usd_per_minute * 60 if running else 0.0
        today += flavor.usd_per_minute * _seconds_since(run, day, now) / 60
    return Spending(per_hour, today, unpriced)


def day_start(now: float) -> float:
    """When the local day began, seconds since the epoch."""
    at = time.localtime(now)
    return time.mktime((at.tm_year, at.tm_mon, at.tm_mday, 0, 0, 0, 0, 0, -1))


def _seconds_since(run: Run, since: float, now: float) -> float:
    """Seconds that the run, or its newest part, has run since a moment."""
    if run.started_at is None:
        return 0.0
    end = run.finished_at if run.finished_at is not None else now if run.stage == Stage.RUNNING else run.started_at
    return max(0.0, min(end, now) - max(run.started_at, since))
