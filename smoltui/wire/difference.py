"""A short output that changes a terminal from one screen to another, using only CUP, SGR, EL, ECH, REP and scroll
regions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from smoltui.wire.clusters import is_plain
from smoltui.wire.frames import Frame
from smoltui.wire.grid import Row
from smoltui.wire.scroll import after_scroll, scrolled
from smoltui.wire.style import PLAIN, Rendition, change, of_blank
from smoltui.wire.terminal import Terminal

GAP = 4
"""Up to this many unchanged cells between changed ones are rewritten, since a cursor move takes as many bytes."""
_TO_END = 3
"""Length of EL in bytes; fewer blanks are written literally."""
# Runs that REP shortens, which takes 4 or 5 bytes after the first character. ASCII only, because of tmux 3.3.
_RUNS = re.compile(r"([ -~])\1{7,}")
_BLANKS = re.compile(" {12,}")
"""Runs that ECH plus a cursor move shortens."""


def difference(shown: Sequence[Row | None], frame: Frame, terminal: Terminal) -> str:
    """The sequences that change the screen from `shown` to `frame`, starting and ending without attributes.

    A row of `shown` is None if its content is unknown. The cursor may be anywhere before, and ends where the frame
    has it.
    """
    rows: Sequence[Row | None] = shown if len(shown) == len(frame.rows) else [None] * len(frame.rows)
    width = frame.size[0]
    rows = [row if row is not None and len(row.texts) == width else None for row in rows]
    pen = _Pen(terminal)
    known = [row for row in rows if row is not None]
    if terminal.scroll and len(known) == len(rows) and (found := scrolled(known, frame.rows)):
        direction = "S" if found.by > 0 else "T"
        pen.parts.append(f"\x1b[{found.top + 1};{found.bottom + 1}r\x1b[{_count(abs(found.by))}{direction}\x1b[r")
        rows = after_scroll(known, found)
    spans = [
        span
        for y, (before, after) in enumerate(zip(rows, frame.rows, strict=True))
        if before is None or before != after
        for span in _spans(y, before, after, pen.erases)
    ]
    pen.write(spans)
    return pen.finish(frame.cursor)


def _count(number: int) -> str:
    return "" if number == 1 else str(number)


class _Span(NamedTuple):
    """Cells of a row to write, from `first` to `end`; if `erases`, the rest of the row is erased as well."""

    y: int
    row: Row
    first: int
    end: int
    erases: bool


def _spans(y: int, before: Row | None, after: Row, erases: Callable[[Rendition], bool]) -> list[_Span]:
    """The differences within a row. Spans do not touch, so they can be written in any order."""
    texts, width = after.texts, len(after.texts)
    if before is None:
        pieces = [(0, width)]
    else:
        pieces = _pieces(before.differs_at(after))
        if unsure := before.unsure | after.unsure:
            # After a cluster of unsure width, the terminal may not show what the row contains.
            pieces = [(min(pieces[0][0], *unsure), width)]
    erased = _blank_from(after, erases)
    spans = []
    for first, end in pieces:
        while first and texts[first] == "":
            first -= 1
        while end < width and texts[end] == "":
            end += 1
        spans.append(_Span(y, after, first, max(first, min(end, erased)), end > erased))
        if end > erased:
            break
    return spans


def _pieces(columns: list[int]) -> list[tuple[int, int]]:
    """Columns grouped into (first, end); columns closer than `GAP` are in one group."""
    pieces: list[tuple[int, int]] = []
    for column in columns:
        if pieces and column - pieces[-1][1] <= GAP:
            pieces[-1] = pieces[-1][0], column + 1
        else:
            pieces.append((column, column + 1))
    return pieces


def _blank_from(row: Row, erases: Callable[[Rendition], bool]) -> int:
    """The column from which the row is blank and better erased; the width if there is none."""
    width = column = len(row.texts)
    style = row.styles[-1] if width else PLAIN
    while column and row.texts[column - 1] == " " and row.styles[column - 1] == style:
        column -= 1
    return column if width - column > _TO_END and erases(style) else width


class _Pen:
    """Writes cells, and tracks the cursor and the current rendition."""

    def __init__(self, terminal: Terminal) -> None:
        self.parts: list[str] = []
        self._terminal = terminal
        self._style = PLAIN
        self._at: tuple[int, int] | None = None
        """Row and column of the cursor; None if unknown."""

    def write(self, spans: list[_Span]) -> None:
        """Writes all spans, grouped by their first style, since a color takes more bytes than a cursor move."""
        waiting: dict[Rendition, list[_Span]] = {}
        for span in reversed(spans):
            waiting.setdefault(span.row.styles[span.first], []).append(span)
        while waiting:
            style = self._style if self._style in waiting else of_blank(self._style)
            if style not in waiting:
                style = min(reversed(waiting), key=self._cost)
            self._span(waiting[style].pop())
            if not waiting[style]:
                del waiting[style]

    def _cost(self, style: Rendition) -> int:
        return len(change(self._style, style))

    def finish(self, cursor: tuple[int, int]) -> str:
        """The complete output, ending without attributes and with the cursor in place."""
        self._set(PLAIN)
        self._move(cursor[1], cursor[0])
        return "".join(self.parts)

    def _span(self, span: _Span) -> None:
        y, row, column, end, erases = span
        texts, styles, width = row.texts, row.styles, len(row.texts)
        self._move(y, column)
        while column < end:
            if column in row.unsure:
                column = self._unsure(y, row, column)
                continue
            style = self._fitting(row, column, end)
            blank = of_blank(style)
            stop = column + 1
            while (
                stop < end
                and (styles[stop] == style or (texts[stop] == " " and styles[stop] == blank))
                and stop not in row.unsure
            ):
                stop += 1
            self._set(style)
            self._text("".join(texts[column:stop]))
            self._at = (y, stop) if stop < width else None  # terminals differ after the last column
            column = stop
        if erases:
            if of_blank(self._style) != styles[end]:
                self._set(styles[end])
            self._move(y, end)
            self.parts.append("\x1b[K")

    def _fitting(self, row: Row, column: int, end: int) -> Rendition:
        """The style of a cell; for blanks, an equivalent one that is already set, or needed next."""
        style = row.styles[column]
        if row.texts[column] != " ":
            return style
        if of_blank(self._style) == style:
            return self._style
        while column < end and row.texts[column] == " " and row.styles[column] == style:
            column += 1
        behind = row.styles[column] if column < end else style
        return behind if of_blank(behind) == style else style

    def _unsure(self, y: int, row: Row, column: int) -> int:
        """Writes one cluster over cells that were blanked, since it may fill fewer; returns the column after it."""
        stop = column + 1
        while stop < len(row.texts) and row.texts[stop] == "":
            stop += 1
        self._set(row.styles[column])
        if stop - column > 1:
            self.parts.append(" " * (stop - column))
            self._at = None
            self._move(y, column)
        self.parts.append(row.texts[column])
        self._at = None
        if stop < len(row.texts):
            self._move(y, stop)
        return stop

    def _text(self, text: str) -> None:
        """Writes characters in the current style, with runs shortened if the terminal supports it."""
        if len(text) > 3 and self._terminal.repeat and is_plain(text):
            text = _RUNS.sub(lambda run: f"{run[0][0]}\x1b[{len(run[0]) - 1}b", text)
        elif self._terminal.erase_characters and self.erases(of_blank(self._style)) and is_plain(text):
            text = _BLANKS.sub(lambda run: f"\x1b[{len(run[0])}X\x1b[{len(run[0])}C", text)
        self.parts.append(text)

    def erases(self, style: Rendition) -> bool:
        """Whether an erased cell looks like a blank in this style."""
        return not style.attributes and (self._terminal.background_erase or not style.background)

    def _set(self, style: Rendition) -> None:
        if style != self._style:
            self.parts.append(change(self._style, style))
            self._style = style

    def _move(self, y: int, x: int) -> None:
        """Moves the cursor to a cell with the shortest sequence."""
        if self._at == (y, x):
            return
        moves = [f"\x1b[{_count(y + 1)};{x + 1}H" if x else "\x1b[H" if not y else f"\x1b[{y + 1}H"]
        if self._at is not None and self._at[0] == y:
            forward = x - self._at[1]
            moves.append(f"\x1b[{_count(abs(forward))}{'C' if forward > 0 else 'D'}" if x else "\r")
        self.parts.append(min(moves, key=len))
        self._at = y, x
