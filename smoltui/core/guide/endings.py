"""How a run ended, in the terms of the table of next steps (`core.guide.ends`)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from smoltui.core.guide.ends import Act, Cause, End, Outcome, cause_of
from smoltui.core.runs.run import Run, Stage

_PUSHES = re.compile(r"^push_to_hub:\s*(true|yes|on)\b", re.IGNORECASE | re.MULTILINE)
_OUTCOMES = {Stage.COMPLETED: Outcome.DONE, Stage.ERROR: Outcome.FAILED}


def end_of(run: Run, *, project: str, here: bool, has_model: bool) -> End:
    """How a run in a final stage ended, as a person of `project` sees it.

    `here`: it ran on this machine. `has_model`: its model can be loaded.
    """
    facts = set()
    if run.project != project:
        facts.add("other")
    if has_model:
        facts.add("model")
    elif not here and run.stage == Stage.COMPLETED and _trained_for_nothing(run):
        facts.add("lost")
    if run.resumable:
        facts.add("resumable")
    if run.timeout_seconds and "spec" in run.raw:  # without it, the run is repeated only as it was
        facts.add("limit")
    outcome = _OUTCOMES.get(Stage(run.stage), Outcome.STOPPED) if run.stage in set(Stage) else Outcome.STOPPED
    cause = cause_of(run.message) if outcome is Outcome.FAILED else Cause.OTHER
    return End(Act.TRAIN, outcome, cause, frozenset(facts))


def _trained_for_nothing(run: Run) -> bool:
    """Whether the recipe of a Job did not push its model."""
    spec = run.raw.get("spec")
    recipe = spec.get("recipe") if isinstance(spec, Mapping) else None
    return isinstance(recipe, str) and _PUSHES.search(recipe) is None
