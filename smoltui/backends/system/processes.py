"""Processes that left their id in a file, such as another app on the same data."""

from __future__ import annotations

import os
import socket


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
