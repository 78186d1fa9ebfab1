"""Submissions under way, on disk: one that was interrupted (a killed process, a lost machine) is found by its label.

One JSON file per submission, `starting/<label>.json` in the data folder, written before the first request and deleted
after the Job has its own record.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoltui.backends.jobs import records
from smoltui.backends.jobs.job_json import id_of, labels_of, run_of
from smoltui.backends.runs import chains
from smoltui.backends.system.data_folder import home, private_folder, read_json, write_json
from smoltui.core.runs.chain import STEPS, Chain, Step
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import LABEL, RunSpec
from smoltui.errors import InputError

KEPT_SECONDS = 86_400.0
"""A submission without a Job is forgotten after this time."""


def folder() -> Path:
    """Folder of the records."""
    return home() / "starting"


def _path(label: str) -> Path:
    return folder() / f"{label}.json"


def begin(spec: RunSpec) -> None:
    """Records that `spec` is being submitted.

    Raises:
        InputError: the data folder cannot be written.
    """
    try:
        private_folder(folder())
        write_json(_path(spec.label), {"spec": asdict(spec), "pid": os.getpid(), "at": time.time()})
    except OSError as error:
        raise InputError(
            f"The start of a Job cannot be recorded ({error.strerror}): {folder()}",
            "Free some space there, or set SMOLTUI_HOME to another folder.",
        ) from error


def end(label: str) -> None:
    """The submission has ended: its Job has a record, or there is none."""
    with suppress(OSError):
        _path(label).unlink(missing_ok=True)


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
