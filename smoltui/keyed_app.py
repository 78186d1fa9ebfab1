"""The keys that work everywhere, and what happens to all keys: two of them in a row, refusals, the key map."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from textual import events, on
from textual.actions import ActionParseResult
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from smoltui.core.actions.keys import is_chord
from smoltui.core.actions.own_keys import use_keys
from smoltui.safe_text import safe_line
from smoltui.widgets.actions import bindings, in_own_keys, refusal
from smoltui.wire import WireApp

ReturnType = TypeVar("ReturnType")
MOST_COMPLAINTS = 3
"""Sentences about the configuration that are shown at the start."""
KEEP_SELECTION = ("ctrl+c", "super+c")
"""Keys that leave selected text selected; it was copied when the mouse was released."""
QUIT_AFTER_SECONDS = 2.0
"""Within this time, a second ctrl+c quits."""


class KeyedApp(WireApp[ReturnType], Generic[ReturnType]):
    """An app whose keys come from the table of actions."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    COMMANDS = {lambda: _commands()}

    complaints: tuple[str, ...] = ()
    """What does not work in the person's configuration, one sentence each."""
    _first = ""
    """The first of two keys that are pressed one after the other (`gg`)."""
    _asked_to_quit = 0.0
    """When ctrl+c was pressed last without a selection, in seconds of the monotonic clock."""

    def take_config(self, config: Mapping[str, object]) -> None:
        """Takes `[keys]` of a person's configuration; what does not work is said when the app has started."""
        if "keys" not in config:
            use_keys({})
            return
        from smoltui.core.actions.key_map import key_map, unbound

        found = key_map(config["keys"])
        self.set_keymap(unbound(found.keys))
        use_keys(found.keys)
        self.complaints += found.problems

    def tell_complaints(self) -> None:
        """Says what does not work in the configuration."""
        shown, more = self.complaints[:MOST_COMPLAINTS], len(self.complaints) - MOST_COMPLAINTS
        for sentence in shown:
            self.notify(safe_line(sentence, 300), severity="warning", markup=False, timeout=10)
        if more > 0:
            self.notify(f"{more} more entries of config.toml don't work", severity="warning", markup=False, timeout=10)

    # -- what happens to a key

    async def _check_bindings(self, key: str, priority: bool = False) -> bool:
        if self.screen.selections and key not in KEEP_SELECTION:
            self.screen.clear_selection()
        if priority:
            taken = key in getattr(self.focused, "TAKES", ())
            return not taken and await super()._check_bindings(key, priority)
        first, self._first = self._first, ""
        if first and await super()._check_bindings(first + key):
            return True
        if self._begins(key):
            self._first = key
            return True
        return await super()._check_bindings(key)

    def _begins(self, key: str) -> bool:
        """Whether this key is the first of two here."""
        if len(key) > 1:
            return False
        return any(
            name[0] == key and is_chord(name)
            for _, bound in self.screen._modal_binding_chain
            for name in bound.key_to_bindings
        )

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """As Textual's; an action that cannot run now says why, and its key is used up."""
        if await super().run_action(action, default_namespace, namespaces):
            return True
        target, name, parameters = self._parse_action(action, default_namespace or self, namespaces)
        if not (reason := refusal(target, name, parameters)):
            return False
        self.refused(reason)
        return True

    def notify(self, message: str, **options: Any) -> None:
        """As Textual's; the keys that it names are the person's own."""
        super().notify(in_own_keys(self.screen, message) if self.screen_stack else message, **options)

    def refused(self, reason: str) -> None:
        """Says why something cannot be done now; the same sentence only once at a time."""
        reason = in_own_keys(self.screen, reason)
        if all(shown.message != reason for shown in self._notifications):
            self.notify(reason, severity="warning", markup=False)

    # -- what works everywhere

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers besides the actions of the table."""
        for command in super().get_system_commands(screen):
            if command.title not in ("Keys", "Quit"):
                yield command

    def action_command_palette(self) -> None:
        from smoltui.screens.modal import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())  # without Textual's id: the previous one may not be removed yet

    def search_themes(self) -> None:
        """As Textual's, which would open its own palette."""
        from textual.theme import ThemeProvider

        from smoltui.screens.modal import Palette

        self.push_screen(Palette(providers=[ThemeProvider], placeholder="Search for themes…"))

    def action_help(self) -> None:
        """Lists every action of the screen in front."""
        from smoltui.screens.help import Help
        from smoltui.screens.modal import Palette

        if not isinstance(self.screen, Help | Palette):
            self.push_screen(Help(self.screen))

    def action_leave(self) -> None:
        """Closes the view in front; quits if there is none."""
        from smoltui.screens.room import Room

        if isinstance(self.screen, Room) and self.screen.has_view_in_front:
            self.screen.close_view()
        else:
            self.quit_app()

    async def action_quit(self) -> None:
        self.quit_app()

    def quit_app(self) -> None:
        """Exits the app."""
        self.exit()

    def action_copy_selection(self) -> None:
        """Copies the selected text; without any, pressed twice, quits."""
        if text := self._selected():
            self.copy(text)
            return
        now = time.monotonic()
        if now - self._asked_to_quit < QUIT_AFTER_SECONDS:
            self.quit_app()
        self._asked_to_quit = now
        self.refused("Nothing is selected to copy. Press ctrl+c again to quit")

    def _selected(self) -> str:
        from textual.widgets import TextArea  # with its documents, it would delay the first frame

        focused = self.focused
        if isinstance(focused, Input | TextArea) and focused.selected_text:
            return focused.selected_text
        return self.screen.get_selected_text() or ""

    def copy(self, text: str) -> None:
        """Passes a text to the terminal's clipboard, and says so."""
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        what = f"{lines:,} lines" if lines > 1 else f"{len(text):,} character{'' if len(text) == 1 else 's'}"
        self.notify(f"Copied {what} (if nothing arrives, your terminal blocks OSC 52)", markup=False)

    @on(events.TextSelected)
    def _text_selected(self) -> None:
        if text := self.screen.get_selected_text():
            self.copy(text)

    def action_mouse(self) -> None:
        """Leaves the mouse to the terminal, which then selects by itself; or takes it again."""
        driver = self._driver
        if driver is None or driver.is_headless:
            return
        takes = not driver._mouse
        if takes:
            driver._mouse = True
            driver._enable_mouse_support()  # type: ignore[attr-defined]
        else:
            driver._disable_mouse_support()  # type: ignore[attr-defined]
            driver._mouse = False
        self.notify("The mouse works in the app" if takes else "The mouse is left to the terminal", markup=False)


def _commands() -> type:
    from smoltui.screens.commands import Commands

    return Commands
