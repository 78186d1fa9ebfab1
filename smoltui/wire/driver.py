"""The driver: Textual's own for Linux and macOS, with another way of writing and of leaving."""

from __future__ import annotations

import os
import re
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from rich.color import ColorSystem
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from smoltui.wire.frames import FrameMaker
from smoltui.wire.leaving import Leaving
from smoltui.wire.output import SYNC_END, SYNC_START, Output
from smoltui.wire.terminal import Terminal, terminal_of

_CURSOR = re.compile(r"\x1b\[(\d+);(\d+)H")
_MODES = re.compile(
    r"(?:\x1b\[[?<=>]?[0-9;:]*(?:\$p|[hlnu]| q)|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x07)*"
)  # fmt: skip
"""Sequences that leave the screen as it is: modes, questions, the keyboard protocol, OSC, the bell."""


_RESTORE = (
    "\x1b[m\x1b[r\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""All that Textual sets, unset."""


class WireDriver(LinuxDriver):
    """Writes what differs from what the terminal shows, and leaves in time when the terminal or the system says so.

    `take` needs an app that hands its frames over (`WireApp`). Strings are passed on as they are.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._maker = FrameMaker()
        self._taken = False
        """A frame was taken, and where its cursor is has not been written yet."""
        self._output: Output | None = None
        self._leaving = Leaving(self._leave, self._restore)

    # -- frames

    def take(self, update: CompositorUpdate, color_system: ColorSystem) -> bool:
        """Takes a frame; it is shown when its cursor is written, which Textual does next. False: it was not taken."""
        self._taken = self._maker.take(update, color_system)
        return self._taken

    def repaint(self) -> None:
        """Writes the newest frame whole."""
        if self._output is not None:
            self._output.doubt()
            self._show()

    def _show(self) -> None:
        if self._output is not None and self._maker.frame is not None:
            self._output.show(self._maker.frame)

    def write(self, data: str) -> None:
        """Writes a mode sequence, or the cursor of the frame that was taken."""
        output = self._output
        if output is None:
            return
        if data in (SYNC_START, SYNC_END):
            output.synchronized = True  # around what is written of the frame, which may be none
            return
        if self._taken and (cursor := _CURSOR.fullmatch(data)):
            self._taken = False
            self._maker.place_cursor(int(cursor[2]) - 1, int(cursor[1]) - 1)
            self._show()
            return
        output.send(data, disturbs="\x1b[?1049" in data or not _MODES.fullmatch(data))

    # -- application mode

    def start_application_mode(self) -> None:
        terminal = terminal_of(os.environ) or Terminal()
        assert self._file is not None, "there is no stderr to draw on"
        self._output = Output(self._file.fileno(), terminal, self._gone, self._failed)
        self._output.start()
        self._leaving.watch()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._doubt_on_resize()
        self._show()  # after a suspension: what was there before it

    def _doubt_on_resize(self) -> None:
        """A terminal moves or clears what it shows when its size changes, also when it has changed back since.

        Where a second change comes while Textual is in its handler for the first, the handler has read the old size and
        tells it last. Ours leaves both to the loop, which asks for the size then, and once at a time.
        """
        textuals = signal.getsignal(signal.SIGWINCH)

        def changed() -> None:
            if callable(textuals):
                textuals(signal.SIGWINCH, None)
            maker, output = self._maker, self._output
            if output is not None:
                output.doubt()
                if maker.frame is not None and maker.frame.size == self._get_terminal_size():
                    output.show(maker.frame)

        signal.signal(signal.SIGWINCH, lambda number, frame: self._soon(changed))

    def close(self) -> None:
        if self._output is not None:
            self._output.stop()
            self._output = None
        super().close()

    # -- leaving

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:  # EIO
            self._gone()
        except Exception as error:
            self._failed(error)

    def _gone(self) -> None:
        """There is no terminal any more; from whichever thread."""
        self.exit_event.set()  # Textual's thread would read the end of the input again and again
        self._leaving.leave(signal.SIGHUP)

    def _failed(self, error: Exception) -> None:
        """A thread has met an error of ours: the app ends and shows it, as one in a callback of its own."""

        def again() -> None:
            raise error

        self._soon(self._app.call_later, again)

    def _leave(self, code: int) -> None:
        self._soon(partial(self._app.exit, return_code=code))

    def _soon(self, act: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop has ended: the app has left already
            self._loop.call_soon_threadsafe(act, *args)

    def _restore(self) -> None:
        """What `stop_application_mode` does, without the app; nothing while another program has the terminal."""
        if self._output is not None:
            with suppress(OSError):
                self._output.write_now(_RESTORE)
            if self.attrs_before is not None:
                with suppress(termios.error):
                    termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
