"""Contrast as WCAG counts it, and text that is lifted until it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.looks.contrast import LEAST, RGB, contrast, dimmed, is_dark, legible, luminance

COLORS = st.tuples(*[st.integers(0, 255)] * 3)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ((0, 0, 0), (255, 255, 255), 21.0),
        ((255, 255, 255), (0, 0, 0), 21.0),
        ((119, 119, 119), (255, 255, 255), 4.48),  # WebAIM's example of a gray that just fails
        ((255, 0, 0), (255, 255, 255), 4.0),
        ((18, 18, 18), (18, 18, 18), 1.0),
    ],
)
def test_known_ratios(one: RGB, other: RGB, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)


def test_luminance_of_the_ends() -> None:
    assert luminance((0, 0, 0)) == 0
    assert luminance((255, 255, 255)) == pytest.approx(1)


@given(COLORS, COLORS)
def test_any_text_becomes_legible(color: RGB, background: RGB) -> None:
    lifted = legible(color, background)
    assert contrast(lifted, background) >= LEAST
    if contrast(color, background) >= LEAST:
        assert lifted == color
    assert contrast(dimmed(color, background), background) >= LEAST


def test_dim_text_is_closer_to_its_background() -> None:
    dim = dimmed((218, 218, 218), (18, 18, 18))
    assert contrast(dim, (18, 18, 18)) < contrast((218, 218, 218), (18, 18, 18))


@pytest.mark.parametrize(
    ("background", "dark"),
    [((0, 0, 0), True), ((0, 43, 54), True), ((253, 246, 227), False), ((255, 255, 255), False), ((128,) * 3, False)],
)
def test_dark_or_light(background: RGB, dark: bool) -> None:
    """Black and white, Solarized's two, and a middle gray, on which black is easier to read."""
    assert is_dark(background) is dark
