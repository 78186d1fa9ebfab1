"""A curve in braille: one metric over steps, with its name, last value and range."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from smoltui.core.metrics import MetricName, as_word, finite

MIN_HEIGHT = 3
LABEL_WIDTH = 8


def braille(points: list[tuple[int, float]], width: int, height: int, top: float, bottom: float) -> list[str]:
    """`height` rows of `width` braille cells with the points joined by lines; a step that was not finite is a gap.

    `points` are (step, value) in step order and may hold NaN; `top` and `bottom` are the values at the edges.
    """
    from plotille import Canvas

    first, last = points[0][0], points[-1][0]
    right = last if last > first else first + 1
    # A canvas ends before its maximum: one dot more on each axis, and the highest and the last point are on it.
    up, on = (top - bottom) / max(1, 4 * height - 1), (right - first) / max(1, 2 * width - 1)
    canvas = Canvas(width, height, xmin=first, xmax=right + on, ymin=bottom, ymax=top + up)
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


class MetricChart(Widget):
    """One metric; a second series (the held-out pairs) is told as a number beside the first one's last value."""

    DEFAULT_CSS = """
    MetricChart { height: 1fr; width: 1fr; min-height: 3; padding: 0 1; }
    """

    def __init__(self, metric: MetricName, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._metric = metric
        self._points: list[tuple[int, float]] = []
        self._held_out: float | None = None
        self.tooltip = Text(metric.help)

    def show(self, points: list[tuple[int, float]], held_out: float | None) -> None:
        """Draws the series anew; `held_out` is the newest value on held-out pairs, None when not measured."""
        if points != self._points or held_out != self._held_out:
            self._points, self._held_out = list(points), held_out
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
        rows = height - 1
        drawn = finite(self._points)
        if rows < 1:
            return head
        if not drawn:
            return head.append("\n").append("NaN: the run diverged" if diverged else "no value yet", "dim")
        low, high = min(value for _, value in drawn), max(value for _, value in drawn)
        if low == high:
            low, high = low - 0.5, high + 0.5
        cells = max(1, width - LABEL_WIDTH)
        lines = braille(_thinned(self._points, cells * 2), cells, rows, high, low)
        labels = {0: as_word(high), rows - 1: as_word(low)}
        for index, line in enumerate(lines[:rows]):
            head.append(f"\n{labels.get(index, ''):>{LABEL_WIDTH - 1}} ", "dim").append(line, _LINE)
        return head


_LINE = Style(color="green")


def _thinned(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most about `most` × 2 of the points, each stretch kept by its lowest and highest, so that no spike is lost."""
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
