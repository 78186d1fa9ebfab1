"""Opens a file in the user's editor, or a text in their pager; the app is suspended meanwhile."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from textual.app import SuspendNotSupported
from textual.screen import Screen

from smoltui.backends.project.journal import Journal, contents
from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.system.editor import editor_command, pager_command
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.workspace import workspace_of


def edit_file(room: Screen[Any], path: Path) -> None:
    """Opens the file and waits for the editor to exit; says why if it cannot be opened here.

    What the editor changes in the recipe or the settings can be undone.
    """
    command = editor_command()
    if command is None:
        workspace_of(room.app).say(
            f"No editor found. Set EDITOR, or edit the file in another program: {path}", severity="error"
        )
        return
    before = contents(path)
    _hand_over(room, command, path, "editor")
    if path.name in (RECIPE_NAME, FILE_NAME) and path.parent == workspace_of(room.app).project.folder:
        try:
            Journal(path.parent).note(path, before, "the changes of your editor")
        except SmoltuiError as error:
            workspace_of(room.app).say(f"{error.message}\n{error.hint}", "error")


def page_text(room: Screen[Any], text: str) -> None:
    """Shows a text and waits for the pager to exit; says why if there is none."""
    command = pager_command()
    if command is None:
        workspace_of(room.app).say("No pager found. Set PAGER.", severity="error")
        return
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="smoltui-", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            _hand_over(room, command, Path(file.name), "pager")
    except OSError as error:
        workspace_of(room.app).say(
            f"The text for the pager cannot be written, {error.strerror}: {tempfile.gettempdir()}", severity="error"
        )


def page_file(room: Screen[Any], path: Path) -> None:
    """Shows a file and waits for the pager to exit; says why if there is none."""
    command = pager_command()
    if command is None:
        workspace_of(room.app).say("No pager found. Set PAGER.", severity="error")
    else:
        _hand_over(room, command, path, "pager")


def _hand_over(room: Screen[Any], command: list[str], path: Path, what: str) -> None:
    try:
        with room.app.suspend():
            code = subprocess.run([*command, str(path)], check=False).returncode
    except SuspendNotSupported:
        article = "an" if what == "editor" else "a"
        workspace_of(room.app).say(
            f"This terminal cannot be handed to {article} {what}. Open the file in another window: {path}",
            severity="warning",
        )
    except OSError as error:
        workspace_of(room.app).say(f"The {what} cannot be started, {error.strerror}: {command[0]}", severity="error")
    else:
        if code:
            workspace_of(room.app).say(f"The {what} ended with exit code {code}", severity="warning")
