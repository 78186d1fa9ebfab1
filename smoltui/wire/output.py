"""The thread that writes to the terminal: all mode sequences in order, but only the newest frame.

A frame that arrives while the connection is busy replaces the waiting one, so the screen is at most two frames behind:
the one being sent and the newest.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from smoltui.wire.difference import difference
from smoltui.wire.frames import Frame
from smoltui.wire.grid import Row
from smoltui.wire.terminal import Terminal

STOP_SECONDS = 0.5
"""Time limit for the last bytes when it stops: a lost connection must not delay the exit."""
SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized update: the terminal draws everything between them at once."""
_TURN_SECONDS = 0.003
"""How long `show` waits for the frame to be written: both threads need the GIL, and the user waits for the frame."""
_GONE = select.POLLHUP | select.POLLERR
_BLOCKING_CHUNK = 256
"""Bytes that a terminal accepts without blocking when it is ready."""
_ROOM_SECONDS = 0.01
"""Delay between attempts to write to a terminal that cannot be polled."""


class Output:
    """Writes to one terminal between `start` and `stop`.

    No code here takes a lock that a signal handler of the main thread might find taken: Textual suspends in one.
    """

    def __init__(
        self, fileno: int, terminal: Terminal, gone: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Both callbacks run in the thread: `gone` once, if the terminal has disappeared, and `failed` if a frame
        could not be drawn, which is a bug."""
        self._terminal = terminal
        self._gone = gone
        self._failed = failed
        self._queue: deque[tuple[str, bool] | None] = deque()
        """Pending output: sequences with whether they disturb the screen, and at most one None for the newest
        frame."""
        self._newest: Frame | None = None
        self._waits = False
        """The queue contains a frame."""
        self._shown: Sequence[Row | None] = ()
        self._cursor: tuple[int, int] | None = None
        """Column and row of the cursor; None if unknown."""
        self._doubt = False
        self.synchronized = False
        """The terminal supports synchronized updates."""
        self._deadline: float | None = None
        self._ended = False
        self._written = threading.Lock()
        """Held while waiting for a frame. The wait is short, so it cannot block a signal handler."""
        self._fileno, self._own = _opened(fileno)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="wire-output", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def send(self, sequence: str, *, disturbs: bool = False) -> None:
        """Queues a sequence. If it `disturbs`, the content of the screen is unknown afterwards."""
        self._queue.append((sequence, disturbs))
        self._wake()

    def show(self, frame: Frame) -> None:
        """Shows this frame, unless a newer one replaces it first. Waits for it briefly."""
        self._newest = frame
        if not self._waits:
            self._waits = True
            self._queue.append(None)
        self._written.acquire(blocking=False)
        self._wake()
        self._written.acquire(timeout=_TURN_SECONDS)

    def doubt(self) -> None:
        """Marks the content of the terminal as unknown, so that the next frame is written completely."""
        self._doubt = True

    def stop(self) -> None:
        """Writes pending output for at most `STOP_SECONDS`, then stops. Can be called repeatedly."""
        if self._ended:
            return
        self._deadline = time.monotonic() + STOP_SECONDS
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS * 2)
        if not self._thread.is_alive():
            self._ended = True
            for fileno in (self._wake_read, self._wake_write, *([self._fileno] if self._own else [])):
                os.close(fileno)

    def write_now(self, data: str) -> None:
        """Writes as much as fits at once, bypassing the queue and the thread. Raises OSError."""
        os.write(self._fileno, data.encode())

    def _wake(self) -> None:
        if not self._ended:
            with suppress(BlockingIOError):  # the pipe is full, so the thread wakes anyway
                os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        try:
            while True:
                self._wait(for_room=False)
                while self._queue:
                    self._write(self._taken().encode("utf-8", "replace"))
                if self._written.locked():
                    self._written.release()
                if self._deadline is not None:
                    return
        except OSError:
            # EIO or the deadline: nothing can be written, so there is nothing to restore.
            if self._deadline is None:
                self._gone()

    def _taken(self) -> str:
        """Removes the pending output up to and including the newest frame."""
        parts = []
        while self._queue:
            waiting = self._queue.popleft()
            if waiting is None:
                parts.append(self._drawn())
                break
            parts.append(waiting[0])
            if waiting[1]:
                self._shown, self._cursor = (), None
        return "".join(parts)

    def _drawn(self) -> str:
        """The output that makes the terminal show the newest frame."""
        self._waits = False  # a later frame is queued separately
        frame = self._newest
        if self._doubt:
            self._doubt, self._shown, self._cursor = False, (), None
        if frame is None or (frame.cursor == self._cursor and frame.rows == self._shown):
            return ""
        try:
            drawn = difference(self._shown, frame, self._terminal)
        except Exception as error:
            self._failed(error)
            return ""
        self._shown, self._cursor = frame.rows, frame.cursor
        return f"{SYNC_START}{drawn}{SYNC_END}" if self.synchronized else drawn

    def _write(self, data: bytes) -> None:
        """Writes all data. Raises OSError if the terminal is gone or the deadline has passed."""
        left = memoryview(data)
        while left:
            if not self._own:
                self._wait(for_room=True)
            try:
                left = left[os.write(self._fileno, left if self._own else left[:_BLOCKING_CHUNK]) :]
            except BlockingIOError:
                self._wait(for_room=True)

    def _wait(self, *, for_room: bool) -> None:
        """Waits for output to be queued, or for room to write. Raises OSError like `_write`."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        poll.register(self._fileno, select.POLLOUT if for_room else 0)
        while True:
            if self._deadline is not None and not for_room:
                return
            ready = dict(poll.poll(self._milliseconds_left()))
            terminal = ready.get(self._fileno, 0)
            if terminal & select.POLLNVAL:  # macOS cannot poll terminals
                poll.unregister(self._fileno)
                if for_room:
                    time.sleep(_ROOM_SECONDS)
                    return
            if terminal & _GONE:
                raise OSError("the terminal is gone")
            if self._wake_read in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            if terminal & select.POLLOUT if for_room else self._queue or self._deadline:
                return

    def _milliseconds_left(self) -> float | None:
        """Until the deadline; None without one. Raises TimeoutError if it has passed."""
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left * 1000


def _opened(fileno: int) -> tuple[int, bool]:
    """The terminal reopened in non-blocking mode, and True; or the same descriptor and False, if that fails.

    The mode belongs to the open file, and the given one is shared with the shell.
    """
    try:
        return os.open(os.ttyname(fileno), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK), True
    except OSError:
        return fileno, False
