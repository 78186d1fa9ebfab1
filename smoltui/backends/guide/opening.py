"""What a person means by `smoltui SOMETHING`: a project, pairs, a run, or a name on the Hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from smoltui.backends.data_files.hub_names import hub_name
from smoltui.backends.data_files.local import is_pattern
from smoltui.backends.data_files.splits import is_data
from smoltui.backends.data_files.tables import READABLE
from smoltui.backends.guide.found_files import near_path
from smoltui.backends.jobs import records as job_records
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.runs import store
from smoltui.backends.runs.known import known_runs
from smoltui.backends.system.data_folder import read_json
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import InputError
from smoltui.safe_text import safe_line
from smoltui.suggestions import near as near_names

PARENTS = 3
"""Folders above a file in which its project is looked for."""


class Kind(StrEnum):
    """What was meant."""

    PROJECT = "project"
    """A folder, with or without a project in it."""
    PAIRS = "pairs"
    RUN = "run"
    HUB = "hub"
    """owner/name: only the Hub knows whether it is a dataset or a model."""
    NEW = "new"
    """The wizard, for a project in a folder that may not exist."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to open, and the project to open it in."""

    kind: Kind
    folder: Path
    """Project folder, absolute; may have no recipe."""
    source: str = ""
    """For PAIRS and HUB: as `typed_spec` reads it; for NEW: the pairs to start with, empty to ask."""
    run_id: str = ""
    """For RUN."""


def find_target(typed: str, here: Path, current: Path | None = None, *, words: Sequence[str] = ()) -> Target:
    """What `typed` means, with paths relative to `here`. Reads the disk, and asks nobody else.

    `current` is the project folder of the running app; None when it is about to start. `words` are other words that
    could have been meant, such as commands.

    Raises:
        InputError: nothing has that name; the message has the nearest match.
    """
    text = typed.strip()
    path = here / expanded(text)
    if exists(path):
        return _existing(path.absolute(), text, here, current)
    if is_pattern(text) and "://" not in text:
        return Target(Kind.PAIRS, current or here, str(path))
    if (run := find_run(text)) is not None:
        return run if current is None or run.folder.is_dir() else Target(Kind.RUN, current, run_id=run.run_id)
    if _may_be_on_hub(text):
        return Target(Kind.HUB, current or here, text)
    raise _nothing(text, here, words)


def _existing(path: Path, text: str, here: Path, current: Path | None) -> Target:
    if path.is_dir():
        if _is_saved_set(path):
            return Target(Kind.PAIRS, current or _project_of(path, here), str(path))
        return Target(Kind.PROJECT, path)
    if path.name in (RECIPE_NAME, FILE_NAME):
        return Target(Kind.PROJECT, path.parent)
    if not is_data(path.name):
        raise InputError(
            f"This file cannot be read as pairs, and is no recipe: {safe_line(text, 300)}",
            f"Readable: {READABLE}. A project is opened by its folder.",
        )
    return Target(Kind.PAIRS, current or _project_of(path, here), str(path))


def _is_saved_set(folder: Path) -> bool:
    """Whether a folder was written by `datasets`, so that it is a set and no project."""
    saved = (folder / "dataset_dict.json", folder / "state.json")
    return not Project(folder).has_recipe and any(map(exists, saved))


def _project_of(path: Path, here: Path) -> Path:
    """The project that pairs are opened in: that of the current folder, or of a folder above them, or theirs."""
    around = (here, *list(path.parents)[:PARENTS])
    return next((folder for folder in around if Project(folder).has_recipe), path.parent)


def _may_be_on_hub(text: str) -> bool:
    if text.startswith((".", "/", "~")) or any(mark in text for mark in " \t\n"):
        return False
    named = hub_name(text)
    return named is not None and ("://" in text or bool(named.path) or not is_data(text))


def find_run(text: str) -> Target | None:
    """The run with this id, name (the newest) or label, as far as it was started from here; None without one."""
    if not text or "/" in text or text.startswith("."):
        return None
    known = known_runs()
    for run in known:
        if text in (run.id, run.name):
            return _run(run.id, _spec(run.id))
    # Labels are in the records only, and rarely typed.
    return next((_run(run.id, spec) for run in known if (spec := _spec(run.id)).get("label") == text), None)


def _spec(run_id: str) -> Mapping[str, object]:
    """What a run was started with; empty if there is no readable record."""
    spec: object = read_json(store.run_dir(run_id) / "spec.json") or (job_records.read(run_id) or {}).get("spec")
    return spec if isinstance(spec, dict) else {}


def _run(run_id: str, spec: Mapping[str, object]) -> Target:
    project = spec.get("project")
    folder = Path(project) if isinstance(project, str) and project.startswith("/") else Path.cwd()
    return Target(Kind.RUN, folder if exists(folder) and folder.is_dir() else Path.cwd(), run_id=run_id)


def _nothing(text: str, here: Path, words: Sequence[str]) -> InputError:
    shown = safe_line(text, 200)
    near = near_path(text, here) if not text.startswith("~") else ""
    if not near and "/" not in text:
        near = next(iter(near_names(text, words)), "")
    meant = f" Did you mean {safe_line(near, 200)}?" if near else ""
    what = "file or folder" if text.startswith((".", "/", "~")) or is_data(text) else "file, folder, run or command"
    return InputError(f"No such {what}: {shown}.{meant}", "See: smoltui --help; new projects: smoltui new FOLDER")


def is_model_on_hub(name: str) -> bool | None:
    """Whether owner/name is a model on the Hub and no dataset; None if the Hub has neither. Blocking.

    Raises:
        ServiceError: the Hub refused or did not respond.
    """
    from smoltui.backends.data_files.hub_repo import ANSWER_SECONDS, DATASET, MODEL, HubRepo
    from smoltui.errors import NotFoundOnHubError

    named = hub_name(name)
    if named is None:
        return None
    from huggingface_hub import HfApi

    for is_model in (False, True):
        repo = HubRepo(MODEL if is_model else DATASET, named.repo, named.revision)
        try:
            with repo.reading():
                ask = HfApi().model_info if is_model else HfApi().dataset_info
                ask(named.repo, revision=named.revision, timeout=ANSWER_SECONDS)
        except NotFoundOnHubError:
            continue
        return is_model
    return None
