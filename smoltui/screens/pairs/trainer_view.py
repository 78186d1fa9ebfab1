"""A pair as the trainer sees it: the rendered text with special tokens, the beginning of the answer, and the cut."""

from __future__ import annotations

from itertools import zip_longest

from textual import events
from textual.content import Content

from smoltui.core.pairs.rendering import CUT, OURS, SIDES, TRL, Piece, SideView, TrainerView, legend
from smoltui.safe_text import safe, safe_line
from smoltui.screens.pairs.framed import COLOURS, WHEEL_LINES, WIDE, FramedWidget, Row

LEGEND_SHARE = 0.5
"""Maximum share of the height for the legend."""
MAX_DRAWN, MAX_LINES = 10_000, 1_000
"""Characters and lines drawn before and after the beginning of the answer. Laying out more takes longer than a key may:
0.2 s for both sides."""

KINDS = {
    "special": "bold $text-accent on $accent-muted",
    "prompt": "dim",
    "completion": "",
    "cut": "dim strike $text-error",
}
"""Bold, dim, plain and struck through, so that they differ without colors too."""
MARKS = {OURS: "bold $text-success", TRL: "bold $text-warning", CUT: "bold $text-error"}
LINE_END = "↵"
"""Marks line ends, which are tokens like others."""


class TrainerPane(FramedWidget):
    """Draws a TrainerView line by line: wrapped once, and a key redraws only the lines that changed.

    The legend at the top does not scroll. The view opens where the answer begins.
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: TrainerView | None = None
        self._words = ""
        self._texts: dict[str, Content] = {}
        self._begins: dict[str, int] = {}
        self._legend: list[Content] = []
        self._head_row: Row | None = None
        self._rows: list[Row] = []
        self._top = 0
        self._opens_at: int | None = None

    # -- called by the parent

    def show(self, view: TrainerView) -> None:
        """Draws `view`, opened where its answers begin."""
        self._view, self._words = view, ""
        self._texts = {}
        for name in SIDES:
            side = view.side(name)
            self._texts[f"{name}-head"] = Content.styled(_head(name, side), f"bold {COLOURS[name]}")
            self._texts[name], self._begins[name] = _rendered(side)
        self._wrap(opening=True)
        self._draw()

    def say(self, words: str) -> None:
        """Draws a sentence instead of a view: that it is being rendered, or why it cannot be."""
        self._view, self._words = None, words
        self._wrap(opening=True)
        self._draw()

    def scroll_by(self, lines: int = 0, pages: int = 0) -> None:
        """Scrolls down, or up with negative numbers."""
        self._top += lines + pages * max(self._height() - 1, 1)
        self._opens_at = None
        self._draw()

    # -- events

    def on_resize(self) -> None:
        self._wrap(opening=self._opens_at is not None)
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._wrap(opening=self._opens_at is not None)
        self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_by(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_by(-WHEEL_LINES)

    # -- lines

    def _wrap(self, opening: bool) -> None:
        """Wraps the texts at the current width. `opening` scrolls to the beginning of the answers."""
        width = self.size.width
        self._legend, self._head_row, self._rows = [], None, []
        if opening:
            self._top, self._opens_at = 0, 0  # not scrolled yet, even before the first layout
        if not width or not self.is_attached:
            return
        self.take_styles()
        if self._view is None:
            if self._words:
                self._legend = Content.styled(safe(self._words, 1000), "italic").wrap(max(width - 2, 1))
            return
        self._legend = [line for words in legend(self._view) for line in _explained(words).wrap(max(width - 2, 1))]
        first = self._wrap_beside(width) if width >= WIDE else self._wrap_below(width)
        if opening:
            self._top = max(first - self._height() // 2, 0)
            self._opens_at = self._top

    def _wrap_beside(self, width: int) -> int:
        """Adds rows with both sides; returns the first one in which an answer begins."""
        self._head_row = tuple((name, self._texts[f"{name}-head"]) for name in SIDES)
        widths = {"chosen": self.column - 3, "rejected": width - 1 - self.column - 3}
        lines = [self._texts[name].wrap(max(widths[name], 1)) for name in SIDES]
        for left, right in zip_longest(*lines, fillvalue=Content("")):
            self._rows.append((("chosen", left), ("rejected", right)))
        return min(self._line_of(name, widths[name]) for name in SIDES)

    def _wrap_below(self, width: int) -> int:
        """Adds rows with one side below the other; returns the one in which the chosen answer begins."""
        wide = max(width - 4, 1)
        for name in SIDES:
            self._rows.append(((name, self._texts[f"{name}-head"]),))
            self._rows += [((name, line),) for line in self._texts[name].wrap(wide)]
        return 1 + self._line_of("chosen", wide)

    def _line_of(self, name: str, width: int) -> int:
        """The line in which the answer begins."""
        return self._texts[name][: self._begins[name] + 1].get_height({}, max(width, 1)) - 1

    def _legend_height(self) -> int:
        whole = self._view is None
        return min(len(self._legend), self.size.height if whole else max(int(self.size.height * LEGEND_SHARE), 1))

    def _height(self) -> int:
        return max(self.size.height - self._legend_height() - (self._head_row is not None), 1)

    # -- drawing

    def _draw(self) -> None:
        """Draws the visible lines."""
        if not self.size.width or not self.is_attached:
            return
        rows = self._height()
        self._top = max(min(self._top, len(self._rows) - rows), 0)
        frame = [self.line(line, indent=True) for line in self._legend[: self._legend_height()]]
        if self._head_row is not None:
            frame.append(self.row(self._head_row))
        shown = [self.row(parts) for parts in self._rows[self._top : self._top + rows]]
        self.put(frame + self.with_bar(shown, self._top, len(self._rows), rows, "$text-primary"))


def _explained(words: str) -> Content:
    """A line of the legend, with its mark in the same color as in the text."""
    text = safe_line(words, 600)
    if style := MARKS.get(text[:1]):
        return Content.assemble((text[:1], style), (text[1:], "italic"))
    return Content.styled(text, "italic")


def _head(name: str, side: SideView) -> str:
    """`rejected · 41 tokens to train on · 12 cut`."""
    cut = f" · {side.cut_tokens:,} cut" if side.cut_tokens else ""
    return f"{name} · {side.completion_tokens:,} token{'' if side.completion_tokens == 1 else 's'}{cut}"


def _rendered(side: SideView) -> tuple[Content, int]:
    """The text with its marks, and the place in it, in characters, where the answer begins."""
    parts: list[tuple[str, str]] = []
    first, last = _near(side.text, side.boundary)
    every = sorted(_marks(side), key=lambda mark: mark[0])
    marks = [mark for mark in every if first <= mark[0] <= last]
    drawn = begins = at = 0

    def put(text: str, style: str) -> None:
        nonlocal drawn
        if text:
            parts.append((text, style))
            drawn += len(text)

    def put_marks(place: int) -> None:
        nonlocal begins
        while marks and marks[0][0] <= place:
            _, mark = marks.pop(0)
            if mark == OURS:
                begins = drawn
            put(mark, MARKS[mark])

    if first:
        put(f"… {first:,} characters before this{_among(every, 0, first - 1)} …\n", "italic")
    for piece in side.pieces:
        for text, kind, start in _cut(piece, at, {place for place, _ in marks} | {first, last}):
            if first <= start < last:
                put_marks(start)
                put(_shown(text), KINDS[kind])
        at += len(piece.text)
    put_marks(last)
    if at > last:
        put(f"\n… {at - last:,} more characters{_among(every, last + 1, at)}", "italic")
    return Content.assemble(*parts), begins


def _among(marks: list[tuple[int, str]], first: int, last: int) -> str:
    """Names the marks in a part that is not drawn."""
    hidden = [mark for place, mark in marks if first <= place <= last]
    return f", {' and '.join(hidden)} among them" if hidden else ""


def _near(text: str, place: int) -> tuple[int, int]:
    """The range around `place` that is drawn: at most `MAX_DRAWN` characters and `MAX_LINES` lines on each side."""
    before = text[max(place - MAX_DRAWN, 0) : place].rsplit("\n", MAX_LINES)
    after = text[place : place + MAX_DRAWN].split("\n", MAX_LINES)
    first, last = max(place - MAX_DRAWN, 0), min(place + MAX_DRAWN, len(text))
    if len(before) > MAX_LINES:
        first += len(before[0]) + 1
    if len(after) > MAX_LINES:
        last -= len(after[-1])
    return first, last


def _marks(side: SideView) -> list[tuple[int, str]]:
    """(place, mark): our boundary, TRL's, and the cuts by max_length. At the same place, ours comes first."""
    marks = [(side.boundary, OURS)]
    if side.trl_boundary is not None:
        marks.append((side.trl_boundary, TRL))
    at = 0
    for number, piece in enumerate(side.pieces):
        before = side.pieces[number - 1].kind if number else None
        if piece.kind == "cut" and before != "cut":
            marks += [(at, CUT)] if number else []
        elif before == "cut" and piece.kind != "cut":
            marks.append((at, CUT))
        at += len(piece.text)
    return marks


def _cut(piece: Piece, at: int, places: set[int]) -> list[tuple[str, str, int]]:
    """The piece, which begins at `at`, split at those of `places` that are inside it: (text, kind, beginning)."""
    inside = sorted(place - at for place in places if at < place < at + len(piece.text))
    return [
        (piece.text[begin:end], piece.kind, at + begin)
        for begin, end in zip([0, *inside], [*inside, len(piece.text)], strict=True)
    ]


def _shown(text: str) -> str:
    """Sanitized, with visible line ends; only when it is drawn, because sanitizing changes the places of marks."""
    return safe(text.replace("\r", "␍"), None).replace("\n", f"{LINE_END}\n")
