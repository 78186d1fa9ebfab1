"""Asks Slurm to pause or cancel a run. Everything here blocks: call it from a thread."""

from __future__ import annotations

from contextlib import suppress

from smoltui.backends.slurm import commands
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.queue import Queue
from smoltui.backends.slurm.records import Records
from smoltui.backends.slurm.submit import unwritable
from smoltui.errors import InputError, SmoltuiError, UnreachableError

RECORD_SECONDS = 3.0
"""How long the script of a job gets to record that its training was killed, before Slurm ends the script, too."""
AGAIN = "Try again in a minute."


def send(records: Records, queue: Queue, what: str) -> None:
    """Sends a request to the newest job of a run: to `pause` it, or to `cancel` it.

    Raises:
        InputError: the job cannot be paused now, or the run's folder cannot be written.
        UnreachableError: Slurm did not answer.
    """
    run_id = records.folder.name
    state, job = _found(records, queue)
    runs = state == "RUNNING"
    if what == "pause" and not runs:
        raise InputError(
            f"Slurm cannot pause this run now, because its job is not running: {run_id}",
            f"Try again when it trains, or cancel it: smoltui cancel {run_id}",
        )
    try:
        store.ask(records.folder, what)
    except OSError as error:
        raise unwritable(records.folder, error) from error
    if what == "cancel" and runs and records.status is not None and "finished_at" not in records.status:
        # Ends the training alone (SIGKILL would end the whole job), so that the job's script records the end.
        with suppress(UnreachableError):  # what follows ends it, too
            commands.call("scancel", "--signal=USR1", job)
        if store.end_is_recorded(records.folder, RECORD_SECONDS):
            return
    try:
        _scancel(job, what)
    except SmoltuiError:
        store.withdraw(records.folder, what)
        raise


def _found(records: Records, queue: Queue) -> tuple[str | None, str]:
    """State (None: not listed) and number of the newest job of a run.

    The state matters because scancel sends a signal to a job that waits or is suspended again and again, for 95 seconds
    (Slurm 22.05). Raises InputError, UnreachableError.
    """
    part, seen = records.part, queue.fresh()
    if seen.error is not None:
        raise UnreachableError(seen.error.message, AGAIN)
    row = seen.labelled(part.label) if part is not None else None
    job = part.job if part is not None else None
    if row is None and job in seen.rows:
        raise InputError(
            f"Slurm has another job of yours under the number of this run: {job}",
            "The run's own job is over, or SLURM_CONF names another cluster.",
        )
    if job is None and row is not None:
        job = row.job
    if job is None:
        raise UnreachableError(f"Slurm has not confirmed this run yet: {records.folder.name}", AGAIN)
    return (None if row is None else row.state), job


def _scancel(job: str, what: str) -> None:
    options = ["--signal=TERM"] if what == "pause" else []  # to the steps alone: that is a pause
    said = commands.call("scancel", *options, job)
    if said.busy:
        raise UnreachableError(f"Slurm did not accept the request ({said.last})", AGAIN)
    if said.code and what == "pause":
        raise InputError(f"Slurm cannot pause this run now ({said.last})", "Try again once it trains.")
