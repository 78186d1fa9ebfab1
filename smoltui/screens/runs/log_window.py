"""The visible part of a log: which line comes first, and how far scrolling, a match or an error moves it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from smoltui.core.runs.log_lines import Log
from smoltui.core.runs.log_text import LogLine
from smoltui.screens.runs.log_rows import LogRows, breaks

CLOCK_CELLS = 9
"""Width of the time before a line, including the space after it."""


class LogWindow:
    """A window of `height` rows on the lines of a log, or only on those that match a search.

    A *number* counts the lines of the log, a *position* those that the window can show, both from 0. They differ while
    only matches are shown. Reads only what is visible.
    """

    def __init__(self, log: Log, rows: LogRows) -> None:
        self.log = log
        self.width = self.height = 0
        """Cells and rows; 0 before the first layout."""
        self.wrap = self.times = False
        """Whether lines wrap, and whether each is preceded by its time."""
        self.hits: Sequence[int] = ()
        """Numbers of the matching lines, ascending; grows during a search."""
        self.only_hits = False
        """Whether only matching lines are shown."""
        self.top = self.sub = 0
        """The first visible position, and the first visible one of its rows."""
        self.left = 0
        """The first visible column; 0 with wrapped lines."""
        self._rows = rows

    # -- lines

    @property
    def length(self) -> int:
        """Number of positions."""
        return len(self.hits) if self.only_hits else self.log.count

    @property
    def top_number(self) -> int:
        """Number of the first visible line; 0 in an empty window."""
        return self.number(self.top)

    def number(self, position: int) -> int:
        """Number of the line at a position, or at the nearest one that exists; 0 without any."""
        if not self.only_hits:
            return position
        return self.hits[max(min(position, len(self.hits) - 1), 0)] if self.hits else 0

    def position(self, number: int) -> int:
        """Position of a line; if it is not shown, of the next one that is."""
        return bisect_left(self.hits, number) if self.only_hits else number

    def lines(self, first: int, end: int) -> list[tuple[int, LogLine]]:
        """(number, line) of each existing position from `first` to `end` - 1."""
        if not self.only_hits:
            first = max(first, 0)
            return list(enumerate(self.log.read(first, end), first))
        numbers = self.hits[max(first, 0) : max(end, 0)]
        return [(number, line) for number in numbers for line in self.log.read(number, number + 1)]

    def visible_lines(self) -> list[tuple[int, LogLine]]:
        """(number, line) of each line that may be visible; more than that if lines wrap."""
        return self.lines(self.top, self.top + self.height)

    def shows(self, number: int) -> bool:
        """Whether a line is in the window, at least in part."""
        return self.top <= self.position(number) < self.top + max(self.height, 1)

    # -- rows

    @property
    def gutter(self) -> int:
        """Cells before each line: its number while only matches are shown, and its time."""
        width = CLOCK_CELLS if self.times else 0
        return width + len(f"{self.log.count:,}") + 1 if self.only_hits else width

    def rows_of(self, number: int, line: LogLine) -> list[Strip]:
        """The rows of a line without its gutter: one, or several if it is wrapped."""
        return self._rows.of(number, line, max(self.width - self.gutter, 1), wrap=self.wrap)

    def visible_rows(self) -> Iterator[tuple[int, LogLine, int, Strip]]:
        """(number, line, place of the row in its line, row) from top to bottom, at most `height`."""
        skipped, left = self.sub, self.height
        for number, line in self.visible_lines():
            for place, row in enumerate(self.rows_of(number, line)):
                if place < skipped:
                    continue
                if not left:
                    return
                left -= 1
                yield number, line, place, row
            skipped = 0

    def _height_of(self, position: int) -> int:
        return sum(len(self.rows_of(*found)) for found in self.lines(position, position + 1)) or 1

    def _fully_visible(self) -> int:
        """Number of positions that are completely visible, with wrapped lines."""
        rows, whole = -self.sub, 0
        for found in self.visible_lines():
            rows += len(self.rows_of(*found))
            if rows > self.height:
                break
            whole += 1
        return whole

    # -- moving

    def end(self) -> tuple[int, int]:
        """`top` and `sub` when the end of the log is visible."""
        height, length = self.height, self.length
        if not self.wrap:
            return max(length - height, 0), 0
        rows = 0
        first = max(length - height, 0)
        for back, found in enumerate(reversed(self.lines(first, length))):
            rows += len(self.rows_of(*found))
            if rows >= height:
                return length - 1 - back, rows - height
        return 0, 0

    def go_to_end(self) -> None:
        """Shows the last line at the bottom."""
        self.top, self.sub = self.end()

    def go_to_start(self) -> None:
        """Shows the first line at the top."""
        self.top = self.sub = 0

    def clamp(self) -> None:
        """Leaves no empty rows at the bottom while there are lines above."""
        if self.length - self.top <= self.height:
            self.top, self.sub = min((self.top, self.sub), self.end())

    def scroll(self, rows: int) -> None:
        """Scrolls down, or up with a negative number, as far as there are lines."""
        self._move(rows)
        self.clamp()

    def _move(self, rows: int) -> None:
        if not self.wrap:
            self.top = max(min(self.top + rows, self.length - 1), 0)
            return
        self.sub += rows
        while self.sub < 0 and self.top > 0:
            self.top -= 1
            self.sub += self._height_of(self.top)
        self.sub = max(self.sub, 0)
        while self.top < self.length - 1 and self.sub >= (height := self._height_of(self.top)):
            self.sub -= height
            self.top += 1

    def scroll_sideways(self, columns: int) -> None:
        """Scrolls right, or left with a negative number, as far as a visible line reaches; not with wrapped lines."""
        if self.wrap:
            return
        widest = max((row.cell_length for found in self.visible_lines() for row in self.rows_of(*found)), default=0)
        most = max(widest - (self.width - self.gutter), 0)
        self.left = max(min(self.left + columns, max(most, self.left)), 0)

    def bring(self, number: int) -> None:
        """Scrolls a line into view, a third down if it was not; the nearest one if it is not among those shown."""
        if not self.length:
            return
        position = max(min(self.position(number), self.length - 1), 0)
        bottom = self.top + (self._fully_visible() if self.wrap else max(self.height, 1))
        if not (self.top + (self.sub > 0) <= position < bottom):
            self._put_a_third_down(position, 0)
        self.clamp()

    def bring_mark(self, number: int) -> None:
        """Scrolls the first match of a visible line into view: far down in a wrapped line, or far right."""
        lines = self.log.read(number, number + 1)
        mark = self._rows.first_mark(lines[0]) if lines else None
        width = self.width - self.gutter
        if mark is None or width <= 0 or not self.height:
            return
        shown, begin, end = mark
        if self.wrap:
            row = bisect_right(breaks(shown, width), begin)
            position = self.position(number)
            if sum(self._height_of(above) for above in range(self.top, position)) + row - self.sub >= self.height:
                self._put_a_third_down(position, row)
                self.clamp()
            return
        begin, end = cell_len(shown[:begin]), cell_len(shown[:end])
        if not self.left <= begin <= end <= self.left + width:
            self.left = 0 if end <= width else max(begin - width // 3, 0)

    def _put_a_third_down(self, position: int, row: int) -> None:
        self.top, self.sub = position, row
        self._move(-(self.height // 3))

    # -- what is shown

    def show_only_hits(self, on: bool) -> None:
        """Shows only matching lines, or all lines again, from about the same line on."""
        number = self.top_number if self.length else 0
        self.only_hits, self.sub, self.left = on, 0, 0
        self.top = max(min(bisect_left(self.hits, number), len(self.hits) - 1), 0) if on else number

    def take(self, log: Log) -> None:
        """Shows another log from its top."""
        self.log = log
        self.top = self.sub = self.left = 0
