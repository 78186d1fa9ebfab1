"""Base class of apps that pass their frames to the driver as strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeGuard, TypeVar

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console, RenderableType
from textual._compositor import CompositorUpdate
from textual.driver import Driver
from textual.screen import Screen

from smoltui.wire.in_turn import KeysInTurn

if TYPE_CHECKING:
    from smoltui.wire.driver import WireDriver

ReturnType = TypeVar("ReturnType")


class WireApp(KeysInTurn[ReturnType], Generic[ReturnType]):
    """An app that works with any driver, and sends less with `WireDriver`."""

    asks_background = False
    """Whether the driver asks the terminal for its background. The answer is a `TerminalBackground`."""

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        # Drivers normally receive one string, in which our own sequences cannot be told from those in a widget's text.
        # This is the last place where a frame still consists of strips with text and style.
        driver = self._driver
        if driver is not None and _takes_frames(driver) and isinstance(renderable, CompositorUpdate):
            renderable = _ToDriver(renderable, driver)
        super()._display(screen, renderable)

    def repaint_terminal(self) -> None:
        """Redraws the whole screen, regardless of what the terminal is assumed to show."""
        if self._driver is not None and _takes_frames(self._driver):
            self._driver.repaint()
        else:
            self.refresh(repaint=True, layout=True)


def _takes_frames(driver: Driver) -> TypeGuard[WireDriver]:
    # Checked without importing the driver, so that ours is not loaded if another one is used.
    return hasattr(driver, "take")


class _ToDriver(CompositorUpdate):
    """Replaces an update: when Textual renders it to a string, it goes to the driver and the string is empty."""

    def __init__(self, update: CompositorUpdate, driver: WireDriver) -> None:
        self._update = update
        self._driver = driver

    def render_segments(self, console: Console) -> str:
        color_system = COLOR_SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR)
        return "" if self._driver.take(self._update, color_system) else self._update.render_segments(console)
