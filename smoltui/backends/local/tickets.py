"""The queue of the runs on this machine: one ticket per run, shared by everything that uses this data folder.

A ticket is a file `NUMBER-RUN_ID` in `<data folder>/queue`, locked by the run's supervisor for as long as it lives
(`supervisor.py` uses it to wait). Nothing has to be repaired after a crash: a lock ends with its process.
"""

from __future__ import annotations

import re
from pathlib import Path

from smoltui.backends.local.supervisor import ahead_of
from smoltui.backends.system import data_folder, locks

_TICKET = re.compile(r"\d{12}-[^.].*")


def folder() -> Path:
    """Folder of the tickets."""
    return data_folder.home() / "queue"


def take_ticket(run_id: str) -> tuple[Path, int]:
    """Appends the run to the queue: the file, and a descriptor that holds its lock.

    The lock belongs to every process that has the descriptor, so it is passed to the supervisor and closed here.
    Only while `run_store.locked`: numbers go up.

    Raises:
        OSError: the folder cannot be written.
    """
    data_folder.private_folder(folder())
    names = sorted(path.name for path in folder().iterdir() if _TICKET.fullmatch(path.name))
    last = int(names[-1].partition("-")[0]) if names else 0
    path = folder() / f"{last + 1:012d}-{run_id}"
    waiting = set(ahead_of(path))
    for name in names:
        if name.partition("-")[2] not in waiting:
            (folder() / name).unlink(missing_ok=True)  # its supervisor was killed
    # The lock is free: nobody else knows the file yet.
    return path, locks.take(path, f"The queue ticket of a run is locked by {{pid}}: {path}", "Try again.", seconds=1.0)


def waits_for(ticket: str | None) -> list[str]:
    """Ids of the runs ahead of this ticket, in order; none without a ticket."""
    if not ticket:
        return []
    try:
        return ahead_of(folder() / Path(ticket).name)
    except OSError:  # there are no tickets in this data folder
        return []
