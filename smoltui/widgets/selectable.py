"""The mouse selects text also in widgets that draw their own lines: cells, as they are shown.

Textual finds what is selected by marks in the styles of a line, which would cost every line something. Here, the place
on the screen says it.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset, Region
from textual.screen import Screen, ScreenResultType
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

SELECTED = Style(reverse=True)
"""Seen in every color mode, also on the line of a cursor."""
ENDS = " ┃"
"""What a line ends with besides text: blanks, and the scroll bar that lists draw in their last column."""


class Selectable(Widget):
    """A widget with `render_line`, in which text can be selected.

    Mixed in after Textual's class, whose default CSS counts otherwise not. A selection stays where it is on the screen,
    whatever moves below it.
    """

    def render_lines(self, crop: Region) -> list[Strip]:
        strips, selection = super().render_lines(crop), self.text_selection
        if selection is None:
            return strips
        left, top = self.gutter.left - crop.x, crop.y - self.gutter.top
        return [
            strip if (span := selection.get_span(top + row)) is None else _marked(strip, span[0], span[1], left)
            for row, strip in enumerate(strips)
        ]

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """The selected cells of the lines that are shown, without what only fills them."""
        spans = ((y, selection.get_span(y)) for y in range(self.content_size.height))
        lines = [_cut(self.render_line(y), *span).text.rstrip(ENDS) for y, span in spans if span is not None]
        return "\n".join(lines), "\n"

    def text_select_all(self) -> None:
        """Nothing: a double click opens what it is on."""

    def cell_at(self, x: int, y: int) -> Offset:
        """The cell of the content at a place of the screen, or the nearest one."""
        place, (width, height) = Offset(x, y) - self.content_region.offset, self.content_size
        return place.clamp(max(width, 1), max(height, 1))


class DrawnTable(Static, Selectable):
    """A `Static` that shows a table of Rich, in which Textual selects nothing."""


class SelectsCells(Screen[ScreenResultType]):
    """A screen on which cells of `Selectable` widgets can be selected. The end of a drag is not a click."""

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        region = self.region
        if region.contains(x, y):
            widget, _ = self.get_widget_at(x, y)
            if isinstance(widget, Selectable):
                return widget, widget.cell_at(x, y)
        return super().get_widget_and_offset_at(x, y)

    def _forward_event(self, event: events.Event) -> None:
        if isinstance(event, events.Click) and self.selections:
            return
        super()._forward_event(event)


def _cut(strip: Strip, start: int, end: int) -> Strip:
    """Part of a line, in cells; `end` -1: to its end."""
    return strip.crop(start, strip.cell_length if end < 0 else end)


def _marked(strip: Strip, start: int, end: int, shift: int) -> Strip:
    """The line with these cells shown as selected; `shift` cells come before the content."""
    length = strip.cell_length
    first, last = max(start + shift, 0), length if end < 0 else min(max(end + shift, 0), length)
    if first >= last:
        return strip
    middle = Strip(Segment.apply_style(strip.crop(first, last), post_style=SELECTED), last - first)
    return Strip.join([strip.crop(0, first), middle, strip.crop(last, length)])
