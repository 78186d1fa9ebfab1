"""Which models are compared: a recipe's, those of runs and checkpoints, any on the Hub or in a folder."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.local.checkpoints import STATE_NAME, find_checkpoints
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile, load_project_recipe
from smoltui.backends.runs.output_dir import holds_model
from smoltui.backends.services import places
from smoltui.backends.system.data_folder import mtime
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.small_file import read_small
from smoltui.core.evaluation.column import Column, free_name
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.foreign import foreign_json
from smoltui.core.recipe import output_dir_of
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, RecipeError

DEFAULT_BETA = 0.1
DEFAULT_MAX_LENGTH = 1024
"""Both as in TRL 1.16's DPOConfig."""
DEFAULT_BATCH = 8
HUB_ID = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w./-]+))?")
"""owner/name or owner/name@revision."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: the models, and the settings of their recipe for scoring pairs."""

    reference: Column
    aligned: Column | None
    """None: there is no aligned model yet."""
    beta: float
    max_length: int | None
    """Tokens; None: pairs are not cut for scoring."""
    batch_size: int
    values: Mapping[str, Any]
    """The recipe's own keys and values."""

    @property
    def models(self) -> list[Column]:
        return [self.reference, *([self.aligned] if self.aligned else [])]

    @property
    def places(self) -> dict[str, str]:
        """Origin of each model's weights, by name."""
        return {model.name: model.shown for model in self.models}


# -- which models


def has_model(run: Run, here: Container[str]) -> bool:
    """Whether a run has a usable model: on this disk or on the Hub.

    `here` names the engines whose runs write to this disk.
    """
    return bool(run.pushed_to) or _folder_of(run, here) is not None


def _folder_of(run: Run, here: Container[str]) -> str | None:
    """The folder on this disk with a run's model; None without one. A Job names a folder on a disk that is gone."""
    if run.engine not in here:
        return None
    # An interrupted run may name a folder in which a later one has saved its model.
    folder = run.model_path or (run.output_dir if run.stage == Stage.COMPLETED else None)
    return folder if folder is not None and holds_model(Path(folder)) else None


def runs_with_models(runs: Mapping[str, Run], project: Project, here: Container[str]) -> list[Run]:
    """Runs of this project with a usable model, in the order of `runs` (newest first). Reads the disk."""
    return [run for run in runs.values() if run.project == str(project.folder) and has_model(run, here)]


def compare_run(project: Project, run: Run | None, here: Container[str] | None = None) -> Comparison:
    """The models of a run, by the recipe it was started with. `here` as in `has_model`; None: this machine.

    For None, the project's recipe and the model in its output folder (trained by hand, with `trl dpo`).

    Raises:
        RecipeError: the recipe has no model or cannot be read.
        InputError: the model no longer exists.
    """
    spec = run.raw.get("spec") if run is not None else None
    text = spec.get("recipe") if isinstance(spec, Mapping) else None
    recipe = RecipeFile(project.recipe_path, text, "") if isinstance(text, str) else load_project_recipe(project)
    if run is None:
        output = project.resolve(output_dir_of(recipe.values))
        return _comparison(project, recipe, str(output) if holds_model(output) else None, None)
    if here is None:
        here = frozenset(place.name for place in places() if place.here)
    if (folder := _folder_of(run, here)) is not None:
        return _comparison(project, recipe, folder, None, run.id)
    if run.pushed_to:
        return _comparison(project, recipe, None, run.pushed_to, run.id)
    raise InputError(
        f"The model of this run no longer exists: {run.model_path or run.output_dir}", "Train again with t."
    )


def compare_place(project: Project, place: str) -> Comparison:
    """The project's model, and the one in a folder or on the Hub as the aligned one.

    Raises:
        RecipeError: the recipe has no model or cannot be read.
        InputError: as `column_of_place`.
    """
    return with_aligned(compare_run(project, None), column_of_place(project, place))


def with_aligned(comparison: Comparison, column: Column) -> Comparison:
    """The comparison with this model as the aligned one."""
    return replace(comparison, aligned=replace(column, name=ALIGNED))


def compared_in(comparison: Comparison, columns: Sequence[Column] | None) -> Comparison:
    """The comparison whose models these columns show: a column that was chosen instead of the run's model is measured.

    That is the first one other than the recipe's model, if the run's model is not among them.
    """
    others = [column for column in columns or () if column.path and column.weights != comparison.reference.weights]
    kept = comparison.aligned is not None and any(one.weights == comparison.aligned.weights for one in others)
    return comparison if kept or not others else with_aligned(comparison, others[0])


def _comparison(
    project: Project, recipe: RecipeFile, folder: str | None, repo: str | None, run: str | None = None
) -> Comparison:
    values = recipe.values
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        raise RecipeError(f"{recipe.path.name} has no model", "Set model_name_or_path, for example in the Recipe room.")
    revision = values.get("model_revision")
    local = project.resolve(name)
    if exists(local) and local.is_dir():
        base, revision = str(local), None
    elif name.startswith((".", "/", "~")):
        raise RecipeError(f"The model of {recipe.path.name} does not exist: {local}", "Fix model_name_or_path.")
    else:
        base = name
    reference = Column(REFERENCE, base, revision if isinstance(revision, str) and revision != "main" else None)
    aligned = None
    if folder is not None:
        is_adapter = (Path(folder) / "adapter_config.json").is_file()
        aligned = (
            Column(ALIGNED, base, reference.revision, folder, run) if is_adapter else Column(ALIGNED, folder, run=run)
        )
    elif repo is not None:
        aligned = Column(ALIGNED, repo, run=run)
    beta, batch = values.get("beta", DEFAULT_BETA), values.get("per_device_eval_batch_size", DEFAULT_BATCH)
    max_length = values.get("max_length", DEFAULT_MAX_LENGTH)
    return Comparison(
        reference=reference,
        aligned=aligned,
        beta=float(beta) if isinstance(beta, int | float) else DEFAULT_BETA,
        max_length=max_length if isinstance(max_length, int) else None,
        batch_size=batch if isinstance(batch, int) and batch > 0 else DEFAULT_BATCH,
        values=values,
    )


# -- further columns


def column_of_run(
    project: Project, run: Run, others: Sequence[Column] = (), here: Container[str] | None = None
) -> Column:
    """The model of a run, named after the run's id. `here` as in `has_model`.

    Raises:
        RecipeError, InputError: as `compare_run`.
    """
    aligned = compare_run(project, run, here).aligned
    if aligned is None:  # `compare_run` raises first
        raise InputError(f"This run has no model: {run.id}", "List runs: smoltui ps -a")
    return replace(aligned, name=free_name(run.id, others))


def column_of_place(project: Project, place: str, others: Sequence[Column] = ()) -> Column:
    """The model or LoRA adapter in a folder, or with this Hub id (owner/name, owner/name@revision).

    Raises:
        InputError: the folder has no model, or it is neither a folder nor a Hub id.
    """
    place = place.strip()
    folder = project.resolve(str(expanded(place)))
    if exists(folder) and folder.is_dir():
        return _in_folder(project, folder, others)
    named = HUB_ID.fullmatch(place)
    if named is None:
        raise InputError(
            f"This is neither a folder nor a model on the Hub: {place}",
            "Name a folder, or a Hub id such as HuggingFaceTB/SmolLM3-3B.",
        )
    return Column(free_name(place, others), named[1], named[2])


def _in_folder(project: Project, folder: Path, others: Sequence[Column]) -> Column:
    if not holds_model(folder):
        raise InputError(f"There is no model in this folder: {folder}", "A model has a config.json beside its weights.")
    name = free_name(folder.name, others)
    if folder.name.startswith("checkpoint-"):
        name = free_name(f"{folder.parent.name}/{folder.name}", others)
    if not (folder / "adapter_config.json").is_file():
        return Column(name, str(folder))
    base = _base_of(folder)
    local = project.resolve(base)
    return Column(name, str(local) if exists(local) and local.is_dir() else base, adapter=str(folder))


def _base_of(adapter: Path) -> str:
    """Raises: InputError: its configuration names no base model."""
    try:
        found = foreign_json.decode(read_small(adapter / "adapter_config.json"))
    except (OSError, ValueError):
        found = None
    base = found.get("base_model_name_or_path") if isinstance(found, Mapping) else None
    if not isinstance(base, str) or not base:
        raise InputError(f"This adapter names no base model: {adapter}", "Merge it first, or compare its run.")
    return base


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be a column."""

    column: Column
    words: str
    """What it is: a run with its stage, a checkpoint with its step."""


def candidates(project: Project, comparison: Comparison, runs: Sequence[Run], here: Container[str]) -> list[Candidate]:
    """The recipe's model, and the models and checkpoints of these runs, newest first. Reads the disk."""
    found = [Candidate(comparison.reference, "the recipe's model, before training")]
    names = [comparison.reference]
    for run in runs:
        try:
            column = column_of_run(project, run, names, here)
        except (InputError, RecipeError):  # deleted just now
            continue
        if comparison.aligned is not None and column.weights == comparison.aligned.weights:
            column = comparison.aligned
        found.append(Candidate(column, f"{run.name} {run.id} {run.stage}"))
        names.append(column)
        if run.engine in here and run.output_dir:
            for step, checkpoint in _checkpoints(project, run, column):
                found.append(Candidate(checkpoint, f"{run.name} {run.id}, checkpoint at step {step}"))
                names.append(checkpoint)
    return found


def _checkpoints(project: Project, run: Run, final: Column) -> list[tuple[int, Column]]:
    """Checkpoints of a local run, newest first: step and column. They need no state of the optimizer to answer."""
    found = []
    for checkpoint in reversed(find_checkpoints(Path(run.output_dir or ""))):
        written_at = mtime(checkpoint.path / STATE_NAME)  # it is written last
        if not holds_model(checkpoint.path) or written_at is None or written_at < (run.created_at or 0.0):
            continue
        name = f"{run.id}@{checkpoint.step}"
        adapter = (checkpoint.path / "adapter_config.json").is_file()
        base = Column(name, final.path, final.revision, str(checkpoint.path), run.id)
        found.append((checkpoint.step, base if adapter else Column(name, str(checkpoint.path), run=run.id)))
    return found
