"""Both drivers in tmux, a terminal that neither of us wrote: its panes hold the same cells."""

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
from tests.wire.furnished import furnish

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
SIZE = (110, 34)
Pane = Callable[..., str]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Pane]:
    """`tmux(ARGUMENT, …)` on a server of its own, gives what it prints."""
    socket = tmp_path / "tmux"

    def run(*arguments: str) -> str:
        command = ["tmux", "-f", "/dev/null", "-S", str(socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    yield run
    run("kill-server")


def cells_of(pane: str) -> Emulator:
    """What `capture-pane -e` printed, on a screen of its own. Styles go on from line to line."""
    screen = Emulator(*SIZE)
    for y, line in enumerate(pane.split("\n")[: SIZE[1]]):
        screen.feed(f"\x1b[{y + 1}H{line}")
    screen.feed("\x1b[H")
    return screen


# Not the Recipe room, which tells how much memory is free: two apps that run at once do not agree on that.
STEPS = (
    ("4", "run 59"),
    ("Down " * 20, "run 39"),
    ("l", "line"),
    ("2", "pair 1 of 200 "),
    ("v", "1 Device"),
    ("G", "1 Device"),  # where a cursor that goes down scrolls depends on when the histograms come
    ("Up", "1 Device"),
    ("5", "sampling"),
    ("Down", "1 Device"),
    ("PageDown", "1 Device"),
)


def test_the_panes_are_the_same(tmux: Pane, tmp_path: Path, own_machine: Path) -> None:
    """The same keys in two windows, through the lists of the rooms.

    Wide characters and combining marks are in them, but no emoji: tmux gives some another width than Textual, and there
    the stock driver moves what stands behind them.
    """
    furnished = tmp_path / "project"
    furnish(furnished, own_machine / "smoltui", pictures=False)
    base = f"PYTHONPATH={ROOT}:{os.environ.get('PYTHONPATH', '')} COLORTERM=truecolor"
    app = f"{shlex.quote(sys.executable)} -m smoltui {shlex.quote(str(furnished))}"
    options = ("-d", "-x", str(SIZE[0]), "-y", str(SIZE[1]))
    for name in ("stock", "ours"):
        tmux("new-session", *options, "-s", name, f"env {base} SMOLTUI_DRIVER={name} {app}")
        tmux("resize-window", "-t", name, "-x", str(SIZE[0]), "-y", str(SIZE[1]))
    for name in ("stock", "ours"):
        settled(tmux, name, "Next: t")  # what torch says comes to the one and then the other
    compared = 0
    for keys, pattern in STEPS:
        for name in ("stock", "ours"):
            tmux("send-keys", "-t", name, *keys.split())
        until = time.monotonic() + 15
        found = ["nothing was compared"]
        while found and time.monotonic() < until:  # what comes by itself comes to the one and then the other
            panes = [cells_of(settled(tmux, name, pattern)) for name in ("ours", "stock")]
            found = differences(*panes)
        assert not found, (keys, found[:6])
        compared += 1
    assert compared == len(STEPS)


def settled(tmux: Pane, name: str, pattern: str) -> str:
    """The pane when it holds these words and has not changed for a while."""
    until = time.monotonic() + 20
    pane, since = "", time.monotonic()
    while time.monotonic() < until:
        now = tmux("capture-pane", "-e", "-N", "-p", "-t", name)
        if now != pane:
            pane, since = now, time.monotonic()
        elif pattern in re.sub(r"\x1b\[[0-9;]*m", "", pane) and time.monotonic() - since > 0.5:
            return pane
        time.sleep(0.05)
    raise AssertionError(f"never seen: {pattern}\n{pane}")
