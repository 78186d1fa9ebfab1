"""The three records of a local run, `spec.json`, `launch.json` and `status.json`, as they are read: checked by type.

They are files like others: cut off, edited, restored from a backup or written by another version. What is wrong with
one is said of its run alone. Keys that are not known here are kept as they are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.local.place import HERE
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder, locks
from smoltui.core.runs.events import LATEST
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError


class BadRecordError(InputError):
    """A record of a run cannot be read; the message names the folder, the hint the file and what to do."""

    def __init__(self, folder: Path, name: str, why: str) -> None:
        alive = locks.holder(folder / run_store.LOCK_NAME) if locks.held(folder / run_store.LOCK_NAME) else None
        hint = f"{name} is invalid: {why}. Fix it, or delete the folder."
        if alive:
            hint = f"{name} is invalid: {why}. The run is still alive; stop it: kill -INT {alive}"
        super().__init__(f"The record of this run cannot be read: {folder}", hint)
        self.folder, self.which = folder, (name, why)


@dataclass(frozen=True, slots=True)
class Records:
    """What is known of a run besides its log."""

    spec: dict[str, Any]
    launch: dict[str, Any] = field(default_factory=dict)
    """Empty until it was launched."""
    status: dict[str, Any] | None = None
    """None until its supervisor has said something."""


def _text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _path(value: Any) -> bool:
    """A name that the system can be asked for; bytes that are no UTF-8 are kept in it as Python does."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def _count(value: Any) -> bool:
    return _whole(value) and value >= 1


def _pid(value: Any) -> bool:
    return _whole(value) and 1 < value < 1 << 31  # 0 and -1 mean many processes to `kill`


def _code(value: Any) -> bool:
    return _whole(value) and abs(value) < 1 << 31


def _yes_no(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(_text(item) for item in value)


def _paths(value: Any) -> bool:
    return isinstance(value, list) and all(_path(item) for item in value)


def _labels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_text(key) and _text(item) for key, item in value.items())


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _statuses(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and _wrong(item, _STATUS) is None for item in value
    )


_SPEC: dict[str, Callable[[Any], bool]] = {
    "name": _text,
    "project": _path,
    "recipe": _text,
    "output_dir": _path,
    "label": _text,
    "flavor": _or_none(_text),
    "timeout_seconds": _or_none(_whole),
    "namespace": _or_none(_text),
    "labels": _labels,
    "overwrite": _yes_no,
    "left_out": _texts,
    "pairs_hash": _or_none(_text),
    "pairs_from": _or_none(_text),
    "checks": _texts,
    "side_by_side": _yes_no,
    "processes": _or_none(_whole),
    "strategy": _or_none(_text),
    "created_at": _time,
}
_STATUS: dict[str, Callable[[Any], bool]] = {
    "supervisor_pid": _pid,
    "supervisor_started_at": _time,
    "attempt": _count,
    "queued_at": _time,
    "started_at": _time,
    "boot": _or_none(_text),
    "started_up": _or_none(_number),
    "child_pid": _pid,
    "child_ticks": _or_none(_whole),
    "cancel_requested_at": _time,
    "pause_requested_at": _time,
    "finished_at": _or_none(_time),
    "exit_code": _code,
    "error": _text,
    "disk_full": _yes_no,
}
_LAUNCH: dict[str, Callable[[Any], bool]] = {
    "argv": _paths,
    "cwd": _path,
    "at": _time,
    "attempt": _count,
    "ticket": _or_none(_path),
    "side_by_side": _yes_no,
    "output_lock": _path,
    "output_made": _yes_no,
    "resumed": _text,
    "resumed_from": _path,
    "earlier": _statuses,
}


def _wrong(data: Mapping[str, Any], kinds: Mapping[str, Callable[[Any], bool]]) -> str | None:
    """What is wrong with a record, for the end of a sentence; None when nothing is."""
    for name, fits in kinds.items():
        if name in data and not fits(data[name]):
            return f"{name} has an unexpected value"
    return None


def read_records(folder: Path) -> Records | None:
    """The records of a run; None for a folder that holds no run.

    Raises:
        BadRecordError: one of them cannot be read, or holds something of the wrong type.
    """
    spec = _read(folder, "spec.json", _SPEC)
    if spec is None:
        return None
    return Records(spec, _read(folder, "launch.json", _LAUNCH) or {}, _read(folder, "status.json", _STATUS))


def _read(folder: Path, name: str, kinds: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any] | None:
    try:
        data = data_folder.read_record(folder / name)
    except data_folder.UnreadableError as error:
        raise BadRecordError(folder, name, str(error)) from error
    if data is not None and (wrong := _wrong(data, kinds)) is not None:
        raise BadRecordError(folder, name, wrong)
    return data


def unreadable(folder: Path, error: BadRecordError) -> Run:
    """The row of a run whose records cannot be read."""
    return Run(
        id=folder.name,
        engine=HERE.name,
        name=folder.name,
        stage=Stage.ERROR,
        message=error.message,
        hint=error.hint,
        created_at=data_folder.mtime(folder),
        raw={"spec": None, "launch": {}, "status": None, "problem": error},
    )


def readable(run: Run) -> Run:
    """`run`, unless its records cannot be read. Raises BadRecordError."""
    problem = run.raw.get("problem")
    if isinstance(problem, BadRecordError):
        raise BadRecordError(problem.folder, *problem.which)
    return run
