"""The folder of a run on a Slurm cluster, on a disk that the nodes share.

`spec.json` is the run, `parts.json` the jobs that it was submitted as (requeueing keeps a job's id, resuming makes a
new job, and Slurm reuses ids), `job.json` what the script of the newest job starts, and `status.json` what that script
says. A record that cannot be read concerns its run alone.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.local.value_checks import (
    Check,
    are_labels,
    is_count,
    is_exit_code,
    is_number,
    is_path,
    is_positive,
    is_text,
    is_time,
    or_none,
    wrong_value,
)
from smoltui.backends.system import data_folder
from smoltui.core.slurm.answers import Row
from smoltui.errors import InputError

FOLDER = "slurm"


def runs_folder() -> Path:
    """Has one folder per run."""
    return data_folder.home() / FOLDER


def run_dir(run_id: str) -> Path:
    """The folder of one run, whether it exists or not.

    Raises:
        InputError: the id could lead outside the folder of runs.
    """
    if not run_id or "/" in run_id or "\\" in run_id or "\0" in run_id or run_id.startswith("."):
        raise InputError(f"Not a run id: {run_id}", "List run ids: smoltui ps -a")
    return runs_folder() / run_id


def new_run_dir() -> Path:
    """A new folder, whose name (8 hexadecimal digits) is the run's id. Raises OSError."""
    data_folder.private_folder(runs_folder())
    while True:
        path = runs_folder() / f"s{secrets.token_hex(4)[1:]}"
        try:
            path.mkdir(mode=0o700)
            return path
        except FileExistsError:
            continue


def run_ids() -> list[str]:
    """Ids of all runs, newest first; folders without a run are left out."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(runs_folder()):
            with suppress(OSError):
                found.append(((Path(entry.path) / "spec.json").stat().st_mtime, entry.name))
    return [name for _, name in sorted(found, reverse=True)]


@dataclass(frozen=True, slots=True)
class Part:
    """One submission of a run."""

    number: int
    label: str
    """Value in the comment of its job."""
    asked_at: float
    """When sbatch was called, seconds since the epoch."""
    job: str | None = None
    """None until sbatch has answered."""
    cluster: str | None = None
    """Name of the cluster that took it; None if unknown."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Records:
    """What is known about a run apart from its log and Slurm's list."""

    folder: Path
    spec: dict[str, Any]
    parts: tuple[Part, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    status: dict[str, Any] | None = None
    """Of the newest part; None before its script has started."""
    last: Row | None = None
    """The end of the newest part in Slurm's words, as it was seen; None before."""

    @property
    def part(self) -> Part | None:
        """The newest part; None if none was begun."""
        return self.parts[-1] if self.parts else None

    def asked(self, what: str) -> bool:
        """Whether smoltui asked the newest part to `pause` or `cancel`."""
        at = data_folder.mtime(self.folder / f"asked-{what}")
        return at is not None and self.part is not None and at >= self.part.asked_at - 1


class BadRecordError(InputError):
    """A record of a run cannot be read."""

    def __init__(self, folder: Path, name: str, why: str) -> None:
        super().__init__(
            f"The record of this run cannot be read: {folder}",
            f"{name} is invalid: {why}. Fix it, or delete the folder.",
        )


_SPEC: dict[str, Check] = {
    "name": is_text,
    "project": is_path,
    "recipe": is_text,
    "output_dir": is_path,
    "label": is_text,
    "created_at": is_time,
    "log_key": is_text,
    "options": are_labels,
}
_PART: dict[str, Check] = {
    "number": is_positive,
    "label": is_text,
    "asked_at": is_time,
    "job": or_none(is_text),
    "cluster": or_none(is_text),
}
_STATUS: dict[str, Check] = {
    "part": is_positive,
    "job": is_text,
    "restart": is_count,
    "requeues": is_count,
    "host": is_text,
    "nodes": is_text,
    "started_at": is_time,
    "offset": is_count,
    "finished_at": is_time,
    "exit_code": is_exit_code,
    "why": is_text,
    "step": is_number,
    "error": is_text,
}


def read(run_id: str) -> Records | None:
    """The records of a run; None if there is no such run.

    Raises:
        BadRecordError: one of them cannot be read, or has a value of the wrong type.
        InputError: not a valid id.
    """
    folder = run_dir(run_id)
    spec = _read(folder, "spec.json", _SPEC)
    if spec is None:
        return None
    stored = _read(folder, "parts.json", {"labels": are_labels}) or {}
    parts = tuple(_part(folder, item) for item in stored.get("parts") or ())
    status = _read(folder, "status.json", _STATUS)
    if status is None or not parts or status.get("part") != parts[-1].number:
        status = None
    last = _row(data_folder.read_json(folder / "seen.json"), parts)
    return Records(folder, spec, parts, stored.get("labels", spec.get("labels") or {}), status, last)


def _read(folder: Path, name: str, kinds: Mapping[str, Check]) -> dict[str, Any] | None:
    try:
        data = data_folder.read_record(folder / name)
    except data_folder.UnreadableError as error:
        raise BadRecordError(folder, name, str(error)) from error
    if data is not None and (wrong := wrong_value(data, kinds)) is not None:
        raise BadRecordError(folder, name, wrong)
    return data


def _part(folder: Path, item: object) -> Part:
    if not isinstance(item, Mapping) or not item.keys() >= {"number", "label", "asked_at"}:
        raise BadRecordError(folder, "parts.json", "a part of it is incomplete")
    if (wrong := wrong_value(item, _PART)) is not None:
        raise BadRecordError(folder, "parts.json", wrong)
    return Part(**{name: item.get(name) for name in _PART})  # type: ignore[arg-type]  # checked above


def _row(data: Mapping[str, Any] | None, parts: tuple[Part, ...]) -> Row | None:
    """The end that was seen of the newest job; None if this is of an earlier one."""
    if data is None or not parts or data.get("job") != parts[-1].job:
        return None
    with suppress(TypeError):
        return Row(**{name: data[name] for name in Row.__dataclass_fields__ if name in data})
    return None


def write_parts(folder: Path, parts: tuple[Part, ...], labels: Mapping[str, str]) -> None:
    """Stores the jobs and labels of a run. Raises OSError."""
    data_folder.write_json(folder / "parts.json", {"parts": [part.as_json() for part in parts], "labels": dict(labels)})


def write_seen(folder: Path, row: Row) -> None:
    """Stores how Slurm says that a job ended: it forgets that after minutes. A full disk does not matter."""
    with suppress(OSError):
        data_folder.write_json(folder / "seen.json", asdict(row))


def end_is_recorded(folder: Path, seconds: float) -> bool:
    """Whether the script of a job writes its end within so many seconds; blocks until then."""
    deadline = time.monotonic() + seconds
    while "finished_at" not in (data_folder.read_json(folder / "status.json") or {}):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ask(folder: Path, what: str) -> None:
    """Notes that a person asked a run to `pause` or `cancel`, for the script of its job. Raises OSError."""
    path = folder / f"asked-{what}"
    path.touch(mode=0o600)
    os.utime(path)


def withdraw(folder: Path, what: str) -> None:
    """Withdraws a request that Slurm was not told of."""
    with suppress(OSError):
        (folder / f"asked-{what}").unlink()
