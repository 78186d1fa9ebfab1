"""Processes that left their id in a file, such as another app on the same data."""

from __future__ import annotations

import os
import socket
from typing import Any

CLOCK_SECONDS = 1.0
"""File and process times may be this far before the clock in our records."""


def this_process() -> dict[str, str | int]:
    """What identifies this process among those of all machines that share the data folder."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def is_ours(pid: int) -> bool:
    """Whether a process with this id is running and belongs to this account: one of another account reuses the id."""
    if pid <= 0:  # `kill` would mean a group of processes
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def lives(pid: Any, recorded_at: float) -> bool:
    """Whether the process that recorded its id at this time, seconds since the epoch, is still running."""
    import psutil

    try:
        # Another program with its id started later.
        return psutil.Process(int(pid)).create_time() <= recorded_at + CLOCK_SECONDS and runs(int(pid))
    except (psutil.Error, TypeError, ValueError, OverflowError):
        return False


def runs(pid: int) -> bool:
    """Whether there is a process with this id that has not ended."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
