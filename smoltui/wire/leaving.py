"""Exit on a signal or a hangup: with the app's regular shutdown, but within a second in any case."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

OWN_WAY_SECONDS = 0.8
"""Time for the app's regular shutdown, which saves and restores. Programs that hang up wait a second at most."""


class Leaving:
    """Calls `leave` once with an exit code: 128 plus the number of the signal, as in a shell.

    If the process still exists after `OWN_WAY_SECONDS` (the UI thread or a pooled one hangs), `restore` is called and
    the process ends.
    """

    def __init__(self, leave: Callable[[int], None], restore: Callable[[], None]) -> None:
        self._leave = leave
        self._restore = restore
        self._begun = False

    def watch(self) -> None:
        """Handles SIGTERM, and SIGHUP unless the parent process set it to be ignored. Main thread only."""
        signal.signal(signal.SIGTERM, self._told)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._told)

    def leave(self, number: int) -> None:
        """Starts to exit as if this signal had been received. Can be called from any thread, and repeatedly."""
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
