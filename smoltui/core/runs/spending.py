"""What is spent on runs: USD per hour now, and since a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from smoltui.core.runs.cost import Flavor, cost_of_part
from smoltui.core.runs.run import Run, Stage


@dataclass(frozen=True, slots=True)
class Spending:
    """What all runs with a price cost."""

    per_hour: float = 0.0
    """USD, of those that run now."""
    today: float = 0.0
    """USD, since the start of the day, of all parts of a run."""
    unpriced: int = 0
    """Running runs whose price is unknown, which are not in the sums."""


def spending(runs: Iterable[Run], flavor_of: Callable[[str, str | None], Flavor | None], now: float) -> Spending:
    """What the runs cost now and today; `now` in seconds since the epoch, and the day is that of the local clock.

    `flavor_of` gets the name of an engine and that of a flavor, and returns the flavor with its price; None: unknown.
    """
    day = day_start(now)
    per_hour, today, unpriced = 0.0, 0.0, 0
    for run in runs:
        if run.stage != Stage.RUNNING and not run.parts and (run.finished_at or 0.0) < day:
            continue  # most runs, at each draw
        if run.stage == Stage.RUNNING and run.flavor:
            flavor = flavor_of(run.engine, run.flavor)
            unpriced += flavor is None or flavor.usd_per_hour is None
            per_hour += (flavor.usd_per_hour or 0.0) if flavor is not None else 0.0
        for name, start, end in _spans(run, now):
            if end > day:
                today += cost_of_part(flavor_of(run.engine, name), end - max(start, day)) or 0.0
    return Spending(per_hour, today, unpriced)


def day_start(now: float) -> float:
    """When the local day began, seconds since the epoch."""
    at = time.localtime(now)
    return time.mktime((at.tm_year, at.tm_mon, at.tm_mday, 0, 0, 0, 0, 0, -1))


def _spans(run: Run, now: float) -> Iterator[tuple[str, float, float]]:
    """(flavor, start, end) of each part of a run that has begun and has a flavor, until `now`; the oldest first."""
    for part in run.parts:
        if part.flavor and part.started_at is not None:
            yield part.flavor, part.started_at, min(part.started_at + part.seconds, now)
    if run.flavor and run.started_at is not None:
        end = run.finished_at if run.finished_at is not None else now if run.stage == Stage.RUNNING else run.started_at
        yield run.flavor, run.started_at, max(run.started_at, min(end, now))
