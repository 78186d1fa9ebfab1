"""Whether a training needs the memory that loaded models take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smoltui.backends.machine.devices import device_report
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.core.machine.fit import estimate
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError


def needs_memory(project: Project, run: Run) -> bool:
    """Whether a run on this machine needs more memory than is free beside what is loaded. Blocks.

    True if it is not known how much it needs.
    """
    spec = run.raw.get("spec")
    text = spec.get("recipe") if isinstance(spec, Mapping) else None
    if not isinstance(text, str):
        return True
    report = device_report(Path(run.output_dir or project.folder))
    device = report.accelerators[0] if report.accelerators else None
    free = device.free if device else report.ram_available
    owner = Project(Path(run.project)) if run.project else project
    try:
        values = RecipeFile(owner.recipe_path, text, "").values
        fit = estimate(values, recipe_shape(owner, values), cuda=device is not None and device.kind == "cuda")
    except SmoltuiError:
        return True
    return fit is None or free is None or fit.needed > free
