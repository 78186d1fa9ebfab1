"""Why a run on this machine's disks ended without its result."""

from __future__ import annotations

from collections.abc import Mapping

from smoltui.backends.local.log import RunLog
from smoltui.backends.system.child import exit_in_words
from smoltui.core.runs.diagnosis import Circumstances, Kind, diagnose, progress_words


def cause(code: int, status: Mapping[str, object], log: RunLog) -> tuple[str, str]:
    """Why a run ended without its result, in one sentence, and the next step.

    `code`: the exit code of its process; negative for a signal.
    """
    if log.failed is not None and log.failed.hint:
        return log.failed.cause, log.failed.hint
    if "error" in status:
        return f"The run could not be started: {status['error']}", "Fix this, then start it again."
    if status.get("disk_full"):
        return f"The disk with the run's log is full: {log.path.parent}", "Free some space there, or set SMOLTUI_HOME."
    found = log.symptoms()
    at = progress_words(found)
    why = diagnose(found, Circumstances(log.run.id, remote=False))
    if why.kind is not Kind.EXIT:
        return why.cause, why.hint
    last = f"; last line: {found.last[:200]}" if found.last else ""
    if code < 0:
        hint = "See the log, then start it again."
        if code == -9:
            hint = "If it ran out of memory, lower per_device_train_batch_size or max_length, then start it again."
        return f"The process was killed by {exit_in_words(code)}{at}{last}", hint
    if code == 0:
        return f"The run ended{at} without reaching the planned step{last}", "See the log."
    return f"The process ended with exit code {code}{at}{last}", "The full error is in the log."
