"""A curve in braille: one metric over steps, with its name, latest value and range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from smoltui.core.runs.metrics import MetricName, as_word, finite, newest_share, smoothed
from smoltui.safe_text import safe_line

LABEL_WIDTH = 8
"""Cells of the range on the left, including the space after it."""
Series = Sequence[tuple[int, float]]
"""(step, value) in step order; may hold NaN and infinity."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The series of another run, drawn behind the main one."""

    name: str
    points: Series


@dataclass(frozen=True, slots=True)
class Frame:
    """The ranges of a drawing: steps from left to right, values from bottom to top."""

    first: int
    last: int
    bottom: float
    top: float


def braille(points: Series, width: int, height: int, frame: Frame) -> list[str]:
    """`height` rows of `width` braille cells with the points joined by lines; values that are not finite are gaps."""
    from plotille import Canvas

    right = frame.last if frame.last > frame.first else frame.first + 1
    # A canvas excludes its maximum; one more dot on each axis includes the highest and the last point.
    up, on = (frame.top - frame.bottom) / max(1, 4 * height - 1), (right - frame.first) / max(1, 2 * width - 1)
    canvas = Canvas(width, height, xmin=frame.first, xmax=right + on, ymin=frame.bottom, ymax=frame.top + up)
    before: tuple[int, float] | None = None
    for step, value in points:
        if not math.isfinite(value):
            before = None
            continue
        if before is None:
            canvas.point(step, value)
        else:
            canvas.line(*before, step, value)
        before = (step, value)
    return str(canvas.plot()).split("\n")


def over(behind: Text, row: str, style: Style) -> Text:
    """A row of braille cells over another one: the dots of both are shown, in the color of the front row.

    An empty cell has the color of the previous one, so that a curve takes only a few spans: with one span per cell,
    four charts took 0.2 s to draw.
    """
    cells = list(behind.plain)
    styles: list[Style] = [style] * max(len(cells), len(row))
    for span in behind.spans:
        styles[span.start : span.end] = [span.style] * (span.end - span.start)  # type: ignore[list-item]
    text = Text()
    run, now = "", style
    for place, char in enumerate(row):
        dots = ord(char) - _BLANK if _BLANK <= ord(char) < _BLANK + 256 else 0
        under = ord(cells[place]) - _BLANK if place < len(cells) and ord(cells[place]) >= _BLANK else 0
        own = (style if dots else styles[place]) if dots | under else now
        if own is not now and run:
            text.append(run, now)
            run = ""
        run, now = run + chr(_BLANK + (dots | under)), own
    return text.append(run, now)


class MetricChart(Widget):
    """One metric. Its value on held-out pairs is shown as a number beside the latest value."""

    DEFAULT_CSS = """
    MetricChart { height: 1fr; width: 1fr; min-height: 3; padding: 0 1; }
    """

    def __init__(self, metric: MetricName, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._metric = metric
        self._points: list[tuple[int, float]] = []
        self._held_out: float | None = None
        self._others: tuple[Curve, ...] = ()
        self._smoothing, self._share = 0.0, 1.0

    def show(
        self,
        points: Series,
        held_out: float | None,
        *,
        metric: MetricName | None = None,
        others: Sequence[Curve] = (),
        smoothing: float = 0.0,
        share: float = 1.0,
    ) -> None:
        """Replaces the series; `held_out` is the latest value on held-out pairs, None if not measured.

        `metric` names the series (None: unchanged); `others` are drawn behind it; `smoothing` is the weight of
        `metrics.smoothed`; only the latest `share` (0..1] of the steps is shown.
        """
        new = (metric or self._metric, list(points), held_out, tuple(others), smoothing, share)
        if new != (self._metric, self._points, self._held_out, self._others, self._smoothing, self._share):
            self._metric, self._points, self._held_out, self._others, self._smoothing, self._share = new
            self.refresh()

    def render(self) -> Text:
        width, height = self.content_size
        head = self._head(width)
        rows = height - 1
        if rows < 1:
            return head
        cells = max(1, width - LABEL_WIDTH)
        series = [self._prepared(points, cells) for points in (self._points, *(other.points for other in self._others))]
        frame = frame_of(series)
        if frame is None:
            return head.append("\n").append("NaN: the run diverged" if self._diverged else "no value yet", "dim")
        labels = {0: as_word(frame.top), rows - 1: as_word(frame.bottom)}
        for index, line in enumerate(_drawn(series, cells, rows, frame)):
            head.append(f"\n{labels.get(index, ''):>{LABEL_WIDTH - 1}} ", "dim").append_text(line)
        return head

    @property
    def _last(self) -> float | None:
        """The newest value; None without one."""
        return self._points[-1][1] if self._points else None

    @property
    def _diverged(self) -> bool:
        return self._last is not None and math.isnan(self._last)

    def _head(self, width: int) -> Text:
        """The line above the curves: name and newest value, held-out value, and those of the other runs."""
        name = self._metric
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(name.label, "bold")
        head.append(f" {as_word(self._last)}", "bold red" if self._diverged else "bold green")
        if name.unit:
            head.append(f" {name.unit}", "dim")
        if self._held_out is not None:
            head.append(f" · held-out {as_word(self._held_out)}", "cyan")
        head.truncate(width, overflow="ellipsis")
        for other, style in zip(self._others, cycle(_BEHIND), strict=False):
            value = as_word(other.points[-1][1]) if other.points else "–"
            head.append(f"  {safe_line(other.name, 16)} {value}", style)
        head.truncate(width, overflow="ellipsis")
        return head

    def _prepared(self, points: Series, cells: int) -> Series:
        """The part of a series that is shown, smoothed, and with no more points than `cells` can show."""
        return _thinned(smoothed(newest_share(points, self._share), self._smoothing), cells * 2)


def frame_of(series: Sequence[Series]) -> Frame | None:
    """The ranges that hold every finite value of the series; None if there is none. A constant is in the middle."""
    values = [value for points in series for _, value in finite(points)]
    if not values:
        return None
    steps = [step for points in series for step, _ in points]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Frame(min(steps), max(steps), low, high)


def _drawn(series: Sequence[Series], cells: int, rows: int, frame: Frame) -> list[Text]:
    """The curves over each other: the first series in front, the last one at the back."""
    own, *others = series
    lines = [Text() for _ in range(rows)]
    for points, style in (*reversed(list(zip(others, cycle(_BEHIND), strict=False))), (own, _LINE)):
        if points:
            drawn = braille(points, cells, rows, frame)[:rows]
            lines = [over(line, row, style) for line, row in zip(lines, drawn, strict=True)]
    return lines


_LINE = Style(color="green")
_BEHIND = (Style(color="cyan"), Style(color="magenta"), Style(color="yellow"), Style(color="blue"))
_BLANK = 0x2800
"""The empty braille cell."""


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
