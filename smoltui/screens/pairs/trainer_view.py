"""What the trainer sees of a pair: the rendered text, special tokens told apart, where the answer begins and is cut."""

from __future__ import annotations

from itertools import zip_longest

from textual import events
from textual.content import Content

from smoltui.core.pairs.rendering import CUT, OURS, SIDES, TRL, Piece, SideView, TrainerView, legend
from smoltui.safe_text import safe, safe_line
from smoltui.screens.pairs.framed import COLOURS, WHEEL_LINES, WIDE, FramedWidget, Row

LEGEND_SHARE = 0.5
"""The legend takes at most this part of the height."""
MAX_DRAWN, MAX_LINES = 10_000, 1_000
"""Characters, and line ends, drawn on each side of the place where the answer begins: laying out more takes longer than
a key may (both sides together 0.2 s)."""

KINDS = {
    "special": "bold $text-accent on $accent-muted",
    "prompt": "dim",
    "completion": "",
    "cut": "dim strike $text-error",
}
"""Bold, dim, plain and struck through: told apart without colours too."""
MARKS = {OURS: "bold $text-success", TRL: "bold $text-warning", CUT: "bold $text-error"}
LINE_END = "↵"
"""Shown where a line ends: a template's line ends are tokens like others."""


class TrainerPane(FramedWidget):
    """Draws a TrainerView line by line: wrapped once, and a key only sends the lines that changed.

    A legend in words stands on top and does not scroll. The view opens where the answer begins.
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

    # -- what the room says

    def show(self, view: TrainerView) -> None:
        """Draws `view` from where its answers begin."""
        self._view, self._words = view, ""
        self._texts = {}
        for name in SIDES:
            side = view.side(name)
            self._texts[f"{name}-head"] = Content.styled(_head(name, side), f"bold {COLOURS[name]}")
            self._texts[name], self._begins[name] = _rendered(side)
        self._wrap(opening=True)
        self._draw()

    def say(self, words: str) -> None:
        """Draws a sentence in place of a view: that one is being made, or why there is none."""
        self._view, self._words = None, words
        self._wrap(opening=True)
        self._draw()

    def scroll_by(self, lines: int = 0, pages: int = 0) -> None:
        """Moves down, or up with negative numbers."""
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
        """Cuts the texts into lines of the present width. `opening`: where the answers begin comes into view."""
        width = self.size.width
        self._legend, self._head_row, self._rows = [], None, []
        if opening:
            self._top, self._opens_at = 0, 0  # nothing was scrolled yet, also where there is no size so far
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
        """Rows of both sides; gives the first one in which an answer begins."""
        self._head_row = tuple((name, self._texts[f"{name}-head"]) for name in SIDES)
        widths = {"chosen": self.column - 3, "rejected": width - 1 - self.column - 3}
        lines = [self._texts[name].wrap(max(widths[name], 1)) for name in SIDES]
        for left, right in zip_longest(*lines, fillvalue=Content("")):
            self._rows.append((("chosen", left), ("rejected", right)))
        return min(self._line_of(name, widths[name]) for name in SIDES)

    def _wrap_below(self, width: int) -> int:
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
        """Makes the frame anew."""
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
    """A line of the legend, its mark in the colour it has in the text."""
    text = safe_line(words, 600)
    if style := MARKS.get(text[:1]):
        return Content.assemble((text[:1], style), (text[1:], "italic"))
    return Content.styled(text, "italic")


def _head(name: str, side: SideView) -> str:
    """`rejected · 41 tokens to train on · 12 cut`."""
    cut = f" · {side.cut_tokens:,} cut" if side.cut_tokens else ""
    return f"{name} · {side.completion_tokens:,} token{'' if side.completion_tokens == 1 else 's'}{cut}"


def _rendered(side: SideView) -> tuple[Content, int]:
    """The text with its marks, and where in it the answer begins (characters of what is drawn)."""
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
    """The marks that stand in what is not drawn."""
    hidden = [mark for place, mark in marks if first <= place <= last]
    return f", {' and '.join(hidden)} among them" if hidden else ""


def _near(text: str, place: int) -> tuple[int, int]:
    """The stretch around `place` that is drawn: `MAX_DRAWN` characters or `MAX_LINES` line ends to each side."""
    before = text[max(place - MAX_DRAWN, 0) : place].rsplit("\n", MAX_LINES)
    after = text[place : place + MAX_DRAWN].split("\n", MAX_LINES)
    first, last = max(place - MAX_DRAWN, 0), min(place + MAX_DRAWN, len(text))
    if len(before) > MAX_LINES:
        first += len(before[0]) + 1
    if len(after) > MAX_LINES:
        last -= len(after[-1])
    return first, last


def _marks(side: SideView) -> list[tuple[int, str]]:
    """(place, mark): ours, TRL's, and where max_length cuts; of two at one place ours comes first."""
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
    """The piece, which begins at `at`, cut at those of `places` that fall into it: (text, kind, where it begins)."""
    inside = sorted(place - at for place in places if at < place < at + len(piece.text))
    return [
        (piece.text[begin:end], piece.kind, at + begin)
        for begin, end in zip([0, *inside], [*inside, len(piece.text)], strict=True)
    ]


def _shown(text: str) -> str:
    """Safe to draw, line ends visible; made safe only here, because it makes texts longer."""
    return safe(text.replace("\r", "␍"), None).replace("\n", f"{LINE_END}\n")
