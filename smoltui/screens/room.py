"""What all rooms share: the bar of rooms at the top, the key bar at the bottom, and notifications."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from smoltui.backends.runs.callbacks import Severity
from smoltui.errors import NoRecipeError, SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.explaining import Explains
from smoltui.widgets.actions import Refusing, in_own_keys
from smoltui.widgets.key_bar import KeyBar
from smoltui.wire.whole_frame import WholeFrame
from smoltui.workspace import Workspace, workspace_of

ROOMS: tuple[tuple[str, str, str], ...] = (
    ("0", "home", "Home"),
    ("1", "device", "Device"),
    ("2", "pairs", "Pairs"),
    ("3", "recipe", "Recipe"),
    ("4", "runs", "Runs"),
    ("5", "evaluate", "Evaluate"),
    ("6", "submit", "Submit"),
)
"""Key, mode and title of each room, in order of use."""


class View(NamedTuple):
    """One view of a room, as `V` offers it."""

    letter: str
    words: str
    call: str
    """The action that opens it."""


def choose_view(node: Widget | Screen[None], views: Sequence[View]) -> None:
    """Offers views, each with its letter; the actions run on `node`."""
    from smoltui.screens.dialogs import Choose

    async def chosen(letter: str | None) -> None:
        for view in views:
            if view.letter == letter:
                await node.app.run_action(view.call, node)

    node.app.push_screen(Choose("Choose a view", {view.letter: view.words for view in views}), chosen)


LOADING_RUNS = "Loading runs…"
"""Shown until every engine has answered; before that, there may be runs."""


class RoomBar(Static):
    """One line with the rooms and their keys, the current one highlighted, and the project's name."""

    def __init__(self, current: str) -> None:
        super().__init__(id="room-bar", markup=False)
        self._current = current

    ALLOW_SELECT = False

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Opens the room whose title was clicked."""
        event.stop()
        at, whole = 0, self._rooms(whole=True).cell_len <= self.size.width
        for key, mode, title in ROOMS:
            at += len(f" {key} {title} ") if whole or mode == self._current else len(f" {key} ")
            if event.x < at:
                workspace_of(self.app).open_room(mode)
                return

    def redraw(self) -> None:
        line = self._rooms(whole=True)
        if line.cell_len > self.size.width > 0:
            line = self._rooms(whole=False)
        project = workspace_of(self.app).project
        line.append(f" {safe_line(project.name, 40)}", "dim")
        self.update(line, layout=False)

    def _rooms(self, *, whole: bool) -> Text:
        """Key and title of each room; only the current one has its title where `whole` is False."""
        line = Text(no_wrap=True, overflow="ellipsis")
        for key, mode, title in ROOMS:
            current = mode == self._current
            line.append(f" {key} {title} " if whole or current else f" {key} ", "reverse bold" if current else "")
        return line


class Room(Refusing, WholeFrame[None], Explains[None]):
    """Base class of the rooms: composes widgets, binds keys, shows values. Subclasses implement `compose_room`."""

    MODE: ClassVar[str] = ""
    VIEWS: ClassVar[tuple[View, ...]] = ()
    """What `V` offers."""

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
        yield KeyBar(lambda: self.bar_words)

    @property
    def train_warning(self) -> str:
        """What the start dialog should warn of when it is opened from here, one sentence; empty for nothing."""
        return ""

    @property
    def numbered(self) -> str:
        """What has a number here that `:120` goes to, such as "pair"; empty: nothing."""
        return ""

    def action_views(self) -> None:
        """Offers the views of the room."""
        choose_view(self, self.VIEWS)

    def look_again(self) -> None:
        """Called when the terminal has the focus again: files and accounts may have changed meanwhile."""

    @property
    def has_view_in_front(self) -> bool:
        """Whether another view than the room's first one is in front, so that `q` goes back and does not quit."""
        return False

    def close_view(self) -> None:
        """Goes back from such a view."""

    @property
    def bar_words(self) -> dict[str, str]:
        """Words of the key bar, by the id of the action, where they are not those of the table now."""
        return {"app.leave": "Back"} if self.has_view_in_front else {}

    def go_to_number(self, number: int) -> None:
        """Goes to what has this number, from 1."""

    def compose_room(self) -> ComposeResult:
        """The widgets between the bar of rooms and the key bar."""
        raise NotImplementedError

    def say(self, message: str | SmoltuiError, *, severity: Severity = "information") -> None:
        """Shows a notification, with foreign text sanitized; for an error, with its hint."""
        if isinstance(message, SmoltuiError):
            logging.getLogger("smoltui").debug("shown: %s", message, exc_info=message)  # for --debug
            text, severity = f"{message.message}\n{in_own_keys(self, hint_of(message))}".strip(), "error"
        else:
            text = message
        self.workspace.say(text, severity)


def hint_of(error: SmoltuiError) -> str:
    """The next step after an error, for a person in the app: keys where the command line names a command."""
    if not isinstance(error, NoRecipeError):
        return error.hint
    from smoltui.core.guide.steps import NEW_PROJECT  # not before the first frame

    return NEW_PROJECT
