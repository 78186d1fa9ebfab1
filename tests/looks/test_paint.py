"""The last step of drawing, at each depth of color."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from smoltui.core.looks.contrast import LEAST, RGB, contrast
from smoltui.core.looks.palette import DARK, LIGHT, PALETTES, Palette
from smoltui.core.looks.xterm import rgb_of
from smoltui.looks.paint import Depth, Paint, depth_of

MANY = (Depth.TRUE, Depth.EIGHT_BIT)
FEW = (Depth.SIXTEEN, Depth.NONE)


def painted(style: Style | str, palette: Palette = DARK, depth: Depth = Depth.TRUE, text: str = "words") -> Style:
    """What `style` becomes on the background of the screen."""
    style = Style.parse(style) if isinstance(style, str) else style
    [drawn] = Paint(palette, depth).apply([Segment(text, style)], Color(*rgb_of(palette.background)))
    assert drawn.text == text
    assert drawn.style is not None
    return drawn.style


def rgb(color: RichColor | None) -> RGB:
    assert color is not None
    assert not color.is_default
    found = color.get_truecolor()
    return found.red, found.green, found.blue


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
@pytest.mark.parametrize("depth", MANY)
def test_names_of_terminal_colors_are_roles(palette: Palette, depth: Depth) -> None:
    assert rgb(painted("green", palette, depth).color) == rgb_of(palette.good)
    assert rgb(painted("bold red", palette, depth).color) == rgb_of(palette.bad)
    assert rgb(painted("bright_cyan", palette, depth).color) == rgb_of(palette.key)
    assert rgb(painted("default", palette, depth).color) == rgb_of(palette.text)


BYTES = st.integers(0, 255)
COLORS = st.one_of(st.none(), BYTES.map(RichColor.from_ansi), st.builds(RichColor.from_rgb, BYTES, BYTES, BYTES))


@given(COLORS, COLORS, st.booleans(), st.booleans(), st.sampled_from([DARK, LIGHT]), st.sampled_from(MANY))
def test_any_style_is_legible(
    front: RichColor | None, behind: RichColor | None, dim: bool, reverse: bool, palette: Palette, depth: Depth
) -> None:
    """Also what a log colors: black on black, blue on red."""
    style = painted(Style(color=front, bgcolor=behind, dim=dim, reverse=reverse), palette, depth)
    below = rgb_of(palette.background) if behind is None else rgb(style.bgcolor)
    assert contrast(rgb(style.color), below) >= LEAST
    assert not style.dim


def test_dim_is_a_color_of_its_own() -> None:
    for palette in PALETTES.values():
        assert rgb(painted("dim", palette).color) not in (rgb_of(palette.text), rgb_of(palette.background))


def test_lines_may_be_faint() -> None:
    """A border is no text; a letter among its lines is."""
    faint = Style(color=RichColor.from_rgb(28, 28, 28))
    assert rgb(painted(faint, text="──╮").color) == (28, 28, 28)
    assert rgb(painted(faint, text="── a").color) != (28, 28, 28)


@pytest.mark.parametrize("depth", FEW)
def test_few_colors_leave_the_background_to_the_terminal(depth: Depth) -> None:
    ground = RichColor.from_rgb(*rgb_of(DARK.panel))
    drawn = painted(Style(color="white", bgcolor=ground, bold=True), depth=depth)
    assert drawn.bgcolor is not None
    assert drawn.bgcolor.is_default
    assert drawn.bold
    assert not drawn.reverse


@pytest.mark.parametrize("depth", FEW)
@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_few_colors_reverse_the_cursor(palette: Palette, depth: Depth) -> None:
    cursor = RichColor.from_rgb(*rgb_of(palette.cursor))
    drawn = painted(Style(color=RichColor.from_rgb(*rgb_of(palette.warn)), bgcolor=cursor), palette, depth)
    assert drawn.reverse
    assert drawn.color is not None
    assert drawn.color.is_default


@pytest.mark.parametrize("depth", FEW)
def test_few_colors_keep_what_is_no_color(depth: Depth) -> None:
    drawn = painted("bold underline italic strike green", depth=depth)
    assert drawn.bold
    assert drawn.underline
    assert drawn.italic
    assert drawn.strike
    assert painted("dim", depth=depth).dim
    assert painted(Style(color=RichColor.from_rgb(*rgb_of(DARK.muted))), depth=depth).dim
    assert painted("reverse", depth=depth).reverse


def test_sixteen_colors() -> None:
    assert [painted(name, depth=Depth.SIXTEEN).color for name in ("red", "green")] == [
        RichColor.from_ansi(9),
        RichColor.from_ansi(2),
    ]
    assert painted("#ff8800", LIGHT, Depth.SIXTEEN).color == RichColor.from_ansi(5), "orange is near yellow: a warning"
    gray = painted("#777777", depth=Depth.SIXTEEN).color
    assert gray is not None
    assert gray.is_default


def test_no_color_draws_none() -> None:
    for name in ("red", "green", "#ff8800", "on blue"):
        drawn = painted(name, depth=Depth.NONE)
        assert drawn.color is not None
        assert drawn.color.is_default


def test_depths() -> None:
    assert depth_of("truecolor", no_color=False) is Depth.TRUE
    assert depth_of("256", no_color=False) is Depth.EIGHT_BIT
    assert depth_of("standard", no_color=False) is Depth.SIXTEEN
    assert depth_of("windows", no_color=False) is Depth.SIXTEEN
    assert depth_of("truecolor", no_color=True) is Depth.NONE
    assert depth_of(None, no_color=False) is Depth.NONE
