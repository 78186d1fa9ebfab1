"""What the engine needs of all runs on a cluster: their records, one lock for those who submit, and their errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.slurm import commands
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.place import SLURM
from smoltui.backends.slurm.records import BadRecordError, Records
from smoltui.backends.slurm.submit import unwritable
from smoltui.backends.system import data_folder, locks
from smoltui.core.machine.fit import Fit
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

MOST_LABEL = 100
"""Longest key or value of a label, as for Jobs."""
OVER_BY_SCRIPT = ("finished", "paused", "canceled", "setup", "srun", "folder")
"""What the script of a job writes about an end that Slurm can't say more about."""
LOCK_SECONDS = commands.SUBMIT_SECONDS + 15
"""How long to wait for another smoltui that is submitting a run."""


def relabelled(known: Mapping[str, str], set_: Mapping[str, str], remove: Sequence[str]) -> dict[str, str]:
    """Labels after a change. Raises InputError: a name that no label can have, or a missing one to be removed."""
    for key, value in set_.items():
        if not key.strip() or len(key) > MOST_LABEL or len(value) > MOST_LABEL:
            raise InputError(
                f"Not a label: {safe_line(f'{key}={value}', 60)}",
                f"Write key=value, each at most {MOST_LABEL} characters.",
            )
    if missing := [key for key in remove if key not in known]:
        there = ", ".join(safe_line(key, 60) for key in known) or "none"
        raise InputError(f"No such label: {safe_line(missing[0], 60)}", f"Labels of this run: {there}")
    return {key: value for key, value in {**known, **set_}.items() if key not in remove}


def is_over(records: Records) -> bool:
    """Whether Slurm has nothing to add to the records."""
    return records.last is not None or (records.status or {}).get("why") in OVER_BY_SCRIPT


def all_records() -> Iterator[Records]:
    """The readable records of all runs, newest first."""
    for run_id in store.run_ids():
        try:
            if (found := store.read(run_id)) is not None:
                yield found
        except InputError:
            continue


@contextmanager
def locked() -> Iterator[None]:
    """Keeps other processes from submitting a run during the block. Raises InputError."""
    path = data_folder.home() / "slurm.lock"
    try:
        data_folder.private_folder(data_folder.home()) if not data_folder.home().exists() else data_folder.tighten()
        data_folder.refuse_if_shared(data_folder.home())
        lock = locks.take(
            path,
            f"Another smoltui is submitting a run ({{pid}}): {path}",
            "Try again, or stop it: kill {pid}",
            seconds=LOCK_SECONDS,
        )
    except OSError as error:
        raise unwritable(path.parent, error) from error
    try:
        yield
    finally:
        os.close(lock)


def make_output(spec: RunSpec) -> None:
    """Creates the output folder. Raises InputError."""
    try:
        Path(spec.output_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The output folder is not writable ({error.strerror or error}): {spec.output_dir}",
            "Set another output_dir, or slurm.output_root.",
        ) from error


def fit_of(spec: RunSpec) -> Fit | None:
    """The memory estimate of a run's recipe, for the size of its checkpoints; None if unknown."""
    from smoltui.backends.project.recipe_facts import recipe_shape
    from smoltui.core.machine.fit import estimate

    project = Project(Path(spec.project))
    values = RecipeFile(project.folder / RECIPE_NAME, spec.recipe, "").values
    return estimate(values, recipe_shape(project, values))


def unreadable(folder: Path, error: BadRecordError) -> Run:
    """A run whose records cannot be read, as a row of the list."""
    return Run(
        id=folder.name,
        engine=SLURM.name,
        name=folder.name,
        stage=Stage.ERROR,
        message=error.message,
        hint=error.hint,
        created_at=data_folder.mtime(folder),
        raw={"spec": None, "problem": error},
    )


def readable(run: Run) -> Run:
    """`run`, unless its records cannot be read. Raises BadRecordError."""
    problem = run.raw.get("problem")
    if isinstance(problem, BadRecordError):
        raise problem
    return run
