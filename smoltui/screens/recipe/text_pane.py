"""A text in a box of fixed size that scrolls separately, so that a new text does not change the layout."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget


class TextPane(Widget):
    """Shows wrapped text; the last line says how many lines follow."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Text()
        self._lines: list[Text] = []
        self._top = 0

    def show(self, text: Text) -> None:
        """Replaces the text, keeping the scroll position if possible."""
        self._text = text
        self._wrap()

    def scroll_lines(self, by: int) -> None:
        """Scrolls by that many lines, within the text."""
        top = max(0, min(self._top + by, len(self._lines) - self.size.height))
        if top != self._top:
            self._top = top
            self.refresh()

    def on_resize(self) -> None:
        self._wrap()

    def on_mouse_scroll_down(self) -> None:
        self.scroll_lines(3)

    def on_mouse_scroll_up(self) -> None:
        self.scroll_lines(-3)

    def _wrap(self) -> None:
        width = self.size.width
        self._lines = list(self._text.wrap(Console(width=width), width)) if width > 0 else []
        self._top = max(0, min(self._top, len(self._lines) - self.size.height))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        index = self._top + y
        if index >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[index]
        below = len(self._lines) - index - 1
        if y == self.size.height - 1 and below:
            line = Text(f"▼ {below + 1} more lines (ctrl+d)", "dim", no_wrap=True)
            line.truncate(width)
        return Strip(line.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
