"""Charts in braille: every finite value is drawn, NaN is a gap; axes, held-out points, other runs and the cursor."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st
from rich.style import Style
from textual.app import App, ComposeResult

from smoltui.core.runs.axis import drawn_to, nice_axis, step_axis
from smoltui.core.runs.metrics import newest_share, smoothed
from smoltui.core.runs.panels import PANELS, Panel, said_share
from smoltui.screens.runs.chart_grid import BLANK, DASHES, Frame, Grid, braille
from smoltui.screens.runs.metric_chart import Curve, MetricChart, Shown
from tests.conftest import seen

EMPTY = chr(BLANK)
LOSS, MARGIN, ACCURACY, REWARDS = PANELS[:4]


def dots(lines: list[str]) -> int:
    """Number of dots in rows of braille."""
    return sum((ord(char) - BLANK).bit_count() for line in lines for char in line if BLANK <= ord(char) < BLANK + 256)


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


def test_one_curve_over_another_keeps_the_dots_of_both() -> None:
    red, blue = Style(color="red"), Style(color="blue")
    grid = Grid(3, 1, Frame(0, 5, 0.0, 3.0))
    grid.curve([(0, 0.0), (5, 0.0)], red)
    flat = dots([line.plain for line in grid.lines()])
    grid.curve([(0, 3.0), (1, 3.0)], blue)
    (line,) = grid.lines()
    assert dots([line.plain]) == flat + 2 and [str(span.style) for span in line.spans] == ["blue", "red"]


def test_a_dashed_curve_has_gaps_and_a_sign_stays_in_front() -> None:
    """Curves can be told apart without colors, and a held-out point is not covered."""
    whole, dashed = (Grid(20, 1, Frame(0, 39, 0.0, 1.0)) for _ in range(2))
    points = [(0, 0.0), (39, 0.0)]
    whole.curve(points, Style())
    dashed.curve(points, Style(), DASHES[1])
    counts = [dots([line.plain for line in grid.lines()]) for grid in (whole, dashed)]
    assert 0 < counts[1] < counts[0]
    whole.rule(0.5, Style(), "here")
    whole.marks([(20, 0.5), (30, math.nan)], "○", Style())
    assert whole.lines()[0].plain.count("○") == 1


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.integers(1, 8))
@example(0.0, 1.0, 3)
@example(1.7e308, -1.7e308, 4)
@example(5.0, 5.0, 3)
def test_an_axis_holds_its_values_with_round_ticks(one: float, other: float, most: int) -> None:
    axis = nice_axis(min(one, other), max(one, other), most)
    assert axis.ticks and list(axis.ticks) == sorted(axis.ticks)
    if math.isfinite(axis.low) and math.isfinite(axis.high):
        slack = 1e-6 * (axis.high - axis.low)
        assert axis.low - slack <= min(one, other) and max(one, other) <= axis.high + slack
    assert len(axis.ticks) <= most + 2


def test_steps_are_whole_and_the_right_end_rarely_moves() -> None:
    assert step_axis(0, 48, 40) == (0, 10, 20, 30, 40)
    assert step_axis(0, 3, 40) == (0, 1, 2, 3) and step_axis(7, 7, 10) == (7,)
    ends = [drawn_to(step, 1000) for step in range(1, 1001)]
    assert sorted(set(ends)) == [125, 250, 500, 1000] == sorted(dict.fromkeys(ends))
    assert all(end >= step for step, end in enumerate(ends, 1))
    assert drawn_to(7, None) == 7 and drawn_to(9, 8) == 9 and drawn_to(3, 4) == 4


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


def test_a_share_is_written_as_percent() -> None:
    assert [said_share(value) for value in (0.9375, 1.0, None, math.nan, math.inf)] == [
        "94 %",
        "100 %",
        "–",
        "NaN",
        "∞",
    ]


class ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MetricChart()


async def shown(size: tuple[int, int], *given_: Shown) -> list[str]:
    """The screen after each of these was shown."""
    app, screens = ChartApp(), []
    async with app.run_test(size=size) as pilot:
        for one in given_:
            app.query_one(MetricChart).show(one)
            await pilot.pause()
            screens.append(seen(app))
    return screens


def series(panel: Panel, values: list[float], **others: list[tuple[int, float]]) -> dict[str, list[tuple[int, float]]]:
    return {panel.key: list(enumerate(values)), **{f"eval_{panel.key}": points for points in others.values()}}


async def test_i_read_axes_lines_and_held_out_points() -> None:
    """A step axis, round numbers at the left, what a coin toss is, and ○ for held-out pairs."""
    accuracy = series(ACCURACY, [0.0, *[0.9] * 40], held=[(20, 0.75)])
    loss = series(LOSS, [0.6931, *[0.5] * 40])
    screens = await shown((70, 14), Shown(ACCURACY, accuracy, is_current=True), Shown(LOSS, loss), Shown(LOSS, {}))
    first, second, nothing = screens
    assert "▸reward accuracy 90 % · ○ held-out 75 %" in first and "pairs ranked right" in first
    assert "100 %┤" in first and "50 %┤" in first and "0 %┤" in first and "coin toss" in first
    assert first.count("○") == 2 and "step└0" in first and "─10─" in first
    assert "knows nothing" in second and " loss 0.500" in second and "no value yet" in nothing


async def test_two_metrics_in_one_chart_have_a_legend() -> None:
    both = {"rewards/chosen": [(1, 0.0), (9, 0.37)], "rewards/rejected": [(1, 0.0), (9, -0.56)]}
    (screen,) = await shown((70, 12), Shown(REWARDS, both))
    assert "rewards ─ chosen 0.370 ╌ rejected -0.560" in screen and "as the reference" in screen


async def test_the_cursor_reads_values() -> None:
    """At step 3 I see the value of step 3, with a line through the chart."""
    rising = series(MARGIN, [0.1 * step for step in range(10)], held=[(2, 0.15), (8, 0.7)])
    (screen,) = await shown((70, 12), Shown(MARGIN, rising, cursor=3))
    assert "reward margin 0.300 at step 3 · ○ held-out 0.150" in screen and screen.count("│") > 10


async def test_a_cursor_behind_the_last_step_reads_the_last_step() -> None:
    """I read step 47 of a run, and select one that is at step 6; one behind it is read at the same step."""
    rising = series(MARGIN, [0.1 * step for step in range(7)])
    other = Curve("longer", [(1, 0.1), (47, 0.8), (90, 0.9)])
    (screen,) = await shown((70, 12), Shown(MARGIN, rising, (other,), cursor=47))
    assert "reward margin 0.600 at step 6" in screen and "longer 0.800" in screen
    (screen,) = await shown((70, 12), Shown(MARGIN, {}, cursor=47))
    assert "at step" not in screen


async def test_another_run_is_drawn_behind_and_named() -> None:
    """Its name is foreign text, followed by its latest value. A chart with only the other run is drawn, too."""
    other = Curve("older \x1b[31mrun", [(1, 0.7), (50, 0.2)])
    own = {"loss": [(1, 0.69), (25, 0.5)]}
    screens = await shown((60, 12), Shown(LOSS, own, (other,)), Shown(LOSS, {}, (other,)))
    assert "loss 0.500" in screens[0] and "older ␛[31mrun 0.200" in screens[0]
    assert "no value yet" not in screens[1] and dots(screens[1].splitlines()[1:]) > 20


@given(st.lists(st.floats(), max_size=12), st.integers(1, 30), st.integers(1, 12))
@example([math.inf, 1e308, -1e308], 20, 8)
@example([1e300, 1.0000000000000002e300], 20, 8)
@example([0.0, 5e-324], 20, 8)
def test_any_curve_is_drawn_in_any_size(values: list[float], width: int, height: int) -> None:
    class Sized(MetricChart):
        content_size = (width, height)  # type: ignore[assignment]

    for panel in (LOSS, ACCURACY, REWARDS):
        chart = Sized(Shown(panel, {key: list(enumerate(values)) for key in panel.keys}, planned=20, cursor=2))
        assert chart.render().plain.count("\n") <= height
