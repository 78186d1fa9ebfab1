"""Local records of submitted Jobs: the project, the timeout, and the content of their logs.

One JSON file per Job, `jobs/<id>.json` in the data folder. The Hub stores none of it, and a list of Jobs should show
the progress of each without reading a log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smoltui.backends.system.data_folder import home, make_writable, private_folder, read_json, write_json
from smoltui.backends.system.processes import this_process
from smoltui.core.runs import events
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.run import Run, RunSpec, can_resume
from smoltui.errors import InputError

KEPT = (
    events.Planned,
    events.CheckpointSaved,
    events.CheckpointKept,
    events.ModelSaved,
    events.ModelPushed,
    events.WeightsMoved,
    events.Failed,
    events.Finished,
)
"""Events of which the last is stored; others can be read again from the log."""


def folder() -> Path:
    """Folder of the records."""
    return home() / "jobs"


def ready() -> None:
    """Ensures that records can be written before anything is paid for.

    Raises:
        InputError: the data folder cannot be written.
    """
    try:
        private_folder(folder())
        with tempfile.TemporaryFile(dir=folder()):
            pass
    except OSError as error:
        raise _unwritable(error) from error


def write(run: Run, spec: RunSpec | CommandSpec) -> None:
    """Records a Job that was just submitted, keeping the content of an earlier record of the same Job."""
    known = read(run.id) or {}
    save(
        {
            "id": run.id,
            "namespace": run.namespace,
            "submitted_at": time.time(),
            "submitted_by": this_process(),
            "events": {},
            **known,
            "timeout_seconds": spec.timeout_seconds,
            "spec": asdict(spec),
        }
    )


def read(run_id: str) -> dict[str, Any] | None:
    """The record of a Job; None if it was not submitted from here."""
    path = _path(run_id)
    return read_json(path) if path else None


def broken(run_id: str) -> Path | None:
    """The file of a Job's record that is there but cannot be read; None if there is none, or it can."""
    path = _path(run_id)
    return path if path is not None and path.exists() and read_json(path) is None else None


def read_all() -> dict[str, dict[str, Any]]:
    """All records by the Job's id."""
    found = {}
    for path in sorted(folder().glob("*.json")) if folder().is_dir() else []:
        record = read_json(path)
        if record and isinstance(record.get("id"), str):
            found[record["id"]] = record
    return found


def save(record: Mapping[str, object]) -> None:
    """Replaces a record.

    Raises:
        InputError: the data folder cannot be written; the Job itself is not affected.
    """
    path = _path(str(record.get("id")))
    if path is None:
        return
    try:
        private_folder(path.parent)
        write_json(path, dict(record))
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> InputError:
    return InputError(
        f"The record of a Job cannot be stored ({error.strerror}): {folder()}",
        make_writable(error),
    )


def worth_keeping(event: events.Event) -> bool:
    """Whether a record stores this event."""
    return isinstance(event, KEPT)


def has_event(record: Mapping[str, object], kind: type[events.Event]) -> bool:
    """Whether the record stores an event of this kind."""
    return kind.name in _events(record)


def with_event(record: Mapping[str, Any], event: events.Event) -> dict[str, Any]:
    """The record with `event` as the last of its kind; not stored yet."""
    return {**record, "events": {**_events(record), event.name: event.as_json()}}


def keep(record: dict[str, Any], event: events.Event) -> dict[str, Any]:
    """Stores `event` in the record as the last of its kind, and returns the record.

    If the disk cannot be written, only the record is lost: following the log continues.
    """
    if _events(record).get(event.name) == event.as_json():
        return record
    record = with_event(record, event)
    with suppress(InputError):
        save(record)
    return record


def applied(run: Run, record: Mapping[str, object] | None) -> Run:
    """`run` with the data of its record: its origin, and the content of its log."""
    if record is None:
        return run
    spec = record.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    timeout, attempts = record.get("timeout_seconds"), spec.get("attempts")
    stage, message = run.stage, run.message
    run = replace(
        run,
        project=_word(spec.get("project")),
        output_dir=_word(spec.get("output_dir")),
        timeout_seconds=run.timeout_seconds or (timeout if isinstance(timeout, int) else None),
        attempts=run.attempts or (attempts if isinstance(attempts, int) else None),
        raw={**run.raw, "spec": spec},
    )
    for data in _events(record).values():
        event = events.from_json(data) if isinstance(data, Mapping) else None
        if event is not None:
            run = run.after(event)
    # The script's own reason for a failure says more than the server's exit code, but only for a failed run.
    run = replace(run, stage=stage, message=run.message if run.hint and run.is_final else message)
    return replace(run, resumable=can_resume(run))


def _events(record: Mapping[str, object]) -> Mapping[str, Any]:
    found = record.get("events")
    return found if isinstance(found, Mapping) else {}


def _path(run_id: str) -> Path | None:
    plain = run_id.isascii() and run_id.replace("-", "").replace("_", "").isalnum() and len(run_id) <= 100
    return folder() / f"{run_id}.json" if plain else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
