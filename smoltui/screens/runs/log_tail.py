"""The last lines of the log, below the charts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget

from smoltui.safe_text import redact, safe_line

KEPT = 60
"""Lines kept: as many as the tallest terminal shows."""


class LogTail(Widget):
    """Shows as many of the newest lines as it has room for. V or v opens the whole log."""

    DEFAULT_CSS = "LogTail { height: 1fr; padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[str] = deque(maxlen=KEPT)

    def clear(self) -> None:
        """Forgets all lines."""
        self._lines.clear()
        self.refresh()

    def extend(self, lines: Sequence[str], *, draw: bool) -> None:
        """Adds lines, as they are in the log: not sanitized."""
        self._lines.extend(lines[-KEPT:])
        if draw and lines:
            self.refresh()

    def render(self) -> Text:
        width, height = self.content_size
        text = Text(no_wrap=True, overflow="ellipsis")
        room = max(width - 4, 1)
        for number, line in enumerate(list(self._lines)[-height:] if height else []):
            text.append("\n    " if number else "log ", "bold dim")
            shown = Text(safe_line(redact(line), room), "dim")
            shown.truncate(room, overflow="ellipsis")  # one that is too wide would take the next line's place
            text.append_text(shown)
        return text
