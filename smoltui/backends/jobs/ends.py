"""Why Jobs ended, as their logs say: read once, and kept beside the records, also for Jobs that others submitted.

The Hub only knows exit codes. A Job's log does not change after its end, so what it says is stored in one small file.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from smoltui.backends.system.data_folder import home, private_folder, read_json, write_json
from smoltui.core.foreign.server_values import text_in
from smoltui.core.runs.diagnosis import Circumstances, diagnose, progress_words
from smoltui.core.runs.next_words import from_checkpoint, repeated_only, run_again
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.symptoms import Symptoms

_WRITING = threading.Lock()
"""Ends are stored from several threads; what another process overwrites is read again."""
NAME = "job-ends.json"
MOST = 3000
"""Ends that are kept; the oldest go first."""
EXPLAINED = frozenset({Stage.ERROR, Stage.CANCELED})
"""Stages whose reason the log may know better than the Hub."""


def _path() -> Path:
    return home() / NAME


def read_all() -> dict[str, dict[str, Any]]:
    """What is known about the ends of Jobs, by id. Blocks."""
    data = read_json(_path()) or {}
    return {key: value for key, value in data.items() if isinstance(value, dict)}


def _keep(run_id: str, **values: object) -> None:
    with _WRITING:
        known = read_all()
        known[run_id] = {**known.pop(run_id, {}), **values}
        with suppress(OSError):  # without it, the log is read again
            private_folder(home())
            write_json(_path(), dict(list(known.items())[-MOST:]), indent=None)


def note_cancel(run_id: str) -> None:
    """Notes that this machine asks for the end of a Job. Blocks."""
    _keep(run_id, canceled_at=time.time())


def forget_cancel(run_id: str) -> None:
    """Notes that the Hub refused to end a Job for this machine. Blocks."""
    _keep(run_id, canceled_at=None)


def note_end(run: Run, symptoms: Symptoms, *, canceled_here: bool = False) -> Run:
    """Stores why a Job ended, and returns it with that; `canceled_here` even if that could not be stored. Blocks."""
    noted = bool(read_all().get(run.id, {}).get("canceled_at"))
    known = explained(run, symptoms, canceled_here=canceled_here or noted or (False if _can_note() else None))
    _keep(run.id, stage=run.stage, message=known.message, hint=known.hint, step=symptoms.step, steps=symptoms.max_steps)
    return known


def _can_note() -> bool:
    """Whether a cancel of this machine would have been noted."""
    return os.access(home(), os.W_OK)


def needs_reading(run: Run, known: Mapping[str, Any] | None) -> bool:
    """Whether the log of an ended Job may say why it ended, and was not read yet."""
    return run.stage in EXPLAINED and (known is None or known.get("stage") != run.stage)


def applied(run: Run, known: Mapping[str, Any] | None) -> Run:
    """`run`, to which its record was applied, with what is known about its end."""
    if known is None or known.get("stage") != run.stage:
        return run
    step, steps = known.get("step"), known.get("steps")
    hint = text_in(known.get("hint"))
    if hint and "spec" not in run.raw:  # no record of this machine: what it was started with is unknown
        hint = repeated_only(hint)
    return replace(
        run,
        message=text_in(known.get("message")) or run.message,
        hint=from_checkpoint(hint) if hint and run.resumable else hint,
        step=(step if isinstance(step, int) else 0) or run.step,  # the one that the message names
        bar_steps=run.bar_steps or (steps if isinstance(steps, int) else None),
    )


def explained(run: Run, symptoms: Symptoms, *, canceled_here: bool | None) -> Run:
    """An ended Job with the reason in its log. `canceled_here`: None if nobody can know whether it was this machine."""
    if run.stage == Stage.CANCELED:
        at = progress_words(symptoms)
        who = {True: "Canceled by you", False: "Canceled, not from this machine", None: "Canceled"}[canceled_here]
        before = "" if run.started_at is not None else " before it started"
        said = f" ({run.message})" if run.message and not run.message.startswith("Canceled") else ""
        return replace(run, message=f"{who}{before or at}{said}", hint=run_again(run.id))
    if run.stage != Stage.ERROR:
        return run
    about = Circumstances(
        run.id, said=_said(run), seconds=run.duration(time.time()), timeout_seconds=run.timeout_seconds
    )
    found = diagnose(symptoms, about)
    return replace(run, message=found.cause, hint=found.hint)


def _said(run: Run) -> str:
    """The words of the Hub, not those of the script that a record added."""
    status = run.raw.get("status")
    said = text_in(status.get("message")) if isinstance(status, Mapping) else None
    return said or run.message or ""
