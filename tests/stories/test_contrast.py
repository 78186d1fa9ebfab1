"""Every room, view and dialog in both themes, with 16 million, 256, 16 and no colors: all of it can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.looks.contrast import LEAST, RGB, blend, contrast
from smoltui.core.looks.palette import PALETTES
from smoltui.core.looks.xterm import SIXTEEN, rgb_of
from smoltui.looks.paint import Depth
from smoltui.wire.style import Rendition, rendition
from tests.conftest import seen
from tests.stories.test_every_key import PLACES, away, full, go

pytestmark = pytest.mark.slow
WaitUntil = Callable[..., Awaitable[None]]
FIXTURES = (away, full)

SYSTEMS = {
    Depth.TRUE: ColorSystem.TRUECOLOR,
    Depth.EIGHT_BIT: ColorSystem.EIGHT_BIT,
    Depth.SIXTEEN: ColorSystem.STANDARD,
    Depth.NONE: ColorSystem.STANDARD,
}
"""Depth → how colors are sent."""
DIM = 1 / 3
"""What a terminal's own dim (SGR 2) takes of the text's color: VTE, kitty and Windows Terminal take a third to a half
of its distance to the background."""


def rendered(app: SmoltuiApp, depth: Depth) -> Iterator[tuple[str, Rendition]]:
    """Text with the look that is sent to the terminal for it."""
    app._depth = depth
    app._painted.clear()
    screen = app.screen
    for strip in screen._compositor.render_strips(screen.size):
        for text, style, _ in strip:
            yield text, _look(style or Style(), SYSTEMS[depth])


@lru_cache(4096)
def _look(style: Style, system: ColorSystem) -> Rendition:
    return rendition(Strip.render_ansi(style, system))


def ratio(look: Rendition, ground: RGB) -> float:
    """Contrast of a cell on a terminal with the colors of xterm; the default colors are black and white, or reverse."""
    text, behind = _rgb(look.foreground), _rgb(look.background)
    text = text if text is not None else ((229, 229, 229) if ground == (0, 0, 0) else (0, 0, 0))
    behind = behind if behind is not None else ground
    if 2 in look.attributes:
        text = blend(text, behind, DIM)
    return contrast(text, behind)


def _rgb(codes: str) -> RGB | None:
    numbers = [int(code) for code in codes.split(";") if code]
    match numbers:
        case []:
            return None
        case [38 | 48, 2, red, green, blue]:
            return red, green, blue
        case [38 | 48, 5, number]:
            return rgb_of(number)
        case [number]:
            return SIXTEEN[number % 10 + (8 if number >= 90 else 0)]
    raise AssertionError(codes)


def is_read(text: str) -> bool:
    """Whether it is more than blanks, lines, blocks and braille."""
    return any(not ("\u2500" <= char <= "\u259f" or "\u2800" <= char <= "\u28ff" or char == " ") for char in text)


@pytest.mark.parametrize("theme", PALETTES)
async def test_everything_can_be_read(theme: str, full: Path, away: None, wait_until: WaitUntil) -> None:
    """A contrast of 4.5:1 for each cell with a character. Without colors none are sent."""
    app = SmoltuiApp(Project(full), Services({"local": LocalEngine()}), theme=theme)
    ground = (0, 0, 0) if PALETTES[theme].dark else (255, 255, 255)
    found: dict[tuple[object, ...], str] = {}
    looks: dict[Depth, set[Rendition]] = {depth: set() for depth in Depth}
    async with app.run_test(size=(110, 36), notifications=True) as pilot:
        for place in PLACES:
            if app.current_mode != place.room:
                await app.switch_mode(place.room)
                await pilot.pause()
            await go(pilot, place)  # type: ignore[arg-type]
            await pilot.pause()
            if place.room == "pairs" and not place.way:
                await wait_until(lambda: "pair 1 of 12" in seen(app))
                app.say("A message", "error")
                await pilot.pause()
            elif place.room == "runs" and not place.way:
                await wait_until(lambda: "run 2" in seen(app))
            for depth in Depth:
                for text, look in rendered(app, depth):
                    if look in looks[depth] or not is_read(text):
                        continue
                    looks[depth].add(look)
                    if depth is Depth.NONE:
                        assert not look.foreground and not look.background, (place, text)
                    if ratio(look, ground) < LEAST:
                        found.setdefault((depth, look), f"{ratio(look, ground):.1f} {place} {text!r}")
    assert not found
    assert len(looks[Depth.TRUE]) > 20 and len(looks[Depth.SIXTEEN]) > len(looks[Depth.NONE]), "little was looked at"


@pytest.mark.parametrize("depth", [Depth.SIXTEEN, Depth.NONE])
async def test_few_colors_lose_nothing(depth: Depth, tmp_path: Path, wait_until: WaitUntil) -> None:
    """Which words differ, which pair the cursor is on, what is cut off."""
    row = '{"prompt": "What is fog?", "chosen": "A cloud at the ground.", "rejected": "A cloud near the ground."}\n'
    (tmp_path / "train.jsonl").write_text(row * 5)
    (tmp_path / "recipe.yaml").write_text("dataset_name: train.jsonl\n")
    app = SmoltuiApp(Project(tmp_path), Services({}), opening="pairs")
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "near the" in seen(app))
        lined = [text.strip() for text, look in rendered(app, depth) if 4 in look.attributes]
        assert lined == ["at", "near"]
        await pilot.press("v")
        await wait_until(lambda: "›" in seen(app))
        reversed_ = [text for text, look in rendered(app, depth) if 7 in look.attributes and "What is fog?" in text]
        assert len(reversed_) == 1 and reversed_[0].startswith("›")
