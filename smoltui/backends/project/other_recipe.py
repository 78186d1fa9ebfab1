"""The values of another recipe to compare with: a preset, a run, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoltui.backends.project.import_recipe import read_source
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile, load_recipe
from smoltui.backends.system.paths import expanded
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import Run
from smoltui.errors import InputError
from smoltui.suggestions import did_you_mean

RECIPES = (".yaml", ".yml")


def of_preset(name: str) -> dict[str, Any]:
    """The values of a preset. Raises InputError: there is no such preset."""
    if name not in PRESETS:
        raise InputError(f"Unknown preset: {name}", did_you_mean(name, PRESETS) or f"Presets: {', '.join(PRESETS)}.")
    return dict(load_recipe(PRESETS[name] / RECIPE_NAME).values)


def of_run(run: Run) -> dict[str, Any]:
    """The values that a run was started with. Raises InputError: they are not known."""
    spec = spec_of(run.raw.get("spec"))
    if spec is None:
        raise InputError(f"The recipe of this run is not known here: {run.id}", "Choose a run started by smoltui.")
    return dict(RecipeFile(Path(RECIPE_NAME), spec.recipe, "").values)


def of_file(name: str, base: Path) -> dict[str, Any]:
    """The values of a recipe, a project's folder, a script or a file with a command.

    Raises:
        InputError, RecipeError: it cannot be read, or is neither.
    """
    path = expanded(name)
    path = path if path.is_absolute() else base / path
    if path.is_dir():
        path = path / RECIPE_NAME
    return dict(load_recipe(path).values if path.suffix in RECIPES else read_source(str(path)).values)
