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
        self._received, self._told = os.pipe()
        """Numbers of signals, a byte each."""
        os.set_blocking(self._told, False)
        self._guard: threading.Thread | None = None

    def watch(self) -> None:
        """Handles SIGTERM, and SIGHUP unless the parent process set it to be ignored. Main thread only."""
        if self._guard is None:
            self._guard = threading.Thread(target=self._wait, name="smoltui-leaving", daemon=True)
            self._guard.start()
        # Handlers run in the main thread, once it executes Python: not if it has just begun to wait for something.
        # The number is written in any case, and the guard acts on it.
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, _left_to_guard)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, _left_to_guard)

    def leave(self, number: int) -> None:
        """Starts to exit as if this signal had been received. Can be called from any thread, and repeatedly."""
        os.write(self._told, bytes([number]))

    def _wait(self) -> None:
        while (number := os.read(self._received, 1)[0]) not in (signal.SIGTERM, signal.SIGHUP):
            pass  # the signals of a terminal: its size, a stop
        self._leave(128 + number)
        time.sleep(OWN_WAY_SECONDS)
        restoring = threading.Thread(target=self._restore, name="smoltui-restoring", daemon=True)
        restoring.start()
        restoring.join(RESTORE_SECONDS)
        os._exit(128 + number)


def _left_to_guard(_number: int, _frame: FrameType | None) -> None:
    """Without a handler of its own, a signal would end the process at once."""
