"""Tries whether a folder can be written to: a file is written, read and deleted. Asking for its mode proves nothing."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from smoltui.core.machine.health import FolderFacts

CONTENT = b"smoltui doctor\n" * 300
"""4.5 kB: more than the block that a full disk may still have."""


def probed(name: str, folder: Path, setting: str = "") -> FolderFacts:
    """The facts about a folder. One that does not exist is tested in its nearest parent, and not created."""
    there = folder.is_dir()
    place = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    free = None
    with suppress(OSError):
        free = shutil.disk_usage(place).free
    shared = False
    with suppress(OSError):
        shared = there and name == "data" and bool(place.stat().st_mode & stat.S_IWOTH)
    problem = _problem(folder, place)
    return FolderFacts(name, str(folder), problem, there, shared, free, setting)


def _problem(folder: Path, place: Path) -> str:
    """Why a file cannot be written to `place`, in the system's words; empty if it can."""
    in_the_way = next(
        (path for path in (folder, *folder.parents) if path not in place.parents and _is_file(path)), None
    )
    if in_the_way is not None:
        return f"not a folder but a file: {in_the_way}"
    try:
        with tempfile.NamedTemporaryFile(prefix=".smoltui-doctor-", dir=place) as file:
            file.write(CONTENT)
            file.flush()
            os.fsync(file.fileno())
            if Path(file.name).read_bytes() != CONTENT:
                return "what was written is not what is read"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False
