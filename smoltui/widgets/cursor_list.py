"""A list with a cursor, one line per item, for any number of them: only visible lines are requested."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from smoltui.safe_text import safe_line
from smoltui.widgets.actions import run_meaning
from smoltui.widgets.selectable import Selectable

CURSOR = "›"
WHEEL_LINES = 3


def fitted(text: str, width: int) -> str:
    """`text` in exactly `width` cells."""
    line = Text(text, no_wrap=True)
    line.truncate(width, overflow="ellipsis", pad=True)
    return line.plain


class CursorList(Selectable):
    """Lines with a cursor. The parent binds the keys and calls `move`, `page`, `go` and `choose`.

    When the cursor leaves the page, the list scrolls by half a page, so that a held key usually redraws only two lines.
    """

    COMPONENT_CLASSES = {"cursor-list--cursor", "cursor-list--heading"}
    DEFAULT_CSS = """
    CursorList > .cursor-list--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    CursorList > .cursor-list--heading { background: $panel; text-style: bold; }
    """

    class Moved(Message):
        """The cursor moved to another position."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    class Chosen(Message):
        """The line at this position was selected."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = ""
        self._cursor = self._top = 0
        self._frame: list[Strip] = []

    # -- what a subclass says

    @property
    def count(self) -> int:
        """Number of lines."""
        raise NotImplementedError

    def head(self, width: int) -> str:
        """The headings, exactly `width` cells wide."""
        raise NotImplementedError

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        """The line at a position, exactly `width` cells wide, and whether it is dimmed. Must not block."""
        raise NotImplementedError

    # -- called by the parent

    def put_cursor(self, position: int, empty: str) -> None:
        """Draws all lines with the cursor at `position`, or at the last line; posts nothing.

        `empty` is shown while there are none.
        """
        self._empty = empty
        self._cursor = max(min(position, self.count - 1), 0)
        self._keep_in_view()
        self._draw()

    def reload(self) -> None:
        """Requests the visible lines again, after lines were loaded, changed or added; posts nothing."""
        self._cursor = max(min(self._cursor, self.count - 1), 0)
        self._keep_in_view()
        self._draw()

    def move(self, by: int) -> None:
        """Moves the cursor down, or up with a negative number."""
        self.go(self._cursor + by)

    def page(self, by: int) -> None:
        """Moves view and cursor by pages."""
        rows = max(self.rows - 1, 1)
        self._top += by * rows
        self.go(self._cursor + by * rows)

    def go(self, position: int) -> None:
        """Moves the cursor to `position`, or to the nearest end."""
        before = self._cursor
        self._cursor = max(min(position, self.count - 1), 0)
        self._keep_in_view()
        self._draw()
        if self._cursor != before:
            self.post_message(self.Moved(self._cursor))

    def choose(self) -> None:
        """Selects the line under the cursor, if there is one."""
        if self.count:
            self.post_message(self.Chosen(self._cursor))

    @property
    def cursor(self) -> int:
        """Position of the cursor, from 0; 0 in an empty list."""
        return self._cursor

    @property
    def rows(self) -> int:
        """Number of lines that are visible at once."""
        return max(self.size.height - 1, 1)

    @property
    def in_view(self) -> range:
        """Visible positions, whose lines the source should have available."""
        return range(self._top, min(self._top + self.rows, self.count))

    # -- events

    def on_resize(self) -> None:
        self._keep_in_view()
        self._frame = []
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._frame = []
        self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-WHEEL_LINES)

    async def on_click(self, event: events.Click) -> None:
        position = self._top + event.y - 1
        if event.y < 1:
            await run_meaning(self.screen, "sort")
        if event.y < 1 or position >= self.count:
            return
        if position == self._cursor:
            self.choose()
        else:
            self.go(position)

    # -- drawing

    def _keep_in_view(self) -> None:
        rows = self.rows
        if not self._top <= self._cursor < self._top + rows:
            self._top = self._cursor - rows // 2
        self._top = max(min(self._top, self.count - rows), 0)

    def _draw(self) -> None:
        """Renders the visible lines, and refreshes those that changed."""
        width, height = self.size
        if not width or not height or not self.is_attached:
            return
        before, self._frame = self._frame, list(self._lines(width, height))
        if len(before) != len(self._frame):
            self.refresh()
        elif changed := [
            Region(0, y, width, 1) for y, (old, new) in enumerate(zip(before, self._frame, strict=True)) if old != new
        ]:
            self.refresh(*changed)

    def _lines(self, width: int, height: int) -> Iterable[Strip]:
        base = self.rich_style
        bar, thumb = self._thumb(height - 1)
        room = width - bar
        yield self._strip(self.head(room) + " " * bar, width, self.get_component_rich_style("cursor-list--heading"))
        count, chosen = self.count, self.get_component_rich_style("cursor-list--cursor")
        for y in range(height - 1):
            position = self._top + y
            if position >= count:
                words = f" {safe_line(self._empty, 200)}" if not count and not y else ""
                yield self._strip(fitted(words, width), width, base)
                continue
            is_cursor = position == self._cursor
            text, faint = self.drawn(position, room, is_cursor)
            text += ("┃" if y in thumb else " ") * bar
            yield self._strip(text, width, chosen if is_cursor else base + Style(dim=True) if faint else base)

    def _thumb(self, rows: int) -> tuple[int, range]:
        """Width of the scroll bar in cells (0 or 1), and the lines that its thumb covers."""
        count = self.count
        if count <= rows or rows < 1:
            return 0, range(0)
        size = max(rows * rows // count, 1)
        first = round(self._top * (rows - size) / max(count - rows, 1))
        return 1, range(first, first + size)

    def _strip(self, text: str, width: int, style: Style) -> Strip:
        # One segment per line: each change of style costs about 40 bytes.
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < len(self._frame) and self._frame[y].cell_length == width:
            return self._frame[y]
        return Strip.blank(width, self.rich_style)
