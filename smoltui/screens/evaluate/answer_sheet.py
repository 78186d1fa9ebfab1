"""A page of answers of any length, of which only what is visible is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from smoltui.core.evaluation.sheet import Sheet
from smoltui.screens.evaluate.answer_block import Look, answer_block
from smoltui.widgets.actions import bindings
from smoltui.widgets.selectable import Selectable

WHEEL_LINES = 3
BLANK = Strip([])
KEPT_BLOCKS = 200
"""Blocks whose lines are kept; laying one out takes a few milliseconds."""


class AnswerSheet(Selectable, can_focus=True):
    """Prompts with their answers, and what is below the last of them.

    The view is anchored to a line of a prompt: answers that grow above do not move what is being read.
    """

    class Moved(Message):
        """Another block is at the top of the view."""

        def __init__(self, block: int) -> None:
            super().__init__()
            self.block = block

    DEFAULT_CSS = """
    AnswerSheet { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("answers")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sheet = Sheet()
        self._look = Look()
        self._below: RenderableType | None = None
        self._top = self._line = 0
        """Block and line of it at the top of the view."""
        self._told = 0
        """The block at the top as the parent knows it."""
        self._lines: dict[int, tuple[object, list[Strip]]] = {}
        """Block → what it was laid out from, and its lines."""
        self._frame: list[Strip] = []
        self._made_of: list[tuple[Strip, bool]] = []
        """Of each line of the frame, what it was made of: text, and whether the thumb of the scroll bar is in it."""
        self._follows_end = False
        """The end was asked for: what appears below it comes into view, too."""

    # -- called by the parent

    def show(self, sheet: Sheet, look: Look) -> None:
        """Draws a sheet. Call it when answers have come, too: only blocks that changed are laid out."""
        self._sheet = sheet
        if look != self._look:
            self._look = look
            self._lines.clear()
        self._draw()

    def show_below(self, below: RenderableType | None) -> None:
        """What is below the last prompt; None: nothing."""
        self._below = below
        self._lines.pop(len(self._sheet.prompts), None)
        if self._follows_end:
            self._top, self._line = self.count, 0
        self._draw()

    @property
    def count(self) -> int:
        """Number of blocks: prompts, and what is below them."""
        return len(self._sheet.prompts) + (self._below is not None)

    @property
    def in_view(self) -> range:
        """Indices of the visible blocks."""
        last, left = self._top, self.size.height + self._line
        while last < self.count and left > 0:
            left -= len(self._block(last))
            last += 1
        return range(self._top, last)

    def go(self, block: int) -> None:
        """Puts a block at the top of the view."""
        self._top, self._line, self._follows_end = max(0, min(block, self.count - 1)), 0, False
        self._draw()

    # -- keys

    def action_scroll_by(self, lines: int) -> None:
        self._follows_end = False
        self._move(lines)
        self._draw()

    def action_page(self, pages: float) -> None:
        self.action_scroll_by(round(pages * max(1, self.size.height - 1)))

    def action_prompt(self, by: int) -> None:
        """The next prompt; upwards, first the beginning of the one at the top."""
        self.go(self._top + by + (by < 0 and self._line > 0))

    def action_top(self) -> None:
        self.go(0)

    def action_end(self) -> None:
        self._top, self._line, self._follows_end = self.count, 0, True
        self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_by(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_by(-WHEEL_LINES)

    # -- where the view is

    def _move(self, lines: int) -> None:
        self._line += lines
        while self._line < 0 and self._top > 0:
            self._top -= 1
            self._line += len(self._block(self._top))
        while self._top < self.count - 1 and self._line >= (height := len(self._block(self._top))):
            self._line -= height
            self._top += 1
        self._line = max(0, self._line)

    def _settle(self) -> None:
        """Keeps the view within the blocks, and its last line at the bottom of the page."""
        if self._top >= self.count:
            self._top, self._line = max(0, self.count - 1), 1 << 30
        if self.count and self._line:
            self._line = max(0, min(self._line, len(self._block(self._top)) - 1))
        left, at = self.size.height + self._line, self._top
        while at < self.count and left > 0:
            left -= len(self._block(at))
            at += 1
        if left > 0:
            self._move(-left)

    # -- drawing

    def _block(self, index: int) -> list[Strip]:
        """The lines of a block, laid out unless they are known."""
        count, width = len(self._sheet.prompts), max(1, self.size.width - 1)
        if index >= count:
            source: object = (width, self._below)
        else:
            cells = tuple(self._sheet.cells.get((name, index)) for name in self._look.columns)
            source = (width, self._sheet.prompts[index], cells)
        known = self._lines.get(index)
        if known is not None and known[0] == source:
            return known[1]
        drawn: RenderableType = self._below or Text()
        if index < count:
            by_name = {name: self._sheet.cells.get((name, index)) for name in self._look.columns}
            drawn = answer_block(index + 1, self._sheet.prompts[index], by_name, self._look)
        lines = self._laid_out(drawn, width)
        if len(self._lines) >= KEPT_BLOCKS:
            self._lines.clear()
        self._lines[index] = source, lines
        return lines

    def _laid_out(self, drawn: RenderableType, width: int) -> list[Strip]:
        console = self.app.console
        options = console.options.update(width=width, height=None, highlight=False, markup=False)
        rows: Sequence[list[Segment]] = console.render_lines(drawn, options, style=self.rich_style, pad=False)
        return [Strip(row) for row in rows]

    def on_resize(self) -> None:
        self._frame = []
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines.clear()
        self._frame = []
        self._draw()

    def _draw(self) -> None:
        """Lays out what is visible, and refreshes the lines that changed."""
        width, height = self.size
        if not width or not height or not self.is_attached:
            return
        self._settle()
        if self._top != self._told:
            self._told = self._top
            self.post_message(self.Moved(self._top))
        lines: list[Strip] = []
        at, line = self._top, self._line
        while len(lines) < height and at < self.count:
            lines += self._block(at)[line:]
            at, line = at + 1, 0
        bar = self._bar(at, height)
        made_of = [(lines[y] if y < len(lines) else BLANK, y in bar) for y in range(height)]
        before, known, style = self._frame, self._made_of, self.rich_style
        # Most lines are those of the last frame, not only equal ones: they are kept with their block.
        frame = [
            before[y]
            if y < len(before) and known[y][0] is text and known[y][1] == thumb
            else self._row(text, thumb, style)
            for y, (text, thumb) in enumerate(made_of)
        ]
        self._frame, self._made_of = frame, made_of
        if len(before) != len(frame):
            self.refresh()
        elif changed := [
            Region(0, y, width, 1) for y in range(height) if before[y] is not frame[y] and before[y] != frame[y]
        ]:
            self.refresh(*changed)

    def _row(self, text: Strip, thumb: bool, style: Style) -> Strip:
        padded = text.adjust_cell_length(self.size.width - 1, style)
        return Strip([*padded, Segment("┃" if thumb else " ", style)])

    def _bar(self, end: int, rows: int) -> range:
        """Lines that the thumb of the scroll bar covers; none if everything is visible."""
        count = self.count
        if not count or (self._top == 0 and self._line == 0 and end >= count and self._fits(rows)):
            return range(0)
        shown = max(1, end - self._top)
        size = max(1, min(rows - 1, rows * shown // count))
        first = round(self._top * (rows - size) / max(1, count - shown))
        return range(min(first, rows - size), min(first, rows - size) + size)

    def _fits(self, rows: int) -> bool:
        return sum(len(self._block(index)) for index in range(self.count)) <= rows

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < len(self._frame) and self._frame[y].cell_length == width:
            return self._frame[y]
        return Strip.blank(width, self.rich_style)
