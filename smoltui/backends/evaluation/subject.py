"""What answers, figures and votes are kept for: a run, or a model that no run of the project trained.

Those of a run are in its folder. Those of a model are in `evaluations/<key>` in the data folder, one for each model of
a project, beside `model.json`, which says which it is. A run whose folder was deleted keeps its results the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.evaluation.column import Column, columns_from_json
from smoltui.core.runs.run import Run
from smoltui.errors import InputError

FILE_NAME = "model.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """A run or a model, and the folder of its results."""

    name: str
    """For a title."""
    folder: Path
    run: Run | None = None
    """None: a model that no run of the project trained."""


def of_run(run: Run) -> Subject:
    """The results of a run. Raises InputError: its id could lead outside the folder of runs."""
    return Subject(f"{run.name} {run.id}", run_store.run_dir(run.id), run)


def evaluations() -> Path:
    """Has one folder for each model of each project."""
    return data_folder.home() / "evaluations"


def of_model(project: Project, column: Column) -> Subject:
    """The results of a model of a project; its folder is made when something is kept (`remember`)."""
    key = json.dumps([str(project.folder), *column.weights])
    return Subject(column.shown, evaluations() / hashlib.sha256(key.encode()).hexdigest()[:16])


def of_deleted(project: Project, run: Run, column: Column) -> Subject:
    """Where the results of a run are kept after its own folder was deleted."""
    found = of_model(project, column)
    return Subject(f"{run.name} {run.id} (deleted)", found.folder)


def remember(project: Project, subject: Subject, column: Column) -> None:
    """Notes which model a folder of results is about; nothing for a run's. Blocks.

    Raises:
        InputError: the folder cannot be written.
    """
    if subject.run is not None:
        return
    try:
        data_folder.private_folder(evaluations())
        data_folder.private_folder(subject.folder)
        data_folder.write_json(
            subject.folder / FILE_NAME, {"project": str(project.folder), "columns": [column.as_json()]}
        )
    except OSError as error:
        raise InputError(
            f"Results cannot be saved ({error.strerror}): {subject.folder}",
            data_folder.make_writable(error),
        ) from error


def remembered(project: Project) -> list[Column]:
    """Models of this project that results were kept for, and no run trained, the latest first. Blocks."""
    found: list[tuple[float, Column]] = []
    for path in evaluations().glob(f"*/{FILE_NAME}"):
        data = data_folder.read_json(path)
        if not isinstance(data, Mapping) or data.get("project") != str(project.folder):
            continue
        column = columns_from_json(data)[0]
        if column.path:
            found.append((data_folder.mtime(path) or 0.0, column))
    return [column for _, column in sorted(found, key=lambda one: one[0], reverse=True)]
