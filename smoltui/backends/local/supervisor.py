"""Owns one training process so that it outlives the terminal. Run alone: `python supervisor.py RUN_DIR [FD…]`.

Standard library only, and no import of smoltui: it must start fast and stay small for days. It reads `launch.json`
(argv, cwd), waits for its turn in the queue (the ticket in that file), passes its own environment on, lets the child
write directly to `log` (so the child never waits for a reader), and records in `status.json` what cannot be found out
later: start and end times, the exit code, and requests to pause or stop.

Its descriptors hold its locks, the one of `RUN_DIR/lock` first: while that is locked, the run is alive. The process
that starts it locks them, so that they are never unlocked in between. The child gets none of them.

SIGTERM pauses: only the child gets it, saves a checkpoint after its step and exits, so nothing is lost when a machine
shuts down. SIGINT stops: the child's whole group is killed. While waiting in the queue, either signal ends the run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS_BYTES = 4096
"""The status file is padded to this size, so that it can still be written in place when the disk is full."""

FULL_BYTES = 1 << 16
"""Where so much cannot be written, the log is probably incomplete."""

LOOK_SECONDS = 0.5
"""Seconds between two checks of the queue: there is no notification when a lock is released."""

CLOCK_SECONDS = 2.0
"""A larger difference means that the clock was set, not just adjusted gradually."""

LOCK_NAME = "lock"
UPTIME, BOOT_ID = Path("/proc/uptime"), Path("/proc/sys/kernel/random/boot_id")

_WAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGALRM}
_ENDS = {signal.SIGTERM: "pause_requested_at", signal.SIGINT: "cancel_requested_at"}


# The queue: one file per run in one folder, `NUMBER-RUN_ID`, locked while its supervisor is alive. The kernel unlocks
# the file of a process that was killed, so no run waits for one that is gone.


def ahead_of(ticket: Path) -> list[str]:
    """Ids of the runs that are ahead of this ticket and have not ended, in order; empty if it is its turn."""
    before = sorted(path.name for path in ticket.parent.iterdir() if path.name < ticket.name)
    return [name.partition("-")[2] for name in before if _held(ticket.parent / name)]


def _held(ticket: Path) -> bool:
    """Whether the supervisor with this ticket is alive."""
    try:
        descriptor = os.open(ticket, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


# Time. The clock of a machine can be set during a run, its uptime cannot.


def uptime() -> float | None:
    """Uptime of the machine in seconds; None if the system does not report it (only Linux does)."""
    try:
        return float(UPTIME.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def boot_id() -> str | None:
    """Id of the current boot of this machine; None if the system does not report it."""
    try:
        return BOOT_ID.read_text().strip() or None
    except OSError:
        return None


def started_ticks(pid: int) -> int | None:
    """When a process was started, in kernel ticks since boot; None if unknown.

    Identifies the process together with its id: setting the clock does not change it (proc(5), field 22 of `stat`).
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a file that only its owner can read; no child inherits it."""
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written to a folder: its disk is full, or a quota is, which only a write shows.

    `scripts/slurm_job.py` has the same: both run alone, and import nothing of smoltui.
    """
    place = folder / ".room"
    try:
        with place.open("wb") as file:
            file.write(bytes(FULL_BYTES))
            file.flush()
            os.fsync(file.fileno())  # a file server may refuse it only now
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
    return False


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replaces the status file; writes in place if the disk has no room for a second one."""
    data = json.dumps(status).encode().ljust(STATUS_BYTES) + b"\n"
    beside = path.with_name(".status.json")
    try:
        with os.fdopen(open_own(beside, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)


def _in_child(supervisor: int) -> Callable[[], None]:
    """What a child of this supervisor does before it becomes the training."""
    import ctypes  # whoever lists runs imports this module, too

    libc = ctypes.CDLL(None)

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the mask below would be inherited
        if sys.platform == "linux":
            # A child without its supervisor would occupy the device with nothing to stop it (PR_SET_PDEATHSIG is 1).
            libc.prctl(1, signal.SIGKILL)
            if os.getppid() != supervisor:
                os._exit(1)  # the supervisor was killed a moment ago

    return prepare


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is empty
        os.killpg(process.pid, signal.SIGKILL)


def _wait_for_turn(ticket: Path, status: dict[str, Any], path: Path) -> bool:
    """Waits until every run ahead has ended; False if it was asked to stop waiting."""
    while ahead_of(ticket):
        if "queued_at" not in status:
            status["queued_at"] = time.time()
            write_status(path, status)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS)
        number = signal.Signals(signal.sigwait(_WAITED))
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number in _ENDS:
            status[_ENDS[number]] = time.time()
            return False
    return True


def _log_resuming(log: Path, message: str, key: str | None) -> None:
    """Writes a line between two parts of a run: an end that the log reports before it is that of an earlier part.

    `key` proves to readers that the supervisor wrote the line: the child is not given it (`log.from_supervisor`).
    """
    line = {"event": "stage", "v": 1, "at": round(time.time(), 3), "stage": "RUNNING", "message": message, "key": key}
    with os.fdopen(open_own(log, os.O_RDWR | os.O_APPEND), "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a killed script may have left half a line
        file.write(json.dumps(line).encode() + b"\n")


def _hold(folder: Path, descriptors: list[int]) -> None:
    """Keeps the descriptors that hold the locks of this run, that of its folder first; no child inherits them.

    Raises:
        BlockingIOError: another supervisor has this run.
    """
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    held = descriptors or [open_own(folder / LOCK_NAME, os.O_RDWR)]
    fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)  # no effect if it is already locked for us
    for descriptor in held:
        with contextlib.suppress(OSError):  # for people to read; a full disk does not matter
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def supervise(folder: Path, descriptors: list[int]) -> int:
    """Runs the child of `folder` to its end and returns its exit code (negative: the signal that ended it)."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    _hold(folder, descriptors)  # until this process ends
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    path = folder / "status.json"
    status: dict[str, Any] = {
        "supervisor_pid": os.getpid(),
        "supervisor_started_at": time.time(),
        "attempt": launch.get("attempt", 1),
    }
    ticket = Path(launch["ticket"]) if launch.get("ticket") else None
    try:
        if ticket is not None and not launch.get("side_by_side") and not _wait_for_turn(ticket, status, path):
            write_status(path, {**status, "finished_at": time.time(), "exit_code": -signal.SIGTERM})
            return -signal.SIGTERM
        return _run(folder, launch, status)
    finally:
        if ticket is not None:
            ticket.unlink(missing_ok=True)
        _let_go_of_output(launch)


def _let_go_of_output(launch: dict[str, Any]) -> None:
    """Deletes the lock file in the output folder while still holding it, and the folder if it is new and empty."""
    if lock := launch.get("output_lock"):
        with contextlib.suppress(OSError):
            Path(lock).unlink()
        if launch.get("output_made"):
            with contextlib.suppress(OSError):  # it is not empty
                Path(lock).parent.rmdir()


def _run(folder: Path, launch: dict[str, Any], status: dict[str, Any]) -> int:
    path = folder / "status.json"
    status |= {"started_at": time.time(), "boot": boot_id(), "started_up": uptime()}
    begun = time.monotonic()
    try:
        if launch.get("resumed"):
            _log_resuming(folder / "log", launch["resumed"], launch.get("log_key"))
        log = open_own(folder / "log", os.O_WRONLY | os.O_APPEND)
        try:
            process = subprocess.Popen(
                launch["argv"],
                cwd=launch["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_in_child(os.getpid()),
            )
        finally:
            os.close(log)
    except OSError as error:
        write_status(path, {**status, "finished_at": time.time(), "exit_code": 127, "error": str(error)})
        return 127
    status |= {"child_pid": process.pid, "child_ticks": started_ticks(process.pid)}
    write_status(path, status)
    while process.poll() is None:
        number = signal.Signals(signal.sigwait(_WAITED))
        if (word := _ENDS.get(number)) is None or word in status:
            continue
        status[word] = time.time()
        write_status(path, status)
        if number == signal.SIGTERM:
            process.send_signal(signal.SIGTERM)
        else:
            _kill_group(process)
    _kill_group(process)  # workers of a dead child occupy memory and devices
    status |= {"finished_at": time.time(), "exit_code": process.returncode}
    if abs(status["finished_at"] - status["started_at"] - (took := time.monotonic() - begun)) > CLOCK_SECONDS:
        status["started_at"] = status["finished_at"] - took  # the clock was set meanwhile: use its current time
    if process.returncode and is_full(folder):
        status["disk_full"] = True  # the script could not report it: its log is on this disk
    write_status(path, status)
    return process.returncode


def follow_up(folder: Path) -> None:
    """Starts the command that does the steps after the run of `folder`, if there are some, and leaves it alone."""
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    if launch.get("chain") and Path(launch["chain"]).exists():
        subprocess.Popen(
            launch["follow_up"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=functools.partial(signal.pthread_sigmask, signal.SIG_SETMASK, []),
        )


if __name__ == "__main__":
    if supervise(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]]) == 0:
        follow_up(Path(sys.argv[1]))
