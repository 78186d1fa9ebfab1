"""smoltui's data folder on this machine: where it is, who may read it, and the JSON files in it."""

from __future__ import annotations

import json
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.system import locks
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError

MOST_BYTES = 64 << 20
"""A record that is longer is none: the names of 100 000 pairs take 4 MB."""
DEEPEST = 32
"""Levels of lists and objects in a record; more would not be written, and could not be written again."""
OURS = frozenset({"runs", "runs.lock", "queue", "chains", "jobs", "crashes", "cache", "pairs"})
"""What smoltui puts into its data folder. One that holds anything else was not made for smoltui alone."""


def home() -> Path:
    """The data folder: `SMOLTUI_HOME`, or the system's place for application data."""
    if chosen := os.environ.get("SMOLTUI_HOME"):
        return expanded(chosen).absolute()
    from platformdirs import user_data_path

    return user_data_path("smoltui", appauthor=False)


def private_folder(path: Path) -> None:
    """Makes a folder within the data folder, readable by its owner alone. Raises OSError."""
    locks.private_folder(path, home())


_tightened: set[Path] = set()


def tighten() -> None:
    """Takes the data folder of an older version away from others; once in a process, and cheap where that was done.

    A folder that somebody chose for other things too (`SMOLTUI_HOME=~`) keeps its own mode; ours in it are closed.
    """
    folder = home()
    if folder in _tightened:
        return
    _tightened.add(folder)
    if not os.environ.get("SMOLTUI_HOME"):
        from platformdirs import user_cache_path

        _close(user_cache_path("smoltui", appauthor=False))  # it holds rows of pairs
    with suppress(OSError):
        names = {entry.name for entry in os.scandir(folder)}
        whole = names <= OURS
        for path in ([folder] if whole else []) + [folder / name for name in sorted(names & OURS)]:
            mode = path.lstat()
            if stat.S_ISLNK(mode.st_mode) or mode.st_uid != os.geteuid() or not mode.st_mode & 0o077:
                if path == folder:
                    return  # it was done before: nobody else gets in
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
    """Refuses a folder into which anybody may write: locks and records there would be anybody's. Raises InputError."""
    mode = folder.stat()
    if mode.st_mode & stat.S_IWOTH:
        raise InputError(
            f"Anyone can write to the data folder: {folder}",
            f"Restrict it: chmod 700 {folder}; or set SMOLTUI_HOME to a folder of your own.",
        )


def write_json(path: Path, data: Any, *, indent: int | None = 1, private: bool = True) -> None:
    """Replaces `path` with `data` as JSON; a reader sees the old file or the new one, never a half.

    Only its owner can read it, unless it is not `private`: a report in a project folder. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    # Half a surrogate pair, which no encoding holds, becomes \udc80, which is how JSON writes it too.
    encoded = json.dumps(data, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")
    try:
        if private:
            locks.write_private(beside, encoded)
        else:
            beside.write_bytes(encoded)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


class UnreadableError(ValueError):
    """A file is there and holds no record; the message says why, for the end of a sentence."""


def read_record(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None when there is no such file.

    Raises:
        UnreadableError: it cannot be read, or holds no JSON object.
    """
    try:
        data = foreign_json.decode(read_small(path, MOST_BYTES), most_bytes=MOST_BYTES)
        foreign_json.check_depth(data, DEEPEST)
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
    """The object in `path`; None when there is none to read or it holds no object (yet)."""
    try:
        return read_record(path)
    except UnreadableError:
        return None


def mtime(path: Path) -> float | None:
    """When a file was written last, seconds since the epoch; None where it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
