"""From a project folder to a run's specification: what the start dialog and `smoltui train` have in common."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile, load_recipe
from smoltui.core.runs.run import RunSpec, timeout_seconds
from smoltui.errors import InputError, RecipeError

LABEL = "smoltui-run"
"""Label of a Job that finds it again when the answer to its submission was lost."""

JOB_OUTPUT = "/tmp/smoltui"
"""Where a Job writes: its own disk, which is deleted at its end."""


def load_project_recipe(project: Project) -> RecipeFile:
    """The recipe of a project.

    Raises:
        RecipeError: as `load_recipe`; a folder without a recipe gets the command that makes one.
    """
    if not project.has_recipe:
        raise RecipeError(
            f"This folder has no {RECIPE_NAME}: {project.folder}",
            "Create a project: smoltui demo FOLDER, or smoltui new FOLDER --preset course-local",
        )
    return load_recipe(project.recipe_path)


def make_spec(
    project: Project,
    engine: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    output_dir: str | None = None,
    overwrite: bool = False,
    flavor: str | None = None,
    timeout: str | None = None,
    namespace: str | None = None,
) -> RunSpec:
    """What to run, from the files of the project as they are now.

    `overrides` are recipe keys with plain values; the file itself is not changed. The options for a Job fall back to
    smoltui.toml and are left out for a local run.

    Raises:
        RecipeError: recipe.yaml or smoltui.toml cannot be used.
        InputError: a timeout that Jobs does not understand, or an output folder that cannot be.
    """
    recipe = load_project_recipe(project)
    settings = project.settings()
    for key, value in (overrides or {}).items():
        recipe.set(key, value)
    wanted = output_dir or str(recipe.values.get("output_dir") or "trainer_output")
    if output_dir:
        recipe.set("output_dir", output_dir)
    if "\0" in wanted:
        raise InputError(f"Not a valid folder name, output_dir: {wanted}", "Choose another folder.")
    name = str(recipe.values.get("run_name") or project.name)
    label = new_label()
    if engine == "local":
        return RunSpec(
            name=name, project=str(project.folder), recipe=recipe.text, output_dir=str(project.resolve(wanted)),
            label=label, overwrite=overwrite,
        )  # fmt: skip
    jobs = settings.jobs
    try:
        seconds = timeout_seconds(timeout or jobs.timeout)
    except ValueError as error:
        raise InputError(f"Not a valid timeout for Jobs: {timeout or jobs.timeout}", str(error)) from error
    return RunSpec(
        name=name, project=str(project.folder), recipe=recipe.text, output_dir=f"{JOB_OUTPUT}/{Path(wanted).name}",
        label=label, flavor=flavor or jobs.flavor, timeout_seconds=seconds,
        namespace=namespace or jobs.namespace or None,
        labels={**jobs.labels, "name": label_value(name), LABEL: label}, processes=jobs.processes or None,
        strategy=jobs.strategy,
    )  # fmt: skip


def new_label() -> str:
    """A value for `LABEL` that no other run has: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def label_value(text: str) -> str:
    """`text` as the value of a Job's label: at most 100 of the letters, digits, `_` and `-` that the Hub takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:100] or "run"
