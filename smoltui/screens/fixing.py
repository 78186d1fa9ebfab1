"""Carries out the fix of a check, wherever it is shown."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from textual.app import SuspendNotSupported
from textual.screen import Screen

from smoltui.backends.project.apply_fix import apply_fix
from smoltui.backends.system.threads import in_thread
from smoltui.core.guide.steps import Act as Step
from smoltui.core.guide.steps import Next
from smoltui.core.recipe import Act, Fix
from smoltui.errors import SmoltuiError
from smoltui.screens.editing import edit_file
from smoltui.screens.undoing import in_words
from smoltui.workspace import workspace_of

LOGIN = "hf auth login"


@dataclass(frozen=True, slots=True)
class Fixing:
    """What a screen with checks gives to the fixes."""

    screen: Screen[Any]
    edit: Callable[[str], object]
    """Opens the field of a key of recipe.yaml, or with a dot of smoltui.toml."""
    changed: Callable[[], object]
    """Called once something may have changed, so that the checks run again."""
    leave: Callable[[], object]
    """Called before another room is opened."""
    turn: asyncio.Lock
    """Held while files are written."""

    def start(self, fix: Fix, account: str = "") -> None:
        """Carries out a fix; `account` is the name of the account if it is known."""
        workspace = workspace_of(self.screen.app)
        if fix.writes:
            self.screen.run_worker(self._write(fix, account), group="fix")
        elif fix.edit:
            self.edit(fix.edit)
        elif fix.file:
            edit_file(self.screen, workspace.project.resolve(fix.file))
            self.changed()
        elif fix.act is Act.LOGIN:
            self._log_in()
        elif fix.act is Act.PAIRS:
            self.leave()
            workspace.open_room("pairs")
        elif fix.act is Act.NEW:
            self.leave()
            workspace.do(Next(Step.WIZARD, "", source=workspace.other_pairs))
        elif fix.act is Act.AGAIN:
            self.changed()
        elif fix.copy:
            self.copy(fix.copy)

    def copy(self, text: str) -> None:
        """Copies a command or an address, and says what to do with it."""
        self.screen.app.copy_to_clipboard(text)
        what = "Open it in a browser" if text.startswith(("https://", "http://")) else "Run it in another window"
        workspace_of(self.screen.app).say(f"Copied: {text} · {what}, then press r to check again")

    async def _write(self, fix: Fix, account: str) -> None:
        workspace = workspace_of(self.screen.app)
        try:
            if fix.needs_account:
                from smoltui.backends.hub import client as hub

                fix = fix.for_account(account or (await hub.account()).name)
            async with self.turn:
                made = await in_thread(partial(apply_fix, workspace.project, fix))
        except SmoltuiError as error:
            workspace.say(f"{error.message}\n{error.hint}".strip(), "error")
            return
        if said := " · ".join(filter(None, map(in_words, made))):
            workspace.say(said)
        self.changed()

    def _log_in(self) -> None:
        """Hands the terminal to `hf auth login`; copies the command where that is not possible."""
        beside = Path(sys.executable).with_name("hf")
        command = str(beside) if beside.is_file() else shutil.which("hf")
        if command is None:
            self.copy(LOGIN)
            return
        try:
            with self.screen.app.suspend():
                subprocess.run([command, *LOGIN.split()[1:]], check=False)
        except (SuspendNotSupported, OSError):
            self.copy(LOGIN)
            return
        self.changed()
