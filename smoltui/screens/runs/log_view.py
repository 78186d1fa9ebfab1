"""A growing log: only visible lines are read and drawn, and the view follows the end until the user scrolls up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from smoltui.core.runs.log_lines import Log
from smoltui.core.runs.log_text import LogLine, as_plain, is_error, styled
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.log_finding import LogFinding

SIDE_STEP = 8
"""Columns scrolled by left and right."""
WHEEL_LINES = 3
KEPT_ROWS = 500
"""Lines whose rendering is cached."""

_HIT = Style(reverse=True)
_CURRENT_HIT = Style(reverse=True, bold=True, color="yellow")
_GUTTER = Style(dim=True)
_ERROR = Style(color="red", bold=True)
_WARNING = Style(color="yellow")
_PLAIN = Style.null()


class LogView(Widget, can_focus=True):
    """Lines of foreign text, sanitized when they are drawn. The status shows `follow` as "following".

    `open_log` returns an empty log and is called once for each run shown; `backends.runs.log_spool.LogSpool` is meant
    for long ones. The room calls `extend` at most ten times per second, and watches `drawn_status`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("left", "side(-1)", "Left", show=False),
        Binding("right", "side(1)", "Right", show=False),
        Binding("g,home", "top", "First line", show=False),
        Binding("G,end", "bottom", "Last line; follow the log", show=False),
        Binding("w", "wrap", "Wrap long lines", show=False),
        Binding("z", "times", "Show the time of each line", show=False),
        Binding("e", "first_error", "First error", show=False),
    ]

    follow: reactive[bool] = reactive(True, repaint=False)
    """Whether new lines scroll into view."""
    wrap: reactive[bool] = reactive(False, repaint=False)
    """Whether lines wider than the view wrap; otherwise left and right scroll."""
    times: reactive[bool] = reactive(False, repaint=False)
    """Whether each line is preceded by its local time, if known."""

    drawn_status: reactive[Text] = reactive(Text, repaint=False, init=False)
    """The `status` of the current view. Watching it draws it in the same frame, which a message would not."""

    class Failed(Message):
        """An error: an invalid regular expression, or lines that could not be stored."""

        def __init__(self, error: SmoltuiError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, open_log: Callable[[], Log], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._open_log = open_log
        self._log = open_log()
        self._top = self._sub = self._left = 0  # first visible position, its first visible row, first visible column
        self._finding: LogFinding | None = None
        self._sought = False
        self._only_hits = False
        self._current: int | None = None
        self._frame: list[Strip] = []
        self._rows: LRUCache[tuple[int, int], list[Strip]] = LRUCache(KEPT_ROWS)
        self._rows_for: int | None = None

    # -- lines

    def clear(self) -> None:
        """Resets to an empty log that is followed, without a search."""
        self._forget_search()
        self._log.close()
        self._log = self._open_log()
        self._top = self._sub = self._left = 0
        self._rows.clear()
        self.follow = True
        self._draw()

    def extend(self, lines: Sequence[str], times: Sequence[float | None] | None = None, *, draw: bool = True) -> None:
        """Appends lines without newlines; `times` holds one time per line in seconds since the epoch, None if unknown.

        With `draw` False they appear with the next lines; use it for all but the last part of a burst. Lines that
        cannot be stored are reported by `Failed`, once, and in `status`.
        """
        if not lines:
            return
        try:
            self._log.extend(lines, times)
        except InputError as error:
            self.post_message(self.Failed(error))
        if self._finding is not None:
            self._finding.look()
        if draw:
            self._draw()

    @property
    def line_count(self) -> int:
        """Number of lines in the log."""
        return self._log.count

    @property
    def top_line(self) -> int:
        """Number of the first visible line, from 1; 0 in an empty log."""
        return self._number(self._top) + 1 if self._length else 0

    def save(self, path: Path) -> int:
        """Saves the log as plain text, without colors and with secrets redacted; returns the number of lines.

        Blocking; safe to call from a thread.

        Raises:
            InputError: the file cannot be written, or another run was shown meanwhile.
        """
        return self._log.save(path)

    def visible_text(self) -> str:
        """The visible lines in full, as plain text."""
        height, width = self.size.height, self.size.width
        kept, rows = [], -self._sub
        for number, line in self._lines(self._top, self._top + height):
            kept.append(as_plain(line.text))
            rows += len(self._rows_of(number, line, width))
            if rows >= height:
                break
        return "\n".join(kept)

    def current_line_text(self) -> str:
        """Plain text of the current match; else of the last line while following, or of the first visible line."""
        number = self._hit_in_view()
        if number is None and self._length:
            number = self._number(self._length - 1 if self.follow else self._top)
        lines = self._log.read(number, number + 1) if number is not None else []
        return as_plain(lines[0].text) if lines else ""

    # -- searching

    @property
    def searched_for(self) -> str:
        """The search query; empty without a search."""
        return self._finding.shown if self._finding is not None else ""

    @property
    def hits(self) -> int:
        """Number of matching lines found so far."""
        return len(self._hits)

    @property
    def searching(self) -> bool:
        """Whether the first pass over the log is still running."""
        return self._finding is not None and not self._finding.done

    @property
    def only_hits(self) -> bool:
        """Whether only matching lines are shown."""
        return self._only_hits

    def search(self, query: str) -> None:
        """Searches for text, ignoring case, or for `/a regular expression/` (`/…/i` ignores case); "" ends the search.

        Jumps to the first match at or below the first visible line, else to the last one above it. The search continues
        as the log grows. An invalid expression is reported by `Failed`.
        """
        self._forget_search()
        if query.strip():
            self._finding = LogFinding(self, self._log.search(query))
            self._finding.look()
        self._draw()

    def end_search(self) -> None:
        """Shows all lines without highlights; the view does not move."""
        self.search("")

    def next_hit(self, direction: int = 1) -> bool | None:
        """Jumps to the next match, or with -1 to the previous one; from the first visible line if the last is not.

        Returns True if it wrapped around, None if there is no match.
        """
        hits = self._hits
        if not hits:
            return None
        at = self._hit_in_view()
        place = bisect_left(hits, self._number(self._top) if at is None else at)
        if direction < 0:
            place -= 1
        elif at is not None and place < len(hits) and hits[place] == at:
            place += 1
        self._go_to_hit(hits[place % len(hits)])
        return not 0 <= place < len(hits)

    def filter_to_hits(self, on: bool) -> None:
        """Shows only matching lines with their line numbers, or all lines again."""
        if on == self._only_hits or (on and self._finding is None):
            return
        number = self._number(self._top) if self._length else 0
        self._only_hits, self._sub, self._left = on, 0, 0
        self._top = max(min(bisect_left(self._hits, number), len(self._hits) - 1), 0) if on else number
        self._draw()

    def _hit_in_view(self) -> int | None:
        """Line number (from 0) of the current match; None if there is none or it is not visible."""
        if self._current is None:
            return None
        position = bisect_left(self._hits, self._current) if self._only_hits else self._current
        return self._current if self._top <= position < self._top + max(self.size.height, 1) else None

    def _forget_search(self) -> None:
        if self._only_hits:
            self.filter_to_hits(False)
        if self._finding is not None:
            self._finding.stop()
        self._finding = self._current = None
        self._sought = False
        self._rows.clear()

    def on_log_finding_found(self, message: LogFinding.Found) -> None:
        message.stop()
        if message.finding is not self._finding:
            return
        if self._finding.take(message):
            self._rows.clear()  # from now on they can be highlighted
        hits = self._hits
        if not self._sought and not self.follow and hits and hits[-1] >= self._number(self._top):
            self._seek()
        self._draw()

    def on_log_finding_looked(self, message: LogFinding.Looked) -> None:
        message.stop()
        if message.finding is not self._finding:
            return
        if message.error is not None:
            self._forget_search()
            self.post_message(self.Failed(message.error))
        else:
            self._finding.looked()
            if not self._sought and self._hits:
                self._seek()
            self._sought = True  # later matches do not move the view
        self._draw()

    def _seek(self) -> None:
        """Jumps to the first match of a search."""
        self._sought = True
        hits = self._hits
        number = self._number(self._top)
        self._go_to_hit(hits[min(bisect_left(hits, number), len(hits) - 1)])

    def _go_to_hit(self, number: int) -> None:
        before, self._current = self._current, number
        for key in list(self._rows.keys()):
            if key[0] in (before, number):
                self._rows.discard(key)
        self._sought = True
        self._show_line(number)
        self._show_mark(number)
        self._draw()

    def _show_mark(self, number: int) -> None:
        """Scrolls the first highlight of a visible line into view."""
        lines = self._log.read(number, number + 1)
        width, height = self.size.width - self._gutter, self.size.height
        shown = self._spans(lines[0])[0] if lines else ""
        marks = self._marks(shown)
        if not marks or width <= 0 or not height:
            return
        begin, end = marks[0]
        if self.wrap:
            row = bisect_right(_breaks(shown, width), begin)
            position = bisect_left(self._hits, number) if self._only_hits else number
            if sum(self._height_of(above) for above in range(self._top, position)) + row - self._sub >= height:
                self._top, self._sub = position, row
                self._move(-(height // 3))
                self._clamp()
            return
        begin, end = cell_len(shown[:begin]), cell_len(shown[:end])
        if not self._left <= begin <= end <= self._left + width:
            self._left = 0 if end <= width else max(begin - width // 3, 0)

    # -- moving

    def first_error(self) -> int | None:
        """Number (from 1) of the first line with an error; None if there is none."""
        found = self._log.first_error
        return found + 1 if found is not None else None

    def go_to_line(self, number: int) -> None:
        """Shows a line, numbered from 1; the nearest one if only matches are shown."""
        self._show_line(number - 1)
        self._draw()

    def _show_line(self, number: int) -> None:
        """Scrolls a line (from 0) into view and stops following; does not draw."""
        if not self._length:
            return
        position = number
        if self._only_hits:
            position = bisect_left(self._hits, number)
        position = max(min(position, self._length - 1), 0)
        self.follow = False
        height = max(self.size.height, 1)
        bottom = self._top + (self._in_view() if self.wrap else height)
        if not (self._top + (self._sub > 0) <= position < bottom):
            self._top, self._sub = max(position - height // 3, 0), 0
            if self.wrap:
                self._top, self._sub = position, 0
                self._move(-(height // 3))
        self._clamp()

    def _in_view(self) -> int:
        """Number of positions that are completely visible, with wrapped lines."""
        rows, whole = -self._sub, 0
        for number, line in self._lines(self._top, self._top + self.size.height):
            rows += len(self._rows_of(number, line, self.size.width))
            if rows > self.size.height:
                break
            whole += 1
        return whole

    def action_move(self, rows: int) -> None:
        self._scroll(rows)

    def action_page(self, pages: int) -> None:
        self._scroll(pages * max(self.size.height - 1, 1))

    def action_side(self, steps: int) -> None:
        if not self.wrap:
            widest = max((strip.cell_length for strip in self._unwrapped()), default=0)
            most = max(widest - (self.size.width - self._gutter), 0)
            self._left = max(min(self._left + steps * SIDE_STEP, max(most, self._left)), 0)
            self._draw()

    def action_top(self) -> None:
        self.follow = False
        self._top = self._sub = 0
        self._draw()

    def action_bottom(self) -> None:
        self.follow = True
        self._draw()

    def action_wrap(self) -> None:
        self.wrap = not self.wrap

    def action_times(self) -> None:
        self.times = not self.times

    def action_first_error(self) -> None:
        number = self.first_error()
        if number is None:
            self.notify("This log contains no errors", markup=False)
        else:
            if self._only_hits:
                self.filter_to_hits(False)
            self.go_to_line(number)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-WHEEL_LINES)

    def _scroll(self, rows: int) -> None:
        before = (self._top, self._sub)
        self._move(rows)
        self._clamp()
        if rows < 0 and (self._top, self._sub) < before:
            self.follow = False
        elif rows > 0 and (self._top, self._sub) >= self._end():
            self.follow = True
        self._draw()

    def _move(self, rows: int) -> None:
        if not self.wrap:
            self._top = max(min(self._top + rows, self._length - 1), 0)
            return
        self._sub += rows
        while self._sub < 0 and self._top > 0:
            self._top -= 1
            self._sub += self._height_of(self._top)
        self._sub = max(self._sub, 0)
        while self._top < self._length - 1 and self._sub >= (height := self._height_of(self._top)):
            self._sub -= height
            self._top += 1

    def _clamp(self) -> None:
        """Leaves no empty rows at the bottom while there are lines above."""
        if self._length - self._top <= self.size.height:
            self._top, self._sub = min((self._top, self._sub), self._end())

    def _end(self) -> tuple[int, int]:
        """The first visible position and row when the end of the log is visible."""
        height, length = self.size.height, self._length
        if not self.wrap:
            return max(length - height, 0), 0
        rows = 0
        first = max(length - height, 0)
        for back, (number, line) in enumerate(reversed(self._lines(first, length))):
            rows += len(self._rows_of(number, line, self.size.width))
            if rows >= height:
                return length - 1 - back, rows - height
        return 0, 0

    # -- events

    def watch_follow(self) -> None:
        self._draw()

    def watch_wrap(self) -> None:
        hit = self._hit_in_view()
        self._left = self._sub = 0
        if hit is not None and not self.follow:
            self._show_mark(hit)
        self._draw()

    def watch_times(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._frame = []
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._frame = []
        self._draw()

    def on_unmount(self) -> None:
        self._forget_search()
        self._log.close()

    # -- drawing

    @property
    def status(self) -> Text:
        """The position in one line: `line 1,204 of 88,120 · match 3 of 41 · following`."""
        count = self._log.count
        if not count:
            parts = ["empty log"]
        else:
            number = self._hit_in_view() if not self.follow else None
            if number is None:
                number = self._number(self._length - 1 if self.follow else self._top) if self._length else 0
            parts = [f"line {number + 1:,} of {count:,}"]
        if self._finding is not None:
            found = f"{self.hits:,} match{'' if self.hits == 1 else 'es'}"
            if self._current is not None and self.hits:
                found = f"match {min(bisect_left(self._hits, self._current) + 1, self.hits):,} of {self.hits:,}"
            more = "…" if self.searching else ""
            parts.append(f"{found} for {safe_line(redact(self.searched_for), 40)}{more}")
            if self._only_hits:
                parts.append("matches only")
        if self.wrap:
            parts.append("wrapped")
        if count:
            parts.append("following" if self.follow else "paused, G follows")
        text = Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")
        if self._log.stopped:
            text.append(f" · incomplete: {safe_line(self._log.stopped, 100)}", "bold red")
        return text

    @property
    def _hits(self) -> Sequence[int]:
        """Numbers of matching lines, from 0."""
        return self._finding.hits if self._finding is not None else ()

    @property
    def _length(self) -> int:
        """Number of positions: all lines, or only matching ones."""
        return len(self._hits) if self._only_hits else self._log.count

    def _number(self, position: int) -> int:
        """Number of the line at a position, from 0."""
        if not self._only_hits:
            return position
        return self._hits[max(min(position, len(self._hits) - 1), 0)] if self._hits else 0

    def _lines(self, first: int, end: int) -> list[tuple[int, LogLine]]:
        """(number, line) of each existing position from `first` to `end` - 1."""
        if not self._only_hits:
            first = max(first, 0)
            return list(enumerate(self._log.read(first, end), first))
        numbers = self._hits[max(first, 0) : max(end, 0)]
        return [(number, line) for number in numbers for line in self._log.read(number, number + 1)]

    def _height_of(self, position: int) -> int:
        return sum(len(self._rows_of(*found, self.size.width)) for found in self._lines(position, position + 1)) or 1

    def _unwrapped(self) -> list[Strip]:
        lines = self._lines(self._top, self._top + self.size.height)
        return [strip for found in lines for strip in self._rows_of(*found, self.size.width)]

    @property
    def _gutter(self) -> int:
        """Width in cells of the gutter before each line."""
        width = 9 if self.times else 0
        return width + len(f"{self._log.count:,}") + 1 if self._only_hits else width

    def _rows_of(self, number: int, line: LogLine, width: int) -> list[Strip]:
        """The rows of a line without its gutter: one, or several if it is wrapped."""
        room = max(width - self._gutter, 1)
        made_for = room if self.wrap else None
        if made_for != self._rows_for:
            self._rows_for = made_for
            self._rows.clear()
        key = (number, hash(line))  # a line can be a megabyte
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = self._made(number, line, room)
        return rows

    def _made(self, number: int, line: LogLine, room: int) -> list[Strip]:
        shown, spans = self._spans(line)
        text = Text(end="", no_wrap=True)
        for piece, style in spans:
            text.append(piece, style)
        hit = _CURRENT_HIT if number == self._current else _HIT
        for begin, end in self._marks(shown):
            text.stylize(hit, begin, end)
        pieces = list(text.divide(_breaks(shown, room))) if self.wrap else [text]
        console = self.app.console
        return [Strip([part for part in piece.render(console) if part.text]) for piece in pieces]

    @staticmethod
    def _spans(line: LogLine) -> tuple[str, list[tuple[str, Style]]]:
        """The visible text of a line, and its styled parts."""
        spans = [(text, Style.parse(style)) for text, style in styled(line.text)]
        shown = "".join(text for text, _ in spans)
        if all(style == _PLAIN for _, style in spans):
            spans = [(shown, _tone(shown))]
        return shown, spans

    def _marks(self, shown: str) -> list[tuple[int, int]]:
        return self._finding.marks(shown) if self._finding is not None else []

    def _before(self, number: int, line: LogLine, is_first: bool) -> list[Segment]:
        """The gutter of one row."""
        said = ""
        if self._only_hits:
            room = len(f"{self._log.count:,}")
            said += f"{number + 1:>{room},} " if is_first else " " * (room + 1)
        if self.times:
            said += f"{_clock(line.at) if is_first else '':8} "
        return [Segment(said, _GUTTER)] if said else []

    def _draw(self) -> None:
        """Renders the visible rows, refreshes those that changed, and updates the status."""
        if not self.is_attached:
            return
        width, height = self.size
        if width and height:
            if self.follow:
                self._top, self._sub = self._end()
            else:
                self._clamp()
            before, self._frame = self._frame, self._drawn(width, height)
            if len(before) != len(self._frame):
                self.refresh()
            elif changed := [
                Region(0, y, width, 1)
                for y, (old, new) in enumerate(zip(before, self._frame, strict=True))
                if old != new
            ]:
                self.refresh(*changed)
        self.drawn_status = self.status

    def _drawn(self, width: int, height: int) -> list[Strip]:
        frame: list[Strip] = []
        skipped = self._sub
        style, room = self.rich_style, max(width - self._gutter, 0)
        for number, line in self._lines(self._top, self._top + height):
            for place, row in enumerate(self._rows_of(number, line, width)):
                if place < skipped:
                    continue
                body = row.crop_extend(self._left, self._left + room, None)
                gutter = self._before(number, line, place == 0)
                frame.append(Strip([*gutter, *body]).crop_extend(0, width, None).apply_style(style))
            skipped = 0
            if len(frame) >= height:
                break
        blank = Strip.blank(width, style)
        return [*frame[:height], *[blank] * (height - len(frame))]

    def render_line(self, y: int) -> Strip:
        return self._frame[y] if y < len(self._frame) else Strip.blank(self.size.width, self.rich_style)


def _breaks(text: str, width: int) -> list[int]:
    """Positions in characters where a text wraps to the next row."""
    if text.isascii():
        return list(range(width, len(text), width))
    at, found = 0, []
    for piece in chop_cells(text, width)[:-1]:
        at += len(piece)
        found.append(at)
    return found


def _clock(at: float | None) -> str:
    """Local time of day."""
    if at is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(at):%H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _tone(text: str) -> Style:
    if is_error(text):
        return _ERROR
    return _WARNING if "Warning" in text[:200] or "WARNING" in text[:200] else _PLAIN
