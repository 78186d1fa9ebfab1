"""smoltui's data folder: its location, its permissions, and its JSON files."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from smoltui.backends.system import locks
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError

MOST_BYTES = 64 << 20
"""Maximum bytes of a record: the hashes of 100 000 pairs take 4 MB."""
DEEPEST = 32
"""Maximum nesting of lists and objects in a record: Python could not write a deeper one back."""
RECENT, RECENT_LOCK = "recent.json", "recent.lock"
"""The recent projects, and the lock of that file."""
OURS = frozenset(
    {"runs", "runs.lock", "run-ends.jsonl", "queue", "jobs", "job-ends.json", "starting", "starting.lock", "slurm"}
    | {"slurm.lock", "chains", "requests", "sweeps", "evaluations", "pairs", "environments", "cache", "crashes"}
    | {"debug", "ui", "undo", RECENT, RECENT_LOCK}
)
"""Names that smoltui creates in its data folder. A folder with other files is used for something else, too."""


def home() -> Path:
    """The data folder: `SMOLTUI_HOME`, or the system's folder for application data."""
    if chosen := os.environ.get("SMOLTUI_HOME"):
        return expanded(chosen).absolute()
    return _system_folder(os.environ.get("XDG_DATA_HOME"), os.environ.get("HOME"))


@lru_cache(maxsize=1)  # asked for each of thousands of runs
def _system_folder(*_depends_on: str | None) -> Path:
    from platformdirs import user_data_path

    return user_data_path("smoltui", appauthor=False)


def private_folder(path: Path) -> None:
    """Creates a folder inside the data folder that only its owner can read. Raises OSError."""
    locks.private_folder(path, home())


_tightened: set[Path] = set()


def tighten() -> None:
    """Makes the data folder of an older version private. Done once per process, and cheap if already done.

    A folder that is used for something else, too (`SMOLTUI_HOME=~`), keeps its mode; only our files in it become
    private.
    """
    folder = home()
    if folder in _tightened:
        return
    _tightened.add(folder)
    if not os.environ.get("SMOLTUI_HOME"):
        from platformdirs import user_cache_path

        _close(user_cache_path("smoltui", appauthor=False))  # it has rows of pairs
    with suppress(OSError):
        names = {entry.name for entry in os.scandir(folder)}
        whole = names <= OURS
        for path in ([folder] if whole else []) + [folder / name for name in sorted(names & OURS)]:
            mode = path.lstat()
            if stat.S_ISLNK(mode.st_mode) or mode.st_uid != os.geteuid() or not mode.st_mode & 0o077:
                if path == folder:
                    return  # already private
                continue
            path.chmod(0o700 if stat.S_ISDIR(mode.st_mode) else 0o600)
            if path != folder:
                _tighten_below(path)


def _close(folder: Path) -> None:
    with suppress(OSError):
        mode = folder.lstat()
        if stat.S_ISDIR(mode.st_mode) and mode.st_uid == os.geteuid() and mode.st_mode & 0o077:
            folder.chmod(0o700)


def _tighten_below(folder: Path) -> None:
    for root, folders, files in os.walk(folder):
        for names, mode in ((folders, 0o700), (files, 0o600)):
            for name in names:
                path = Path(root, name)
                with suppress(OSError):
                    if not path.is_symlink():
                        path.chmod(mode)


def refuse_if_shared(folder: Path) -> None:
    """Refuses a world-writable folder: anyone could replace locks and records in it. Raises InputError."""
    mode = folder.stat()
    if mode.st_mode & stat.S_IWOTH:
        raise InputError(
            f"Anyone can write to the data folder: {folder}",
            f"Restrict it: chmod 700 {folder}; or set SMOLTUI_HOME to a folder of your own.",
        )


def write_json(path: Path, data: object, *, indent: int | None = 1, private: bool = True) -> None:
    """Replaces `path` with `data` as JSON, atomically.

    If `private`, only its owner can read it; a report in a project folder is not. Raises OSError.
    """
    # Half a surrogate pair, which cannot be encoded, is escaped as \udc80, which is valid JSON.
    encoded = json.dumps(data, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")
    replace_file(path, encoded, private=private)


def replace_file(path: Path, data: bytes, *, private: bool = True) -> None:
    """Replaces `path` with `data`, atomically; if `private`, only its owner can read it. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        if private:
            locks.write_private(beside, data)
        else:
            beside.write_bytes(data)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def make_writable(error: OSError) -> str:
    """The next step after something could not be written here."""
    first = "Free some space there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Make it writable"
    return f"{first}, or set SMOLTUI_HOME to another folder."


class UnreadableError(ValueError):
    """A file exists, but has no valid record; the message says why, for the end of a sentence."""


def read_record(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None if the file does not exist.

    Raises:
        UnreadableError: it cannot be read, or is not a JSON object.
    """
    try:
        data = foreign_json.decode(read_small(path, MOST_BYTES), most_bytes=MOST_BYTES, deepest=DEEPEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from error
    except foreign_json.JSONLimitError as error:
        raise UnreadableError(str(error)) from error
    except ValueError as error:
        raise UnreadableError("not JSON" if path.stat().st_size else "empty") from error
    if not isinstance(data, dict):
        raise UnreadableError("not a JSON object")
    return data


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None if there is no readable one (yet)."""
    try:
        return read_record(path)
    except UnreadableError:
        return None


def mtime(path: Path) -> float | None:
    """When a file was last modified, seconds since the epoch; None if it does not exist."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
