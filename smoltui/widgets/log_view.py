"""A log that grows: only the lines in view are drawn, and it follows the end until one scrolls up."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from smoltui.safe_text import redact, safe_line

KEPT_LINES = 50_000
"""Lines held for the screen; the whole log is in its file, or with the Hub."""
LINE_SHOWN = 2_000
"""Characters of one line that can be scrolled to."""


class LogView(ScrollView, can_focus=True):
    """Lines of foreign text, made safe when they are drawn. `follow` is what the person sees as «following»."""

    # No bars: they come a frame after the text and cost more bytes than a line of it.
    DEFAULT_CSS = "LogView { overflow: scroll scroll; scrollbar-size: 0 0; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("left", "scroll_left", "Left", show=False),
        Binding("right", "scroll_right", "Right", show=False),
        Binding("g,home", "top", "First line", show=False),
        Binding("G,end", "bottom", "Last line and follow", show=False),
    ]

    follow: reactive[bool] = reactive(True)
    """Whether new lines scroll into view."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._widest = 0
        self.dropped = 0
        """Lines that are no longer held."""

    def clear(self) -> None:
        """Back to an empty log that is followed."""
        self._lines.clear()
        self._widest = self.dropped = 0
        self.follow = True
        self._measure()
        self.scroll_to(0, 0, animate=False)

    def extend(self, lines: list[str]) -> None:
        """Adds lines (without newlines) at the end."""
        if not lines:
            return
        over = len(self._lines) + len(lines) - KEPT_LINES
        self._lines.extend(lines)
        if over > 0:
            self.dropped += over
            if not self.follow:
                self.scroll_to(self.scroll_x, max(0, self.scroll_y - over), animate=False)
        self._widest = max(self._widest, *(min(len(line), LINE_SHOWN) for line in lines))
        self._measure()
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()

    @property
    def line_count(self) -> int:
        """Lines seen so far, the dropped ones included."""
        return self.dropped + len(self._lines)

    @property
    def top_line(self) -> int:
        """Number of the first line in view, from 1."""
        return self.dropped + round(self.scroll_y) + 1

    def _measure(self) -> None:
        self.virtual_size = Size(self._widest, len(self._lines))

    def on_resize(self) -> None:
        if self.follow:  # a view that was hidden had no height, and its end lay elsewhere
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        if round(new) < round(old) and round(new) < self.max_scroll_y:
            self.follow = False
        elif round(new) >= self.max_scroll_y:
            self.follow = True

    def action_top(self) -> None:
        self.follow = False
        self.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.follow = True
        self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        index, width = scroll_y + y, self.size.width
        style = self.rich_style
        if not 0 <= index < len(self._lines):
            return Strip.blank(width, style)
        # What was written over by a carriage return is not what the line says in the end.
        text = safe_line(redact(self._lines[index].rstrip("\r").rsplit("\r", 1)[-1]), LINE_SHOWN)
        strip = Strip([Segment(text, style + _tone(text))])
        return strip.crop_extend(scroll_x, scroll_x + width, style)


_ERROR = Style(color="red", bold=True)
_WARNING = Style(color="yellow")
_PLAIN = Style.null()


def _tone(text: str) -> Style:
    head = text[:200]
    if "Error" in head or "Traceback" in head or "ERROR" in head:
        return _ERROR
    return _WARNING if "Warning" in head or "WARNING" in head else _PLAIN
