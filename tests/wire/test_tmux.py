"""Both drivers in tmux, an independent terminal: its panes contain the same cells."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator import Emulator, differences
from tests.wire.conftest import ROOT
from tests.wire.furnished import DISPUTED, EMOJI, WORDS, furnish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
SIZE = (110, 34)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
Pane = Callable[..., str]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Pane]:
    """`tmux(ARGUMENT, …)` on a separate server, which returns its output."""
    socket = tmp_path / "tmux"

    def run(*arguments: str) -> str:
        command = ["tmux", "-f", "/dev/null", "-S", str(socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    yield run
    run("kill-server")


def cells_of(pane: str) -> Emulator:
    """The output of `capture-pane -e` on its own screen. Styles continue from line to line.

    The amount of free memory is removed, as two apps running at the same time disagree about it.
    """
    screen = Emulator(*SIZE)
    pane = re.sub(r"\d+\.\d( GiB free)", r"n.n\1", pane)
    for y, line in enumerate(pane.split("\n")[: SIZE[1]]):
        screen.feed(f"\x1b[{y + 1}H{line}")
    screen.feed("\x1b[H")
    return screen


STEPS = (
    ("4", "run 59"),
    ("V l", "line 499"),
    ("V c", "run 59"),
    ("Down " * 20, "run 39"),
    ("2", "pair 1 of 200 "),
    ("v", "tokens · 200 pairs"),  # the histograms: how far the list scrolls depends on whether they are there
    ("G", "1 Device"),
    ("Up", "1 Device"),
    ("5", "sampling"),
    ("Down", "1 Device"),
    ("PageDown", "1 Device"),
    ("3", "trl dpo --config"),
    ("Down " * 24, "1 Device"),
    ("J J", "1 Device"),
    ("Up Up", "1 Device"),
)


def test_the_panes_are_the_same(tmux: Pane, tmp_path: Path, own_machine: Path) -> None:
    """Sends the same keys to two windows, through the lists of the rooms.

    They contain wide characters, combining marks and emoji, except emoji whose width differs between tmux and Textual:
    there, the stock driver shifts the text after them.
    """
    furnished = tmp_path / "project"
    furnish(furnished, own_machine / "smoltui", words=[word for word in WORDS if word not in DISPUTED])
    base = f"PYTHONPATH={ROOT}:{os.environ.get('PYTHONPATH', '')} COLORTERM=truecolor"
    app = f"{shlex.quote(sys.executable)} -m smoltui {shlex.quote(str(furnished))}"
    options = ("-d", "-x", str(SIZE[0]), "-y", str(SIZE[1]))
    for name in ("stock", "ours"):
        tmux("new-session", *options, "-s", name, f"env -u COLUMNS -u LINES {base} SMOLTUI_DRIVER={name} {app}")
        tmux("resize-window", "-t", name, "-x", str(SIZE[0]), "-y", str(SIZE[1]))
    for name in ("stock", "ours"):
        settled(tmux, name, "Next: press 4", seconds=60)  # two starts at once, and one is through before the other
    compared, shown = 0, ""
    for keys, pattern in STEPS:
        for name in ("stock", "ours"):
            tmux("send-keys", "-t", name, *keys.split())
        until = time.monotonic() + 15
        found = ["nothing was compared"]
        while found and time.monotonic() < until:  # what comes by itself comes to the one and then the other
            ours, stock = (settled(tmux, name, pattern) for name in ("ours", "stock"))
            found = differences(cells_of(ours), cells_of(stock))
        assert not found, (keys, found[:6])
        compared += 1
        shown += ours
    assert compared == len(STEPS)
    assert all(word in shown for word in (*EMOJI, "日本語", "é\u0301"))
    assert max(len(COLOURS.sub("", line)) for line in shown.split("\n")) > SIZE[0] - 10  # the whole window is used


def settled(tmux: Pane, name: str, pattern: str, seconds: float = 20) -> str:
    """The pane once it contains these words and has stopped changing."""
    until = time.monotonic() + seconds
    pane, since = "", time.monotonic()
    while time.monotonic() < until:
        now = tmux("capture-pane", "-e", "-N", "-p", "-t", name)
        if now != pane:
            pane, since = now, time.monotonic()
        elif pattern in COLOURS.sub("", pane) and time.monotonic() - since > 0.2:
            return pane
        time.sleep(0.05)
    raise AssertionError(f"never seen: {pattern}\n{pane}")
