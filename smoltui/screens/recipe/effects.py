"""What a change of the recipe changes: memory, time, cost, steps, epochs, before → after. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smoltui.core.machine.device import gib
from smoltui.core.machine.duration import Duration
from smoltui.core.machine.fit import Fit
from smoltui.core.recipe import Summary
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Target
from smoltui.screens.recipe.outcome import Outcome, cost_in_words, outcome
from smoltui.screens.recipe.surroundings import Surroundings


def effects(before: Mapping[str, object], after: Mapping[str, object], around: Surroundings, target: Target) -> str:
    """For example `memory 69.5 GiB → 52.7 GiB · 1 000 → 2 500 steps`; what stays as it is is not named."""
    old, new = _parts(outcome(before, around, target)), _parts(outcome(after, around, target))
    changed = (
        f"{name} {was} → {now}".strip() + unit
        for (name, was, unit), (_, now, _) in zip(old, new, strict=True)
        if was != now
    )
    return " · ".join(changed) or "no change in memory, time, cost or steps"


def _parts(found: Outcome) -> Iterator[tuple[str, str, str]]:
    """Name, value and unit of each figure."""
    yield "memory", _memory(found.fit), ""
    yield "", _steps(found.summary), " steps"
    yield "time", _time(found.time), ""
    yield "cost", cost_in_words(found) or "unknown", ""
    yield "", "unknown" if found.summary.epochs is None else f"{found.summary.epochs:.3g}", " epochs"
    yield "", str(found.summary.pairs_per_step), " pairs per step"
    yield "", "unknown" if found.summary.checkpoints is None else str(found.summary.checkpoints), " checkpoints"


def _memory(fit: Fit | None) -> str:
    return "unknown" if fit is None else gib(fit.needed)


def _steps(summary: Summary) -> str:
    return "unknown" if summary.steps is None else f"{summary.steps:,}"


def _time(time: Duration | None) -> str:
    return "unknown" if time is None else as_span(time.low, time.high)
