"""A widget that draws wrapped text line by line: one strip per line, so that only changed lines are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style

from smoltui.widgets.selectable import Selectable

WIDE = 100
"""Columns from which chosen and rejected are side by side."""
WHEEL_LINES = 3
COLOURS = {"chosen": "$text-success", "rejected": "$text-error"}
BAR = "▌ "

Line = list[Segment]
"""The segments of one line of the screen, not yet adjusted to its width."""
Row = tuple[tuple[str, Content], ...]
"""One line of the answers: (side, text) for one or both sides."""


class FramedWidget(Selectable):
    """Holds the frame that is on screen. Subclasses build lines with `line` and `row`, and pass them to `put`."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._base, self._blank = Style(), RichStyle.null()
        self._parsed: dict[str | Style, Style] = {}
        self._rich: dict[Style, RichStyle] = {}
        self._bars: Mapping[str, Line] = {}
        self._space = Segment(" ")
        self._frame: list[Strip] = []

    def take_styles(self) -> None:
        """Reads the current styles of the widget, which are used until the next call."""
        self._base, self._blank = self.visual_style, self.rich_style
        self._parsed.clear()
        self._rich.clear()
        self._space = Segment(" ", self._blank)
        self._bars = {side: self.line(Content.styled(BAR, colour)) for side, colour in COLOURS.items()}

    def styles_changed(self) -> bool:
        """Whether the styles of the widget have changed since `take_styles`."""
        return (self.visual_style, self.rich_style) != (self._base, self._blank)

    @property
    def column(self) -> int:
        """Width of the chosen side in cells, if the sides are side by side."""
        return (self.size.width - 1) // 2

    def line(self, text: Content, indent: bool = False) -> Line:
        """The segments of a one-line text; with `indent` after a space."""
        # Content.render_strips would wrap each line again, and build a Strip that is thrown away.
        drawn = [self._space] if indent else []
        for part, style in text.render(self._base, end="", parse_style=self._style):
            rich = self._rich.get(style)
            if rich is None:
                rich = self._rich[style] = style.rich_style
            drawn.append(Segment(part, rich))
        return drawn

    def row(self, parts: Row) -> Line:
        """The text of one or both sides, each with its bar on the left."""
        first, *rest = [[*self._bars.get(side, (self._space,)), *self.line(text)] for side, text in parts]
        for other in rest:
            first = [*Segment.adjust_line_length(first, self.column, self._blank), *other]
        return first

    def with_bar(self, lines: Sequence[Line], top: int, total: int, rows: int, style: str) -> list[Line]:
        """The lines padded to `rows`, with a scroll bar in the last column if `total` exceeds that."""
        filled = [*lines, *([[]] * (rows - len(lines)))]
        if total <= rows:
            return filled
        width = self.size.width - 1
        thumb = max(rows * rows // total, 1)
        first = round(top * (rows - thumb) / max(total - rows, 1))
        mark = self.line(Content.styled("┃", style))
        for number in range(first, min(first + thumb, rows)):
            filled[number] = [*Segment.adjust_line_length(filled[number], width, self._blank), *mark]
        return filled

    def put(self, lines: Sequence[Line]) -> None:
        """Makes these lines the frame, and refreshes those that changed."""
        width, height = self.size
        style = self._blank
        blank = Strip.blank(width, style)
        frame = [
            Strip(Segment.adjust_line_length(line, width, style), width) if line else blank for line in lines[:height]
        ]
        before, self._frame = self._frame, frame
        if len(before) != len(frame):
            self.refresh()
        elif changed := [
            Region(0, y, width, 1) for y, (old, new) in enumerate(zip(before, frame, strict=True)) if old != new
        ]:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < len(self._frame) and self._frame[y].cell_length == width:
            return self._frame[y]
        return Strip.blank(width, self._blank)

    def _style(self, style: str | Style) -> Style:
        known = self._parsed.get(style)
        if known is None:
            known = self._parsed[style] = self._get_style(style)
        return known
