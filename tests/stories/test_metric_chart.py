"""Curves in braille: every finite value is drawn, NaN is a gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smoltui.widgets.metric_chart import braille

EMPTY = "\u2800"


def dots(lines: list[str]) -> int:
    """Dots that are set in rows of braille."""
    return sum((ord(char) - 0x2800).bit_count() for line in lines for char in line)


def test_a_line_at_the_upper_edge_is_seen() -> None:
    """Reward accuracy stays at 1.0: the curve runs along the top to the right end, it does not vanish."""
    top, *rest = braille([(1, 0.0), (2, 1.0), (40, 1.0)], 20, 5, 1.0, 0.0)
    assert top.rstrip(EMPTY) and top[-1] != EMPTY and len(rest) == 4
    assert rest[-1][0] != EMPTY


def test_nan_is_a_gap() -> None:
    points = [(1, 0.0), (2, 0.0), (20, float("nan")), (39, 0.0), (40, 0.0)]
    *_, bottom = braille(points, 20, 4, 1.0, 0.0)
    assert bottom[0] != EMPTY and bottom[-1] != EMPTY and EMPTY in bottom[5:15]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 60), st.integers(1, 20))
def test_every_curve_has_its_size_and_at_least_a_dot(values: list[float], width: int, height: int) -> None:
    high, low = max(values), min(values)
    if high - low < 1e-9:
        high, low = high + 0.5, low - 0.5
    lines = braille(list(enumerate(values)), width, height, high, low)
    assert len(lines) == height and all(len(line) == width for line in lines)
    assert dots(lines) > 0
