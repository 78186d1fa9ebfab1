"""What all rooms share: the bar of rooms at the top, the key bar at the bottom, and notifications."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from smoltui.backends.runs.callbacks import Severity
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.explaining import Explains
from smoltui.widgets.key_bar import KeyBar
from smoltui.workspace import Workspace, workspace_of

ROOMS: tuple[tuple[str, str, str], ...] = (
    ("1", "device", "Device"),
    ("2", "pairs", "Pairs"),
    ("3", "recipe", "Recipe"),
    ("4", "runs", "Runs"),
    ("5", "evaluate", "Evaluate"),
    ("6", "submit", "Submit"),
)
"""Key, mode and title of each room, in order of use."""

LOADING_RUNS = "Loading runs…"
"""Shown until every engine has answered; before that, there may be runs."""


class RoomBar(Static):
    """One line with the rooms and their keys, the current one highlighted, and the project's name."""

    def __init__(self, current: str) -> None:
        super().__init__(id="room-bar", markup=False)
        self._current = current

    def on_mount(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        line = Text(" ", no_wrap=True, overflow="ellipsis")
        for key, mode, title in ROOMS:
            line.append(f" {key} {title} ", "reverse bold" if mode == self._current else "")
            line.append(" ")
        project = workspace_of(self.app).project
        line.append(f" {safe_line(project.name, 40)}", "dim")
        self.update(line)


class Room(Explains[None]):
    """Base class of the rooms: composes widgets, binds keys, shows values. Subclasses implement `compose_room`."""

    MODE: ClassVar[str] = ""

    @property
    def title_words(self) -> str:
        """The room's title in the bar."""
        return next((title for _, mode, title in ROOMS if mode == self.MODE), self.MODE)

    @cached_property
    def workspace(self) -> Workspace:
        """What the rooms share."""
        return workspace_of(self.app)

    def compose(self) -> ComposeResult:
        yield RoomBar(self.MODE)
        yield from self.compose_room()
        yield KeyBar()

    @property
    def train_warning(self) -> str:
        """What the start dialog should warn of when it is opened from here, one sentence; empty for nothing."""
        return ""

    def compose_room(self) -> ComposeResult:
        """The widgets between the bar of rooms and the key bar."""
        raise NotImplementedError

    def say(self, message: str | SmoltuiError, *, severity: Severity = "information") -> None:
        """Shows a notification, with foreign text sanitized; for an error, with its hint."""
        if isinstance(message, SmoltuiError):
            logging.getLogger("smoltui").debug("shown: %s", message, exc_info=message)  # for --debug
            text, severity = f"{message.message}\n{message.hint}".strip(), "error"
        else:
            text = message
        self.workspace.say(text, severity)
