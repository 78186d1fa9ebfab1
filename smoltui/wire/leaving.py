"""Exit on a signal or a hangup: with the app's regular shutdown, but within a second in any case."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

OWN_WAY_SECONDS = 0.8
"""Time for the app's regular shutdown, which saves and restores. Programs that hang up wait a second at most."""
RESTORE_SECONDS = 0.5
"""Time for restoring the terminal after that: nobody may be reading what is written to it."""


class Leaving:
    """Calls `leave` once with an exit code: 128 plus the number of the signal, as in a shell.

    If the process still exists after `OWN_WAY_SECONDS` (the UI thread or a pooled one hangs), `restore` is called and
    the process ends, whether or not that returns.
    """

    def __init__(self, leave: Callable[[int], None], restore: Callable[[], None]) -> None:
        self._leave = leave
        self._restore = restore
        self._begun = False
        self._code = 0
        self._called = threading.Event()
        self._guard: threading.Thread | None = None

    def watch(self) -> None:
        """Handles SIGTERM, and SIGHUP unless the parent process set it to be ignored. Main thread only."""
        self._start_guard()
        signal.signal(signal.SIGTERM, self._told)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._told)

    def leave(self, number: int) -> None:
        """Starts to exit as if this signal had been received. Can be called from any thread, and repeatedly."""
        if self._begun:
            return
        self._begun = True
        self._code = 128 + number
        self._start_guard()
        self._called.set()
        self._leave(self._code)

    def _start_guard(self) -> None:
        # Not when the signal comes: that may be in the middle of starting another thread.
        if self._guard is None:
            self._guard = threading.Thread(target=self._end_late, name="smoltui-leaving", daemon=True)
            self._guard.start()

    def _told(self, number: int, _: FrameType | None) -> None:
        self.leave(number)

    def _end_late(self) -> None:
        self._called.wait()
        time.sleep(OWN_WAY_SECONDS)
        restoring = threading.Thread(target=self._restore, name="smoltui-restoring", daemon=True)
        restoring.start()
        restoring.join(RESTORE_SECONDS)
        os._exit(self._code)
