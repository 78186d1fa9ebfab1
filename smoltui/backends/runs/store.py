"""Where local runs are stored: one folder per run, in the data folder, not in the project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoltui.backends.system import data_folder, locks
from smoltui.errors import InputError

LOCK_NAME = "lock"
"""In a run's folder: locked while the run is alive, first by the process that starts it, then by its supervisor."""
NAME_BYTES = 255
"""Maximum length of a file name on Linux and macOS."""
OUTPUT_LOCK = "_smoltui.lock"
"""In an output folder: locked while a run uses it."""


def runs_folder() -> Path:
    """Has one folder per run."""
    return data_folder.home() / "runs"


def run_dir(run_id: str) -> Path:
    """The folder of one run, whether it exists or not.

    Raises:
        InputError: the id could lead outside the folder of runs.
    """
    if not _is_id(run_id):
        raise InputError(f"Not a run id: {run_id}", "List run ids: smoltui ps -a")
    return runs_folder() / run_id


def _is_id(name: str) -> bool:
    """Whether a folder of this name can be a run's: not one that a notebook or a file browser makes."""
    fits = 0 < len(name.encode("utf-8", "surrogatepass")) <= NAME_BYTES
    return fits and not name.startswith(".") and "/" not in name and "\\" not in name


def new_run_dir() -> tuple[Path, int]:
    """A new folder, whose name (8 hexadecimal digits) is the run's id, and a descriptor that holds its lock.

    Raises:
        InputError: the data folder cannot be written.
    """
    while True:
        path = runs_folder() / os.urandom(4).hex()
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
    """A descriptor that holds the lock of a run; waits for a supervisor that is about to exit.

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
    """The error for a run's folder that cannot be written."""
    return InputError(
        f"Runs cannot be stored ({error.strerror or error}): {run.parent}",
        data_folder.make_writable(error),
    )


@contextmanager
def locked(seconds: float = locks.WAIT_SECONDS) -> Iterator[None]:
    """Keeps other processes from starting a run during the block.

    Raises:
        InputError: the data folder cannot be written, others may write into it, or another process holds the lock for
            longer than `seconds`.
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
    """Deletes leftovers of processes that were killed: folders without a run, half-written files.

    Only while `locked`: a process that starts a run holds that lock.
    """
    with suppress(OSError):
        home = data_folder.home()
        ours = tuple(f".{name}." for name in data_folder.OURS)  # the folder can have files of others
        _delete_half_written(home, {entry.name for entry in os.scandir(home) if entry.name.startswith(ours)})
        for entry in list(os.scandir(runs_folder())):
            folder = Path(entry.path)
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    continue
                names = {path.name for path in folder.iterdir()}
                _delete_half_written(folder, names)
                if "spec.json" not in names and "log" not in names and locks.held(folder / LOCK_NAME) is False:
                    import shutil

                    shutil.rmtree(folder, ignore_errors=True)


def _delete_half_written(folder: Path, names: set[str]) -> None:
    for name in names:
        if name.startswith(".") and ".json" in name and not _writes(name.rpartition(".")[2]):
            with suppress(OSError):
                (folder / name).unlink()


def _writes(suffix: str) -> bool:
    """Whether the process in the name of a half-written file (`.spec.json.123`) may still be writing it."""
    pid = suffix.partition("-")[0]
    if not pid.isdecimal():
        return True  # a supervisor's, replaced by the next write
    return Path(f"/proc/{pid}").exists() if Path("/proc/self").exists() else True


def run_ids() -> list[str]:
    """Ids of all local runs, newest first.

    Raises:
        InputError: the data folder exists but cannot be read.
    """
    found = []
    try:
        for entry in os.scandir(runs_folder()):
            with suppress(FileNotFoundError):  # deleted meanwhile
                if _is_id(entry.name) and entry.is_dir():
                    found.append((entry.stat().st_ctime, entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"Runs cannot be read ({error.strerror}): {runs_folder()}", "Set SMOLTUI_HOME to a folder of your own."
        ) from error
    return [name for _, name in sorted(found, reverse=True)]
