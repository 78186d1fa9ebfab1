"""Owns one training process so that it outlives the terminal. Run alone: `python supervisor.py RUN_DIR`.

Standard library only, and no import of smoltui: it must start fast and stay small for days. It reads `launch.json`
(argv, cwd), waits for its turn by the ticket that is named there, hands its own environment on, lets the child write
straight into `log` (so the child never waits for a reader), and records in `status.json` what a later reader cannot
find out: when it started and ended, the exit code, and whether it was asked to pause or to stop.

SIGTERM pauses: the child alone gets it, saves a checkpoint after its step and ends by itself, so a machine that shuts
down loses nothing. SIGINT stops: the child's whole group is killed. While it waits for its turn, either ends it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STATUS_BYTES = 4096
"""The status file is padded to this size, so that it can still be written in place when the disk is full."""

FULL_BYTES = 1 << 16
"""A disk with less free space takes no line of a log any more."""

LOOK_SECONDS = 0.5
"""Between two looks at the queue: nothing tells a process that another one let go of a lock."""

_WAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGALRM}
_ENDS = {signal.SIGTERM: "pause_requested_at", signal.SIGINT: "cancel_requested_at"}


# The queue: one file a run in one folder, `NUMBER-RUN_ID`, locked as long as its supervisor lives. The kernel lets go
# of the lock of a process that was killed, so nobody waits for a run that is gone.


def ahead_of(ticket: Path) -> list[str]:
    """Ids of the runs that took their ticket before this one and have not ended, in order. Empty: it is its turn."""
    before = sorted(path.name for path in ticket.parent.iterdir() if path.name < ticket.name)
    return [name.partition("-")[2] for name in before if _held(ticket.parent / name)]


def _held(ticket: Path) -> bool:
    """Whether the supervisor that took this ticket lives."""
    try:
        descriptor = os.open(ticket, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replaces the status file; in place when there is no room for a second one."""
    data = json.dumps(status).encode().ljust(STATUS_BYTES) + b"\n"
    beside = path.with_name(".status.json")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)


def _in_child() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the mask below would be inherited
    if sys.platform == "linux":
        # A child without its supervisor would hold the device with nobody to stop it (PR_SET_PDEATHSIG is 1).
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
        os.killpg(process.pid, signal.SIGKILL)


def _wait_for_turn(ticket: Path, status: dict[str, Any], path: Path) -> bool:
    """Waits until every run that came before has ended; False when it was told not to wait any longer."""
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


def _tell_of_resuming(log: Path, message: str) -> None:
    """A line in the log between two parts of a run, from which its readers know that what was said before is over."""
    line = {"event": "stage", "v": 1, "at": round(time.time(), 3), "stage": "RUNNING", "message": message}
    with log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # who was killed may have left half a line
        file.write(json.dumps(line).encode() + b"\n")


def supervise(folder: Path) -> int:
    """Runs the child of `folder` to its end and gives its exit code (negative: the signal that ended it)."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    path = folder / "status.json"
    status: dict[str, Any] = {
        "supervisor_pid": os.getpid(), "supervisor_started_at": time.time(), "attempt": launch.get("attempt", 1)
    }  # fmt: skip
    ticket = Path(launch["ticket"]) if launch.get("ticket") else None
    try:
        if ticket is not None and not launch.get("side_by_side") and not _wait_for_turn(ticket, status, path):
            write_status(path, {**status, "finished_at": time.time(), "exit_code": -signal.SIGTERM})
            return -signal.SIGTERM
        return _run(folder, launch, status)
    finally:
        if ticket is not None:
            ticket.unlink(missing_ok=True)


def _run(folder: Path, launch: dict[str, Any], status: dict[str, Any]) -> int:
    path = folder / "status.json"
    status["started_at"] = time.time()
    try:
        if launch.get("resumed"):
            _tell_of_resuming(folder / "log", launch["resumed"])
        with (folder / "log").open("ab", buffering=0) as log:
            process = subprocess.Popen(
                launch["argv"], cwd=launch["cwd"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, process_group=0, preexec_fn=_in_child,
            )  # fmt: skip
    except OSError as error:
        write_status(path, {**status, "finished_at": time.time(), "exit_code": 127, "error": str(error)})
        return 127
    status["child_pid"] = process.pid
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
    _kill_group(process)  # workers of a child that died hold memory and devices
    status |= {"finished_at": time.time(), "exit_code": process.returncode}
    if process.returncode and shutil.disk_usage(folder).free < FULL_BYTES:
        status["disk_full"] = True  # it could not say so itself: its words go to this disk
    write_status(path, status)
    return process.returncode


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
