"""Whether another run writes where a new one would: a second start is usually a key pressed twice, and may be paid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from smoltui.core.runs.run import Run, RunSpec
from smoltui.safe_text import safe_line

_PUSHES = re.compile(r"^push_to_hub:\s*(true|yes|on)\b", re.IGNORECASE | re.MULTILINE)
_REPOSITORY = re.compile(r"^hub_model_id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def pushes_to(recipe: str) -> str:
    """The repository that a recipe pushes to; empty if it pushes nothing, or names none."""
    found = _REPOSITORY.search(recipe)
    return found[1] if found is not None and _PUSHES.search(recipe) else ""


def rival(spec: RunSpec, runs: Iterable[Run], starting: Iterable[RunSpec] = (), *, on_disk: bool) -> str:
    """A sentence about a run under way that `spec` would be a second one of; empty if there is none.

    That is one that pushes to the same repository, writes to the same folder (`on_disk`: its files stay on this
    machine), or trains the same recipe of the same project elsewhere. `starting` is what has no id yet.
    """
    for other in starting:
        if other.label != spec.label and (why := _clash(spec, other.recipe, other.output_dir, other.project, on_disk)):
            return f"{safe_line(other.name, 40)} is being started, and {why}"
    for run in runs:
        known = run.raw.get("spec")
        if run.is_final or not isinstance(known, Mapping) or known.get("label") == spec.label:
            continue
        recipe, output = str(known.get("recipe") or ""), run.output_dir or str(known.get("output_dir") or "")
        if why := _clash(spec, recipe, output, run.project or str(known.get("project") or ""), on_disk):
            return f"{safe_line(run.name, 40)} ({run.id}) is {safe_line(run.stage, 20)}, and {why}"
    return ""


def _clash(spec: RunSpec, recipe: str, output: str, project: str, on_disk: bool) -> str:
    """What two runs have in common; empty if nothing that matters."""
    ours, theirs = pushes_to(spec.recipe), pushes_to(recipe)
    if ours and ours == theirs:
        return f"pushes to the same repository: {safe_line(ours, 80)}"
    if on_disk and spec.output_dir == output:
        return f"writes to the same folder: {safe_line(output, 120)}"
    if not on_disk and spec.project == project and spec.recipe == recipe:
        return "trains the same recipe of this project"
    return ""
