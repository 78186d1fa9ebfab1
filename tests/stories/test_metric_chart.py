"""Curves in braille: every finite value is drawn, NaN is a gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult

from smoltui.core.runs.metrics import METRICS, newest_share, smoothed
from smoltui.screens.runs.metric_chart import Curve, Frame, MetricChart, braille, over
from tests.conftest import seen

EMPTY = "\u2800"


def dots(lines: list[str]) -> int:
    """Number of dots in rows of braille."""
    return sum((ord(char) - 0x2800).bit_count() for line in lines for char in line if ord(char) >= 0x2800)


def test_a_line_at_the_upper_edge_is_seen() -> None:
    """Reward accuracy stays at 1.0: the curve is drawn along the top to the right end, and does not vanish."""
    top, *rest = braille([(1, 0.0), (2, 1.0), (40, 1.0)], 20, 5, Frame(1, 40, 0.0, 1.0))
    assert top.rstrip(EMPTY) and top[-1] != EMPTY and len(rest) == 4
    assert rest[-1][0] != EMPTY


def test_nan_is_a_gap() -> None:
    points = [(1, 0.0), (2, 0.0), (20, float("nan")), (39, 0.0), (40, 0.0)]
    *_, bottom = braille(points, 20, 4, Frame(1, 40, 0.0, 1.0))
    assert bottom[0] != EMPTY and bottom[-1] != EMPTY and EMPTY in bottom[5:15]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 60), st.integers(1, 20))
def test_every_curve_has_its_size_and_at_least_a_dot(values: list[float], width: int, height: int) -> None:
    high, low = max(values), min(values)
    if high - low < 1e-9:
        high, low = high + 0.5, low - 0.5
    lines = braille(list(enumerate(values)), width, height, Frame(0, len(values) - 1, low, high))
    assert len(lines) == height and all(len(line) == width for line in lines)
    assert dots(lines) > 0


def test_one_row_over_another_keeps_the_dots_of_both() -> None:
    red, blue = Style(color="red"), Style(color="blue")
    laid = over(over(Text(), "\u2801\u2800\u2801", red), "\u2802\u2802\u2800", blue)
    assert laid.plain == "\u2803\u2802\u2801"
    colours = [str(span.style) for span in laid.spans]
    assert colours == ["blue", "red"]


def test_smoothing_keeps_the_level_and_the_gaps() -> None:
    flat = [(step, 2.0) for step in range(50)]
    assert all(abs(value - 2.0) < 1e-9 for _, value in smoothed(flat, 0.9))
    jump = smoothed([(1, 0.0), (2, float("nan")), (3, 1.0)], 0.5)
    assert jump[0] == (1, 0.0) and jump[1][1] != jump[1][1] and 0.5 < jump[2][1] < 1.0
    assert smoothed(flat, 0) == flat


def test_only_the_newest_steps() -> None:
    points = [(step, float(step)) for step in range(101)]
    assert [step for step, _ in newest_share(points, 0.1)] == list(range(90, 101))
    assert newest_share(points, 1.0) == points and newest_share([], 0.5) == []


class ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MetricChart(METRICS[0])


async def test_another_run_is_drawn_behind_and_named() -> None:
    """Its name is foreign text, followed by its latest value. A chart with only the other run is drawn, too."""
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        other = Curve("older \x1b[31mrun", [(1, 0.7), (50, 0.2)])
        app.query_one(MetricChart).show([(1, 0.69), (25, 0.5)], None, others=[other])
        await pilot.pause()
        screen = seen(app)
        assert "loss 0.500" in screen and "older ␛[31mrun 0.200" in screen
        app.query_one(MetricChart).show([], None, others=[other])
        await pilot.pause()
        assert "no value yet" not in seen(app) and dots(seen(app).splitlines()[1:]) > 20
