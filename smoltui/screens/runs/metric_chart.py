"""A chart: one metric, or two that belong together, over steps, with axes, held-out points and other runs behind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from smoltui.core.runs.axis import Axis, drawn_to, nice_axis, step_axis
from smoltui.core.runs.metrics import as_word, finite, newest_share, smoothed, with_holes
from smoltui.core.runs.panels import PANELS, Panel, line_of
from smoltui.safe_text import safe_line
from smoltui.screens.runs.chart_grid import BLANK, DASHES, SOLID, Frame, Grid, Series

LABEL_WIDTH = 8
"""Cells of the value axis, including its line."""
AXIS_FROM = 5
"""Rows from which there is a step axis."""
ROWS_PER_TICK = 3
LEAST, MOST = 1e-290, 1e300
"""Smallest and largest value that are drawn where they are."""
WORDS_FROM = 44
"""Cells from which the legend has room for words."""
HELD_OUT = "○"
_LINE, _SECOND = Style(color="green"), Style(color="red")
_BEHIND = (Style(color="cyan"), Style(color="magenta"), Style(color="yellow"), Style(color="blue"))
_DIM = Style(dim=True)
_MARK = Style(color="cyan", bold=True)


@dataclass(frozen=True, slots=True)
class Curve:
    """The series of another run, drawn behind the main one."""

    name: str
    points: Series


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that a chart shows."""

    panel: Panel = PANELS[0]
    series: Mapping[str, Series] = field(default_factory=dict)
    """TRL's name → values of the main run, those with `eval_` included."""
    others: tuple[Curve, ...] = ()
    smoothing: float = 0.0
    """Weight of `metrics.smoothed`."""
    share: float = 1.0
    """Only this share (0..1] of the newest steps is shown."""
    planned: int | None = None
    """Steps of an unfinished run, towards which its curve grows; None: the axis ends with the curve."""
    cursor: int | None = None
    """Step whose values are read; None: the newest ones."""
    is_current: bool = False
    """It is the one that h and l move from."""
    holes: tuple[int, ...] = ()
    """Steps of the main run behind which lines of its log are missing."""

    def points(self, key: str) -> Series:
        """The values of a metric; empty if it was never logged."""
        return self.series.get(key, ())

    def value(self, key: str) -> float | None:
        """The value at the cursor, or at the last step before it; the newest one without a cursor; None without any."""
        point = self.read(self.points(key))
        return point[1] if point is not None else None

    @property
    def read_at(self) -> int | None:
        """The step at which the metric of the chart is read; None for the newest one, and without a value."""
        point = self.read(self.points(self.panel.key)) if self.cursor is not None else None
        return point[0] if point is not None else None

    def read(self, points: Series) -> tuple[int, float] | None:
        """Step and value at the cursor, as `value`; None without any."""
        if self.cursor is not None:
            points = [point for point in points if point[0] <= self.cursor]
        return points[-1] if points else None


class MetricChart(Widget):
    """Draws what `show` was given last."""

    DEFAULT_CSS = """
    MetricChart { height: 1fr; width: 1fr; min-height: 3; padding: 0 1; }
    """

    def __init__(self, shown: Shown | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.shown = shown or Shown()

    def show(self, shown: Shown) -> None:
        """Replaces what is drawn."""
        if shown != self.shown:
            self.shown = shown
            self.refresh()

    def render(self) -> Text:
        width, height = self.content_size
        shown, rows = self.shown, height - 1
        text = head(shown, width)
        if rows < 1:
            return text
        has_axis = rows >= AXIS_FROM
        rows -= has_axis
        cells = max(1, width - LABEL_WIDTH)
        series = _prepared(shown, cells)
        frame = frame_of(shown, series, rows)
        if frame is None:
            values = [shown.value(key) for key in shown.panel.keys]
            lost = any(value is not None and math.isnan(value) for value in values)
            return text.append("\n").append("NaN: the run diverged" if lost else "no value yet", "dim")
        box, axis = frame
        grid = _drawn(shown, series, Grid(cells, rows, box))
        labels = {grid.row(tick): _tick(shown.panel, tick, axis) for tick in axis.ticks}
        for row, line in enumerate(grid.lines()):
            edge = "┤" if row in labels else "│"
            text.append(f"\n{labels.get(row, ''):>{LABEL_WIDTH - 1}}{edge}", "dim").append_text(line)
        if has_axis:
            text.append(f"\n{'step':>{LABEL_WIDTH - 1}}└", "dim").append(_steps(grid), "dim")
        return text


def head(shown: Shown, width: int) -> Text:
    """The line above the curves: name and values, held-out values, what they mean, and those of the other runs."""
    panel = shown.panel
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("▸" if shown.is_current else " ", "bold").append(panel.name, "bold")
    for place, key in enumerate(panel.keys):
        value = shown.value(key)
        if panel.parts:
            line.append(f" {'╌' if place else '─'} {panel.parts[place]}", "red" if place else "green")
        lost = value is not None and math.isnan(value)
        bold = "bold red" if lost else "bold" if panel.parts else "bold green"
        line.append(f" {panel.said(value)}", bold)
    if shown.read_at is not None:
        line.append(f" at step {shown.read_at:,}", "bold")
    held = shown.value(f"eval_{panel.key}")
    if held is not None and not panel.parts:
        word = " held-out" if width >= WORDS_FROM else ""
        line.append(f" · {HELD_OUT}{word} {panel.said(held)}", "cyan")
    for other, style, dash in zip(shown.others, cycle(_BEHIND), cycle(DASHES), strict=False):
        point = shown.read(other.points)
        value = point[1] if point is not None else None
        line.append(f"  {_sample(dash)} {safe_line(other.name, 16)} {panel.said(value)}", style)
    if panel.words and not shown.others and line.cell_len + len(panel.words) + 3 <= width:
        line.append(f" · {panel.words}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _sample(dash: tuple[int, int]) -> str:
    """Two cells of a dashed line, for the legend."""
    shown, gap = dash
    left, right = ([4 if place % (shown + gap) < shown else 0 for place in range(side, 6, 2)] for side in (0, 1))
    return "".join(chr(BLANK + dots + 8 * other) for dots, other in zip(left, right, strict=True))


def _prepared(shown: Shown, cells: int) -> list[Series]:
    """The part of each series that is drawn, smoothed, and with no more points than `cells` can show."""
    wanted = [*(shown.points(key) for key in shown.panel.keys), *(other.points for other in shown.others)]
    shares = [smoothed(newest_share(points, shown.share), shown.smoothing) for points in wanted]
    thin = [_thinned([(step, _drawable(value)) for step, value in points], cells * 2) for points in shares]
    own = len(shown.panel.keys)
    return [*(with_holes(points, shown.holes) for points in thin[:own]), *thin[own:]]


def _drawable(value: float) -> float:
    """`value` within the range in which differences are numbers, too; NaN and infinity are gaps and stay so."""
    if not math.isfinite(value):
        return value
    return max(-MOST, min(MOST, value)) if abs(value) > LEAST else 0.0


def frame_of(shown: Shown, series: Sequence[Series], rows: int) -> tuple[Frame, Axis] | None:
    """The ranges that hold every finite value, with round numbers at their ends; None without a value."""
    values = [value for points in series for _, value in finite(points)]
    steps = [step for points in series for step, _ in points]
    if not values:
        return None
    first, last = min(steps), max(steps)
    if shown.share >= 1:
        first, last = min(first, 0), drawn_to(last, shown.planned)
    held = [
        _drawable(value) for step, value in finite(shown.points(f"eval_{shown.panel.key}")) if first <= step <= last
    ]
    low, high = min(values + held), max(values + held)
    if shown.panel.is_share and shown.panel.line == 0.5:
        low, high = 0.0, 1.0
    elif shown.panel.line == 0.0:
        low, high = min(low, 0.0), max(high, 0.0)
    axis = nice_axis(low, high, max(1, rows // ROWS_PER_TICK))
    return Frame(first, last, axis.low, axis.high), axis


def _drawn(shown: Shown, series: Sequence[Series], grid: Grid) -> Grid:
    """The other runs at the back, then the main one; the thin lines where there is nothing; held-out signs on top."""
    count = len(shown.panel.keys)
    behind = list(zip(series[count:], cycle(_BEHIND), cycle(DASHES), strict=False))
    own = list(zip(series[:count], (_LINE, _SECOND), (SOLID, DASHES[0]), strict=False))
    for points, style, dash in (*reversed(behind), *reversed(own)):
        if points:
            grid.curve(points, style, dash)
    values = finite(shown.points(shown.panel.key))
    line = line_of(shown.panel, values[0][1] if values else None)
    if shown.read_at is not None and grid.frame.first <= shown.read_at <= grid.frame.right:
        grid.upright(shown.read_at, _DIM)
    if line is not None:
        grid.rule(line[0], _DIM, line[1])
    for key in shown.panel.keys:
        grid.marks(_spread(shown.points(f"eval_{key}"), grid.width), HELD_OUT, _MARK)
    return grid


def _spread(points: Series, cells: int) -> Series:
    """Not more held-out points than can be told apart: the last one, and others at equal distances."""
    every = max(1, math.ceil(len(points) * 3 / max(cells, 1)))
    return list(points)[::-1][::every]


def _tick(panel: Panel, value: float, axis: Axis) -> str:
    """The number at a tick, in at most `LABEL_WIDTH` − 1 cells."""
    if panel.is_share:
        return f"{value * 100:.0f} %"
    largest = max(abs(axis.low), abs(axis.high))
    if largest >= 1e5 or (largest < 1e-3 and largest > 0):
        return f"{value:.1e}" if value else "0"
    text = f"{value:.{axis.digits}f}"
    return text if len(text) < LABEL_WIDTH else as_word(value, 1)


def _steps(grid: Grid) -> str:
    """The step axis: numbers at round steps, lines between them."""
    cells = ["─"] * grid.width
    for step in step_axis(grid.frame.first, grid.frame.last, grid.width):
        word = f"{step:,}"
        begin = min(max(0, grid.column(step) - len(word) // 2), grid.width - len(word))
        if begin >= 0 and (begin == 0 or cells[begin - 1] == "─"):
            cells[begin : begin + len(word)] = word
    return "".join(cells)


def _thinned(points: Series, most: int) -> Series:
    """About 2 × `most` points at most: the lowest and highest of each section, so that no spike is lost."""
    if len(points) <= most * 2:
        return points
    kept: list[tuple[int, float]] = []
    size = len(points) / most
    for part in range(most):
        stretch = points[int(part * size) : int((part + 1) * size)]
        good = finite(stretch)
        ends = {min(good, key=lambda point: point[1]), max(good, key=lambda point: point[1])} if good else {stretch[0]}
        kept += sorted(ends)
    return kept
