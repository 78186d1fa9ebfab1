"""The keys of the room in one line. Textual's Footer builds a widget a key and builds them all anew at each change."""

from __future__ import annotations

from rich.text import Text
from textual.screen import Screen
from textual.widgets import Static


class KeyBar(Static):
    """Shows the screen's active bindings that want to be shown; those that can't be used now are dimmed."""

    DEFAULT_CSS = "KeyBar { height: 1; dock: bottom; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._shown: Text | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)
        self._redraw(self.screen)

    def _redraw(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        line = Text(no_wrap=True, overflow="ellipsis")
        told = set()
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.show and binding.action not in told:
                told.add(binding.action)
                line.append(f" {self.app.get_key_display(binding)}", "bold cyan" if enabled else "dim")
                line.append(f" {binding.description} ", "" if enabled else "dim")
        line.append(" ?", "bold cyan").append(" Help")
        if self._shown != line or self._shown.spans != line.spans:
            self._shown = line
            self.update(line, layout=False)
