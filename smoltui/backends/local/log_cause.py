"""Why a run on this machine's disks ended without its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from smoltui.backends.local.log import RunLog
from smoltui.backends.local.log_events import FIGURES
from smoltui.backends.local.log_lines import BACK, LINES_BEFORE, LineReader
from smoltui.backends.local.log_pieces import open_log
from smoltui.backends.system.child import exit_in_words
from smoltui.core.runs import events
from smoltui.core.runs.diagnosis import Circumstances, Kind, diagnose, progress_words
from smoltui.core.runs.symptoms import Symptoms
from smoltui.errors import InputError

END_BYTES = 1 << 20
"""How far before the end the last messages of a run are searched."""


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
    found = symptoms(log)
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


def symptoms(log: RunLog) -> Symptoms:
    """What the end of a log says about the newest part of the run."""
    found = Symptoms(step=log.run.step, max_steps=log.run.max_steps)
    with suppress(FileNotFoundError, InputError):
        descriptor = open_log(log.path)
        try:
            size = os.fstat(descriptor).st_size
            start, before = _start_of_end(descriptor, max(log.begun, size - END_BYTES))
            reader = LineReader(log.path, start, events.Reader(ours=True), without=FIGURES)
            reader.look_for_secrets(before)
        except OSError:
            return found
        finally:
            os.close(descriptor)
        while (said := reader.read()) is not None:
            for event in said:
                found.take(event)
        for event in reader.end():
            found.take(event)
    found.failed = log.failed
    found.step, found.max_steps = log.run.step, log.run.max_steps
    return found


def _start_of_end(descriptor: int, floor: int) -> tuple[int, list[bytes]]:
    """The offset of the first whole line from `floor` on, and the lines before it, in which a secret may begin."""
    begin = max(0, floor - BACK)
    block = os.pread(descriptor, floor - begin, begin)
    head, _, cut_off = block.rpartition(b"\n")
    if not cut_off:
        return floor, head.split(b"\n")[-LINES_BEFORE:]
    rest = os.pread(descriptor, END_BYTES, floor)
    first = rest.find(b"\n") + 1
    if not first:  # one line, longer than what is searched
        return floor, []
    return floor + first, [*head.split(b"\n")[-LINES_BEFORE:], cut_off + rest[:first]]
