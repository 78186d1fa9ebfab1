"""The writing thread, on a pseudo-terminal that is read fast, slowly, or not at all."""

from __future__ import annotations

import os
import pty
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from smoltui.wire.frames import Frame
from smoltui.wire.grid import Row, cells_of
from smoltui.wire.output import SYNC_END, SYNC_START, Output
from smoltui.wire.style import Rendition
from smoltui.wire.terminal import Terminal
from tests.emulator import Emulator

WIDTH, HEIGHT = 200, 60


def frame(number: int) -> Frame:
    """A screen on which every cell differs from the previous frame."""
    row = Row(*cells_of(f"{number:05} " * (WIDTH // 6) + "--", Rendition()))
    return Frame((row,) * HEIGHT)


class Line:
    """An Output on one end of a pseudo-terminal; tests read the other end when they want to."""

    def __init__(self) -> None:
        self.far, self.near = pty.openpty()
        os.set_blocking(self.far, False)
        self.gone = threading.Event()
        self.errors: list[Exception] = []
        self.output = Output(self.near, Terminal(), self.gone.set, self.errors.append)
        self.output.start()
        self.read = b""

    def read_until(self, done: Callable[[bytes], object], seconds: float = 60.0) -> bytes:
        until = time.monotonic() + seconds
        while not done(self.read):
            assert time.monotonic() < until, self.read[-200:]
            try:
                self.read += os.read(self.far, 1 << 16)
            except BlockingIOError:
                time.sleep(0.005)
        return self.read


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.output.stop()
    for fileno in (line.far, line.near):
        try:
            os.close(fileno)
        except OSError:
            continue
    assert not line.errors


def test_frames_that_come_too_fast_are_dropped_and_modes_are_not(line: Line) -> None:
    """Nothing is read for a while: few of 200 frames are written, including the last, and every mode in order."""
    for number in range(200):
        line.output.show(frame(number))
        line.output.send(f"\x1b]0;title {number}\x07")
    line.output.send("\x1b[?1049l")
    written = line.read_until(lambda read: b"\x1b[?1049l" in read)
    titles = [int(number) for number in re.findall(rb"title (\d+)\x07", written)]
    assert titles == list(range(200))
    frames = list(dict.fromkeys(int(number) for number in re.findall(rb"(\d{5}) ", written)))
    assert frames[-1] == 199
    assert len(frames) < 100
    screen = Emulator(WIDTH, HEIGHT)
    screen.feed(re.sub(rb"\x1b\].*?\x07", b"", written))
    assert set(screen.display_lines()) == {"00199 " * (WIDTH // 6) + "--"}


def test_who_shows_a_frame_waits_for_a_line_that_is_free(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise both threads would compete for the interpreter, and the awaited frame would come last."""
    monkeypatch.setattr("smoltui.wire.output._TURN_SECONDS", 10.0)
    for digit in "12345":
        line.output.show(Frame((Row(*cells_of(digit, Rendition())),)))
        assert digit.encode() in os.read(line.far, 1 << 16)  # BlockingIOError where nothing was written yet


def test_nothing_is_written_where_nothing_changed(line: Line) -> None:
    line.output.show(frame(1))
    line.read_until(lambda read: read.count(b"00001 --") == HEIGHT)
    before = len(line.read)
    line.output.show(frame(1))
    line.output.send("\x07")
    assert line.read_until(lambda read: read.endswith(b"\x07"))[before:] == b"\x07"


def test_doubt_and_a_sequence_that_disturbs_bring_all_of_it_again(line: Line) -> None:
    line.output.show(frame(1))
    first = len(line.read_until(lambda read: read.count(b"00001 --") == HEIGHT))
    line.output.doubt()
    line.output.show(frame(1))
    assert len(line.read_until(lambda read: read.count(b"00001 --") == 2 * HEIGHT)) == 2 * first
    line.output.send("text over the screen", disturbs=True)
    line.output.show(frame(1))
    line.read_until(lambda read: read.count(b"00001 --") == 3 * HEIGHT)


def test_a_frame_is_one_synchronized_update_where_the_terminal_knows_them(line: Line) -> None:
    line.output.synchronized = True
    line.output.show(frame(1))
    written = line.read_until(lambda read: SYNC_END.encode() in read)
    assert written.startswith(SYNC_START.encode()) and written.count(b"\x1b[?2026") == 2


def test_the_end_of_the_terminal_is_told(line: Line) -> None:
    """At once, even while there is nothing to write."""
    line.output.show(frame(1))
    line.read_until(lambda read: read.count(b"00001 --") == HEIGHT)
    os.close(line.far)
    assert line.gone.wait(60)


def test_stopping_does_not_wait_for_a_line_that_stands_still(line: Line) -> None:
    for number in range(50):
        line.output.show(frame(number))
        time.sleep(0.002)
    began = time.monotonic()
    line.output.stop()
    assert time.monotonic() - began < 60
    assert not line.gone.is_set()


def test_the_last_sequences_are_written_before_it_stops(line: Line) -> None:
    line.output.send("\x1b[?1049l")
    line.output.send("\x1b[?25h")
    line.output.stop()
    assert line.read_until(lambda read: read.endswith(b"\x1b[?25h")) == b"\x1b[?1049l\x1b[?25h"


def test_an_error_of_ours_is_told_and_modes_are_still_written(line: Line) -> None:
    """If a frame cannot be drawn, the terminal can still be restored."""
    broken = Frame((Row(["a"], []),))
    line.output.show(broken)
    line.output.send("\x1b[?1049l")
    line.read_until(lambda read: b"\x1b[?1049l" in read)
    assert len(line.errors) == 1
    line.errors.clear()
