"""The current state of a run: from what its script wrote, its log, and Slurm's list.

The script's word counts more than Slurm's: it is newer (the list is up to a minute old), and it knows the difference
between a finished and a paused training. Slurm's word is for what the script cannot say: why it waits, and who killed
it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from smoltui.backends.local.log import RunLog
from smoltui.backends.local.log_cause import cause, symptoms
from smoltui.backends.local.state import newest_of, with_resuming
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.queue import Queue, Seen, Word
from smoltui.backends.slurm.records import Part, Records
from smoltui.backends.system import data_folder
from smoltui.core.runs.run import Run, Stage
from smoltui.core.slurm.answers import COMMENT, Row
from smoltui.core.slurm.ends import (
    MEMORY,
    OVER,
    RUNNING,
    RUNNING_WORDS,
    WAITING,
    End,
    end_of,
    gone,
    never_submitted,
    no_memory,
)
from smoltui.core.slurm.waiting import waits_in_words
from smoltui.errors import InputError

MARGIN_SECONDS = 5.0
"""A list counts as newer than something only by this much: a controller takes a moment to know it."""
CLOCK_SECONDS = 60.0
"""How far the clocks of this machine and of the controller may be apart."""
UNCONFIRMED_SECONDS = 120.0
"""A submission that is in no list after this never arrived."""
SAVED = frozenset({"COMPLETED", "TIMEOUT", "PREEMPTED", "DEADLINE"})
"""Ends that a training was told of in time, so that one which paused then is simply paused."""
NOT_STARTED: Mapping[str, str] = {
    "setup": "The end of the log names the line; try it on a node: srun --pty bash",
    "srun": "Ask the cluster's administrators.",
    "folder": "Use a disk that all nodes share: slurm.output_root, or another place for the project.",
}
"""Why the script of a job started no training (its word in the status) → next step."""
FULL_BYTES = 64 << 10
"""With less free space than this, the log of a run may have stopped."""
KILLED = 128
"""Exit codes above this are signals."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known about the newest part of a run."""

    records: Records
    part: Part
    status: Mapping[str, Any]
    """What its script wrote; empty before its start."""
    row: Row | None
    """The job in Slurm's list; None if it is not in it."""
    seen: Seen

    @property
    def folder(self) -> str:
        return str(self.records.folder)

    def newer_than(self, at: float) -> bool:
        """Whether Slurm's list was asked for well after this."""
        return self.seen.at > at + MARGIN_SECONDS

    @property
    def restarts(self) -> int:
        """How often the newest job was started again."""
        return max(int(self.status.get("restart", 0)), int(self.status.get("requeues", 0)))


def present(log: RunLog, records: Records, queue: Queue) -> Run:
    """The current state of a run; reads the rest of its log if it has ended, and may ask Slurm about its end."""
    part, seen = records.part, queue.seen
    if part is None:
        end = never_submitted()
        return replace(log.run, stage=end.stage, message=end.message, hint=end.hint, raw=_raw(records, None))
    row = seen.rows.get(part.job) if part.job else seen.labelled(part.label)
    if row is not None and row.comment != f"{COMMENT}{part.label}":
        row = None  # another job with the id of one that is long over
    view = View(records, part, records.status or {}, row, seen)
    run = replace(
        log.run,
        raw=_raw(records, row),
        labels=records.labels,
        started_at=view.status.get("started_at"),
        finished_at=view.status.get("finished_at"),
        seconds_before=sum(max(0.0, end - start) for start, end in _times(view.status)),
        hint=None,
    )
    if "finished_at" in view.status and view.status.get("why") != "requeued":
        log.read(to_end=True)
        return _by_script(replace(log.run, **_kept(run)), view, log, queue)
    return _by_slurm(run, view, log, queue)


def _kept(run: Run) -> dict[str, Any]:
    """What a run has that its log does not say."""
    names = ("raw", "labels", "started_at", "finished_at", "seconds_before", "hint")
    return {name: getattr(run, name) for name in names}


def _raw(records: Records, row: Row | None) -> dict[str, Any]:
    return {
        "spec": records.spec,
        "parts": [part.as_json() for part in records.parts],
        "status": records.status,
        "slurm": None if row is None else {name: getattr(row, name) for name in Row.__dataclass_fields__},
    }


def _times(status: Mapping[str, Any]) -> list[tuple[float, float]]:
    earlier = status.get("earlier")
    return [
        (float(pair[0]), float(pair[1]))
        for pair in (earlier if isinstance(earlier, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, int | float) for one in pair)
    ]


# -- the script has spoken


def _by_script(run: Run, view: View, log: RunLog, queue: Queue) -> Run:
    """A run whose script wrote its end."""
    status, finished = view.status, log.finished
    code, why = int(status.get("exit_code", 1)), status.get("why")
    if finished is not None and finished.step >= finished.max_steps:
        return replace(run, stage=Stage.COMPLETED, message=_restarted(view) or None, hint=None)
    if why == "canceled":
        return with_resuming(replace(run, stage=Stage.CANCELED, message="Stopped on request"), log)
    if why == "paused" and finished is not None:
        reason = f": {status['error']}" if status.get("error") else ""
        return with_resuming(replace(run, stage=Stage.CANCELED, message=f"Paused at step {finished.step}{reason}"), log)
    if why == "setup" and _no_memory(log):
        return _as(run, no_memory(), log, status.get("finished_at"))
    if why in NOT_STARTED:
        return replace(run, stage=Stage.ERROR, message=str(status.get("error", "")), hint=NOT_STARTED[str(why)])
    if why == "stopped" or (code > KILLED and log.failed is None and not status.get("disk_full")):
        return _killed(run, view, log, queue, code)
    return _failed(run, view, log, code)


def _killed(run: Run, view: View, log: RunLog, queue: Queue, code: int) -> Run:
    """A training that was ended from outside: only Slurm knows by whom, and whether it starts again."""
    row = view.records.last or _over(view, queue)
    if row is None:
        word = queue.word(view.part.job).row if view.part.job is not None else None
        if word is not None and word.state in WAITING and word.comment == f"{COMMENT}{view.part.label}":
            return _waiting(run, view, word)
        if not _forgotten(view, queue):
            return replace(run, stage=Stage.RUNNING, message=_silent(view) or "the job is ending", finished_at=None)
    if row is not None and (row.state not in ("COMPLETED", "FAILED") or log.finished is not None):
        return _ended(run, view, log, row)
    if log.finished is not None:  # Slurm has forgotten by whom, but it saved
        message = f"Stopped at step {log.finished.step} from outside (scancel, an administrator or the time limit)"
        return with_resuming(replace(run, stage=Stage.CANCELED, message=message), log)
    return _failed(run, view, log, KILLED - code)


def _failed(run: Run, view: View, log: RunLog, code: int) -> Run:
    """A training that failed; `code`: its exit code, negative for a signal."""
    if log.failed is None and _no_memory(log):
        return _as(run, no_memory(), log, view.status.get("finished_at"))
    message, hint = cause(code, view.status, log)
    return with_resuming(replace(run, stage=Stage.ERROR, message=message, hint=hint or None), log)


def _no_memory(log: RunLog) -> bool:
    """Whether Slurm's words in the log say that memory was the reason."""
    found = symptoms(log)
    return MEMORY.search(f"{found.error}\n{found.last}") is not None


# -- Slurm's word


def _by_slurm(run: Run, view: View, log: RunLog, queue: Queue) -> Run:
    """A run whose script has not written its end: it waits, runs, or was killed with its script."""
    row, status = view.row, view.status
    if (last := view.records.last) is not None:
        return _ended(run, view, log, last)
    spoken = max(view.part.asked_at, status.get("finished_at", 0.0) or status.get("started_at", 0.0))
    if row is None:
        return _not_listed(run, view, log, queue, spoken)
    if row.state in OVER and (view.newer_than(spoken) or not status):
        return _ended(run, view, log, _over(view, queue) or row)
    requeued = status.get("why") == "requeued"
    waits = row.state in WAITING and (view.newer_than(spoken) or not status)
    if waits or requeued:
        return _waiting(run, view, row if row.state in WAITING else None)
    if not status and row.state in RUNNING:
        return replace(run, stage=Stage.RUNNING, message="starting", started_at=row.start)
    if status or row.state in WAITING | RUNNING | OVER:
        return _running(run, view, row)
    return replace(run, stage=row.state, message=_silent(view) or None)  # a state of a newer Slurm


def _not_listed(run: Run, view: View, log: RunLog, queue: Queue, spoken: float) -> Run:
    """A job that is not in Slurm's list: it is too new, the list is too old, or Slurm has forgotten it."""
    if view.part.job is None:
        if view.newer_than(view.part.asked_at + UNCONFIRMED_SECONDS):
            end = never_submitted()
            return replace(run, stage=end.stage, message=end.message, hint=end.hint)
        return replace(run, stage=Stage.SCHEDULING, message="submitted; Slurm has not confirmed it yet")
    elsewhere = _elsewhere(view, queue)
    if view.newer_than(spoken) and elsewhere is None:
        word = _remembered(view, queue)
        if word.row is not None and word.row.state in OVER:
            return _ended(run, view, log, word.row)
        if not word.open and view.newer_than(spoken + 2 * MARGIN_SECONDS):
            return _as(
                run, gone(view.part.job, view.folder, started=bool(view.status)), log, data_folder.mtime(log.path)
            )
    if view.status and view.status.get("why") != "requeued":
        found = _running(run, view, None)
    else:
        found = _waiting(run, view, None)
    return replace(found, message=elsewhere) if elsewhere else found


def _elsewhere(view: View, queue: Queue) -> str | None:
    """That Slurm's commands ask another cluster than the run's, whose list says nothing about it; None if they don't.
    Empty: unknown yet."""
    wanted = view.part.cluster
    if wanted is None or view.seen.error is not None or (name := queue.cluster()) in (wanted, ""):
        return None
    return "" if name is None else f"on the cluster {wanted}, but Slurm's commands ask {name}: check SLURM_CONF"


def _waiting(run: Run, view: View, row: Row | None) -> Run:
    words = (
        waits_in_words(row, time.time(), requeued=bool(view.status))
        if row is not None
        else f"{'requeued' if view.status else 'submitted'} as job {view.part.job}"
    )
    if view.status:
        after = run.step or int(view.status.get("step", 0))
        words = f"{words}; continues from step {after}{_stopped(view)}"
    return replace(
        run,
        stage=Stage.SCHEDULING,
        message=_with_silence(words, view),
        started_at=None,
        finished_at=None,
        seconds_before=run.seconds_before + _this_part(view),
    )


def _this_part(view: View) -> float:
    started, finished = view.status.get("started_at"), view.status.get("finished_at")
    return max(0.0, finished - started) if started is not None and finished is not None else 0.0


def _stopped(view: View) -> str:
    return " (stopped by its time limit, or preempted)" if view.status.get("why") == "requeued" else ""


def _running(run: Run, view: View, row: Row | None) -> Run:
    words = RUNNING_WORDS.get(row.state, "").replace("{job}", row.job) if row is not None else ""
    if view.records.asked("pause"):
        words = "Pausing: a checkpoint is saved after this step"
    elif view.records.asked("cancel"):
        words = "Stopping"
    words = "; ".join(filter(None, (_full(view), _restarted(view), words)))
    return replace(run, stage=Stage.RUNNING, message=_with_silence(words, view) or None, finished_at=None)


def _full(view: View) -> str:
    """That nothing can be added to the log, which looks as if the training stood still; empty if there is room."""
    with suppress(OSError):
        if shutil.disk_usage(view.folder).free < FULL_BYTES:
            return f"The disk of its log is full, so no progress is shown; free some space: {view.folder}"
    return ""


def _restarted(view: View) -> str:
    times = view.restarts
    return "" if not times else "Restarted once" if times == 1 else f"Restarted {times} times"


def _with_silence(words: str, view: View) -> str:
    return "; ".join(filter(None, (words, _silent(view))))


def _silent(view: View) -> str:
    """That Slurm does not answer, and since when; empty if it does."""
    if view.seen.error is None:
        return ""
    if isinstance(view.seen.error, InputError):  # the commands can't be used
        return view.seen.error.message
    since = time.strftime(" since %H:%M", time.localtime(view.seen.at)) if view.seen.at else ""
    return f"Slurm has not answered{since}"


def _ended(run: Run, view: View, log: RunLog, row: Row) -> Run:
    """A run whose job is over, in Slurm's words, and whose script did not say more."""
    log.read(to_end=True)
    run = replace(log.run, **_kept(run))
    finished = log.finished
    at = view.status.get("finished_at") or (data_folder.mtime(log.path) if view.status else view.seen.at) or None
    if view.records.last is None:
        store.write_seen(view.records.folder, row)
    if finished is not None and finished.step >= finished.max_steps:
        return replace(run, stage=Stage.COMPLETED, message=_restarted(view) or None, hint=None, finished_at=at)
    if finished is not None and log.failed is None and row.state in SAVED:
        told = replace(run, stage=Stage.CANCELED, message=f"Paused at step {finished.step}", finished_at=at)
        return with_resuming(told, log)
    end = end_of(row, folder=view.folder, started=bool(view.status), asked=view.records.asked("cancel"))
    if log.failed is None and end.stage == Stage.ERROR and _no_memory(log):
        end = no_memory()
    elif log.failed is not None and end.stage == Stage.ERROR and row.state in ("FAILED", "COMPLETED"):
        end = End(Stage.ERROR, log.failed.cause, log.failed.hint)
    elif row.state == "TIMEOUT" and newest_of(log) is not None:
        end = replace(end, message="The time limit ended the run before it had saved its last steps")
    return _as(run, end, log, at)


def _as(run: Run, end: End, log: RunLog, at: float | None) -> Run:
    ended = replace(run, stage=end.stage, message=end.message, hint=end.hint or None, finished_at=at)
    return with_resuming(ended, log)


def _over(view: View, queue: Queue) -> Row | None:
    """The end of the newest job in Slurm's words, with its exit code; None if Slurm does not say that it is over."""
    if view.part.job is None:
        return None
    row = queue.word(view.part.job).row
    if row is None or row.comment != f"{COMMENT}{view.part.label}":
        row = view.row
    if row is None:
        row = _remembered(view, queue).row
    if row is None or row.state not in OVER:
        return None
    store.write_seen(view.records.folder, row)
    return row


def _forgotten(view: View, queue: Queue) -> bool:
    """Whether Slurm answers, and does not know the job any more."""
    if view.seen.error is not None or view.row is not None or not view.newer_than(view.status.get("finished_at", 0.0)):
        return False
    return view.part.job is None or not _remembered(view, queue).open


def _remembered(view: View, queue: Queue) -> Word:
    """What the accounting knows of the newest job; it has no comments, so one that is older is another of that id."""
    word = queue.remembered(view.part.job or "")
    older = view.part.asked_at - CLOCK_SECONDS
    if word.row is not None and word.row.submitted_at is not None and word.row.submitted_at < older:
        return replace(word, row=None)
    return word
