"""Recent projects, in `recent.json` of the data folder: shared by all apps of a person, bounded, and easy to lose."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.data_folder import read_json, write_json
from smoltui.errors import InputError

MOST_KEPT = 20
LONGEST_PATH = 4096
LOCK_SECONDS = 2.0
"""Another app holds the lock for a millisecond."""


@dataclass(frozen=True, slots=True)
class Recent:
    """A project that was opened."""

    folder: Path
    """Absolute."""
    opened_at: float
    """Seconds since the epoch."""


def _path() -> Path:
    return data_folder.home() / data_folder.RECENT


def recent_projects(*, but: Path | None = None) -> list[Recent]:
    """The projects that still exist, newest first; `but` is left out. Blocking.

    A damaged file counts as empty, and is replaced by the next project that is opened.
    """
    return [one for one in _read() if one.folder != but and _is_project(one.folder)]


def remember(folder: Path) -> None:
    """Puts a project first. Blocking.

    What cannot be saved (a full disk, a read-only folder) is not remembered: nothing else depends on it.
    """
    with suppress(OSError, InputError):
        data_folder.private_folder(_path().parent)
        lock = locks.take(
            _path().with_name(data_folder.RECENT_LOCK), "The recent projects are locked", seconds=LOCK_SECONDS
        )
        try:
            others = [one for one in _read() if one.folder != folder]
            _write([Recent(folder, time.time()), *others])
        finally:
            os.close(lock)


def _write(projects: Sequence[Recent]) -> None:
    kept = [{"folder": str(one.folder), "opened_at": one.opened_at} for one in projects[:MOST_KEPT]]
    write_json(_path(), {"projects": kept})


def _read() -> list[Recent]:
    data = read_json(_path())
    entries = data.get("projects") if data is not None else None
    found: dict[Path, Recent] = {}
    for entry in entries if isinstance(entries, list) else []:
        folder, at = (entry.get("folder"), entry.get("opened_at")) if isinstance(entry, dict) else (None, None)
        if not isinstance(folder, str) or not folder.startswith("/") or len(folder) > LONGEST_PATH or "\0" in folder:
            continue
        opened = float(at) if isinstance(at, int | float) and not isinstance(at, bool) else 0.0
        found.setdefault(Path(folder), Recent(Path(folder), opened))
    return list(found.values())[:MOST_KEPT]


def _is_project(folder: Path) -> bool:
    try:
        return (folder / RECIPE_NAME).is_file()
    except (OSError, ValueError):
        return False
