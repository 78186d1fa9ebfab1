"""What the log of a run says, saved beside it as `summary.json` so that a list need not read the log again.

A summary is a cache: it is ignored if it does not fit the log (another version, another file, or other bytes where the
reading stopped). It does not include the curve, which is read from the log.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from smoltui.backends.local.log import RunLog
from smoltui.backends.local.log_pieces import open_log
from smoltui.backends.local.value_checks import (
    Check,
    are_texts,
    is_count,
    is_number,
    is_text,
    is_whole,
    or_none,
    wrong_value,
)
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.errors import InputError

NAME = "summary.json"
VERSION = 2
PRINT_BYTES = 256
"""Bytes at the start of the log, and before the point where reading stopped, that identify the log."""
WORTH_BYTES = 1 << 22
"""The summary of an active run is saved again after this many bytes of its log."""
_TEXTS = ("phase", "model_path", "pushed_to", "message", "hint")
_CHECKS: dict[str, Check] = {
    "step": is_count,
    "begun": is_count,
    "bar_steps": or_none(is_count),
    "moved": or_none(is_number),
    "checkpoints": are_texts,
    **dict.fromkeys(_TEXTS, or_none(is_text)),
}
"""A summary with another value in one of these is not used."""


def save(log: RunLog) -> None:
    """Saves the summary of a log; if the disk cannot be written, the log is read again next time."""
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
        **{name: getattr(run, name) for name in _TEXTS},
        "lasts": events.Metrics(values=log.history.lasts).as_json(),
        "checkpoints": sorted(log.checkpoints),
        **{name: event and event.as_json() for name, event in _events(log).items()},
    }
    with suppress(OSError):
        data_folder.write_json(log.path.with_name(NAME), data, indent=None)
        log.saved = log.offset


def load(log: RunLog) -> None:
    """Puts a log that was not read yet into the saved state, if that still fits it."""
    data = data_folder.read_json(log.path.with_name(NAME))
    if data is None or data.get("version") != VERSION or not _fits(log, data):
        return
    lasts = _event(data.get("lasts"), events.Metrics)
    if lasts is None or wrong_value({name: data.get(name) for name in _CHECKS}, _CHECKS) is not None:
        return
    values: dict[str, Any] = {name: data.get(name) for name in ("step", "bar_steps", "moved", *_TEXTS)}
    log.run = replace(log.run, plan=_event(data.get("plan"), events.Planned), **values)
    log.finished = _event(data.get("finished"), events.Finished)
    if log.finished is not None:
        log.run = log.run.after(log.finished)
    log.failed = _event(data.get("failed"), events.Failed)
    log.health = _event(data.get("health"), events.HealthChanged)
    if log.health is not None:
        log.run = log.run.after(log.health)
    log.checkpoints = set(data["checkpoints"])
    log.history.lasts, log.begun = dict(lasts.values), data["begun"]
    log.reader.ours = data.get("ours") is True
    log.pieces.offset = log.saved = data["offset"]


def _events(log: RunLog) -> dict[str, events.Event | None]:
    return {"plan": log.run.plan, "finished": log.finished, "failed": log.failed, "health": log.health}


E = TypeVar("E", bound=events.Event)


def _event(data: object, kind: type[E]) -> E | None:
    """The saved event if it is of this kind."""
    event = events.from_json(data) if isinstance(data, Mapping) else None
    return event if isinstance(event, kind) else None


def _fits(log: RunLog, data: Mapping[str, object]) -> bool:
    """Whether the log is the one that was summarized: unchanged, or longer."""
    offset = data.get("offset")
    if not is_whole(offset) or offset < 0:
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
    """What identifies the log, read up to `offset` bytes; None if it cannot be read."""
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
