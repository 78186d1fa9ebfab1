"""What a change of the recipe changes: steps, epochs, memory, time and price, before → after. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from smoltui.core.machine.device import gib
from smoltui.core.machine.fit import estimate
from smoltui.core.recipe import Summary, summarise
from smoltui.core.runs.place import Target
from smoltui.screens.recipe.recipe_text import Surroundings, pairs_named


def effects(before: Mapping[str, object], after: Mapping[str, object], around: Surroundings, target: Target) -> str:
    """For example `memory 69.5 → 52.7 GiB · 1 000 → 2 500 steps`; what stays as it is is not named."""
    found = [*_of_memory(before, after, around, target), *_of_steps(before, after, around)]
    return " · ".join(found) or "no change in memory or steps"


def _of_memory(
    before: Mapping[str, object], after: Mapping[str, object], around: Surroundings, target: Target
) -> list[str]:
    cuda = around.cuda or target is not Target.LOCAL
    fits = [estimate(values, around.shape, cuda=cuda) for values in (before, after)]
    old, new = ("unknown" if fit is None else gib(fit.needed) for fit in fits)
    return [f"memory {old} → {new}"] if old != new else []


def _of_steps(before: Mapping[str, object], after: Mapping[str, object], around: Surroundings) -> list[str]:
    old, new = (
        summarise(values, around.rows if around.rows_of == pairs_named(values) else None) for values in (before, after)
    )
    parts = (_change(_steps(old), _steps(new), "steps"), _change(_epochs(old), _epochs(new), "epochs"))
    pairs = _change(str(old.pairs_per_step), str(new.pairs_per_step), "pairs per step")
    saved = _change(_kept(old), _kept(new), "checkpoints")
    return [part for part in (*parts, pairs, saved) if part]


def _change(old: str, new: str, unit: str) -> str:
    return f"{old} → {new} {unit}" if old != new else ""


def _steps(summary: Summary) -> str:
    return "unknown" if summary.steps is None else f"{summary.steps:,}".replace(",", " ")


def _epochs(summary: Summary) -> str:
    return "unknown" if summary.epochs is None else f"{summary.epochs:.3g}"


def _kept(summary: Summary) -> str:
    return "unknown" if summary.checkpoints is None else str(summary.checkpoints)
