"""Where runs live on this machine: one folder a run, in the person's data folder, not in the project."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoltui.backends.system import data_folder, locks
from smoltui.errors import InputError

LOCK_NAME = "lock"
"""In a run's folder: locked as long as the run is alive, by who starts it and then by its supervisor."""
OUTPUT_LOCK = "_smoltui.lock"
"""In an output folder: locked as long as a run has that folder."""


def runs_folder() -> Path:
    """Holds one folder a run."""
    return data_folder.home() / "runs"


def run_dir(run_id: str) -> Path:
    """The folder of one run, whether it exists or not.

    Raises:
        InputError: the id could lead outside the folder of runs.
    """
    if not run_id or "/" in run_id or "\\" in run_id or run_id.startswith("."):
        raise InputError(f"Not a run id: {run_id}", "List run ids: smoltui ps -a")
    return runs_folder() / run_id


def new_run_dir() -> tuple[Path, int]:
    """A fresh folder, whose name, 8 hexadecimal digits, is the run's id; and a descriptor that holds its lock.

    Raises:
        InputError: the data folder cannot be written.
    """
    while True:
        path = runs_folder() / secrets.token_hex(4)
        try:
            data_folder.private_folder(runs_folder())
            path.mkdir(mode=0o700)
            path.chmod(0o700)
            return path, lock_run(path)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error) from error


def lock_run(folder: Path, seconds: float = locks.WAIT_SECONDS) -> int:
    """The descriptor that holds the lock of a run; a supervisor that has just said its last word gets time to end.

    Raises:
        LockHeldError: the run is alive. OSError: its folder cannot be written.
    """
    return locks.take(
        folder / LOCK_NAME,
        f"Run {folder.name} is still alive ({{pid}})",
        f"Cancel it first: smoltui cancel {folder.name}",
        seconds=seconds,
    )


def unwritable(run: Path, error: OSError) -> InputError:
    """What to say when the folder of a run cannot be written."""
    return InputError(
        f"Runs cannot be stored ({error.strerror or error}): {run.parent}",
        "Free some space there, or set SMOLTUI_HOME.",
    )


@contextmanager
def locked(seconds: float = locks.WAIT_SECONDS) -> Iterator[None]:
    """Keeps other processes from starting a run meanwhile.

    Raises:
        InputError: the data folder cannot be written, others may write into it, or another process does not let go of
            the lock within `seconds`.
    """
    path = data_folder.home() / "runs.lock"
    try:
        data_folder.private_folder(data_folder.home()) if not data_folder.home().exists() else data_folder.tighten()
        data_folder.refuse_if_shared(data_folder.home())
        lock = locks.take(
            path,
            f"Another smoltui has been starting a run for {seconds:.0f} s ({{pid}}): {path}",
            "Try again, or stop it: kill {pid}",
            seconds=seconds,
        )
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        sweep()
        yield
    finally:
        os.close(lock)


def sweep() -> None:
    """Deletes what starts that were killed left behind: folders without a run, half-written records.

    Only while `locked`: whoever starts a run holds that lock.
    """
    with suppress(OSError):
        for entry in list(os.scandir(runs_folder())):
            folder = Path(entry.path)
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    continue
                names = {path.name for path in folder.iterdir()}
                for name in names:
                    if name.startswith(".") and ".json" in name and not _writes(name.rpartition(".")[2]):
                        (folder / name).unlink(missing_ok=True)
                if "spec.json" not in names and "log" not in names and locks.held(folder / LOCK_NAME) is False:
                    shutil.rmtree(folder, ignore_errors=True)


def _writes(suffix: str) -> bool:
    """Whether the process that a half-written file names (`.spec.json.123`) may still write it."""
    pid = suffix.partition("-")[0]
    if not pid.isdecimal():
        return True  # a supervisor's, which its next one replaces
    return Path(f"/proc/{pid}").exists() if Path("/proc/self").exists() else True


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
            f"Runs cannot be read ({error.strerror}): {runs_folder()}", "Set SMOLTUI_HOME to a folder of your own."
        ) from error
    return [name for _, name in sorted(found, reverse=True)]
