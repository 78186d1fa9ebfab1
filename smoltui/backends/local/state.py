"""The current state of a local run: from its supervisor's record, its log, and the queue."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from smoltui.backends.local.checkpoints import Checkpoint, find_checkpoints, newest_complete
from smoltui.backends.local.log import RunLog
from smoltui.backends.local.records import Records, read_records
from smoltui.backends.local.supervisor import boot_id, started_ticks, uptime
from smoltui.backends.local.tickets import folder as queue_folder
from smoltui.backends.local.tickets import waits_for
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.processes import CLOCK_SECONDS, lives, runs
from smoltui.core.runs.next_words import resume_from, run_again
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

START_SECONDS = 10.0
"""A supervisor that has written nothing after this time never will."""


class Found(NamedTuple):
    """The lock and the records of a run at one moment."""

    held: bool | None
    """Whether a process holds the lock of the run; None if it has none."""
    records: Records


def look(folder: Path) -> Found:
    """The lock and the records of the run in a folder.

    Raises:
        BadRecordError: its records cannot be read. InputError: there are none.
    """
    # The lock is checked first: a supervisor writes its end before it releases the lock, and locks before it writes.
    held = locks.held(folder / run_store.LOCK_NAME)
    found = read_records(folder)
    if found is not None and not held and _unfinished(found) and locks.held(folder / run_store.LOCK_NAME):
        held, found = True, read_records(folder)  # it was started, or resumed, in between
    if found is None:
        raise no_such_run(folder.name)
    return Found(held, found)


def present(log: RunLog, found: Found) -> Run:
    """The state of the run, according to what was `found` and to its log, which is read to its end if the run ended."""
    held, spec, launch, status = found.held, found.records.spec, found.records.launch, found.records.status
    raw = {"spec": spec, "launch": launch, "status": status}
    if status is None or status.get("attempt", 1) != launch.get("attempt", 1):  # it is of an earlier part, if any
        return _not_started(replace(log.run, raw={**raw, "status": None}), launch, log, held)
    times: dict[str, Any] = {
        "started_at": status.get("started_at"),
        "finished_at": status.get("finished_at"),
        "seconds_before": _seconds_before(launch),
    }
    if times["seconds_before"]:
        times["trained_seconds"] = None  # its log has the time of each part
    if status.get("exit_code") is not None:
        log.read(to_end=True)
        return _ended(replace(log.run, raw=raw, **times), status, log)
    run = replace(log.run, raw=raw, **times)
    # A run that an older version started has no lock.
    if not (held if held is not None else alive(status)):
        if held is False:
            end_leftovers(status)
            _delete_leftovers(launch)
        return _abandoned(run, status, log)
    if run.started_at is None:
        return replace(run, stage=Stage.SCHEDULING, message=queue_reason(waits_for(launch.get("ticket"))), hint=None)
    message = "Pausing: a checkpoint is saved after this step" if "pause_requested_at" in status else None
    return replace(run, stage=Stage.RUNNING, message=message, hint=None, started_at=_started_at(status))


def _unfinished(found: Records) -> bool:
    status, launch = found.status, found.launch
    return status is None or "exit_code" not in status or status.get("attempt", 1) != launch.get("attempt", 1)


def no_such_run(run_id: str) -> InputError:
    """The error for an id that no local run has."""
    return InputError(f"No run on this machine has this id: {run_id}", "List run ids: smoltui ps -a")


def _started_at(status: Mapping[str, Any]) -> float | None:
    """When a running run was started, by the current clock: it may have been set since."""
    started: float | None = status.get("started_at")
    then, up = status.get("started_up"), uptime()
    if started is None or then is None or up is None or status.get("boot") != boot_id():
        return started
    now = time.time() - max(0.0, up - then)
    return now if abs(now - started) > CLOCK_SECONDS else started


def _seconds_before(launch: Mapping[str, Any]) -> float:
    """Seconds of a run's parts before the current one."""
    total = 0.0
    for status in launch.get("earlier", ()):
        started, finished = status.get("started_at"), status.get("finished_at")
        if isinstance(started, int | float) and isinstance(finished, int | float):
            total += max(0.0, finished - started)
    return total


def _not_started(run: Run, launch: Mapping[str, Any], log: RunLog, held: bool | None) -> Run:
    run = replace(run, stage=Stage.SCHEDULING, message=None, hint=None, started_at=None, finished_at=None)
    if held or (held is None and time.time() - float(launch.get("at", run.created_at) or 0) < START_SECONDS):
        return run
    if held is False:
        _delete_leftovers(launch)
    where = log.path.parent / "supervisor.log"
    return replace(
        run,
        stage=Stage.ERROR,
        message="The run never started",
        hint=f"Its output: {where}",
        resumable=newest_of(log) is not None,
    )


def _ended(run: Run, status: Mapping[str, Any], log: RunLog) -> Run:
    code, finished = int(status["exit_code"]), log.finished
    asked = "cancel_requested_at" in status or "pause_requested_at" in status
    if finished is not None and finished.step >= finished.max_steps and (code == 0 or asked):
        return replace(run, stage=Stage.COMPLETED, message=None, hint=None)  # the request came too late
    if "started_at" not in status:
        return with_resuming(replace(run, stage=Stage.CANCELED, message="Stopped while queued"), log)
    if "cancel_requested_at" in status:
        return with_resuming(replace(run, stage=Stage.CANCELED, message="Stopped on request"), log)
    if finished is not None and finished.step < finished.max_steps:
        # Even without a request from here: the script pauses at SIGTERM, whoever sent it.
        return with_resuming(replace(run, stage=Stage.CANCELED, message=f"Paused at step {finished.step}"), log)
    if "pause_requested_at" in status and log.failed is None:
        kept = newest_of(log)
        message = f"Paused at step {kept.step}" if kept else "Stopped before saving a checkpoint"
        return with_resuming(replace(run, stage=Stage.CANCELED, message=message), log)
    from smoltui.backends.local.log_cause import cause  # a list of good ends need not wait for it

    message, hint = cause(code, status, log)
    return with_resuming(replace(run, stage=Stage.ERROR, message=message, hint=hint or None), log)


def _abandoned(run: Run, status: Mapping[str, object], log: RunLog) -> Run:
    """A run whose supervisor was killed, and its training with it."""
    ended_at, finished = data_folder.mtime(log.path), log.finished
    if finished is not None and finished.step >= finished.max_steps:  # the model was saved before
        return replace(run, stage=Stage.COMPLETED, finished_at=ended_at, message=None, hint=None)
    gone = "(killed, or the machine was restarted)"
    message = f"The supervisor and the run are gone {gone}"
    if "started_at" not in status:
        message = f"The supervisor is gone {gone}; the run was still queued"
    return with_resuming(
        replace(
            run,
            stage=Stage.ERROR,
            finished_at=ended_at,
            message=message,
            hint=f"{run_again(run.id)}.",
        ),
        log,
    )


def with_resuming(run: Run, log: RunLog) -> Run:
    """`run`, which ended before its last step, with a hint whether it can be resumed."""
    kept = newest_of(log)
    if kept is None:
        return replace(run, hint=run.hint if run.stage == Stage.ERROR else None)
    go_on = resume_from(run.id, kept.step)
    hint = f"{run.hint} {go_on}" if run.stage == Stage.ERROR and run.hint else go_on
    return replace(run, resumable=True, kept_step=kept.step, hint=hint)


def newest_of(log: RunLog) -> Checkpoint | None:
    """The newest complete checkpoint of the run; None without one."""
    run = log.run
    if not run.output_dir:
        return None
    found = find_checkpoints(Path(run.output_dir))
    return newest_complete(found, since=float(run.created_at or 0) - CLOCK_SECONDS, told=log.checkpoints)


def queue_reason(ahead: list[str]) -> str | None:
    """Why a run is waiting, in words; None if it is its turn."""
    if not ahead:
        return None
    spec = data_folder.read_json(run_store.run_dir(ahead[0]) / "spec.json") or {}
    reason = f"waiting for run {safe_line(str(spec.get('name', '?')), 60)} ({ahead[0]})"
    more = len(ahead) - 1
    return reason if not more else f"{reason} and {more} more"


def alive(status: Mapping[str, Any]) -> bool:
    """Whether the supervisor of a run without a lock is alive, and not another program that reuses its id."""
    started = status.get("supervisor_started_at", status.get("started_at"))
    return started is not None and lives(status.get("supervisor_pid"), float(started))


def trains(status: Mapping[str, Any]) -> bool:
    """Whether the training process of a run whose supervisor is gone is still alive."""
    pid, ticks = status.get("child_pid"), status.get("child_ticks")
    if ticks is None:
        return lives(pid, float(status.get("started_at") or 0))
    return status.get("boot") == boot_id() and started_ticks(int(pid or 0)) == ticks and runs(int(pid or 0))


def end_leftovers(status: Mapping[str, Any]) -> None:
    """Kills the leftover processes of a training whose supervisor was killed: its launcher's workers occupy the
    devices.

    The kernel kills the training itself with its supervisor, but not the processes that it started. They are recognized
    by their session, created by the supervisor, and their group, led by the training.
    """
    supervisor, child = status.get("supervisor_pid"), status.get("child_pid")
    if supervisor is None or child is None or status.get("boot") is None or status.get("boot") != boot_id():
        return  # from another machine, or from before a restart
    try:
        os.killpg(child, 0)
    except ProcessLookupError:
        return
    except OSError:
        pass  # the id may be reused by another user's group
    import psutil

    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == supervisor and os.getpgid(pid) == child:
                os.kill(pid, signal.SIGKILL)


def _delete_leftovers(launch: Mapping[str, Any]) -> None:
    """Deletes the ticket and the lock file of a killed supervisor, unless another run holds them now."""
    ticket, output = launch.get("ticket"), launch.get("output_lock")
    paths = ([queue_folder() / Path(ticket).name] if ticket else []) + ([Path(output)] if output else [])
    for path in paths:
        with suppress(OSError):
            if path.parent == queue_folder() or path.name == run_store.OUTPUT_LOCK:
                locks.delete(path)
