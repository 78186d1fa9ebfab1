"""The driver: Textual's driver for Linux and macOS, with different output and exit handling."""

from __future__ import annotations

import os
import re
import selectors
import signal
import termios
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from rich.color import ColorSystem
from textual._compositor import CompositorUpdate
from textual._parser import ParseError
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from smoltui.wire.frames import FrameMaker
from smoltui.wire.keys import KeyParser
from smoltui.wire.leaving import Leaving
from smoltui.wire.messages import TerminalBackground
from smoltui.wire.output import SYNC_END, SYNC_START, Output
from smoltui.wire.replies import QUESTION, Replies
from smoltui.wire.terminal import Terminal, terminal_of

_CURSOR = re.compile(r"\x1b\[(\d+);(\d+)H")
_MODES = re.compile(r"(?:\x1b\[[?<=>]?[0-9;:]*(?:\$p|[hlnu]| q)|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x07)*")
"""Sequences that do not change the screen: modes, queries, the keyboard protocol, OSC, the bell."""
_MOST_READ = 4096
_TICK_SECONDS = 0.1
"""How often the parser may decide that a lone ESC is a key, as in Textual's driver."""
_RESTORE = (
    "\x1b[m\x1b[r\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""Resets everything that Textual sets."""


class WireDriver(LinuxDriver):
    """Writes only differences to what the terminal shows, and exits promptly on a hangup or a signal.

    `take` requires an app that passes its frames as strips (`WireApp`). Strings are written unchanged.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._maker = FrameMaker()
        self._taken = False
        """A frame was taken, and its cursor position is still to come."""
        self._output: Output | None = None
        self._leaving = Leaving(self._leave, self._restore)
        self._replies = Replies(self._background)

    # -- frames

    def take(self, update: CompositorUpdate, color_system: ColorSystem) -> bool:
        """Takes a frame, which is shown once Textual writes its cursor position. False if it cannot be taken."""
        self._taken = self._maker.take(update, color_system)
        return self._taken

    def repaint(self) -> None:
        """Writes the newest frame completely."""
        if self._output is not None:
            self._output.doubt()
            self._show()

    def _show(self) -> None:
        if self._output is not None and self._maker.frame is not None:
            self._output.show(self._maker.frame)

    def write(self, data: str) -> None:
        """Writes a mode sequence, or the cursor position of the frame taken last."""
        output = self._output
        if output is None:
            return
        if data in (SYNC_START, SYNC_END):
            output.synchronized = True  # `Output` adds them around what is written, if anything
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
        if self._file is None:
            raise RuntimeError("There is no stderr to draw on")
        self._output = Output(self._file.fileno(), terminal, self._gone, self._failed)
        self._output.start()
        self._leaving.watch()
        asks = terminal.answers and getattr(self._app, "asks_background", False)
        if asks:
            self._replies.expect()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if asks:
            self.write(QUESTION)  # before the first frame, so that the answer precedes whatever is typed after it
        self._doubt_on_resize()
        self._show()  # after a suspension, restores the previous screen

    def _sigcont_application(self, *signals: object) -> None:
        """Continues after a stop. After one from outside (`kill -STOP`), application mode is left first.

        Textual's own only enters it: its threads would be there twice, and the app would never end.
        """
        if self._output is not None:
            self.suspend_application_mode()
        super()._sigcont_application(*signals)

    def _doubt_on_resize(self) -> None:
        """Treats the screen as unknown after a resize: terminals reflow or clear it, even if the size changes back.

        If a second signal interrupts Textual's handler for the first one, that handler has already read the old size,
        and reports it last. Ours defers both to the event loop, which reads the size one call at a time.
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

    # -- exiting

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:  # EIO
            self._gone()
        except Exception as error:
            self._failed(error)

    def run_input_thread(self) -> None:
        """Reads keys, the mouse and the terminal's answers until the app exits or suspends."""
        parser, replies = KeyParser(), self._replies
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                read = os.read(self.fileno, _MOST_READ) if selector.select(_TICK_SECONDS) else b""
                typed = replies.feed(decode(read)) if read else replies.idle()
                for event in (*(parser.feed(typed) if typed else ()), *parser.tick()):
                    self.process_message(event)
        with suppress(EOFError, ParseError):
            tuple(parser.feed(""))  # ends the generator of the parser

    def _background(self, color: tuple[int, int, int]) -> None:
        self._soon(self._app.post_message, TerminalBackground(color))

    def _gone(self) -> None:
        """The terminal is gone. Called from any thread."""
        self.exit_event.set()  # else Textual's thread would read end of file forever
        self._leaving.leave(signal.SIGHUP)

    def _failed(self, error: Exception) -> None:
        """Reports a bug in a thread: the app exits and shows it, like an error in one of its own callbacks."""

        def again() -> None:
            raise error

        self._soon(self._app.call_later, again)

    def _leave(self, code: int) -> None:
        self._soon(partial(self._app.exit, return_code=code))

    def _soon(self, act: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, so the app has already exited
            self._loop.call_soon_threadsafe(act, *args)

    def _restore(self) -> None:
        """Does the work of `stop_application_mode` without the app; nothing while another program has the terminal."""
        if self._output is not None:
            with suppress(OSError):
                self._output.write_now(_RESTORE)
            if self.attrs_before is not None:
                with suppress(termios.error):
                    termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
