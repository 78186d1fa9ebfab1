"""Lines of a log as rows of the screen: sanitized, colored, with the matches of a search, wrapped if wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.cells import chop_cells
from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual.cache import LRUCache
from textual.strip import Strip

from smoltui.core.runs.log_text import LogLine, is_error, styled
from smoltui.core.runs.wording import GAP_MARK
from smoltui.screens.runs.log_finding import LogFinding

KEPT_ROWS = 500
"""Lines whose rendering is cached."""

_HIT = Style(reverse=True)
_CURRENT_HIT = Style(reverse=True, bold=True, color="yellow")
_ERROR = Style(color="red", bold=True)
_WARNING = Style(color="yellow")
_GAP = Style(dim=True)
_PLAIN = Style.null()


class LogRows:
    """Renders lines, and keeps the rows of those drawn last."""

    def __init__(self, console: Callable[[], Console]) -> None:
        self._console = console
        self._finding: LogFinding | None = None
        self._kept: LRUCache[tuple[int, int], list[Strip]] = LRUCache(KEPT_ROWS)
        self._kept_for: int | None = None
        """The width for which the kept rows are wrapped; None if they are not."""

    def highlight(self, finding: LogFinding | None) -> None:
        """Highlights the matches of this search from now on; None: of none."""
        self._finding = finding
        self._kept.clear()

    def forget(self, *numbers: int | None) -> None:
        """Renders these lines (numbered from 0) again, or all of them if none is given; None stands for no line."""
        if not numbers:
            self._kept.clear()
        for key in list(self._kept.keys()):
            if key[0] in numbers:
                self._kept.discard(key)

    def of(self, number: int, line: LogLine, width: int, *, wrap: bool) -> list[Strip]:
        """The rows of a line: with `wrap` as many as it needs in `width` cells, otherwise one of any length."""
        made_for = width if wrap else None
        if made_for != self._kept_for:
            self._kept_for = made_for
            self._kept.clear()
        key = (number, hash(line))  # a line can be a megabyte
        rows = self._kept.get(key)
        if rows is None:
            rows = self._kept[key] = self._made(number, line, width, wrap)
        return rows

    def _made(self, number: int, line: LogLine, width: int, wrap: bool) -> list[Strip]:
        shown, spans = _spans(line)
        text = Text(end="", no_wrap=True)
        for piece, style in spans:
            text.append(piece, style)
        if self._finding is not None:
            hit = _CURRENT_HIT if number == self._finding.current else _HIT
            for begin, end in self._finding.marks(shown):
                text.stylize(hit, begin, end)
        pieces = list(text.divide(breaks(shown, width))) if wrap else [text]
        console = self._console()
        return [Strip([part for part in piece.render(console) if part.text]) for piece in pieces]

    def first_mark(self, line: LogLine) -> tuple[str, int, int] | None:
        """The visible text of a line, and where its first match begins and ends in characters; None without one."""
        shown = _spans(line)[0]
        marks = self._finding.marks(shown) if self._finding is not None else []
        return (shown, *marks[0]) if marks else None


def breaks(text: str, width: int) -> list[int]:
    """Positions in characters where a text wraps to the next row."""
    if text.isascii():
        return list(range(width, len(text), width))
    at, found = 0, []
    for piece in chop_cells(text, width)[:-1]:
        at += len(piece)
        found.append(at)
    return found


def clock(at: float | None) -> str:
    """Local time of day of seconds since the epoch; empty for None."""
    if at is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(at):%H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _spans(line: LogLine) -> tuple[str, list[tuple[str, Style]]]:
    """The visible text of a line, and its styled parts."""
    spans = [(text, Style.parse(style)) for text, style in styled(line.text)]
    shown = "".join(text for text, _ in spans)
    if all(style == _PLAIN for _, style in spans):
        spans = [(shown, _tone(shown))]
    return shown, spans


def _tone(text: str) -> Style:
    """The color of a line that has none of its own."""
    if text.startswith(GAP_MARK):
        return _GAP
    if is_error(text):
        return _ERROR
    return _WARNING if "Warning" in text[:200] or "WARNING" in text[:200] else _PLAIN
