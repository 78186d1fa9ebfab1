"""A program in a pseudo-terminal, watched as a person would: when something shows, and what a key costs."""

from __future__ import annotations

import fcntl
import os
import pty
import queue
import re
import select
import signal
import struct
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.emulator import Emulator

# What a terminal answers when it is asked; a program waits a moment for some of these.
ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),
)
BACKGROUND = re.compile(rb"\x1b\]11;\?(?:\x07|\x1b\\)")
BURST_SECONDS = 0.03
"""A burst of output ends where nothing comes for this long."""
LINE_CHUNK = 256
"""Bytes that a slow line takes at a time."""


@dataclass
class Terminal:
    """One program; times are seconds since it was started.

    A slow line between the two is `bytes_per_second` (None: no limit) and `latency`, seconds there and back: half of it
    before a key arrives, half before what is written is seen.
    """

    command: list[str]
    size: tuple[int, int] = (120, 40)
    env: dict[str, str] = field(default_factory=dict)
    bytes_per_second: float | None = None
    latency: float = 0.0
    background: str = "\x1b]11;rgb:1212/1212/1212\x1b\\"
    """What it answers when it is asked for its background; empty: nothing."""

    def __post_init__(self) -> None:
        self.screen = Emulator(*self.size)
        self.ended = False
        """Its exit code is known."""
        self.raw = b""
        """All that it wrote."""
        self.bytes = 0
        self.frames = 0
        """Synchronized updates, the unit in which Textual draws."""
        self.arrived = 0.0
        """When the last bytes were read, before they were drawn here: drawing them takes longer than sending."""
        columns, rows = self.size
        # COLUMNS and LINES, which a test runner sets, would hide the terminal's own size from the program.
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("TEXTUAL", "COLUMNS", "LINES"))}
        environment = {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **self.env}
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, a program would take over that it is ignored
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(self.command[0], self.command, environment)
        self._undrawn: list[bytes] = []
        self._came: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._keys: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._hung_up = threading.Event()
        self.reads = threading.Event()
        """What is written is read; once cleared, the line is silent."""
        self.reads.set()
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()
        if self.latency:
            threading.Thread(target=self._type, name="keys", daemon=True).start()

    def now(self) -> float:
        return time.perf_counter() - self.started

    def _read(self) -> None:
        """Reads in a thread, so that a time is that of the bytes and not of their drawing here, which takes longer."""
        free = 0.0  # when the line has carried what was read
        while not self._hung_up.is_set():
            self.reads.wait()
            if not select.select([self.fd], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self.fd, 1 << 16 if self.bytes_per_second is None else LINE_CHUNK)
            except OSError:
                break
            if not data:
                break
            for question, answer in ANSWERS:
                for _ in question.findall(data):
                    os.write(self.fd, answer)
            if self.background and BACKGROUND.search(data):
                os.write(self.fd, self.background.encode())
            if self.bytes_per_second is not None:
                free = max(free, time.perf_counter()) + len(data) / self.bytes_per_second
                time.sleep(max(0.0, free - time.perf_counter()))
            self._came.put((time.perf_counter() + self.latency / 2, data))

    def _type(self) -> None:
        """Keys arrive late, and as far apart as they were typed."""
        while True:
            due, data = self._keys.get()
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                os.write(self.fd, data)
            except OSError:
                return

    def send(self, data: bytes) -> None:
        """Sends keys, without waiting for anything."""
        if self.latency:
            self._keys.put((time.perf_counter() + self.latency / 2, data))
        else:
            os.write(self.fd, data)

    def pump(self, seconds: float) -> bool:
        """Takes what came and draws it, waiting at most so long; True when something came."""
        data = self._take(seconds)
        while self._undrawn:
            self.screen.feed(self._undrawn.pop(0))
        return data is not None

    def _take(self, seconds: float) -> bytes | None:
        try:
            self.arrived, data = self._came.get(timeout=seconds) if seconds > 0 else self._came.get_nowait()
        except queue.Empty:
            return None
        time.sleep(max(0.0, self.arrived - time.perf_counter()))
        self.bytes += len(data)
        self.raw += data
        self.frames += data.count(b"\x1b[?2026h")
        self._undrawn.append(data)
        return data

    def shown_after(self, text: str, seconds: float) -> float | None:
        """Seconds from now until the last bytes came with which this is on the screen, None when it is not."""
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            if self.pump(0.005) and text in self.text():
                return self.arrived - began
        return None

    def text(self) -> str:
        return self.screen.text

    def wait_for(self, pattern: str, seconds: float = 60.0) -> float:
        """When the screen first matched, at the end of a burst. Raises TimeoutError."""
        deadline = time.perf_counter() + seconds
        last = self.now()
        while time.perf_counter() < deadline:
            if self.pump(BURST_SECONDS):
                last = self.arrived - self.started
            elif re.search(pattern, self.text()):
                return last
        raise TimeoutError(f"never seen: {pattern}\n{self.text()}")

    def settle(self, quiet: float = 0.6, limit: float = 15.0) -> None:
        """Waits until nothing has come for `quiet` seconds."""
        until = time.perf_counter() + limit
        while time.perf_counter() < until and self.pump(quiet):
            pass

    def press(self, key: str, limit: float = 1.0) -> tuple[float | None, int]:
        """Seconds from a key to the last byte of its answer (None: no answer), and the answer's bytes."""
        while self.pump(0):
            pass
        before, sent = self.bytes, time.perf_counter()
        self.send(key.encode())
        last: float | None = None
        while time.perf_counter() - sent < limit:
            if self.pump(0.06 if last is not None else limit):
                last = self.arrived - sent
            elif last is not None:
                break
        return last, self.bytes - before

    def press_until(self, key: str, text: str, limit: float = 2.0) -> float | None:
        """Seconds from a key until the screen holds `text`; None when it does not come."""
        while self.pump(0):
            pass
        self.send(key.encode())
        return self.shown_after(text, limit)

    def idle(self, seconds: float) -> float:
        """Bytes a second while no key is pressed."""
        before, began = self.bytes, time.perf_counter()
        while (left := seconds - (time.perf_counter() - began)) > 0:
            self.pump(min(left, 0.1))
        return (self.bytes - before) / seconds

    def resize(self, columns: int, rows: int) -> None:
        """The person makes the window larger or smaller."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def exit_code(self, seconds: float = 30.0) -> int | None:
        """The exit code as a shell has it, 128 and the signal for one that killed it; None: it is still there."""
        until = time.perf_counter() + seconds
        while True:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.ended = True
                    while self.pump(0.05):
                        pass  # what it wrote last
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else 128 - code
            if time.perf_counter() > until:
                return None
            self.pump(0.01)

    def modes(self) -> set[str]:
        """Modes that are set now and that Textual sets: of the screen, the mouse, the keyboard."""
        on: set[str] = set()
        for number, letter in re.findall(rb"\x1b\[([?<>]\d*)([hlu])", self.raw):
            mode = number.decode()
            if letter == b"u":
                (on.add if mode[0] == ">" else on.discard)("keyboard")
            else:
                (on.add if letter == b"h" else on.discard)(mode)
        return on - {"?7", "?25"} | {
            name
            for name, is_on in (("wrap off", "?7"), ("cursor off", "?25"))
            if f"\x1b[{is_on}l".encode() in self.raw and is_on not in on
        }

    def hang_up(self) -> None:
        """The window is closed."""
        if not self._hung_up.is_set():
            self._hung_up.set()
            self.reads.set()
            self._reader.join()  # while it reads, the terminal would stay open
            os.close(self.fd)

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        self.hang_up()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
