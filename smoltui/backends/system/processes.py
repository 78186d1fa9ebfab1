"""Processes that left their id in a file, such as another app on the same data."""

from __future__ import annotations

import os
import socket

CLOCK_SECONDS = 2.0
"""The clock may be set by this much while a process runs, which moves its start."""


def this_process() -> dict[str, str | int]:
    """What identifies this process among those of all machines that share the data folder."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def started_at(pid: int) -> float | None:
    """When a process was started, seconds since the epoch; None if there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def is_ours(pid: int, since: object = None) -> bool:
    """Whether a process with this id is running and belongs to this account: one of another account reuses the id.

    `since`: what `started_at` said of it, so that a later process with its id is told apart; any, if that is no number.
    """
    if pid <= 0:  # `kill` would mean a group of processes
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    if not isinstance(since, int | float):
        return True
    now = started_at(pid)
    return now is not None and abs(now - since) <= CLOCK_SECONDS
