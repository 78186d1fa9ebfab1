"""The curves of a training as one picture, PNG or SVG: loss, reward margin, reward accuracy, rewards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from smoltui.core.publish.png import Colour, Picture
from smoltui.core.publish.record import Points
from smoltui.core.publish.svg import Drawing
from smoltui.core.runs.axis import Axis, nice_axis, step_axis
from smoltui.core.runs.metrics import LN2, as_word, finite

WIDTH, HEIGHT = 1200, 720
NAME = "curves.png"
"""In the repository."""
TITLE = "Loss, reward margin, accuracy and rewards during the training"

_INK, _DIM, _GRID = (40, 40, 40), (120, 120, 120), (225, 225, 225)
_BLUE, _ORANGE, _GREEN, _RED = (31, 119, 180), (230, 110, 0), (30, 140, 60), (200, 40, 40)
_LEFT, _TOP, _RIGHT, _BOTTOM = 100, 56, 24, 52
"""Pixels of a panel around its curve."""
_TICKS = 4
"""About as many numbers beside a curve."""
_DOT = 8
MOST_DIGITS = 1e6
"""Numbers from here on are written with an exponent, so that they fit beside the curve."""


NAMES = {_INK: "ink", _DIM: "dim", _GRID: "grid", _BLUE: "blue", _ORANGE: "orange", _GREEN: "green", _RED: "red"}
"""Names of the colors in an SVG, which has a second set of them for dark backgrounds."""
MOST_POINTS = 1_000
"""Points of a line that are drawn; a panel is 476 pixels wide."""
LABEL_GAP, LABEL_HEIGHT = 8, 16
"""Pixels between a curve and its name, and of the name."""


class Canvas(Protocol):
    """What curves are drawn on: pixels, or an SVG. Places are pixels from the top left."""

    def box(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """A filled rectangle."""

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, thick: int = 2) -> None:
        """A straight line."""

    def words(self, x: int, y: int, text: str, colour: Colour) -> None:
        """Text whose top left corner is at (x, y)."""

    def words_width(self, text: str) -> int:
        """Pixels that a text takes."""


class _Panel(NamedTuple):
    title: str
    series: Sequence[tuple[str, Colour]]
    """TRL's metric and the colour of its line; the held-out values are dots of the next colour."""
    line: float | None
    """A value that has a meaning, drawn as a thin line."""

    def points(self, curves: Mapping[str, Points]) -> list[tuple[int, float]]:
        """Every point that is drawn, held-out ones too."""
        names = [name for kind, _ in self.series for name in (kind, f"eval_{kind}")]
        return [point for name in names for point in finite(curves.get(name, ()))]


_PANELS = (
    _Panel("loss (0.693: knows nothing)", (("loss", _BLUE),), LN2),
    _Panel("reward margin, nats", (("rewards/margins", _BLUE),), 0.0),
    _Panel("reward accuracy (0.5: chance)", (("rewards/accuracies", _BLUE),), 0.5),
    _Panel("reward of chosen (green), rejected (red)", (("rewards/chosen", _GREEN), ("rewards/rejected", _RED)), 0.0),
)


def curves_png(curves: Mapping[str, Points]) -> bytes | None:
    """The picture; None without a value that can be drawn. NaN and infinity are gaps."""
    if not can_draw(curves):
        return None
    picture = Picture(WIDTH, HEIGHT)
    _draw_all(picture, curves)
    return picture.encoded()


def curves_svg(curves: Mapping[str, Points]) -> str | None:
    """The same picture as an SVG element, for light and dark backgrounds; None without a value that can be drawn."""
    if not can_draw(curves):
        return None
    drawing = Drawing(WIDTH, HEIGHT, NAMES)
    _draw_all(drawing, curves)
    return drawing.encoded(TITLE)


def can_draw(curves: Mapping[str, Points]) -> bool:
    """Whether a panel has a value that is finite."""
    return any(finite(curves.get(name, ())) for panel in _PANELS for name, _ in panel.series)


def _draw_all(canvas: Canvas, curves: Mapping[str, Points]) -> None:
    for place, panel in enumerate(_PANELS):
        _draw(canvas, panel, curves, (place % 2) * WIDTH // 2, (place // 2) * HEIGHT // 2)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The rectangle of a panel's curve, in pixels, and its axis of values."""

    left: int
    top: int
    width: int
    height: int
    last: int
    """Step at the right edge; 0 is at the left one."""
    values: Axis

    def at(self, step: float, value: float) -> tuple[float, float]:
        """The pixel of a point."""
        across = self.left + self.width * step / self.last
        low, high = self.values.low, self.values.high
        return across, self.top + self.height * (high - value) / (high - low)


def _draw(picture: Canvas, panel: _Panel, curves: Mapping[str, Points], x: int, y: int) -> None:
    width, height = WIDTH // 2 - _LEFT - _RIGHT, HEIGHT // 2 - _TOP - _BOTTOM
    left, top = x + _LEFT, y + _TOP
    picture.words(left, y + 24, panel.title, _INK)
    points = panel.points(curves)
    if not points:
        picture.words(left + 16, top + height // 2, "no values", _DIM)
        return
    last = max(1, *(step for step, _ in points))
    frame = _Frame(left, top, width, height, last, _range([value for _, value in points], panel.line))
    _axes(picture, frame)
    if panel.line is not None and frame.values.low <= panel.line <= frame.values.high:
        picture.box(left, round(frame.at(0, panel.line)[1]), width, 1, _DIM)
    for name, colour in panel.series:
        places = [frame.at(*point) for point in _thinned(finite(curves.get(name, ())))]
        _curve(picture, places, colour)
        if len(panel.series) > 1:  # the color alone is not enough
            _name(picture, frame, places, name, colour)
        mark = _ORANGE if len(panel.series) == 1 else colour
        for across, down in (frame.at(*point) for point in finite(curves.get(f"eval_{name}", ()))):
            picture.box(round(across) - _DOT // 2, round(down) - _DOT // 2, _DOT, _DOT, mark)


def _axes(picture: Canvas, frame: _Frame) -> None:
    """The grid and the numbers beside it."""
    bottom, axis = frame.top + frame.height, frame.values
    for value in axis.ticks:
        down = round(frame.at(0, value)[1])
        picture.box(frame.left, down, frame.width, 1, _GRID)
        label = _label(value, axis)
        picture.words(frame.left - 10 - picture.words_width(label), down - 6, label, _DIM)
    for step in step_axis(0, frame.last, frame.width // picture.words_width("0")):
        label = f"{step:,}"
        across = round(frame.at(step, axis.low)[0])
        picture.words(across - picture.words_width(label) // 2, bottom + 10, label, _DIM)
    picture.words(frame.left + frame.width - picture.words_width("step"), bottom + 32, "step", _DIM)


def _curve(picture: Canvas, places: Sequence[tuple[float, float]], colour: Colour) -> None:
    for start, end in itertools.pairwise(places):
        picture.line(start, end, colour)
    if len(places) == 1:
        picture.line(places[0], places[0], colour, 4)


def _name(canvas: Canvas, frame: _Frame, places: Sequence[tuple[float, float]], name: str, colour: Colour) -> None:
    """Writes the name of a curve beside its last quarter: on the side of it where there is more room."""
    words = name.rpartition("/")[2]
    begin = frame.left + frame.width - canvas.words_width(words) - 8
    beside = [down for across, down in places if across >= begin] or [down for _, down in places[-1:]]
    if beside:
        highest, lowest = round(min(beside)), round(max(beside))
        is_upper = highest - frame.top < frame.top + frame.height - lowest
        down = lowest + LABEL_GAP if is_upper else highest - LABEL_GAP - LABEL_HEIGHT
        canvas.words(begin, down, words, colour)


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """At most about `MOST_POINTS` of the points: of each stretch the lowest and the highest, so no peak is lost."""
    stretch = math.ceil(2 * len(points) / MOST_POINTS)
    if stretch <= 2:
        return points
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept += sorted({min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])})
    return sorted({points[0], *kept, points[-1]})


def _range(values: Sequence[float], line: float | None) -> Axis:
    """The axis of values, with those of the curve and the line with a meaning."""
    every = [*values, *([] if line is None else [line])]
    return nice_axis(min(every), max(every), _TICKS)


def _label(value: float, axis: Axis) -> str:
    return f"{value:,.{axis.digits}f}" if abs(value) < MOST_DIGITS else as_word(value, 2)
