"""Undo and redo of what smoltui wrote to the project's files, with the question before a change of others is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from textual.widget import Widget
from textual.worker import Worker

from smoltui.backends.project.journal import AskFirstError, Journal, Written
from smoltui.backends.system.threads import in_thread
from smoltui.core.undo.history import Step
from smoltui.errors import SmoltuiError
from smoltui.screens.dialogs import Confirm
from smoltui.workspace import workspace_of


class Undoing:
    """The keys `u` and ctrl+r of one room or dialog."""

    def __init__(self, host: Widget, changed: Callable[[str], object], turn: asyncio.Lock | None = None) -> None:
        """`changed` is called with the name of the file that was restored. `turn` is held meanwhile; it is that of the
        room's own writing, so that a change that is on its way to the disk comes first."""
        self._host = host
        self._changed = changed
        self._turn = turn or asyncio.Lock()

    def undo(self, file: str | None = None) -> None:
        """Undoes the latest change of a file; None: of any file of the project."""
        self._start(file, back=True)

    def redo(self, file: str | None = None) -> None:
        """Makes the change again that was undone last."""
        self._start(file, back=False)

    def _start(self, file: str | None, *, back: bool) -> Worker[None]:
        return self._host.run_worker(self._move(file, back=back), group="undo")

    async def _move(self, file: str | None, *, back: bool) -> None:
        workspace = workspace_of(self._host.app)
        journal = Journal(workspace.project.folder)
        async with self._turn:
            try:
                step = await self._agreed(
                    partial(journal.undo if back else journal.redo, file), "undo" if back else "redo"
                )
            except SmoltuiError as error:
                workspace.say(f"{error.message}\n{error.hint}".strip(), "warning")
                return
        if step is None:
            return
        self._host.app.clear_notifications()  # what was undone before
        what = step.said if file else f"{step.file}: {step.said}"
        workspace.say(f"Undone: {what} · ctrl+r redoes" if back else f"Redone: {what} · u undoes")
        self._changed(step.file)

    async def _agreed(self, move: Callable[..., Step], word: str) -> Step | None:
        """The step; None if the person did not want to replace what somebody else wrote. Raises SmoltuiError."""
        try:
            return await in_thread(move)
        except AskFirstError as error:
            question = Confirm(error.message, error.hint, yes=word, no="cancel")
            if not await self._host.app.push_screen_wait(question):
                return None
        return await in_thread(partial(move, agreed=True))


def in_words(made: Written) -> str:
    """What was written, and whether it can be undone: `beta 0.5 → 0.1 (TRL's default) · u undoes`."""
    if not made.said:
        return ""
    return f"{made.said} · {f'cannot be undone: {made.not_undoable}' if made.not_undoable else 'u undoes'}"
