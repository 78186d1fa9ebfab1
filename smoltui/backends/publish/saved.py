"""What was published of a run, kept in its folder; and what could not be sent, saved for sending by hand."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.publish.hub_reading import page
from smoltui.backends.publish.leaderboard import Prepared
from smoltui.backends.system import data_folder
from smoltui.core.publish.board_file import NAME
from smoltui.errors import InputError

FOLDER = "submission"
"""In the project."""


def keep(folder: Path, what: str, facts: dict[str, Any]) -> Path:
    """Stores what was published as `submissions-<time>.json` in a run's folder. `what`: push or pull_request.

    Raises:
        InputError: the folder cannot be written.
    """
    now = time.time()
    path = folder / f"submissions-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}{int(now % 1 * 1e6):06d}Z.json"
    try:
        data_folder.private_folder(folder)
        data_folder.write_json(path, {"at": now, "what": what, **facts})
    except OSError as error:
        raise InputError(
            f"It was published, but that could not be saved ({error.strerror}): {path}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
    return path


def kept(folder: Path, what: str) -> list[dict[str, Any]]:
    """What was published of a run, newest first; unreadable files are skipped."""
    found = []
    with suppress(OSError):
        for path in sorted(folder.glob("submissions-*.json"), reverse=True):
            data = data_folder.read_json(path)
            if data is not None and data.get("what") == what:
                found.append(data)
    return found


def save_for_later(project: Path, prepared: Prepared, description: str) -> str:
    """Saves entry, diff and text in the project's folder `submission`; returns where each of them goes.

    Raises:
        InputError: they cannot be written.
    """
    folder = project / FOLDER
    entry = json.dumps(prepared.entry.as_json(), indent=4, ensure_ascii=False)
    files = {"entry.json": entry + "\n", "pull-request.md": description}
    if prepared.diff:
        files["change.diff"] = "\n".join(prepared.diff) + "\n"
    try:
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The entry could not be saved ({error.strerror}): {folder}", "Free some space, or make it writable."
        ) from error
    space = page("space", prepared.space)
    return (
        f"Saved in {folder}: entry.json goes to the end of the list in {NAME} at {space}/edit/main/{NAME}, as in "
        f"change.diff; pull-request.md is the text of the pull request."
    )
