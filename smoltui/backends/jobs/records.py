"""What this machine remembers of the Jobs it submitted: the project, the timeout, and what their logs told.

One JSON file a Job, `jobs/<id>.json` in the data folder. The Hub remembers none of it, and a list of Jobs should say
how far each is without reading a log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smoltui.backends.system.data_folder import home, private_folder, read_json, write_json
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError

KEPT = (
    events.Planned, events.CheckpointSaved, events.ModelSaved, events.ModelPushed, events.WeightsMoved,
    events.Failed, events.Finished,
)  # fmt: skip
"""Events of which the last is kept; the others can be read again from the log."""


def folder() -> Path:
    """Where the records lie."""
    return home() / "jobs"


def ready() -> None:
    """Makes sure that records can be written, before anything is paid for.

    Raises:
        InputError: the data folder cannot be written.
    """
    try:
        private_folder(folder())
        with tempfile.TemporaryFile(dir=folder()):
            pass
    except OSError as error:
        raise _unwritable(error) from error


def write(run: Run, spec: RunSpec) -> None:
    """Remembers a Job that was just submitted; what an earlier record knew of the same Job stays."""
    known = read(run.id) or {}
    save(
        {
            "id": run.id, "namespace": run.namespace, "submitted_at": time.time(), "events": {},
            **known, "timeout_seconds": spec.timeout_seconds, "spec": asdict(spec),
        }
    )  # fmt: skip


def read(run_id: str) -> dict[str, Any] | None:
    """The record of a Job; None when it was not submitted from here."""
    path = _path(run_id)
    return read_json(path) if path else None


def read_all() -> dict[str, dict[str, Any]]:
    """All records by the Job's id."""
    found = {}
    for path in sorted(folder().glob("*.json")) if folder().is_dir() else []:
        record = read_json(path)
        if record and isinstance(record.get("id"), str):
            found[record["id"]] = record
    return found


def save(record: Mapping[str, Any]) -> None:
    """Replaces a record.

    Raises:
        InputError: the data folder cannot be written; the Job itself is not touched by that.
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
        f"What is known of a Job cannot be stored here, {error.strerror}: {folder()}",
        "Free space there, or set SMOLTUI_HOME.",
    )


def worth_keeping(event: events.Event) -> bool:
    """Whether a record keeps this event."""
    return isinstance(event, KEPT)


def keep(record: dict[str, Any], event: events.Event) -> dict[str, Any]:
    """Puts `event` into the record as the last of its kind, and gives the record.

    A disk that cannot be written only costs the memory of it: the log is being followed and goes on.
    """
    if _events(record).get(event.name) == event.as_json():
        return record
    record = {**record, "events": {**_events(record), event.name: event.as_json()}}
    with suppress(InputError):
        save(record)
    return record


def applied(run: Run, record: Mapping[str, Any] | None) -> Run:
    """`run` with what its record adds: where it came from, and what its log told."""
    if record is None:
        return run
    spec = record.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    timeout = record.get("timeout_seconds")
    stage, message = run.stage, run.message
    run = replace(
        run,
        project=_word(spec.get("project")),
        output_dir=_word(spec.get("output_dir")),
        timeout_seconds=run.timeout_seconds or (timeout if isinstance(timeout, int) else None),
    )
    for data in _events(record).values():
        event = events.from_json(data) if isinstance(data, Mapping) else None
        if event is not None:
            run = run.after(event)
    # The script's own cause of a failure says more than the server's exit code, but only of a run that failed.
    return replace(run, stage=stage, message=run.message if run.hint and run.is_final else message)


def _events(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("events")
    return found if isinstance(found, Mapping) else {}


def _path(run_id: str) -> Path | None:
    plain = run_id.isascii() and run_id.replace("-", "").replace("_", "").isalnum() and len(run_id) <= 100
    return folder() / f"{run_id}.json" if plain else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
