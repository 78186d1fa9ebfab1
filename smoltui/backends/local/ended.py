"""A run that has ended, as it is saved (`backends/runs/saved_ends.py`) so that no list reads its records or log again.

What was saved is ignored if a record or the log is not the one that it was made of. The records themselves and the
curve are read on demand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.local.log_history import LogHistory
from smoltui.backends.local.place import HERE
from smoltui.backends.local.records import read_records
from smoltui.backends.local.value_checks import (
    Check,
    are_labels,
    is_bool,
    is_count,
    is_number,
    is_path,
    is_text,
    is_time,
    or_none,
    wrong_value,
)
from smoltui.core.runs import events
from smoltui.core.runs.health import remark_in
from smoltui.core.runs.run import FINAL, Run
from smoltui.errors import InputError

VERSION = 3
"""Goes up when the fields or the sentences about ends change, so that old ones are made again."""
MADE_OF = ("spec.json", "launch.json", "status.json", "log")
_VALUES: dict[str, Check] = {
    "name": is_text,
    "stage": FINAL.__contains__,
    "message": or_none(is_text),
    "hint": or_none(is_text),
    "created_at": or_none(is_time),
    "started_at": or_none(is_time),
    "finished_at": or_none(is_time),
    "seconds_before": is_number,
    "project": or_none(is_path),
    "output_dir": or_none(is_path),
    "labels": are_labels,
    "phase": or_none(is_text),
    "step": is_count,
    "bar_steps": or_none(is_count),
    "trained_seconds": or_none(is_number),
    "moved": or_none(is_number),
    "model_path": or_none(is_text),
    "pushed_to": or_none(is_text),
    "resumable": is_bool,
    "kept_step": or_none(is_count),
}
"""Fields of `Run` that are saved as they are."""


class RecordsOnDemand(Mapping[str, Any]):
    """`Run.raw` of a local run: its three records, read when the first of them is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Any] | None = None

    def _records(self) -> dict[str, Any]:
        if self._read is None:
            self._read = {"spec": None, "launch": {}, "status": None}
            with suppress(InputError):  # edited since; the next list reports it
                if (found := read_records(self._folder)) is not None:
                    self._read = {"spec": found.spec, "launch": found.launch, "status": found.status}
        return self._read

    def __getitem__(self, key: str) -> Any:
        return self._records()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("spec", "launch", "status"))

    def __len__(self) -> int:
        return 3


def as_saved(folder: Path, run: Run, checkpoint: str | None) -> dict[str, Any] | None:
    """What to save of a run that has ended; None if its records or its log cannot be found.

    `checkpoint`: path of the checkpoint from which it can be resumed.
    """
    made_of = _made_of(folder)
    if made_of is None:
        return None
    health = run.health
    return {
        "version": VERSION,
        "made_of": made_of,
        "checkpoint": checkpoint,
        **{name: getattr(run, name) for name in _VALUES},
        "labels": dict(run.labels),
        "plan": run.plan and run.plan.as_json(),
        "health": health
        and events.HealthChanged(
            rule=health.rule,
            level=health.level.name.lower(),
            word=health.word,
            sentence=health.sentence,
            act=health.act,
        ).as_json(),
        "lasts": events.Metrics(values=_lasts(run)).as_json(),
    }


def from_saved(folder: Path, data: Mapping[str, Any] | None) -> Run | None:
    """The run in this folder from what was saved of it; None if that is nothing, of other files, or not from here."""
    if data is None or data.get("version") != VERSION or data.get("made_of") != _made_of(folder):
        return None
    values: dict[str, Any] = {name: data.get(name) for name in _VALUES}
    lasts = events.from_json(data["lasts"]) if isinstance(data.get("lasts"), dict) else None
    if wrong_value(values, _VALUES) is not None or not isinstance(lasts, events.Metrics):
        return None
    if values["resumable"] and not _is_there(data.get("checkpoint")):
        return None
    plan = events.from_json(data["plan"]) if isinstance(data.get("plan"), dict) else None
    health = events.from_json(data["health"]) if isinstance(data.get("health"), dict) else None
    history = LogHistory(folder / "log")
    history.lasts = dict(lasts.values)
    return Run(
        id=folder.name,
        engine=HERE.name,
        plan=plan if isinstance(plan, events.Planned) else None,
        health=remark_in(health) if isinstance(health, events.HealthChanged) else None,
        history=history,
        raw=RecordsOnDemand(folder),
        **values,
    )


def _lasts(run: Run) -> Mapping[str, float]:
    history = run.history
    return history.lasts if isinstance(history, LogHistory) else {}


def _is_there(path: object) -> bool:
    return is_path(path) and Path(str(path)).exists()


def _made_of(folder: Path) -> list[list[int]] | None:
    """What identifies the records and the log; None if one of them is missing."""
    try:
        found = [os.stat(f"{folder}/{name}") for name in MADE_OF]  # noqa: PTH116  # thousands of them
    except OSError:
        return None
    return [[one.st_ino, one.st_size, one.st_mtime_ns] for one in found]
