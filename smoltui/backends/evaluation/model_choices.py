"""Models that can be compared besides those of runs: folders of the project, and repositories on the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from smoltui.backends.evaluation.columns import Candidate, Comparison, column_of_place
from smoltui.backends.evaluation.loading import load_plan
from smoltui.backends.evaluation.subject import remembered
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.models import models_of
from smoltui.backends.project.project import Project
from smoltui.backends.runs.output_dir import holds_model
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.errors import InputError

DEEPEST = 2
"""Levels of folders below the project that are searched for models."""
MOST_FOLDERS = 500
"""Folders that are looked at: a project may contain an environment."""


def folder_choices(project: Project, known: Sequence[Column]) -> list[Candidate]:
    """Models in folders of the project, and those that were compared before, which `known` has not. Reads the disk."""
    columns = list(known)
    found: list[Candidate] = []

    def add(column: Column, words: str) -> None:
        if all(column.weights != one.weights for one in columns):
            columns.append(column)
            found.append(Candidate(column, words))

    for column in remembered(project):
        with suppress(InputError):
            add(column_of_place(project, column.adapter or column.shown, columns), "compared before")
    for folder in _folders(project.folder):
        with suppress(InputError, OSError):
            if holds_model(folder):
                add(column_of_place(project, str(folder), columns), f"folder {folder.relative_to(project.folder)}")
    return found


def _folders(top: Path) -> Iterator[Path]:
    """Folders below `top`, without hidden ones, environments and checkpoints, which belong to their run."""
    level, left = [top], MOST_FOLDERS
    for _ in range(DEEPEST):
        below: list[Path] = []
        for folder in level:
            with suppress(OSError):
                below += [path for path in sorted(folder.iterdir()) if path.is_dir() and _may_hold(path)]
        yield from below[:left]
        left -= len(below)
        if left <= 0:
            return
        level = below


def _may_hold(folder: Path) -> bool:
    hidden = folder.name.startswith((".", "_", "checkpoint-"))
    return not hidden and not (folder / "pyvenv.cfg").is_file()


async def hub_choices(project: Project, comparison: Comparison, known: Sequence[Column]) -> list[Candidate]:
    """Repositories on the Hub: the recipe's own, and the account's models, the newest first.

    Raises:
        ServiceError: nobody is logged in, or the Hub did not answer.
    """
    own = comparison.values.get("hub_model_id")
    doing = "list your models"
    owner = await hub.namespace()
    async with hub.session(doing) as session:
        listed = await models_of(session, owner, doing=doing)
    columns, found = list(known), list[Candidate]()
    for name in listed:
        words = "the recipe's hub_model_id" if name == own else f"model of {owner} on the Hub"
        with suppress(InputError):
            column = column_of_place(project, name, columns)
            if all(column.weights != one.weights for one in columns):
                columns.append(column)
                found.append(Candidate(column, words))
    return found


async def checked_place(project: Project, place: str, known: Sequence[Column]) -> Candidate:
    """The model in a folder or on the Hub that a person named, with its size, once it is known to exist.

    Raises:
        InputError: the folder has no model, or it is neither a folder nor a Hub id.
        ServiceError: there is no such repository, or the Hub did not answer.
    """
    column = await in_thread(lambda: column_of_place(project, place, known))
    plan = await load_plan([column], project.folder)
    return Candidate(column, "; ".join(load.words for load in plan.loads))
