"""A file in the person's own editor, with the terminal handed over meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from smoltui.backends.editor import editor_command

if TYPE_CHECKING:
    from smoltui.screens.room import Room


def edit_file(room: Room, path: Path) -> None:
    """Waits until the editor is left; says why when it cannot be opened here."""
    command = editor_command()
    if command is None:
        room.say(f"No editor was found: set EDITOR, or edit the file elsewhere: {path}", severity="error")
        return
    try:
        with room.app.suspend():
            code = subprocess.run([*command, str(path)], check=False).returncode
    except SuspendNotSupported:
        room.say(f"This terminal cannot be handed to an editor. Edit the file elsewhere: {path}", severity="warning")
    except OSError as error:
        room.say(f"The editor cannot be started, {error.strerror}: {command[0]}", severity="error")
    else:
        if code:
            room.say(f"The editor ended with exit code {code}", severity="warning")
