"""The list of pairs: one line per pair, for any number of them; only visible lines are requested from the source."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from smoltui.core.pairs.histogram import with_minus
from smoltui.safe_text import safe_line

Unit = Literal["characters", "tokens"]

MARKS = {"excluded": "x", "swapped": "s", "pinned": "p", "noted": "n", "problem": "!", "held_out": "h"}
"""Flag of a pair → its letter, in the order in which they are shown at the beginning of a line."""
WORDS = {
    "excluded": "excluded",
    "swapped": "swapped",
    "pinned": "pinned",
    "noted": "has a note",
    "problem": "cannot be trained on",
    "held_out": "held out",
}
"""The same flags for a help text."""
CURSOR = "›"
WAITING = "…"
UNKNOWN = "–"
EXCERPT = 300
"""Characters of the last user turn that a line can show."""
LEAST_EXCERPT = 11
"""Minimum width of the excerpt in cells; columns are dropped to keep it."""
WHEEL_LINES = 3


@dataclass(frozen=True, slots=True)
class PairLine:
    """What one line of the list shows. Figures are None if unknown."""

    row: int
    """Row of the pair in its set, numbered from 0."""
    flags: Set[str] = field(default_factory=frozenset)
    """Keys of `MARKS`."""
    turns: int | None = None
    """Number of turns in the prompt."""
    prompt_chars: int | None = None
    chosen_chars: int | None = None
    rejected_chars: int | None = None
    chosen_tokens: int | None = None
    rejected_tokens: int | None = None
    similarity: float | None = None
    """Of the two answers, 0..1."""
    excerpt: str = ""
    """The last user turn, or its beginning; sanitized when it is drawn."""


class PairLines(Protocol):
    """The source of the lines. Both methods are called while drawing, so they must not block."""

    def count(self) -> int:
        """Number of lines."""

    def line(self, position: int) -> PairLine | None:
        """The line at a position, from 0; None if it is not available yet."""


class Column(NamedTuple):
    """One of the columns between the marks and the excerpt."""

    key: str
    """Name by which the list is sorted, as in `core/pairs/columns.py`."""
    label: str
    width: int
    """Cells, including the space before it."""


def columns(width: int, unit: Unit) -> list[Column]:
    """The columns that fit in `width` cells; the least informative are dropped first."""
    if unit == "tokens":
        lengths = [Column("chosen_tokens", "chosen tok", 12), Column("rejected_tokens", "rejected tok", 14)]
    else:
        lengths = [Column("chosen_chars", "chosen", 9), Column("rejected_chars", "rejected", 10)]
    gap = "gap chr" if unit == "tokens" else "gap"
    shown = [
        Column("row", "pair", 10),
        Column("turns", "turns", 7),
        *lengths,
        Column("gap", gap, 9),
        Column("similarity", "alike", 7),
    ]
    for key in ("turns", "similarity", lengths[1].key, lengths[0].key, "gap", "row"):
        if _marks_width(width) + sum(column.width for column in shown) + 2 + LEAST_EXCERPT <= width:
            break
        shown = [column for column in shown if column.key != key]
    return shown


def _marks_width(width: int) -> int:
    """Cells for the cursor and the letters of the flags; the latter are abbreviated if the list is very narrow."""
    return 1 + (len(MARKS) if width >= 30 else 2)


def heading(width: int, unit: Unit, sort: str, descending: bool) -> str:
    """The headings of the columns, with `▲` or `▼` after the one that the list is sorted by."""
    arrow = "▼" if descending else "▲"
    text = " " * _marks_width(width)
    for column in columns(width, unit):
        label = column.label + (arrow if column.key == sort else "")
        text += f"{label:>{column.width}}"
    return _fitted(f"{text}  last user turn", width)


def drawn(line: PairLine | None, width: int, unit: Unit, is_cursor: bool) -> str:
    """One line of the list, exactly `width` cells wide."""
    begin = CURSOR if is_cursor else " "
    if line is None:
        return _fitted(f"{begin}{WAITING}", width)
    letters = "".join(letter if flag in line.flags else " " for flag, letter in MARKS.items())
    room = _marks_width(width) - 1
    begin += letters if room >= len(MARKS) else f"{letters.replace(' ', '')[:room]:<{room}}"
    for column in columns(width, unit):
        begin += f"{_value(line, column.key):>{column.width}}"
    return _fitted(f"{begin}  {safe_line(line.excerpt, EXCERPT)}", width)


def _value(line: PairLine, key: str) -> str:
    if key == "row":
        return f"{line.row + 1:,}"
    if key == "gap":
        gap = _gap(line)
        return UNKNOWN if gap is None else with_minus(_fitting(gap, "+")) if gap else "0"
    if key == "similarity":
        return f"{_percent(line.similarity)} %" if line.similarity is not None else UNKNOWN
    value: int | None = getattr(line, key)
    return _fitting(value) if value is not None else UNKNOWN


def _fitting(length: int, sign: str = "") -> str:
    """A length in at most seven cells."""
    return f"{length:{sign},}" if abs(length) < 1_000_000 else f"{length / 1e6:{sign},.1f}M"


def _gap(line: PairLine) -> int | None:
    """Number of characters by which chosen is longer than rejected; None if unknown."""
    if line.chosen_chars is None or line.rejected_chars is None:
        return None
    return line.chosen_chars - line.rejected_chars


def _percent(share: float) -> int:
    """Rounded; 100 only for identical answers."""
    return 100 if share >= 1 else min(round(share * 100), 99)


def _fitted(text: str, width: int) -> str:
    line = Text(text, no_wrap=True)
    line.truncate(width, overflow="ellipsis", pad=True)
    return line.plain


class PairList(Widget):
    """Pairs of a source with a cursor. The parent binds the keys and calls `move`, `page`, `go` and `choose`.

    When the cursor leaves the page, the list scrolls by half a page, so that a held key usually redraws only two lines.
    """

    COMPONENT_CLASSES = {"pair-list--cursor", "pair-list--heading"}
    DEFAULT_CSS = """
    PairList > .pair-list--cursor { background: $primary 40%; text-style: bold; }
    PairList > .pair-list--heading { background: $panel; text-style: bold; }
    """

    class Moved(Message):
        """The cursor moved to another position."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    class Chosen(Message):
        """The pair at this position was selected."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source: PairLines | None = None
        self._unit: Unit = "characters"
        self._sort, self._descending = "row", False
        self._empty = ""
        self._cursor = self._top = 0
        self._frame: list[Strip] = []

    # -- called by the parent

    def show(
        self,
        source: PairLines | None,
        *,
        position: int = 0,
        sort: str = "row",
        descending: bool = False,
        unit: Unit = "characters",
        empty: str = "This list is empty.",
    ) -> None:
        """Lists the lines of `source`, with the cursor at `position` or at the last line; posts nothing.

        `sort` and `descending` only mark the column; `unit` is the unit of the lengths; `empty` is the text for an
        empty list.
        """
        self._source, self._sort, self._descending, self._unit, self._empty = source, sort, descending, unit, empty
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
        """Selects the pair under the cursor, if there is one."""
        if self.count:
            self.post_message(self.Chosen(self._cursor))

    @property
    def cursor(self) -> int:
        """Position of the cursor, from 0; 0 in an empty list."""
        return self._cursor

    @property
    def count(self) -> int:
        return self._source.count() if self._source is not None else 0

    @property
    def rows(self) -> int:
        """Number of pairs that are visible at once."""
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

    def on_click(self, event: events.Click) -> None:
        position = self._top + event.y - 1
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
        head = self.get_component_rich_style("pair-list--heading")
        yield self._strip(heading(room, self._unit, self._sort, self._descending) + " " * bar, width, head)
        count, chosen = self.count, self.get_component_rich_style("pair-list--cursor")
        for y in range(height - 1):
            position = self._top + y
            if self._source is None or position >= count:
                words = f" {safe_line(self._empty, 200)}" if not count and not y else ""
                yield self._strip(_fitted(words, width), width, base)
                continue
            is_cursor = position == self._cursor
            line = self._source.line(position)
            text = drawn(line, room, self._unit, is_cursor) + ("┃" if y in thumb else " ") * bar
            faint = line is not None and "excluded" in line.flags
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
