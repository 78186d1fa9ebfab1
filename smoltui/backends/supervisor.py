"""Owns one training process so that it outlives the terminal. Run alone: `python supervisor.py RUN_DIR`.

Standard library only, and no import of smoltui: it must start fast and stay small for days. It reads `launch.json`
(argv, cwd), hands its own environment on, lets the child write straight into `log` (so the child never waits for a
reader), and records in `status.json` what a later reader cannot find out: when it started and ended, the exit code, and
whether it was asked to stop.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL when a run is cancelled."""

STATUS_BYTES = 4096
"""The status file is padded to this size, so that it can still be written in place when the disk is full."""

FULL_BYTES = 1 << 16
"""A disk with less free space takes no line of a log any more."""

_WAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGALRM}


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


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
        os.killpg(process.pid, number)


def supervise(folder: Path) -> int:
    """Runs the child of `folder` to its end and gives its exit code (negative: the signal that ended it)."""
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    status: dict[str, Any] = {"supervisor_pid": os.getpid(), "started_at": time.time()}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    try:
        with (folder / "log").open("ab", buffering=0) as log:
            process = subprocess.Popen(
                launch["argv"], cwd=launch["cwd"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, process_group=0, preexec_fn=_in_child,
            )  # fmt: skip
    except OSError as error:
        write_status(
            folder / "status.json", {**status, "finished_at": time.time(), "exit_code": 127, "error": str(error)}
        )
        return 127
    status |= {"child_pid": process.pid}
    write_status(folder / "status.json", status)
    while process.poll() is None:
        number = signal.sigwait(_WAITED)
        if number in (signal.SIGTERM, signal.SIGINT) and "cancel_requested_at" not in status:
            status["cancel_requested_at"] = time.time()
            _signal_group(process, signal.SIGTERM)
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        elif number == signal.SIGALRM:
            _signal_group(process, signal.SIGKILL)
    _signal_group(process, signal.SIGKILL)  # workers of a child that died hold memory and devices
    status |= {"finished_at": time.time(), "exit_code": process.returncode}
    if process.returncode and shutil.disk_usage(folder).free < FULL_BYTES:
        status["disk_full"] = True  # it could not say so itself: its words go to this disk
    write_status(folder / "status.json", status)
    return process.returncode


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
