"""A drawing of braille cells: curves over each other, thin lines behind them, and signs in front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

Series = Sequence[tuple[int, float]]
"""(step, value) in step order; may hold NaN and infinity."""

BLANK = 0x2800
"""The empty braille cell."""
_LEFT, _RIGHT = 0x47, 0xB8
"""Dots of the left and of the right column of a cell."""
SOLID = (1, 0)
"""Dash pattern: dot columns that are drawn, and those left out after them."""
DASHES = ((3, 2), (1, 1), (5, 2), (1, 3))
"""Patterns of further curves, so that they can be told apart without colors."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The ranges of a drawing: steps from left to right, values from bottom to top."""

    first: int
    last: int
    bottom: float
    top: float

    @property
    def right(self) -> int:
        """The last step; one more than the first if there is only one."""
        return self.last if self.last > self.first else self.first + 1


def braille(points: Series, width: int, height: int, frame: Frame) -> list[str]:
    """`height` rows of `width` braille cells with the points joined by lines; values that are not finite are gaps."""
    from plotille import Canvas

    # A canvas excludes its maximum; one more dot on each axis includes the highest and the last point.
    up = (frame.top - frame.bottom) / max(1, 4 * height - 1)
    on = (frame.right - frame.first) / max(1, 2 * width - 1)
    canvas = Canvas(width, height, xmin=frame.first, xmax=frame.right + on, ymin=frame.bottom, ymax=frame.top + up)
    before: tuple[int, float] | None = None
    for step, value in points:
        if not math.isfinite(value):
            before = None
            continue
        # A value outside by a rounding error of its axis would be drawn as a line of millions of dots.
        value = max(frame.bottom, min(frame.top, value))
        if before is None:
            canvas.point(step, value)
        else:
            canvas.line(*before, step, value)
        before = (step, value)
    return str(canvas.plot()).split("\n")


class Grid:
    """`height` rows of `width` cells within a frame. What is drawn later is in front."""

    def __init__(self, width: int, height: int, frame: Frame) -> None:
        self.width, self.height, self.frame = width, height, frame
        self._dots = [[0] * width for _ in range(height)]
        self._styles: list[list[Style | None]] = [[None] * width for _ in range(height)]
        self._signs: list[dict[int, tuple[str, Style]]] = [{} for _ in range(height)]

    def column(self, step: int) -> int:
        """The cell of a step."""
        share = (step - self.frame.first) / (self.frame.right - self.frame.first)
        return min(self.width - 1, max(0, round(share * (self.width * 2 - 1)) // 2))

    def row(self, value: float) -> int:
        """The cell of a finite value, from the top."""
        # Halved, because the difference of finite numbers may not be finite.
        span = self.frame.top / 2 - self.frame.bottom / 2
        share = (value / 2 - self.frame.bottom / 2) / span if span > 0 else 0.5
        return min(self.height - 1, max(0, self.height - 1 - round(share * (self.height * 4 - 1)) // 4))

    def curve(self, points: Series, style: Style, dash: tuple[int, int] = SOLID) -> None:
        """Draws a curve over what is there: a cell shows the dots of all, in the style of the last one."""
        shown, gap = dash
        for y, line in enumerate(braille(points, self.width, self.height, self.frame)[: self.height]):
            for x, char in enumerate(line[: self.width]):
                dots = ord(char) - BLANK if BLANK <= ord(char) < BLANK + 256 else 0
                if gap and dots:
                    dots &= (_LEFT if (2 * x) % (shown + gap) < shown else 0) | (
                        _RIGHT if (2 * x + 1) % (shown + gap) < shown else 0
                    )
                if dots:
                    self._dots[y][x] |= dots
                    self._styles[y][x] = style

    def rule(self, value: float, style: Style, words: str = "") -> None:
        """A thin line at a value, in empty cells only, with what it means at its right end."""
        if not self.frame.bottom <= value <= self.frame.top:
            return
        y = self.row(value)
        begin = self.width - len(words) - 1
        has_room = words and begin > self.width // 3 and not any(self._dots[y][begin - 1 :])
        for x in range(self.width):
            if not self._dots[y][x] and x not in self._signs[y]:
                inside = has_room and begin <= x < begin + len(words)
                self._signs[y][x] = (words[x - begin] if inside else "╌" if x % 2 == 0 or not has_room else " ", style)

    def upright(self, step: int, style: Style) -> None:
        """A thin vertical line at a step, in empty cells only."""
        x = self.column(step)
        for y in range(self.height):
            if not self._dots[y][x]:
                self._signs[y][x] = ("│", style)

    def marks(self, points: Series, sign: str, style: Style) -> None:
        """A sign at every finite point."""
        for step, value in points:
            if self.frame.first <= step <= self.frame.right and math.isfinite(value):
                self._signs[self.row(value)][self.column(step)] = (sign, style)

    def lines(self) -> list[Text]:
        """The rows. Cells in a row with one style are one span: with a span per cell, four charts took 0.2 s."""
        return [self._line(y) for y in range(self.height)]

    def _line(self, y: int) -> Text:
        text, run, now = Text(), "", Style.null()
        for x in range(self.width):
            sign = self._signs[y].get(x)
            char, style = sign if sign is not None else (chr(BLANK + self._dots[y][x]), self._styles[y][x] or now)
            if style is not now and run:
                text.append(run, now)
                run = ""
            run, now = run + char, style
        return text.append(run, now)
