"""A picture of lines and words as an SVG element, in colors for light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from smoltui.core.publish.png import Colour

FONT_SIZE = 16
CHARACTER_WIDTH = 0.6
"""Of a monospace font, in units of its size."""
ASCENT = 0.8
"""Height of a letter above its base line, in units of its size."""
LIGHT = {
    "ink": "#282828",
    "dim": "#6b6b6b",
    "grid": "#e1e1e1",
    "blue": "#1f77b4",
    "orange": "#c25e00",
    "green": "#1e8c3c",
    "red": "#c82828",
}
DARK = {
    "ink": "#e4e4e4",
    "dim": "#a0a0a0",
    "grid": "#3a3a3a",
    "blue": "#62b0e8",
    "orange": "#ffa04d",
    "green": "#5cc47a",
    "red": "#ff8078",
}


class Drawing:
    """An SVG, drawn upon from the top left."""

    def __init__(self, width: int, height: int, names: Mapping[Colour, str]) -> None:
        self.width, self.height = width, height
        self._names = names
        """Color → its name in `LIGHT` and `DARK`."""
        self._parts: list[str] = []
        self._line: list[tuple[float, float]] = []
        self._style: tuple[Colour, int] | None = None
        """Color and thickness of the line that is being drawn."""

    def box(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """A filled rectangle."""
        self._end_line()
        self._parts.append(
            f'<rect class="c-{self._names[colour]}" x="{x}" y="{y}" width="{width}" height="{height}" '
            'fill="currentColor"/>'
        )

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, thick: int = 2) -> None:
        """A straight line between two places (x, y); one that begins where the last one ended continues it."""
        if self._style != (colour, thick) or not self._line or self._line[-1] != start:
            self._end_line()
            self._style, self._line = (colour, thick), [start]
        self._line.append(end)

    def _end_line(self) -> None:
        if self._style is not None and self._line:
            colour, thick = self._style
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in self._line)
            self._parts.append(
                f'<polyline class="c-{self._names[colour]}" points="{points}" fill="none" stroke="currentColor" '
                f'stroke-width="{thick}" stroke-linejoin="round" stroke-linecap="round"/>'
            )
        self._style, self._line = None, []

    def words(self, x: int, y: int, text: str, colour: Colour) -> None:
        """Text whose top left corner is at (x, y)."""
        self._end_line()
        down = y + round(FONT_SIZE * ASCENT)
        name = self._names[colour]
        self._parts.append(f'<text class="c-{name}" x="{x}" y="{down}" fill="currentColor">{escape(text)}</text>')

    def words_width(self, text: str) -> int:
        """Pixels that a text takes."""
        return round(len(text) * FONT_SIZE * CHARACTER_WIDTH)

    def encoded(self, title: str) -> str:
        """The whole element, with its colors. `title` says what it shows, for those who do not see it."""
        self._end_line()
        light, dark = (
            "".join(f".c-{name}{{color:{value}}}" for name, value in colours.items()) for colours in (LIGHT, DARK)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(title)}" font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" '
            f'font-size="{FONT_SIZE}"><title>{escape(title)}</title>'
            f"<style>{light}@media screen and (prefers-color-scheme:dark){{{dark}}}</style>"
            f"{''.join(self._parts)}</svg>"
        )
