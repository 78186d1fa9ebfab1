"""The keys of the room in one line. Textual's Footer builds one widget per key, and rebuilds all at each change."""

from __future__ import annotations

from rich.text import Text
from textual.screen import Screen
from textual.widgets import Static


class KeyBar(Static):
    """Shows the active bindings with `show=True`; those that can't be used now are dimmed."""

    DEFAULT_CSS = "KeyBar { height: 1; dock: bottom; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._shown: Text | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)
        self._redraw(self.screen)

    def on_resize(self) -> None:
        self._redraw(self.screen)

    def _redraw(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        if not self.app.app_focus:  # without the terminal's focus no widget has it, so only the room's keys are active
            return
        if not self.app.screen_stack:  # since Python 3.12 the first screen mounts before it is on the stack
            return
        line = Text(no_wrap=True, overflow="ellipsis")
        for key, words, enabled in self._fitting(screen):
            line.append(f" {key}", "bold cyan" if enabled else "dim").append(f" {words} ", "" if enabled else "dim")
        line.append(" ?", "bold cyan").append(" Help")
        if self._shown != line or self._shown.spans != line.spans:
            self._shown = line
            self.update(line, layout=False)

    def _fitting(self, screen: Screen[object]) -> list[tuple[str, str, bool]]:
        """(key, description, enabled) of as many keys as fit.

        The keys of the app always stay. Of the room's keys, the last disabled one is dropped first, then the last one.
        """
        told: dict[str, tuple[str, str, bool, bool]] = {}
        for node, binding, enabled, _ in screen.active_bindings.values():
            if binding.show and binding.action not in told:
                key = self.app.get_key_display(binding)
                told[binding.action] = (key, binding.description, enabled, node is self.app)
        shown = list(told.values())
        room = self.size.width - len(" ? Help")
        while room > 0 and sum(len(key) + len(words) + 3 for key, words, _, _ in shown) > room:
            droppable = [one for one in shown if not one[3]]
            if not droppable:
                break
            shown.remove(next((one for one in reversed(droppable) if not one[2]), droppable[-1]))
        return [(key, words, enabled) for key, words, enabled, _ in shown]
