"""A curve in braille: one metric over steps, with its name, latest value and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from smoltui.core.runs.metrics import MetricName, as_word, finite, newest_share, smoothed
from smoltui.safe_text import safe_line

MIN_HEIGHT = 3
LABEL_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Curve:
    """The series of another run, drawn behind the main one."""

    name: str
    points: Sequence[tuple[int, float]]
    """(step, value) in step order; may hold NaN."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The ranges of a drawing: steps from left to right, values from bottom to top."""

    first: int
    last: int
    bottom: float
    top: float


def braille(points: Sequence[tuple[int, float]], width: int, height: int, frame: Frame) -> list[str]:
    """`height` rows of `width` braille cells with the points joined by lines; values that are not finite are gaps.

    `points` are (step, value) in step order and may hold NaN.
    """
    from plotille import Canvas

    right = frame.last if frame.last > frame.first else frame.first + 1
    # A canvas excludes its maximum; one more dot on each axis includes the highest and the last point.
    up, on = (frame.top - frame.bottom) / max(1, 4 * height - 1), (right - frame.first) / max(1, 2 * width - 1)
    canvas = Canvas(width, height, xmin=frame.first, xmax=right + on, ymin=frame.bottom, ymax=frame.top + up)
    before: tuple[int, float] | None = None
    for step, value in points:
        if value != value or value in (float("inf"), float("-inf")):
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
        points: Sequence[tuple[int, float]],
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
        name = self._metric
        last = self._points[-1][1] if self._points else None
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(name.label, "bold")
        diverged = last is not None and last != last
        head.append(f" {as_word(last)}", "bold red" if diverged else "bold green")
        if name.unit:
            head.append(f" {name.unit}", "dim")
        if self._held_out is not None:
            head.append(f" · held-out {as_word(self._held_out)}", "cyan")
        head.truncate(width, overflow="ellipsis")
        for number, other in enumerate(self._others):
            value = as_word(other.points[-1][1]) if other.points else "–"
            head.append(f"  {safe_line(other.name, 16)} {value}", _BEHIND[number % len(_BEHIND)])
        head.truncate(width, overflow="ellipsis")
        rows = height - 1
        if rows < 1:
            return head
        cells = max(1, width - LABEL_WIDTH)
        own, *others = [
            _thinned(smoothed(newest_share(points, self._share), self._smoothing), cells * 2)
            for points in (self._points, *(other.points for other in self._others))
        ]
        drawn = [finite(points) for points in (own, *others)]
        if not any(drawn):
            return head.append("\n").append("NaN: the run diverged" if diverged else "no value yet", "dim")
        values = [value for points in drawn for _, value in points]
        steps = [step for points in (own, *others) for step, _ in points]
        low, high = min(values), max(values)
        if low == high:
            low, high = low - 0.5, high + 0.5
        frame = Frame(min(steps), max(steps), low, high)
        lines = [Text() for _ in range(rows)]
        series = [(points, _BEHIND[number % len(_BEHIND)]) for number, points in enumerate(others)]
        for points, style in (*reversed(series), (own, _LINE)):
            if points:
                lines = [
                    over(line, cell, style)
                    for line, cell in zip(lines, braille(points, cells, rows, frame)[:rows], strict=True)
                ]
        labels = {0: as_word(high), rows - 1: as_word(low)}
        for index, line in enumerate(lines):
            head.append(f"\n{labels.get(index, ''):>{LABEL_WIDTH - 1}} ", "dim").append_text(line)
        return head


_LINE = Style(color="green")
_BEHIND = (Style(color="cyan"), Style(color="magenta"), Style(color="yellow"), Style(color="blue"))
_BLANK = 0x2800
"""The empty braille cell."""


def _thinned(points: Sequence[tuple[int, float]], most: int) -> Sequence[tuple[int, float]]:
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
