"""The same frames written in two ways, each to its own terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.color import ColorSystem
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver

import smoltui
from smoltui.app import SmoltuiApp
from smoltui.wire.difference import difference
from smoltui.wire.frames import Frame, FrameMaker
from smoltui.wire.terminal import Terminal, terminal_of
from tests.emulator import Emulator, differences

XTERM = terminal_of({"TERM": "xterm-256color"}) or Terminal()

_CUT = re.compile("\u200d ?$")


class SideBySide(HeadlessDriver):
    """Writes every frame with Textual's driver and with ours, and keeps the first one that looks different."""

    terminal = XTERM

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.maker = FrameMaker()
        self.frames = 0
        self.stock_bytes = self.our_bytes = 0
        self.fault: list[str] = []
        self.written = ""
        self.before: Frame | None = None
        self._string: str | None = None
        self._stock: Emulator | None = None
        self._ours: Emulator | None = None

    @property
    def is_headless(self) -> bool:
        return False  # else Textual makes no frames

    def take(self, update: CompositorUpdate, color_system: ColorSystem) -> bool:
        self.before = self.maker.frame
        self._string = update.render_segments(self._app.console)
        assert self.maker.take(update, color_system)
        return True

    def write(self, data: str) -> None:
        if self._string is None or not data.endswith("H"):
            return  # a mode
        row, column = data[2:-1].split(";")
        self.maker.place_cursor(int(column) - 1, int(row) - 1)
        assert self.maker.frame is not None
        stock, self._string = self._string + data, None
        ours = difference(self.before.rows if self.before is not None else (), self.maker.frame, self.terminal)
        self.stock_bytes += len(stock.encode("utf-8", "backslashreplace"))
        self.our_bytes += len(ours.encode())
        self.frames += 1
        self._compare(stock, ours)

    def repaint(self) -> None:
        if self.maker.frame is not None:
            self._compare("", difference((), self.maker.frame, self.terminal))

    def _compare(self, stock: str, ours: str) -> None:
        assert self.maker.frame is not None
        size = self.maker.frame.size
        if self._stock is None or self._ours is None:
            self._stock = Emulator(*size)
            self._ours = Emulator(*size, background_erase=self.terminal.background_erase)
        for screen in (self._stock, self._ours):
            if (screen.columns, screen.lines) != size:
                screen.resize(size[1], size[0])
        # As a terminal that Textual has set up: a line feed also returns, and lines do not wrap.
        self._stock.feed(stock.replace("\n", "\r\n"))
        self._ours.feed(ours)
        # Textual may cut a joined picture in the middle and then write a cell more than it counts, which stock writes
        # over the last column.
        cut = [f"row {y} " for y, row in enumerate(self.maker.frame.rows) if any(map(_CUT.search, row.texts))]
        found = [fault for fault in differences(self._ours, self._stock) if not fault.startswith(tuple(cut))]
        if found and not self.fault:
            self.fault = [f"frame {self.frames}, {len(found)} cells", *found[:8], f"wrote {ours!r:.2000}"]


class BothApp(SmoltuiApp):
    """Runs the app on both terminals under `run_test`."""

    CSS_PATH = Path(smoltui.__file__).with_name("app.tcss")
    side_by_side: type[SideBySide] = SideBySide

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        self.both = self.side_by_side(self, mouse=mouse, size=size)
        self._driver = self.both
        return self.both
