"""Every room, view and dialog in both themes, with 16 million, 256, 16 and no colors: all of it can be read.

The same walk looks at the keys that sentences name.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.actions import own_keys
from smoltui.core.actions.keys import written
from smoltui.core.actions.table import ACTIONS
from smoltui.core.looks.contrast import LEAST, RGB, blend, contrast
from smoltui.core.looks.palette import PALETTES, Palette
from smoltui.core.looks.xterm import SIXTEEN, rgb_of
from smoltui.looks.paint import Depth, Paint
from smoltui.wire.style import Rendition, rendition
from tests.conftest import seen
from tests.stories.test_every_key import PLACES, Place, away, full, go

pytestmark = pytest.mark.slow
WaitUntil = Callable[..., Awaitable[None]]
FIXTURES = (away, full)
NEXT = re.compile(r"Next: press \S+ to .*")
"""A next step has its keys from the screen's bindings."""
OWN = {key: f"‹{key}›" for action in ACTIONS.values() for key in map(written, action.key_names)}
"""Keys of the table → those of a person who has changed all of them, in brackets that no text has."""

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


@lru_cache(8192)
def is_read(text: str) -> bool:
    """Whether it is more than blanks, lines, blocks and braille."""
    return any(not ("\u2500" <= char <= "\u259f" or "\u2800" <= char <= "\u28ff" or char == " ") for char in text)


class Recorder(Paint):
    """Paints as usual, and keeps what it was given: each style once, with a text that had it, and all texts."""

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette, Depth.TRUE)
        self.styles: dict[tuple[Style, RGB], str] = {}
        self.texts: dict[str, Place] = {}
        self.place = PLACES[0]

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        for text, style, _ in segments:
            if is_read(text):
                self.texts.setdefault(text, self.place)
                if style is not None:
                    self.styles.setdefault((style, background.rgb), f"{text!r} in {self.place}")
        return super().apply(segments, background)

    def looks(self, depth: Depth) -> Iterator[tuple[Rendition, str]]:
        """What is sent to a terminal for each style, and where it was seen."""
        paint = Paint(self.palette, depth)
        for (style, below), where in self.styles.items():
            yield _look(paint._styled(style, below, False), SYSTEMS[depth]), where


async def test_everything_can_be_read(
    full: Path, away: None, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contrast of 4.5:1 for each cell with a character; without colors none are sent. Keys are named as in my map."""
    monkeypatch.setattr(own_keys, "_own", {"app.quit": "ctrl+q"})
    monkeypatch.setattr(own_keys, "_changed", lambda places: OWN)
    dark, light = (Recorder(palette) for palette in PALETTES.values())
    app = SmoltuiApp(Project(full), Services({"local": LocalEngine()}), theme=dark.palette.name)
    app._painted.update({recorder.palette.name: recorder for recorder in (dark, light)})
    async with app.run_test(size=(110, 36), notifications=True) as pilot:
        for place in PLACES:
            dark.place = light.place = place
            if app.current_mode != place.room:
                await app.switch_mode(place.room)
                await pilot.pause()
            await go(pilot, place)  # type: ignore[arg-type]
            if place.room == "pairs" and not place.way:
                await wait_until(lambda: "pair 1 of 12" in seen(app))
                app.say("A message", "error")
                await pilot.pause()
            elif place.room == "runs" and not place.way:
                await wait_until(lambda: "run 2" in seen(app))
            other = light if app.theme == dark.palette.name else dark
            app.theme = other.palette.name
            await pilot.pause()
    for recorder in (dark, light):
        ground = (0, 0, 0) if recorder.palette.dark else (255, 255, 255)
        for depth in Depth:
            found = {look: where for look, where in recorder.looks(depth) if ratio(look, ground) < LEAST}
            assert not found, (recorder.palette.name, depth)
            colored = {look for look, _ in recorder.looks(depth) if look.foreground or look.background}
            assert bool(colored) == (depth is not Depth.NONE)
        assert len(recorder.styles) > 50 and len(recorder.texts) > 500, "little was looked at"
    texts = (dark.texts | light.texts).items()
    named = [f"{text!r} in {place}" for text, place in texts if re.search(own_keys._MENTION, NEXT.sub("", text))]
    assert not named, "keys of the table, not mine:\n" + "\n".join(named)


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
