"""The last step of drawing: from the styles of widgets to colors that the terminal has and a person can read.

Every color on the screen goes through `Paint`: names of terminal colors become those of the palette, dim text becomes a
color of its own, and text that would be hard to read on its background is lifted until it is not. With 16 colors or
none, backgrounds are left to the terminal, the cursor is reversed, and less important text is dim.
"""

from __future__ import annotations

import colorsys
from enum import Enum
from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from smoltui.core.looks.contrast import LEAST, RGB, contrast, dimmed, legible
from smoltui.core.looks.palette import Palette
from smoltui.core.looks.xterm import nearest, rgb_of

_GRAY = 0.25
"""Saturation below which a color counts as gray."""
_HUES = (1, 3, 2, 6, 4, 5, 1)
"""Terminal color for each sixth of the circle of hues: red, yellow, green, cyan, blue, magenta, red."""
_DEFAULT = RichColor.default()


class Depth(Enum):
    """How many colors the terminal has."""

    TRUE = "truecolor"
    EIGHT_BIT = "256"
    SIXTEEN = "standard"
    NONE = ""
    """Colors are not wanted (`NO_COLOR`)."""


def depth_of(color_system: str | None, *, no_color: bool) -> Depth:
    """The depth for Rich's name of a color system; a console without one can draw no colors."""
    if no_color or color_system is None:
        return Depth.NONE
    return Depth.SIXTEEN if color_system == "windows" else Depth(color_system)


class Paint(LineFilter):
    """Draws in the colors of a palette, as many as the terminal has."""

    def __init__(self, palette: Palette, depth: Depth) -> None:
        super().__init__()
        self.palette, self.depth = palette, depth
        few = depth in (Depth.SIXTEEN, Depth.NONE)
        self._styled = lru_cache(4096)(self._with_few if few else self._with_many)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        below = background.rgb
        return [
            Segment(text, None if style is None else self._styled(style, below, _is_drawing(text)), control)
            for text, style, control in segments
        ]

    # -- 256 colors and more

    def _with_many(self, style: Style, below: RGB, drawing: bool) -> Style:
        palette = self.palette
        behind = self._rgb(style.bgcolor, below)
        front = self._rgb(style.color, rgb_of(palette.text))
        if style.reverse:
            # Textual has not drawn dim reversed text differently, so it stays as it is.
            front = legible(front, behind)
        elif style.dim:
            front = dimmed(front, behind)
        elif not drawing:
            front = legible(front, behind)
        return style + Style(
            color=self._color(front, behind, drawing),
            bgcolor=None if style.bgcolor is None else self._color(behind, behind, drawing=True),
            dim=False,
        )

    def _rgb(self, color: RichColor | None, default: RGB) -> RGB:
        """What a color of a style looks like; `default` for none, and for the terminal's own."""
        if color is None or color.is_default:
            return default
        if color.triplet is not None:
            return color.triplet.red, color.triplet.green, color.triplet.blue
        number = color.number or 0
        return rgb_of(self.palette.terminal[number] if number < 16 else number)

    def _color(self, color: RGB, behind: RGB, drawing: bool) -> RichColor:
        if self.depth is Depth.TRUE:
            return RichColor.from_rgb(*color)
        close = rgb_of(nearest(color))
        beneath = rgb_of(nearest(behind))
        if not drawing and contrast(close, beneath) < LEAST:
            # Rounding took away what was gained.
            close = rgb_of(nearest(legible(close, beneath)))
            if contrast(close, beneath) < LEAST:
                close = max(((255, 255, 255), (0, 0, 0)), key=lambda end: contrast(end, beneath))
        return RichColor.from_ansi(nearest(close))

    # -- 16 colors, or none

    def _with_few(self, style: Style, below: RGB, drawing: bool) -> Style:
        palette = self.palette
        behind = self._rgb(style.bgcolor, below)
        front = self._rgb(style.color, rgb_of(palette.text))
        marks = behind in palette.marking or (
            behind not in palette.quiet and contrast(behind, rgb_of(palette.background)) >= LEAST
        )
        reverse = bool(style.reverse) != marks
        dim = bool(style.dim) or front == rgb_of(palette.muted)
        number = None
        if self.depth is Depth.SIXTEEN and not marks and not dim:
            number = self._sixteen(front)
        color = _DEFAULT if number is None else RichColor.from_ansi(number)
        return style + Style(color=color, bgcolor=_DEFAULT, reverse=reverse, dim=dim and not reverse)

    def _sixteen(self, color: RGB) -> int | None:
        """The terminal color for a color of text; None for the default one, as for gray, white and black."""
        role = self.palette.roles.get(color)
        if role is None:
            hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in color))
            if saturation < _GRAY or not 0.1 < lightness < 0.95:
                return None
            role = _HUES[round(hue * 6)]
        return self.palette.sixteen[role - 1]


@lru_cache(4096)
def _is_drawing(text: str) -> bool:
    """Whether a text only draws: lines, blocks, curves in braille, blanks. It need not be as distinct as letters."""
    return all(char == " " or "\u2500" <= char <= "\u259f" or "\u2800" <= char <= "\u28ff" for char in text)
