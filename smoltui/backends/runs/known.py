"""The runs and Jobs that this machine has records of, by id and name: for completion and suggestions.

Asks no engine and no server, and reads a limited number of small files: a shell waits for it after each press of tab.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json

FOLDERS = ("runs", "slurm")
"""Folders of the data folder with one folder per run."""
JOBS = "jobs"
"""The one with one file per Job."""
MOST = 200
"""Records of each that are read, the newest first."""
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
    """The runs of each engine, newest first; empty if there are none or they cannot be read."""
    home = data_folder.home()
    specs = [(path.parent.name, path) for folder in FOLDERS for path in _newest(home / folder, "*/spec.json")]
    specs += [(path.stem, path) for path in _newest(home / JOBS, "*.json")]
    return [KnownRun(id, _name(path)) for id, path in specs if _ID.fullmatch(id)]


def _newest(folder: Path, pattern: str) -> list[Path]:
    paths: list[Path] = []
    with suppress(OSError):
        paths = sorted(folder.glob(pattern), key=lambda path: data_folder.mtime(path) or 0.0, reverse=True)
    return paths[:MOST]


def _name(path: Path) -> str:
    """The name in a record of a run, or of a Job, which keeps it below `spec`."""
    with suppress(OSError, ValueError):
        data = foreign_json.decode(read_small(path, MOST_BYTES), most_bytes=MOST_BYTES)
        spec = data.get("spec", data) if isinstance(data, dict) else None
        name = spec.get("name") if isinstance(spec, dict) else None
        return name if isinstance(name, str) else ""
    return ""
