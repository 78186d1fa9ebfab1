"""Submissions under way, on disk: one that was interrupted (a killed process, a lost machine) is found by its label.

One JSON file per submission, `starting/<label>.json` in the data folder, written before the first request and deleted
after the Job has its own record. So two apps that start the same at the same time see each other, and pay one Job.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoltui.backends.jobs import records
from smoltui.backends.jobs.job_json import id_of, labels_of, run_of
from smoltui.backends.runs import chains
from smoltui.backends.system import locks
from smoltui.backends.system.data_folder import home, make_writable, mtime, private_folder, read_json, write_json
from smoltui.backends.system.processes import lives, this_process
from smoltui.core.runs.chain import STEPS, Chain, Step
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.rivals import rival
from smoltui.core.runs.run import LABEL, RunSpec
from smoltui.errors import InputError

FIRST = "Another smoltui was first"
WAIT = "Wait until it is listed; then start a second one if you want two."
KEPT_SECONDS = 86_400.0
"""A submission without a Job is forgotten after this time."""
UNSEEN_SECONDS = 120.0
"""A Job that another app submitted this recently may not have been listed here yet. Also how long a submission from
another machine counts as under way, because its process cannot be looked up."""


class JustStartedError(InputError):
    """Another process has just submitted the same, as the Job `job_id`."""

    def __init__(self, job_id: str, other: str) -> None:
        super().__init__(f"{FIRST}: {other}", WAIT)
        self.job_id = job_id


def folder() -> Path:
    """Folder of the records."""
    return home() / "starting"


def _path(label: str) -> Path:
    return folder() / f"{label}.json"


def begin(spec: RunSpec, seen: Collection[str] = ()) -> None:
    """Records that `spec` is being submitted.

    `seen`: ids of the Jobs that the person could know of; about a second one of these, the person was asked.

    Raises:
        JustStartedError: another process has just submitted the same.
        InputError: another app is submitting the same; the data folder cannot be written.
    """
    said = {"spec": asdict(spec), **this_process(), "at": time.time()}
    try:
        private_folder(folder())
        lock = locks.take(home() / "starting.lock", "Another smoltui has been starting a Job for 10 s ({pid})")
        try:
            if other := rival(spec, (), _under_way(), on_disk=False):
                raise InputError(f"{FIRST}: {other}", WAIT)
            for job_id, started in _just_started(seen):
                if other := rival(spec, (), (started,), on_disk=False):
                    raise JustStartedError(job_id, other)
            write_json(_path(spec.label), said)
        finally:
            os.close(lock)
    except OSError as error:
        raise InputError(
            f"The start of a Job cannot be recorded ({error.strerror}): {folder()}",
            make_writable(error),
        ) from error


def _under_way() -> Iterator[RunSpec]:
    """What other apps are submitting."""
    for path in folder().glob("*.json"):
        data = read_json(path) or {}
        if (spec := spec_of(data.get("spec"))) is not None and _is_under_way(data):
            yield spec


def _just_started(seen: Collection[str]) -> Iterator[tuple[str, RunSpec]]:
    """Ids and specifications of what other apps have just submitted without its being `seen` here."""
    for path in records.folder().glob("*.json"):
        if path.stem not in seen and _is_recent(mtime(path)):
            data = read_json(path) or {}
            if data.get("submitted_by") == this_process() or not _is_recent(data.get("submitted_at")):
                continue
            if (spec := spec_of(data.get("spec"))) is not None:
                yield path.stem, spec


def _is_under_way(data: Mapping[str, object]) -> bool:
    me, pid, at = this_process(), data.get("pid"), data.get("at")
    if data.get("host") != me["host"] or data.get("unclear"):
        return _is_recent(at)
    return isinstance(pid, int) and pid != me["pid"] and isinstance(at, int | float) and lives(pid, at)


def _is_recent(at: object) -> bool:
    return isinstance(at, int | float) and time.time() - at < UNSEEN_SECONDS


def end(label: str) -> None:
    """The submission has ended: its Job has a record, or there is none."""
    with suppress(OSError):
        _path(label).unlink(missing_ok=True)


def leave(label: str, *, unclear: bool) -> None:
    """Nobody works on the submission any more; a list may still find its Job. `unclear`: it may have started one."""
    if (data := read_json(_path(label))) is not None:
        with suppress(OSError):
            write_json(_path(label), {**data, "pid": 0, "unclear": unclear})


def interrupted() -> dict[str, RunSpec]:
    """Label → specification of each submission whose process is gone, or whose answer was lost."""
    found: dict[str, RunSpec] = {}
    for path in sorted(folder().glob("*.json")) if folder().is_dir() else []:
        data = read_json(path) or {}
        spec, at = spec_of(data.get("spec")), data.get("at")
        if spec is None or not isinstance(at, int | float) or time.time() - at > KEPT_SECONDS:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            continue
        found[spec.label] = spec
    return found


def adopt(waiting: Mapping[str, RunSpec], jobs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Writes the records of listed Jobs (namespace → JSON) that an interrupted submission started; returns them by id.

    The steps that were to follow are stored as well.
    A submission that is still under way is adopted just as well: it writes the same record.
    """
    found: dict[str, dict[str, Any]] = {}
    for namespace, listed in jobs.items():
        for job in listed:
            spec = waiting.get(labels_of(job).get(LABEL, ""))
            job_id = id_of(job)
            if spec is None or job_id is None:
                continue
            with suppress(InputError):
                records.write(run_of(job, namespace=namespace), spec)
                if (record := records.read(job_id)) is not None:
                    found[job_id] = record
                    _begin_steps(job_id, spec)
                    end(spec.label)
    return found


def _begin_steps(job_id: str, spec: RunSpec) -> None:
    """Stores the steps after a Job that was found, unless that was done. Raises InputError."""
    steps = tuple(Step(name) for name in spec.then if name in STEPS)
    if steps and chains.read(job_id) is None:
        chains.save(Chain(job_id, spec.project, steps))
