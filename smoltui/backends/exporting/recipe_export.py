"""A project's recipe as something that runs without smoltui, and what one has to know before running it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from smoltui.backends.exporting.paths_in_recipe import local_paths, with_paths
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.pairs.curated import Curated, curate
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile, load_project_recipe, render
from smoltui.backends.runs.token_check import leaks
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.small_file import replace_small
from smoltui.core.exporting.commands import hf_jobs_with_script, hf_jobs_with_trl, trl_command
from smoltui.core.exporting.script import ScriptParts, exported_script, requirements_of
from smoltui.core.machine.hardware import accelerators_in
from smoltui.core.recipe import output_dir_of
from smoltui.core.recipe.packages import packages_for
from smoltui.core.recipe.summary import MOUNT
from smoltui.core.runs.accelerate import DEEPSPEED, accelerate_config, as_yaml, mixed_precision_of
from smoltui.core.runs.run import JOB_OUTPUT
from smoltui.core.settings.settings import JobSettings, Settings
from smoltui.errors import InputError, RecipeError
from smoltui.scripts import BESIDE_DPO, LOCKED, SCRIPTS


class Form(StrEnum):
    """What a recipe is exported as."""

    SCRIPT = "script"
    """One Python file with everything in it."""
    TRL = "trl"
    """A `trl dpo` command."""
    HF_JOBS = "hf-jobs"
    """An `hf jobs uv run` command for an exported script, which is written too."""
    HF_JOBS_TRL = "hf-jobs-trl"
    """An `hf jobs uv run` command for TRL's own script."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was made."""

    form: Form
    text: str
    """The script or the command."""
    notes: tuple[str, ...] = ()
    """What to know before running it: sentences."""
    files: tuple[str, ...] = field(default=())
    """Paths of the recipe that are files or folders here, which the export needs beside it."""


def export_recipe(project: Project, form: Form, out: Path | None = None, *, for_jobs: bool = False) -> Export:
    """The recipe in the form `form`. `for_jobs`: a script is for a Job, and starts a process for each of its GPUs.

    With `out`, the place where the text will be written, the pairs as they were curated are written beside it, and
    paths are adjusted to its folder. Without it, nothing is written.

    Raises:
        RecipeError: there is no recipe, it cannot be read, or it contains a token.
        InputError: the pairs cannot be read or written.
    """
    recipe = load_project_recipe(project)
    settings = project.settings()
    for leak in leaks(project, None, settings):
        raise RecipeError(leak.sentence, leak.next_step)
    notes: list[str] = []
    found = curate(project, recipe.values, settings=settings)
    if found is not None:
        notes.append(_take_pairs(recipe, found, out))
    folder = project.folder if out is None else out.parent
    moved = folder.resolve() != project.folder.resolve()
    files = local_paths(project, recipe.values)
    if moved and form in (Form.SCRIPT, Form.TRL):
        with_paths(recipe, lambda path: str(project.resolve(path)) if path in files else path)
    if form is Form.SCRIPT:
        processes, strategy = _several(settings, for_jobs=for_jobs or settings.on == JOBS.name)
        return Export(form, _script(project, recipe, processes, strategy), tuple(notes), tuple(files))
    notes += _notes_of_trl(recipe.values) if form in (Form.TRL, Form.HF_JOBS_TRL) else []
    notes += _notes_of_processes(settings, form)
    if form is Form.TRL:
        return Export(form, trl_command(recipe.values, _rendered(recipe.values)), tuple(notes), tuple(files))
    notes += _notes_of_jobs(recipe.values, files)
    jobs = settings.jobs
    if form is Form.HF_JOBS:
        name = script_name(project)
        output, mounts = _job_output(recipe.values), _mounts(files)
        text = hf_jobs_with_script(name, jobs, output_dir=output, mounts=mounts)
        return Export(form, text, tuple(notes), tuple(files))
    return Export(form, _job_with_trl(recipe, jobs, files), tuple(notes), tuple(files))


def script_name(project: Project) -> str:
    """Name of the exported script that a command refers to."""
    return f"{project.name}-dpo.py"


def write_export(text: str, path: str, *, overwrite: bool = False) -> Path:
    """Writes an export. Raises InputError: there is such a file already, or it cannot be written."""
    target = expanded(path).absolute()
    if exists(target) and not overwrite:
        raise InputError(f"There is such a file already: {target}", "Choose another name, or replace it: --overwrite")
    try:
        replace_small(target, (text if text.endswith("\n") else f"{text}\n").encode())
    except OSError as error:
        raise InputError(f"The file cannot be written ({error.strerror}): {target}", "Choose another place.") from error
    return target


def _several(settings: Settings, *, for_jobs: bool) -> tuple[int, str]:
    """Training processes, one per GPU, and how they share the work."""
    if not for_jobs:
        return settings.local.processes, settings.local.strategy
    jobs = settings.jobs
    return jobs.processes or accelerators_in(jobs.flavor), jobs.strategy


def _notes_of_processes(settings: Settings, form: Form) -> list[str]:
    """That a command with TRL's script starts one process, where several GPUs are asked for."""
    processes, strategy = _several(settings, for_jobs=form is Form.HF_JOBS_TRL)
    if form not in (Form.TRL, Form.HF_JOBS_TRL) or processes < 2:
        return []
    if form is Form.HF_JOBS_TRL:
        return [f"This command starts one process, not one on each of {processes} GPUs: --hf-jobs starts all"]
    named = {"ddp": "multi_gpu", "fsdp": "fsdp2", "zero3": "zero3"}[strategy]
    return [f"For {processes} GPUs, add: --accelerate_config {named} --num_processes {processes}"]


def _script(project: Project, recipe: RecipeFile, processes: int, strategy: str) -> str:
    sources = {name: (SCRIPTS / name).read_text(encoding="utf-8") for name in ("dpo.py", *BESIDE_DPO)}
    wanted = [package.requirement for package in packages_for(recipe.values)]
    launch = ""
    if processes > 1:
        precision, use_cpu = mixed_precision_of(recipe.values), bool(recipe.values.get("use_cpu"))
        launch = as_yaml(accelerate_config(processes, strategy, precision, use_cpu=use_cpu))
        if strategy == "zero3" and not any(package.startswith("deepspeed") for package in wanted):
            wanted.append(DEEPSPEED)
    return exported_script(
        ScriptParts(
            name=str(recipe.values.get("run_name") or project.name),
            recipe=recipe.text,
            modules=sources,
            requirements=[*requirements_of(sources["dpo.py"]), *wanted],
            locked=LOCKED.read_text(encoding="utf-8").split(),
            launch=launch,
        )
    )


def _rendered(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: render(value) for key, value in values.items()}


def _job_with_trl(recipe: RecipeFile, jobs: JobSettings, files: list[str]) -> str:
    with_paths(recipe, lambda path: f"{MOUNT}/{path}" if path in files and not path.startswith("/") else path)
    values = {**recipe.values, "output_dir": _job_output(recipe.values)}
    header = requirements_of((SCRIPTS / "dpo.py").read_text(encoding="utf-8"))
    return hf_jobs_with_trl(
        values,
        _rendered(values),
        jobs,
        packages=[*header, *(package.requirement for package in packages_for(values))],
        mounts=_mounts(files),
    )


def _job_output(values: Mapping[str, Any]) -> str:
    return f"{JOB_OUTPUT}/{Path(output_dir_of(values)).name}"


def _mounts(files: list[str]) -> tuple[str, ...]:
    """The volume with the project's folder, if the recipe names local files."""
    return (f".:{MOUNT}:ro",) if files else ()


def _take_pairs(recipe: RecipeFile, found: Curated, out: Path | None) -> str:
    """Puts the curated pairs beside the export, and the recipe's keys to them; returns the note about it."""
    if out is None:
        return (
            "The pairs differ from the files that the recipe names (decisions made in Pairs, or a form that TRL reads "
            "differently); with -o FILE, the pairs that smoltui trains on are written beside it"
        )
    place = out.with_name(f"{out.stem}-pairs")
    try:
        shutil.copytree(found.exported.folder, place, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise InputError(f"The pairs cannot be written: {place}", "Choose another place.") from error
    for key in ("datasets", "test_split_size", "dataset_config"):
        recipe.remove(key)
    recipe.set("dataset_name", place.name if out.parent == recipe.path.parent else str(place))
    recipe.set("dataset_train_split", "train")
    if found.evaluates:
        recipe.set("dataset_test_split", "test")
    return f"The pairs as smoltui trains on them were written: {place.name}"


def _notes_of_trl(values: Mapping[str, Any]) -> list[str]:
    """What TRL's script does differently."""
    found = ["TRL's script trains on rows that smoltui leaves out, and lets SmolLM3 think: see smoltui docs recipe"]
    if str(values.get("eval_strategy") or "no") != "no" and values.get("test_split_size"):
        found.append("TRL draws other held-out pairs in each run, as it uses no seed")
    return found


def _notes_of_jobs(values: Mapping[str, Any], files: list[str]) -> list[str]:
    found = []
    if outside := [path for path in files if path.startswith(("/", "~", ".."))]:
        found.append(f"A Job can't read files outside the project's folder: {', '.join(outside)}")
    if not values.get("push_to_hub"):
        found.append("The model will be lost with the Job's disk: push_to_hub is off")
    if files:
        found.append("Start it in the project's folder, which is uploaded and mounted")
    return found
