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

    def on_resize(self) -> None:
        self._redraw(self.screen)

    def _redraw(self, screen: Screen[object]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        if not self.app.app_focus:  # while the terminal is not in front nothing has the focus: no keys but the room's
            return
        if not self.app.screen_stack:  # from Python 3.12 on the first screen is mounted before it is there; `on_resize`
            return
        line = Text(no_wrap=True, overflow="ellipsis")
        for key, words, enabled in self._fitting(screen):
            line.append(f" {key}", "bold cyan" if enabled else "dim").append(f" {words} ", "" if enabled else "dim")
        line.append(" ?", "bold cyan").append(" Help")
        if self._shown != line or self._shown.spans != line.spans:
            self._shown = line
            self.update(line, layout=False)

    def _fitting(self, screen: Screen[object]) -> list[tuple[str, str, bool]]:
        """Key, words and whether it can be used now, of as many keys as there is room for.

        Those of the app stay; of the room's the last that can't be used now goes first, then the last.
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
