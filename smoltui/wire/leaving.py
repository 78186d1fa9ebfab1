"""Leaving when the system or the terminal says so: by the app's own way out, and within a second in any case."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

OWN_WAY_SECONDS = 0.8
"""How long the app has for its own way out, which saves and restores. Who hangs up waits for a second at most."""


class Leaving:
    """Calls `leave` with an exit code, once: 128 and the number of the signal, as a shell has it.

    When the process is there after `OWN_WAY_SECONDS` (the UI thread or a pooled one hangs), `restore` is called and the
    process ends.
    """

    def __init__(self, leave: Callable[[int], None], restore: Callable[[], None]) -> None:
        self._leave = leave
        self._restore = restore
        self._begun = False

    def watch(self) -> None:
        """Takes SIGTERM, and SIGHUP unless who started the process has it ignored. Main thread only."""
        signal.signal(signal.SIGTERM, self._told)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._told)

    def leave(self, number: int) -> None:
        """Begins to leave, as if this signal had come; from any thread, and harmless when it has begun."""
        if self._begun:
            return
        self._begun = True
        code = 128 + number
        last = threading.Timer(OWN_WAY_SECONDS, self._end, (code,))
        last.daemon = True
        last.start()
        self._leave(code)

    def _told(self, number: int, _: FrameType | None) -> None:
        self.leave(number)

    def _end(self, code: int) -> None:
        try:
            self._restore()
        finally:
            os._exit(code)
