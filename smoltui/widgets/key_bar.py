"""The keys of the room in one line. Textual's Footer builds one widget per key, and rebuilds all at each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rich.text import Text
from textual import events
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from smoltui.widgets.actions import offered


class Shown(NamedTuple):
    """One key of the bar."""

    key: str
    words: str
    enabled: bool
    call: str
    node: DOMNode
    """Where the action runs."""

    @property
    def width(self) -> int:
        """Cells that it takes, with the blanks around it."""
        return len(self.key) + len(self.words) + 3


class KeyBar(Static):
    """Shows the actions that have words for the bar; those that can't run now are dimmed. A click runs one."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "KeyBar { height: 1; dock: bottom; background: $panel; }"

    def __init__(self, instead: Callable[[], Mapping[str, str]] = dict) -> None:
        """`instead`: the words of actions, by id, that now do something else than the table says."""
        super().__init__(markup=False)
        self._instead = instead
        self._shown: Text | None = None
        self._keys: list[Shown] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)
        self._redraw(self.screen)

    def on_resize(self) -> None:
        self._redraw(self.screen)

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        at = 0
        for one in self._keys:
            at += one.width
            if event.x < at:
                await self.app.run_action(one.call, one.node)
                return

    def _redraw(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        if not self.app.app_focus:  # without the terminal's focus no widget has it, so only the room's keys are active
            return
        if not self.app.screen_stack:  # since Python 3.12 the first screen mounts before it is on the stack
            return
        self._keys = self._fitting(screen)
        line = Text(no_wrap=True, overflow="ellipsis")
        for one in self._keys:
            line.append(f" {one.key}", "bold cyan" if one.enabled else "dim")
            line.append(f" {one.words} ", "" if one.enabled else "dim")
        if self._shown != line or self._shown.spans != line.spans:
            self._shown = line
            self.update(line, layout=False)

    def _fitting(self, screen: Screen[object]) -> list[Shown]:
        """As many keys as fit.

        Those of the app always stay, and help. Of the others, the last disabled one goes first, then the last one.
        """
        app, found, instead = self.app, offered(screen), self._instead()
        shown = [
            Shown(one.keys[0], instead.get(one.action.id, one.action.bar), one.enabled, one.call, one.node)
            for one in found
            if one.action.bar and one.keys
        ]
        types = screen.focused is not None and screen.focused.check_consume_key("question_mark", "?")
        commands = Shown("ctrl+p" if types else ":", "Commands", True, "command_palette", app)
        own = [one for one in shown if one.node is app]
        help = Shown("F1" if types else "?", "Help", True, "help", app)
        rest, last = [one for one in shown if one.node is not app], help
        room = self.size.width - sum(one.width for one in own) - last.width + 1
        while room > 0 and rest and sum(one.width for one in rest) > room:
            rest.remove(next((one for one in reversed(rest) if not one.enabled), rest[-1]))
        fits = sum(one.width for one in rest) + commands.width <= room
        return [*rest, *own, *([commands] if fits else []), last]
