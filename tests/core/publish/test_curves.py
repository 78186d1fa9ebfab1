"""The picture of the curves: drawn from what the run logged, with gaps where it is not finite."""

from __future__ import annotations

import math

from smoltui.core.publish.curves import HEIGHT, WIDTH, curves_png
from tests.core.publish.test_png import pixels

BLUE, ORANGE = bytes((31, 119, 180)), bytes((230, 110, 0))


def test_a_falling_loss_falls_in_the_picture() -> None:
    """The first blue pixel from the left is higher than the last one."""
    data = curves_png({"loss": [(step, 1 - step / 100) for step in range(1, 50)]})
    assert data is not None
    width, height, rows = pixels(data)
    assert (width, height) == (WIDTH, HEIGHT)
    blue = [(x, y) for y, row in enumerate(rows) for x in range(0, WIDTH, 2) if row[3 * x : 3 * x + 3] == BLUE]
    assert len(blue) > 100 and min(blue)[1] < max(blue)[1] and max(x for x, _ in blue) < WIDTH // 2


def test_held_out_values_are_dots() -> None:
    data = curves_png({"rewards/margins": [(1, 0.0), (9, 1.0)], "eval_rewards/margins": [(9, 0.5)]})
    assert data is not None and ORANGE in b"".join(pixels(data)[2])


def test_nan_and_infinity_are_gaps() -> None:
    """They neither stretch the axis nor end it."""
    assert curves_png({"loss": [(1, math.nan), (2, math.inf)]}) is None and curves_png({}) is None
    data = curves_png({"loss": [(1, 0.7), (2, math.nan), (3, -math.inf), (4, 0.6)]})
    assert data is not None and BLUE in b"".join(pixels(data)[2])


def test_one_value_and_equal_values_can_be_drawn() -> None:
    for points in ([(0, 0.6931)], [(1, 5.0), (2, 5.0)], [(1, 1e300), (2, -1e300)]):
        assert curves_png({"rewards/accuracies": points, "loss": points}) is not None
