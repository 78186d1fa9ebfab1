"""Our two palettes: what is read is read easily, on every background that it stands on."""

from __future__ import annotations

import pytest

from smoltui.core.looks.contrast import LEAST, RGB, contrast
from smoltui.core.looks.palette import PALETTES, Palette
from smoltui.core.looks.xterm import SIXTEEN, rgb_of

VGA: tuple[RGB, ...] = (
    (0, 0, 0),
    (170, 0, 0),
    (0, 170, 0),
    (170, 85, 0),
    (0, 0, 170),
    (170, 0, 170),
    (0, 170, 170),
    (170, 170, 170),
    (85, 85, 85),
    (255, 85, 85),
    (85, 255, 85),
    (255, 255, 85),
    (85, 85, 255),
    (255, 85, 255),
    (85, 255, 255),
    (255, 255, 255),
)
"""The colors of Linux's console."""
ROLES = ("text", "muted", "good", "warn", "bad", "key", "info", "note")


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
@pytest.mark.parametrize("role", ROLES)
def test_roles_are_read_on_what_they_stand_on(palette: Palette, role: str) -> None:
    color = rgb_of(getattr(palette, role))
    grounds = [palette.background, palette.surface, palette.panel, getattr(palette, f"{role}_block", palette.panel)]
    for ground in grounds:
        assert contrast(color, rgb_of(ground)) >= LEAST, (role, ground)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_the_line_with_the_cursor(palette: Palette) -> None:
    assert contrast(rgb_of(palette.strong), rgb_of(palette.cursor)) >= LEAST
    assert contrast(rgb_of(palette.text), rgb_of(palette.resting)) >= LEAST


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
@pytest.mark.parametrize("terminal", [SIXTEEN, VGA], ids=["xterm", "console"])
def test_sixteen_colors_are_read_on_the_terminals_own_background(palette: Palette, terminal: tuple[RGB, ...]) -> None:
    ground = (0, 0, 0) if palette.dark else (255, 255, 255)
    for number in palette.sixteen:
        assert number is not None
        assert contrast(terminal[number], ground) >= LEAST, number


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_good_and_bad_differ_with_sixteen_colors(palette: Palette) -> None:
    bad, good, warn, *_ = palette.sixteen
    assert len({bad, good, warn}) == 3
