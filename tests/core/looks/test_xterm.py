"""xterm's 256 colors."""

from __future__ import annotations

import pytest
from rich.color import EIGHT_BIT_PALETTE  # type: ignore[attr-defined]

from smoltui.core.looks.xterm import nearest, rgb_of


def test_the_table_is_that_of_rich() -> None:
    for number in range(16, 256):
        assert rgb_of(number) == tuple(EIGHT_BIT_PALETTE[number]), number


@pytest.mark.parametrize("number", [16, 22, 59, 114, 231, 233, 244, 255])
def test_a_color_of_the_table_is_its_own_neighbor(number: int) -> None:
    assert rgb_of(nearest(rgb_of(number))) == rgb_of(number)


def test_others_have_close_neighbors() -> None:
    assert nearest((254, 1, 2)) == 196
    assert nearest((19, 18, 17)) == 233
