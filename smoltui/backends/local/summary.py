"""What was learnt from the log of a run, kept beside it in `summary.json`, so that a list need not read it again.

It is derived, never needed, and thrown away when it does not fit the log: another version, another file, or other bytes
where the reading stopped. The curve is not in it: that is read from the log.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeGuard

from smoltui.backends.local.log import RunLog, open_log
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.errors import InputError

NAME = "summary.json"
VERSION = 1
PRINT_BYTES = 256
"""At the begin of the log and before where the reading stopped: they tell whether it is still the same log."""
WORTH_BYTES = 1 << 22
"""A summary of a run that is not over is written again when so much was read since."""
_WORDS = ("phase", "model_path", "pushed_to", "message", "hint")


def save(log: RunLog) -> None:
    """Writes it down; a disk that cannot be written costs nothing but the time to read the log again."""
    run, found = log.run, _identity(log, log.offset)
    if found is None:
        return
    data = {
        "version": VERSION,
        **found,
        "offset": log.offset,
        "ours": log.reader.ours,
        "begun": log.begun,
        "step": run.step,
        "bar_steps": run.bar_steps,
        "moved": run.moved,
        **{name: getattr(run, name) for name in _WORDS},
        "lasts": events.Metrics(values=log.history.lasts).as_json(),
        "checkpoints": sorted(log.checkpoints),
        **{name: event and event.as_json() for name, event in _events(log).items()},
    }
    with suppress(OSError):
        data_folder.write_json(log.path.with_name(NAME), data, indent=None)
        log.saved = log.offset


def load(log: RunLog) -> None:
    """Puts a log that was not read yet into the state that was written down, where it still fits."""
    data = data_folder.read_json(log.path.with_name(NAME))
    if data is None or data.get("version") != VERSION or not _fits(log, data):
        return
    said = {name: _event(data.get(name)) for name in ("lasts", "plan", "finished", "failed")}
    plan, finished, failed, lasts = said["plan"], said["finished"], said["failed"], said["lasts"]
    step, begun, checkpoints, moved = (data.get(name) for name in ("step", "begun", "checkpoints", "moved"))
    words: dict[str, Any] = {name: data.get(name) for name in _WORDS}
    if not isinstance(lasts, events.Metrics) or not _count(step) or not _count(begun):
        return
    if not all(value is None or isinstance(value, str) for value in words.values()):
        return
    if not isinstance(checkpoints, list) or not isinstance(moved, int | float | None):
        return
    log.run = replace(
        log.run,
        step=step,
        moved=moved,
        plan=plan if isinstance(plan, events.Planned) else None,
        bar_steps=data["bar_steps"] if _count(data.get("bar_steps")) else None,
        **words,
    )
    log.finished = finished if isinstance(finished, events.Finished) else None
    log.failed = failed if isinstance(failed, events.Failed) else None
    log.checkpoints = {path for path in checkpoints if isinstance(path, str)}
    log.history.lasts, log.begun = dict(lasts.values), begun
    log.reader.ours = data.get("ours") is True
    log.pieces.offset = log.saved = data["offset"]


def _events(log: RunLog) -> dict[str, events.Event | None]:
    return {"plan": log.run.plan, "finished": log.finished, "failed": log.failed}


def _event(data: Any) -> events.Event | None:
    return events.from_json(data) if isinstance(data, Mapping) else None


def _count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _fits(log: RunLog, data: Mapping[str, Any]) -> bool:
    """Whether the log is the one that was read: unchanged, or grown."""
    offset = data.get("offset")
    if not _count(offset):
        return False
    try:
        found = log.path.stat()
    except OSError:
        return False
    if data.get("inode") != found.st_ino or found.st_size < offset:
        return False
    if (data.get("size"), data.get("modified")) == (found.st_size, found.st_mtime_ns):
        return True
    now = _identity(log, offset)
    return now is not None and found.st_size != data.get("size") and now["print"] == data.get("print")


def _identity(log: RunLog, offset: int) -> dict[str, int] | None:
    """What tells the log from another one; None where it cannot be read."""
    try:
        descriptor = open_log(log.path)
    except (FileNotFoundError, InputError):
        return None
    try:
        found = os.fstat(descriptor)
        print_ = zlib.crc32(os.pread(descriptor, min(PRINT_BYTES, offset), 0))
        begin = max(0, offset - PRINT_BYTES)
        print_ = zlib.crc32(os.pread(descriptor, offset - begin, begin), print_)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return {"inode": found.st_ino, "size": found.st_size, "modified": found.st_mtime_ns, "print": print_}
