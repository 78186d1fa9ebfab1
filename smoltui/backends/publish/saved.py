"""What could not be sent, saved for sending by hand."""

from __future__ import annotations

import json
from pathlib import Path

from smoltui.backends.publish.hub_reading import page
from smoltui.backends.publish.leaderboard import Prepared
from smoltui.backends.system.small_file import replace_small
from smoltui.core.publish.board_file import NAME
from smoltui.errors import InputError

FOLDER = "submission"
"""In the project."""


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
            replace_small(folder / name, text.encode())
    except OSError as error:
        raise InputError(
            f"The entry could not be saved ({error.strerror}): {folder}", "Free some space, or make it writable."
        ) from error
    space = page("space", prepared.space)
    return (
        f"Saved in {folder}: entry.json goes to the end of the list in {NAME} at {space}/edit/main/{NAME}, as in "
        f"change.diff; pull-request.md is the text of the pull request."
    )
