"""From a recipe and settings to a run's specification."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.core.recipe import get, output_dir_of
from smoltui.core.recipe.packages import packages_for
from smoltui.core.runs.accelerate import DEEPSPEED
from smoltui.core.runs.job_options import JobOptions
from smoltui.core.runs.label_text import OURS
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import JOB_OUTPUT, LABEL, RunSpec, timeout_seconds
from smoltui.core.settings.settings import Settings, options_of
from smoltui.errors import InputError


def has_project(spec: RunSpec) -> bool:
    """Whether the folder of its project still exists, so that the run can be submitted again. Reads the disk."""
    return Path(spec.project).is_dir()


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run that override the files of its project; None keeps the value of the files."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Recipe keys with plain values. The file itself is not changed."""
    output_dir: str | None = None
    overwrite: bool = False
    """A model in the output folder may be replaced."""
    flavor: str | None = None
    timeout: str | None = None
    """In the format of Jobs, for example 3h."""
    namespace: str | None = None
    processes: int | None = None


def make_spec(project: Project, place: Place, recipe: RecipeFile, settings: Settings, options: Options) -> RunSpec:
    """The specification of a run. Applies the options to `recipe`, which is changed.

    Other options default to smoltui.toml; those for Jobs are ignored where a run is free.

    Raises:
        RecipeError: the recipe is written in a way that cannot be edited value by value.
        InputError: an invalid timeout or output folder.
    """
    for key, value in options.overrides.items():
        recipe.set(key, value)
    wanted = options.output_dir or output_dir_of(recipe.values)
    if options.output_dir:
        recipe.set("output_dir", options.output_dir)
    if "\0" in wanted:
        raise InputError(f"Not a valid folder name, output_dir: {wanted}", "Choose another folder.")
    name = str(recipe.values.get("run_name") or project.name)
    label, processes = new_label(), options.processes
    stop_ruined = settings.watch.stop_ruined
    if place.table:
        return _spec_with_options(project, place, recipe, settings, options, name, wanted)
    if not place.pays:
        local = settings.local
        count = local.processes if processes is None else processes
        sharding = (DEEPSPEED,) if count > 1 and local.strategy == "zero3" else ()
        needed = (*(package.requirement for package in packages_for(recipe.values)), *sharding)
        return RunSpec(
            name=name,
            project=str(project.folder),
            recipe=recipe.text,
            output_dir=str(project.resolve(wanted)),
            label=label,
            overwrite=options.overwrite,
            stop_ruined=stop_ruined,
            strategy=local.strategy,
            processes=count,
            packages=needed if local.python else (),
            python=local.python,
        )
    jobs = settings.jobs
    for key in jobs.labels.keys() & OURS.keys():
        raise InputError(f"This label is set by smoltui alone: {key}", "Remove it from jobs.labels in smoltui.toml.")
    limit = options.timeout or jobs.timeout
    try:
        seconds = timeout_seconds(limit)
    except ValueError as error:
        raise InputError(f"Not a valid timeout for Jobs: {limit}", str(error)) from error
    return RunSpec(
        name=name,
        project=str(project.folder),
        recipe=recipe.text,
        output_dir=f"{JOB_OUTPUT}/{Path(wanted).name}",
        label=label,
        flavor=options.flavor or jobs.flavor,
        timeout_seconds=seconds,
        namespace=options.namespace or jobs.namespace or None,
        labels={**jobs.labels, "name": label_value(name), LABEL: label},
        processes=(jobs.processes or None) if processes is None else processes,
        strategy=jobs.strategy,
        stop_ruined=stop_ruined,
        packages=(*(package.requirement for package in packages_for(recipe.values)), *jobs.packages),
        attempts=jobs.attempts if jobs.attempts > 1 else None,
        options={key: value for key, value in options_of(jobs).items() if key in _ASKED},
        keep=kept_at(jobs.checkpoints, recipe.values, label),
    )


def kept_at(where: str, values: Mapping[str, Any], label: str) -> str:
    """Where a Job with this label keeps its checkpoints (`RunSpec.keep`); empty if the recipe saves none.

    `where` is `jobs.checkpoints`. The bucket's owner is only known when the Job is submitted.
    """
    if not where or get(values, "save_strategy") in ("no", False) or get(values, "save_only_model"):
        return ""
    return f"bucket:{label}/kept" if where == "bucket" else f"{where.rstrip('/')}/{label}"


def _spec_with_options(
    project: Project, place: Place, recipe: RecipeFile, settings: Settings, options: Options, name: str, wanted: str
) -> RunSpec:
    """The specification for a place with a table of its own in smoltui.toml. Raises as `make_spec`."""
    asked = options_of(getattr(settings, place.table))
    for option, key in place.asks.items():
        if (value := getattr(options, option)) is not None:
            asked[key] = json.dumps(value)
    output, root = project.resolve(wanted), json.loads(asked.get("output_root", '""'))
    if root and output.is_relative_to(project.folder):
        output = project.resolve(root) / project.name / output.relative_to(project.folder)
    label = new_label()
    told = {option: json.loads(asked[key]) for option, key in place.asks.items() if key in asked}
    return RunSpec(
        name=name,
        project=str(project.folder),
        recipe=recipe.text,
        output_dir=str(output),
        label=label,
        flavor=told.get("flavor"),
        namespace=told.get("namespace"),
        overwrite=options.overwrite,
        stop_ruined=settings.watch.stop_ruined,
        processes=options.processes,
        options=asked,
    )


_ASKED = frozenset(item.name for item in fields(JobOptions))
"""Keys of `[jobs]` that are stored with a run as `RunSpec.options`."""


def new_label() -> str:
    """A unique value for `LABEL`: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def label_value(text: str) -> str:
    """`text` as a valid value of a Job's label: at most 100 ASCII letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:100] or "run"
