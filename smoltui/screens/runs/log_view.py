"""A growing log: only visible lines are read and drawn, and the view follows the end until the user scrolls up.

`log_window.py` decides which lines are visible, `log_rows.py` renders them, `log_finding.py` searches; the widget here
connects them with keys, messages and the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from smoltui.core.runs.log_lines import Log
from smoltui.core.runs.log_text import LogLine, as_plain
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.log_finding import LogFinding
from smoltui.screens.runs.log_rows import LogRows, clock
from smoltui.screens.runs.log_window import CLOCK_CELLS, LogWindow
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.selectable import Selectable

SIDE_STEP = 8
"""Columns scrolled by left and right."""
WHEEL_LINES = 3

_GUTTER = Style(dim=True)


class LogView(Selectable, can_focus=True):
    """Lines of foreign text, sanitized when they are drawn. The status shows `follow` as "following".

    `open_log` returns an empty log and is called once for each run shown; `backends.runs.log_spool.LogSpool` is meant
    for long ones. The room calls `extend` at most ten times per second, and watches `drawn_status`.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("log")

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
        self._rows = LogRows(lambda: self.app.console)
        self._window = LogWindow(self._log, self._rows)
        self._finding: LogFinding | None = None
        self._frame: list[Strip] = []

    # -- lines

    def clear(self) -> None:
        """Resets to an empty log that is followed, without a search."""
        self._take_finding(None)
        self._log.close()
        self._log = self._open_log()
        self._window.take(self._log)
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
        return self._window.top_number + 1 if self._window.length else 0

    def save(self, path: Path) -> int:
        """Saves the log as plain text, without colors and with secrets redacted; returns the number of lines.

        Blocking; safe to call from a thread.

        Raises:
            InputError: the file cannot be written, or another run was shown meanwhile.
        """
        return self._log.save(path)

    def visible_text(self) -> str:
        """The visible lines in full, as plain text."""
        visible = {number: line for number, line, _, _ in self._window.visible_rows()}
        return "\n".join(as_plain(line.text) for line in visible.values())

    def current_line_text(self) -> str:
        """Plain text of the current match; else of the last line while following, or of the first visible line."""
        number = self._hit_in_view()
        if number is None:
            number = self._line_of_interest()
        lines = self._log.read(number, number + 1) if number is not None else []
        return as_plain(lines[0].text) if lines else ""

    def _line_of_interest(self) -> int | None:
        """Number of the last line while following, or of the first visible line; None in an empty window."""
        window = self._window
        if not window.length:
            return None
        return window.number(window.length - 1) if self.follow else window.top_number

    # -- searching

    @property
    def searched_for(self) -> str:
        """The search query; empty without a search."""
        return self._finding.shown if self._finding is not None else ""

    @property
    def hits(self) -> int:
        """Number of matching lines found so far."""
        return len(self._window.hits)

    @property
    def searching(self) -> bool:
        """Whether the first pass over the log is still running."""
        return self._finding is not None and not self._finding.done

    @property
    def only_hits(self) -> bool:
        """Whether only matching lines are shown."""
        return self._window.only_hits

    def search(self, query: str) -> None:
        """Searches for text, ignoring case, or for `/a regular expression/` (`/…/i` ignores case); "" ends the search.

        Jumps to the first match at or below the first visible line, else to the last one above it. The search continues
        as the log grows. An invalid expression is reported by `Failed`.
        """
        self._take_finding(LogFinding(self, self._log.search(query)) if query.strip() else None)
        if self._finding is not None:
            self._finding.look()
        self._draw()

    def end_search(self) -> None:
        """Shows all lines without highlights; the view does not move."""
        self.search("")

    def next_hit(self, direction: int = 1) -> bool | None:
        """Jumps to the next match, or with -1 to the previous one; from the first visible line if the last is not.

        Returns True if it wrapped around, None if there is no match.
        """
        if self._finding is None or not self._finding.hits:
            return None
        at = self._hit_in_view()
        seen_from = self._window.top_number if at is None else at
        number, wrapped = self._finding.next_after(seen_from, direction, is_match=at is not None)
        self._go_to_hit(self._finding, number)
        return wrapped

    def filter_to_hits(self, on: bool) -> None:
        """Shows only matching lines with their line numbers, or all lines again."""
        if on == self.only_hits or (on and self._finding is None):
            return
        self._window.show_only_hits(on)
        self._draw()

    def _hit_in_view(self) -> int | None:
        """Line number (from 0) of the current match; None if there is none or it is not visible."""
        current = self._finding.current if self._finding is not None else None
        return current if current is not None and self._window.shows(current) else None

    def _take_finding(self, finding: LogFinding | None) -> None:
        """Switches to another search, or to none, with all lines shown."""
        self.filter_to_hits(False)
        if self._finding is not None:
            self._finding.stop()
        self._finding = finding
        self._window.hits = finding.hits if finding is not None else ()
        self._rows.highlight(finding)

    def on_log_finding_found(self, message: LogFinding.Found) -> None:
        message.stop()
        finding = self._finding
        if finding is None or message.finding is not finding:
            return
        if finding.take(message):
            self._rows.forget()  # from now on they can be highlighted
        if not self.follow and finding.hits and finding.hits[-1] >= self._window.top_number:
            self._jump_once(finding)
        self._draw()

    def on_log_finding_looked(self, message: LogFinding.Looked) -> None:
        message.stop()
        finding = self._finding
        if finding is None or message.finding is not finding:
            return
        if message.error is not None:
            self._take_finding(None)
            self.post_message(self.Failed(message.error))
        else:
            finding.looked()
            if finding.hits:
                self._jump_once(finding)
            finding.has_jumped = True
        self._draw()

    def _jump_once(self, finding: LogFinding) -> None:
        """Jumps to the first match of a search, unless the view was moved to one already."""
        if not finding.has_jumped:
            self._go_to_hit(finding, finding.nearest(self._window.top_number))

    def _go_to_hit(self, finding: LogFinding, number: int) -> None:
        self._rows.forget(finding.current, number)
        finding.current, finding.has_jumped = number, True
        self._show_line(number)
        self._window.bring_mark(number)
        self._draw()

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
        """Scrolls a line (from 0) into view and stops following."""
        if self._window.length:
            self.follow = False
            self._window.bring(number)

    def action_move(self, rows: int) -> None:
        self._scroll(rows)

    def action_page(self, pages: int) -> None:
        self._scroll(pages * max(self.size.height - 1, 1))

    def action_side(self, steps: int) -> None:
        self._window.scroll_sideways(steps * SIDE_STEP)
        self._draw()

    def action_top(self) -> None:
        self.follow = False
        self._window.go_to_start()
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
            self.filter_to_hits(False)
            self.go_to_line(number)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-WHEEL_LINES)

    def _scroll(self, rows: int) -> None:
        """Scrolls. Leaving the end stops following it, and coming back to it follows it again."""
        window = self._window
        before = (window.top, window.sub)
        window.scroll(rows)
        now = (window.top, window.sub)
        if rows < 0 and now < before:
            self.follow = False
        elif rows > 0 and now >= window.end():
            self.follow = True
        self._draw()

    # -- events

    def watch_follow(self) -> None:
        self._draw()

    def watch_wrap(self) -> None:
        hit = self._hit_in_view()
        window = self._window
        window.wrap = self.wrap
        window.left = window.sub = 0
        if hit is not None and not self.follow:
            window.bring_mark(hit)
        self._draw()

    def watch_times(self) -> None:
        self._window.times = self.times
        self._draw()

    def on_resize(self) -> None:
        self._frame = []
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._frame = []
        self._draw()

    def on_unmount(self) -> None:
        self._take_finding(None)
        self._log.close()

    # -- drawing

    @property
    def status(self) -> Text:
        """The position in one line: `line 1,204 of 88,120 · match 3 of 41 · following`."""
        text = Text(" · ".join(self._status_parts()), no_wrap=True, overflow="ellipsis")
        if self._log.stopped:
            text.append(f" · incomplete: {safe_line(self._log.stopped, 100)}", "bold red")
        return text

    def _status_parts(self) -> Iterator[str]:
        count = self._log.count
        yield f"line {self._status_line() + 1:,} of {count:,}" if count else "empty log"
        if self._finding is not None:
            yield self._match_words(self._finding)
            if self.only_hits:
                yield "matches only"
        if self.wrap:
            yield "wrapped"
        if count:
            yield "following" if self.follow else in_own_keys(self.screen, "paused, G follows")

    def _status_line(self) -> int:
        """Number of the line that the status names, from 0."""
        number = None if self.follow else self._hit_in_view()
        if number is None:
            number = self._line_of_interest()
        return number or 0

    def _match_words(self, finding: LogFinding) -> str:
        """`match 3 of 41 for “…”`, or how many there are so far."""
        found, place = len(finding.hits), finding.place
        if place is not None:
            words = f"match {place + 1:,} of {found:,}"
        else:
            words = f"{found:,} match{'' if found == 1 else 'es'}"
        return f"{words} for {safe_line(redact(finding.shown), 40)}{'…' if self.searching else ''}"

    def _draw(self) -> None:
        """Renders the visible rows, refreshes those that changed, and updates the status."""
        if not self.is_attached:
            return
        window = self._window
        window.width, window.height = width, height = self.size
        if width and height:
            if self.follow:
                window.go_to_end()
            else:
                window.clamp()
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
        window, style = self._window, self.rich_style
        left, right = window.left, window.left + max(width - window.gutter, 0)
        frame = []
        for number, line, place, row in window.visible_rows():
            body = row.crop_extend(left, right, None)
            gutter = self._gutter_of(number, line, is_first=place == 0)
            frame.append(Strip([*gutter, *body]).crop_extend(0, width, None).apply_style(style))
        return [*frame, *[Strip.blank(width, style)] * (height - len(frame))]

    def _gutter_of(self, number: int, line: LogLine, *, is_first: bool) -> list[Segment]:
        """What is before a row: number and time of its line, blanks before the further rows of a wrapped one."""
        said = ""
        if self.only_hits:
            room = len(f"{self._log.count:,}")
            said += f"{number + 1:>{room},} " if is_first else " " * (room + 1)
        if self.times:
            said += f"{clock(line.at) if is_first else '':{CLOCK_CELLS - 1}} "
        return [Segment(said, _GUTTER)] if said else []

    def render_line(self, y: int) -> Strip:
        return self._frame[y] if y < len(self._frame) else Strip.blank(self.size.width, self.rich_style)
