"""Other flavors for a Job that waits long for its hardware."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.core.machine.hardware import alternatives, fits
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import Run
from smoltui.errors import RecipeError


def other_flavors(run: Run, flavors: Sequence[Flavor]) -> list[Flavor]:
    """Flavors that the recipe of a run fits, too, the cheapest first; of a Job of others, those with as much memory.

    Reads the disk: the model may be a folder.
    """
    spec = spec_of(run.raw.get("spec"))
    found = None
    if spec is not None:
        try:
            values = RecipeFile(Path("recipe.yaml"), spec.recipe, "").values
        except RecipeError:
            values = {}
        found = fits(flavors, values, recipe_shape(Project(Path(spec.project)), values))
    return alternatives(flavors, run.flavor or "", found)
