"""The runs and Jobs that this machine has records of, by id and name: for completion and suggestions.

Asks no engine and no server, and reads at most `MOST` small files: a shell waits for it while a person presses tab.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smoltui.backends.runs import store
from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError

MOST = 200
"""Records that are read, the newest first."""
MOST_BYTES = 1 << 20
"""Bytes of one record."""
_ID = re.compile(r"[\w.-]{1,80}")
"""Ids as engines write them. A shell would expand other characters."""


class KnownRun(NamedTuple):
    """A run as its record names it."""

    id: str
    name: str
    """Empty if its record cannot be read."""


def known_runs() -> list[KnownRun]:
    """All local runs, then all Jobs submitted from here, each newest first; empty if there are none or they cannot be
    read."""
    try:
        ids = store.run_ids()
    except InputError:
        ids = []
    found = [KnownRun(id, _name(store.runs_folder() / id / "spec.json")) for id in ids[:MOST] if _ID.fullmatch(id)]
    return found + _jobs(data_folder.home() / "jobs", MOST - len(found))


def _jobs(folder: Path, most: int) -> list[KnownRun]:
    paths: list[Path] = []
    with suppress(OSError):
        paths = sorted(folder.glob("*.json"), key=lambda path: data_folder.mtime(path) or 0.0, reverse=True)
    return [KnownRun(path.stem, _name(path)) for path in paths[: max(0, most)] if _ID.fullmatch(path.stem)]


def _name(path: Path) -> str:
    """The name in a record of a run, or of a Job, which keeps it below `spec`."""
    with suppress(OSError, ValueError):
        data = foreign_json.decode(read_small(path, MOST_BYTES), most_bytes=MOST_BYTES)
        spec = data.get("spec", data) if isinstance(data, dict) else None
        name = spec.get("name") if isinstance(spec, dict) else None
        return name if isinstance(name, str) else ""
    return ""
