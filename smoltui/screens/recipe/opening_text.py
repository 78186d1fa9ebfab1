"""Opens a file of the project as text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from smoltui.backends.project.file_text import read_text
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.place import Target
from smoltui.errors import SmoltuiError
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.screens.recipe.text_editor import TextEditor, is_editable
from smoltui.screens.room import Room


async def edit_text(
    room: Room,
    name: str,
    *,
    line: int,
    target: Target,
    around_of: Callable[[Mapping[str, object]], Surroundings],
    turn: asyncio.Lock,
) -> None:
    """Opens the file called `name`; otherwise as `TextEditor`. Says why if its text cannot be edited here."""
    project = room.workspace.project
    try:
        async with turn:
            file = await in_thread(partial(read_text, project, name))
    except SmoltuiError as error:
        room.say(error)
        return
    if not is_editable(file.text):
        room.say(f"{name} mixes line ends of several kinds, which are kept only in your own editor: press e")
        return
    await room.app.push_screen_wait(TextEditor(project, file, line=line, target=target, around_of=around_of, turn=turn))
