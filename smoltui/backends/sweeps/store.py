"""Records of sweeps: `sweeps/ID.json` in the data folder, written before the first run is started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from smoltui.backends.system import data_folder
from smoltui.core.sweeps.sweep import Sweep, sweep_from_json
from smoltui.errors import InputError


def folder() -> Path:
    """Where sweeps are stored."""
    return data_folder.home() / "sweeps"


def save(sweep: Sweep) -> None:
    """Stores a sweep. Raises InputError: the data folder cannot be written."""
    try:
        data_folder.private_folder(folder())
        data_folder.write_json(folder() / f"{sweep.id}.json", sweep.as_json())
    except OSError as error:
        raise InputError(
            f"The sweep cannot be stored ({error.strerror}): {folder()}",
            data_folder.make_writable(error),
        ) from error


def read_all(project: Path) -> list[Sweep]:
    """The sweeps of a project, the newest first; files that cannot be read are ignored."""
    found = []
    for path in folder().glob("*.json") if folder().is_dir() else ():
        with suppress(OSError, ValueError):
            sweep = sweep_from_json(data_folder.read_json(path))
            if sweep is not None and Path(sweep.project) == project:
                found.append(sweep)
    return sorted(found, key=lambda sweep: -sweep.created_at)


def newest(project: Path, sweep_id: str = "") -> Sweep:
    """The newest sweep of a project, or the one with an id. Raises InputError: there is none."""
    found = [sweep for sweep in read_all(project) if sweep_id in ("", sweep.id)]
    if not found:
        raise InputError(
            f"This project has no {'such sweep' if sweep_id else 'sweep yet'}: {sweep_id or project}",
            "Start one: smoltui sweep --set beta=0.05,0.1,0.5",
        )
    return found[0]
