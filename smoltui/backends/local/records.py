"""The three records of a local run, `spec.json`, `launch.json` and `status.json`, checked by type when they are read.

Like any file, a record can be cut off, edited, restored from a backup or written by another version. An error in one
concerns its run alone. Unknown keys are kept unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.local.place import HERE
from smoltui.backends.local.value_checks import (
    Check,
    are_labels,
    are_paths,
    are_texts,
    is_bool,
    is_exit_code,
    is_number,
    is_path,
    is_pid,
    is_positive,
    is_text,
    is_time,
    is_whole,
    or_none,
    wrong_value,
)
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder, locks
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
    """What is known about a run apart from its log."""

    spec: dict[str, Any]
    launch: dict[str, Any] = field(default_factory=dict)
    """Empty before the launch."""
    status: dict[str, Any] | None = None
    """None until its supervisor has written it."""


def _statuses(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and wrong_value(item, _STATUS) is None for item in value
    )


_SPEC: dict[str, Check] = {
    "name": is_text,
    "project": is_path,
    "recipe": is_text,
    "output_dir": is_path,
    "label": is_text,
    "flavor": or_none(is_text),
    "timeout_seconds": or_none(is_whole),
    "namespace": or_none(is_text),
    "labels": are_labels,
    "overwrite": is_bool,
    "left_out": are_texts,
    "pairs_hash": or_none(is_text),
    "pairs_from": or_none(is_text),
    "pairs_named": or_none(is_text),
    "checks": are_texts,
    "side_by_side": is_bool,
    "stop_ruined": is_bool,
    "hardware": is_text,
    **dict.fromkeys(("expected_low", "expected_high", "expected_usual"), is_number),
    "processes": or_none(is_whole),
    "strategy": or_none(is_text),
    "created_at": is_time,
    "log_key": is_text,
}
_STATUS: dict[str, Check] = {
    "supervisor_pid": is_pid,
    "supervisor_started_at": is_time,
    "attempt": is_positive,
    "queued_at": is_time,
    "started_at": is_time,
    "boot": or_none(is_text),
    "started_up": or_none(is_number),
    "child_pid": is_pid,
    "child_ticks": or_none(is_whole),
    "cancel_requested_at": is_time,
    "pause_requested_at": is_time,
    "finished_at": or_none(is_time),
    "exit_code": is_exit_code,
    "error": is_text,
    "disk_full": is_bool,
}
_LAUNCH: dict[str, Check] = {
    "argv": are_paths,
    "cwd": is_path,
    "at": is_time,
    "attempt": is_positive,
    "ticket": or_none(is_path),
    "side_by_side": is_bool,
    "output_lock": is_path,
    "output_made": is_bool,
    "resumed": is_text,
    "resumed_from": is_path,
    "log_key": or_none(is_text),
    "earlier": _statuses,
}


def read_records(folder: Path) -> Records | None:
    """The records of a run; None for a folder without one.

    Raises:
        BadRecordError: one of them cannot be read, or has a value of the wrong type.
    """
    spec = read_spec(folder)
    if spec is None:
        return None
    return Records(spec, _read(folder, "launch.json", _LAUNCH) or {}, _read(folder, "status.json", _STATUS))


def read_spec(folder: Path) -> dict[str, Any] | None:
    """What a run was started with; None for a folder without a run. Raises as `read_records`, for `spec.json` alone."""
    return _read(folder, "spec.json", _SPEC)


def _read(folder: Path, name: str, kinds: Mapping[str, Check]) -> dict[str, Any] | None:
    try:
        data = data_folder.read_record(folder / name)
    except data_folder.UnreadableError as error:
        raise BadRecordError(folder, name, str(error)) from error
    if data is not None and (wrong := wrong_value(data, kinds)) is not None:
        raise BadRecordError(folder, name, wrong)
    return data


def unreadable(folder: Path, error: BadRecordError) -> Run:
    """A run whose records cannot be read, as a row of the list."""
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
