"""The first frame of a screen."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from smoltui.wire.whole_frame import WholeFrame


class Plain(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Static("Hello")


class Whole(WholeFrame[None]):
    def compose(self) -> ComposeResult:
        yield Static("Hello")


class Counting(App[None]):
    """Counts the frames that are drawn."""

    MODES: ClassVar = {"plain": Plain, "whole": Whole}

    def __init__(self, mode: str) -> None:
        self.DEFAULT_MODE = mode
        self.frames = 0
        super().__init__()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        self.frames += renderable is not None
        super()._display(screen, renderable)


async def test_it_is_drawn_once_and_again_in_another_size() -> None:
    """Textual alone draws more than one frame before the first key."""
    counts = {}
    for mode in ("plain", "whole"):
        app = Counting(mode)
        async with app.run_test(size=(40, 10)) as pilot:
            await pilot.pause()
            counts[mode] = app.frames
            await pilot.resize_terminal(50, 12)
            await pilot.pause()
            assert app.screen.query_one(Static).size.width == 50
            assert app.frames > counts[mode]
    assert counts["whole"] < counts["plain"]
