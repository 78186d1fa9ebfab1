"""Where runs live on this machine: one folder a run, in the person's data folder, not in the project."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from smoltui.backends.project import expanded
from smoltui.backends.small_file import read_small
from smoltui.core import foreign_json
from smoltui.errors import InputError

MOST_RECORD_BYTES = 64 << 20
"""Of a JSON file of a run; the largest hold answers."""


def home() -> Path:
    """The data folder: `SMOLTUI_HOME`, or the system's place for application data."""
    if chosen := os.environ.get("SMOLTUI_HOME"):
        return expanded(chosen).absolute()
    from platformdirs import user_data_path

    return user_data_path("smoltui", appauthor=False)


def runs_folder() -> Path:
    """Holds one folder a run."""
    return home() / "runs"


def run_dir(run_id: str) -> Path:
    """The folder of one run, whether it exists or not.

    Raises:
        InputError: the id could lead outside the folder of runs.
    """
    if not run_id or "/" in run_id or "\\" in run_id or run_id.startswith("."):
        raise InputError(f"This is not a run's id: {run_id}", "See the ids with: smoltui ps -a")
    return runs_folder() / run_id


def new_run_dir() -> Path:
    """A fresh folder; its name, 8 hexadecimal digits, is the run's id.

    Raises:
        InputError: the data folder cannot be written.
    """
    while True:
        path = runs_folder() / secrets.token_hex(4)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error) from error
        return path


def unwritable(run: Path, error: OSError) -> InputError:
    """What to say when the folder of a run cannot be written."""
    return InputError(
        f"Runs cannot be stored, {error.strerror or error}: {run.parent}", "Free space there, or set SMOLTUI_HOME."
    )


@contextmanager
def locked() -> Iterator[None]:
    """Keeps other processes from starting a run meanwhile.

    Raises:
        InputError: the data folder cannot be written.
    """
    path = home() / "runs.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as error:
        raise unwritable(path, error) from error
    with lock:  # closing it lets go
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_ids() -> list[str]:
    """Ids of all local runs, newest first.

    Raises:
        InputError: the data folder is there and cannot be read.
    """
    found = []
    try:
        for entry in os.scandir(runs_folder()):
            with suppress(FileNotFoundError):  # deleted meanwhile
                if entry.is_dir():
                    found.append((entry.stat().st_ctime, entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"Runs cannot be read, {error.strerror}: {runs_folder()}", "Set SMOLTUI_HOME to a folder of yours."
        ) from error
    return [name for _, name in sorted(found, reverse=True)]


def write_json(path: Path, data: Any) -> None:
    """Replaces `path` with `data` as JSON; a reader sees the old file or the new one, never a half."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    # Half a surrogate pair, which no encoding holds, becomes \udc80, which is how JSON writes it too.
    text = json.dumps(data, ensure_ascii=False, indent=1)
    beside.write_bytes(text.encode("utf-8", "backslashreplace"))
    beside.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None when there is none to read or it holds no object (yet)."""
    try:
        data = foreign_json.decode(read_small(path, MOST_RECORD_BYTES))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def mtime(path: Path) -> float | None:
    """When a file was written last, seconds since the epoch; None where it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
