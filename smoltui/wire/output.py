"""The thread that writes to the terminal: mode sequences in their order, and of the frames only the newest.

A frame that comes while the line is busy takes the place of one that waits, so the screen is at most two frames behind:
the one that is being sent, and the newest.
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
"""How long the last bytes may take when it stops: a line that is gone must not hold up who leaves."""
SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized update: the terminal draws what is between as one."""
_TURN_SECONDS = 0.003
"""Who shows a frame waits so long until it is written: both need Python's lock, and a person waits for the frame."""
_GONE = select.POLLHUP | select.POLLERR
_BLOCKING_CHUNK = 256
"""Bytes that a terminal which says it is ready surely takes."""
_ROOM_SECONDS = 0.01
"""Between two tries to write to a terminal that does not say when there is room."""


class Output:
    """Writes to one terminal between `start` and `stop`.

    Nothing here takes a lock that a signal handler of the main thread could find taken: Textual suspends in one.
    """

    def __init__(
        self, fileno: int, terminal: Terminal, gone: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Both are called from the thread: `gone` once, when there is no terminal any more, `failed` when a frame
        could not be drawn, which is an error of ours."""
        self._terminal = terminal
        self._gone = gone
        self._failed = failed
        self._queue: deque[tuple[str, bool] | None] = deque()
        """What waits: sequences, with whether they disturb the screen, and None for the newest frame, which is there
        once at most."""
        self._newest: Frame | None = None
        self._waits = False
        """A frame is in the queue."""
        self._shown: Sequence[Row | None] = ()
        self._cursor: tuple[int, int] | None = None
        """Where the cursor is, column and row; None where it is not known."""
        self._doubt = False
        self.synchronized = False
        """The terminal knows synchronized updates."""
        self._deadline: float | None = None
        self._ended = False
        self._written = threading.Lock()
        """Taken while a frame is waited for. Whoever waits gives up soon, so no handler can be held up by it."""
        self._fileno, self._own = _opened(fileno)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="wire-output", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def send(self, sequence: str, *, disturbs: bool = False) -> None:
        """Writes a sequence, behind all that were sent before. One that `disturbs` leaves the screen unknown."""
        self._queue.append((sequence, disturbs))
        self._wake()

    def show(self, frame: Frame) -> None:
        """Makes the terminal show this frame, unless a newer one comes first. Waits a moment for that."""
        self._newest = frame
        if not self._waits:
            self._waits = True
            self._queue.append(None)
        self._written.acquire(blocking=False)
        self._wake()
        self._written.acquire(timeout=_TURN_SECONDS)

    def doubt(self) -> None:
        """From here on it is not known what the terminal shows: the next frame is written whole."""
        self._doubt = True

    def stop(self) -> None:
        """Writes what waits, for `STOP_SECONDS` at most, and ends; harmless when it has ended."""
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
        """Writes what there is room for, past all that waits: for who cannot wait for the thread. Raises OSError."""
        os.write(self._fileno, data.encode())

    def _wake(self) -> None:
        if not self._ended:
            with suppress(BlockingIOError):  # full of wakes already
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
            # EIO, or the deadline. Nothing can be written, so nothing has to be restored.
            if self._deadline is None:
                self._gone()

    def _taken(self) -> str:
        """What waits, up to and with the newest frame."""
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
        """What makes the terminal show the newest frame."""
        self._waits = False  # one that comes from here on is another
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
        """Writes all of it, as fast as it is taken. Raises OSError when the terminal is gone or time is up."""
        left = memoryview(data)
        while left:
            if not self._own:
                self._wait(for_room=True)
            try:
                left = left[os.write(self._fileno, left if self._own else left[:_BLOCKING_CHUNK]) :]
            except BlockingIOError:
                self._wait(for_room=True)

    def _wait(self, *, for_room: bool) -> None:
        """Waits until something waits to be written, or until there is room. Raises OSError as `_write` does."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        poll.register(self._fileno, select.POLLOUT if for_room else 0)
        while True:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if left is not None and not for_room:
                return
            if left is not None and left <= 0:
                raise TimeoutError
            ready = dict(poll.poll(None if left is None else left * 1000))
            if ready.get(self._fileno, 0) & select.POLLNVAL:  # macOS polls no terminals
                poll.unregister(self._fileno)
                if for_room:
                    time.sleep(_ROOM_SECONDS)
                    return
            if ready.get(self._fileno, 0) & _GONE:
                raise OSError("the terminal is gone")
            if self._wake_read in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            if (ready.get(self._fileno, 0) & select.POLLOUT) if for_room else (self._queue or self._deadline):
                return


def _opened(fileno: int) -> tuple[int, bool]:
    """The terminal opened anew, and True: not waiting for room is a matter of how it was opened, and the shell shares
    how ours was. Where that is not possible the same one, and False."""
    try:
        return os.open(os.ttyname(fileno), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK), True
    except OSError:
        return fileno, False
