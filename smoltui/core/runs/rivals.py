"""Whether another run writes where a new one would: a second start is usually a key pressed twice, and may be paid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

from smoltui.core.runs.run import Run, RunSpec
from smoltui.safe_text import safe_line

_PUSHES = re.compile(r"^push_to_hub:\s*(true|yes|on)\b", re.IGNORECASE | re.MULTILINE)
_REPOSITORY = re.compile(r"^hub_model_id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def pushes_to(recipe: str) -> str:
    """The repository that a recipe pushes to; empty if it pushes nothing, or names none."""
    found = _REPOSITORY.search(recipe)
    return found[1] if found is not None and _PUSHES.search(recipe) else ""


def rival(
    spec: RunSpec, runs: Iterable[Run], starting: Iterable[RunSpec] = (), *, on_disk: bool, twins: bool = True
) -> str:
    """A sentence about a run under way that `spec` would be a second one of; empty if there is none.

    That is one that pushes to the same repository, writes to the same folder (`on_disk`: its files stay on this
    machine), or with `twins` trains the same recipe of the same project elsewhere. `starting` is what has no id yet.
    """
    clash = partial(_clash, spec, on_disk=on_disk, twins=twins)
    for other in starting:
        if other.label != spec.label and (why := clash(other.recipe, other.output_dir, other.project)):
            return f"{safe_line(other.name, 40)} is being started, and {why}"
    for run in runs:
        known = run.raw.get("spec")
        if run.is_final or not isinstance(known, Mapping) or known.get("label") == spec.label:
            continue
        recipe, output = str(known.get("recipe") or ""), run.output_dir or str(known.get("output_dir") or "")
        project = run.project or str(known.get("project") or "")
        if why := clash(recipe, output, project):
            return f"{safe_line(run.name, 40)} ({run.id}) is {safe_line(run.stage, 20)}, and {why}"
    return ""


def rival_again(
    run: Run,
    spec: RunSpec | None,
    runs: Iterable[Run],
    starting: Iterable[RunSpec] = (),
    *,
    on_disk: bool,
    resume: bool = False,
) -> str:
    """A sentence about a run under way beside which `run` would be started again, or resumed; empty if there is none.

    `spec` is what it was started with. If that is unknown (None), only the run itself is known to be like it.
    """
    if spec is None:
        going = f"{safe_line(run.name, 40)} ({run.id}) is {safe_line(run.stage, 20)}"
        return "" if run.is_final else f"{going}, and does the same"
    if resume:
        return rival(spec, runs, starting, on_disk=on_disk, twins=False)
    # A new run: it has a label of its own, and on this machine a folder of its own.
    return rival(replace(spec, label="", output_dir=""), runs, starting, on_disk=on_disk)


def rivals_among(specs: Sequence[RunSpec]) -> str:
    """A sentence about the first two of these that push to the same repository; empty if there are none."""
    for one, other in combinations(specs, 2):
        if (repository := pushes_to(one.recipe)) and repository == pushes_to(other.recipe):
            names = f"{safe_line(one.name, 40)} and {safe_line(other.name, 40)}"
            return f"{names} push to the same repository: {safe_line(repository, 80)}"
    return ""


def _clash(spec: RunSpec, recipe: str, output: str, project: str, *, on_disk: bool, twins: bool) -> str:
    """What two runs have in common; empty if nothing that matters."""
    ours, theirs = pushes_to(spec.recipe), pushes_to(recipe)
    if ours and ours == theirs:
        return f"pushes to the same repository: {safe_line(ours, 80)}"
    if on_disk and output and spec.output_dir == output:
        return f"writes to the same folder: {safe_line(output, 120)}"
    if twins and not on_disk and spec.project == project and spec.recipe == recipe:
        return "trains the same recipe of this project"
    return ""
