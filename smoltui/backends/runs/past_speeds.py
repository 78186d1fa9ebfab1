"""What earlier runs took, compared with what was expected of them: it corrects the next estimate.

Reads a limited number of small files, the newest first, and asks no engine.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from smoltui.backends.runs.saved_ends import SavedEnds
from smoltui.backends.system import data_folder
from smoltui.core.foreign.server_values import finite
from smoltui.core.machine.duration import Past
from smoltui.core.runs import events
from smoltui.core.runs.rerun import spec_of

LOCAL = "runs"
FOLDERS = (LOCAL, "slurm")
"""Folders of the data folder with one folder per run."""
MOST = 60
"""Records that are read."""


def past_speeds(hardware: str) -> list[Past]:
    """What whole runs on this hardware took, the newest first."""
    found: list[Past] = []
    ends = SavedEnds()
    for path in _newest():
        spec = spec_of(data_folder.read_json(path))
        if spec is None or not hardware or spec.hardware != hardware or spec.expected_usual <= 0:
            continue
        if (seconds := _seconds(path.parent, ends)) is not None:
            found.append(Past(seconds / spec.expected_usual, spec.expected_usual))
    return found


def _newest() -> list[Path]:
    paths: list[Path] = []
    for folder in FOLDERS:
        with suppress(OSError):
            paths += (data_folder.home() / folder).glob("*/spec.json")
    return sorted(paths, key=lambda path: data_folder.mtime(path) or 0.0, reverse=True)[:MOST]


def _seconds(folder: Path, ends: SavedEnds) -> float | None:
    """Seconds of the training loop, from what was saved when the run was listed; None without an end, or if the run
    was resumed."""
    if (data_folder.read_json(folder / "launch.json") or {}).get("resumed"):
        return None
    ended = ends.get(folder.name) if folder.parent.name == LOCAL else None
    if ended is not None and (seconds := finite(ended.get("trained_seconds"))) is not None:
        return seconds or None
    summary = data_folder.read_json(folder / "summary.json") or {}
    said = summary.get("finished")
    event = events.from_json(said) if isinstance(said, dict) else None
    if not isinstance(event, events.Finished) or event.step < event.max_steps:
        return None
    return event.seconds or None
