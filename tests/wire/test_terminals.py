"""The app in a real pseudo-terminal, from its command line: started, drawn, suspended, hung up and quit."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.terminal import Terminal

pytestmark = pytest.mark.slow

Opened = Callable[..., Terminal]
FRAME = r"1 Device(?s:.)*q Quit"
HOME = r"fits:(?s:.*)packages  \w"
"""Home with all its facts, however late they arrive."""


def settled(terminal: Terminal, pattern: str = FRAME) -> Terminal:
    terminal.wait_for(pattern)
    terminal.settle(0.4, 6.0)
    return terminal


SCROLL_BAR = "sampling(?s:.*)┃"
"""Evaluate with its layout complete: the scroll bar of the long list of prompts is drawn last."""


def in_a_room(terminal: Terminal) -> Terminal:
    """In a room where nothing changes by itself, however late the machine's facts arrive."""
    settled(terminal).press("5")
    return settled(terminal, SCROLL_BAR)


def becomes(terminal: Terminal, whole: str, seconds: float = 60.0) -> None:
    """The screen is soon the same as before; on a busy machine, the last frame may take a moment."""
    until = time.monotonic() + seconds
    while terminal.text() != whole and time.monotonic() < until:
        terminal.pump(0.1)
    assert terminal.text() == whole


@pytest.mark.parametrize("term", ["xterm-256color", "xterm-kitty", "tmux-256color", "screen", "linux", "unheard-of"])
def test_a_terminal_of_any_name(opened: Opened, term: str) -> None:
    """It starts, draws, accepts keys, and restores the terminal."""
    with settled(opened(TERM=term)) as terminal:
        assert "?1049" in terminal.modes()
        terminal.press("4")
        terminal.wait_for(r"run 59")
        terminal.press("q", limit=0.1)
        assert terminal.exit_code() == 0
        assert not terminal.modes()
        # Where nothing is known of the terminal, Textual's own driver draws, which resets styles in one byte more.
        assert (b"\x1b[0m" in terminal.raw) == (term == "unheard-of")


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_draw(opened: Opened, term: str) -> None:
    """It is declined with a sentence, and the commands are named."""
    with opened(TERM=term) as terminal:
        assert terminal.exit_code() == 2
        terminal.settle(0.3)
        told = " ".join(terminal.text().split())
        assert "terminal" in told and "TERM=xterm-256color" in told and not terminal.modes()


def test_errors_that_go_to_a_file(opened: Opened, furnished: Path, tmp_path: Path) -> None:
    """`2> errors` redirects errors, not the screen."""
    app = f"{shlex.quote(sys.executable)} -m smoltui {shlex.quote(str(furnished))}"
    errors = tmp_path / "errors"
    with settled(opened(command=["sh", "-c", f"{app} 2> {shlex.quote(str(errors))}"])) as terminal:
        assert terminal.bytes < 15_000  # by our driver
        terminal.press("q", limit=0.1)
        assert terminal.exit_code() == 0 and not terminal.modes()
    assert not errors.read_text()


def test_the_stock_driver_is_a_variable_away(opened: Opened) -> None:
    """The same screen, with several times the bytes."""
    with in_a_room(opened(SMOLTUI_DRIVER="stock")) as stock, in_a_room(opened()) as ours:
        assert stock.text() == ours.text()
        assert stock.bytes > 3 * ours.bytes


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (400, 100)])
def test_a_terminal_of_any_size(opened: Opened, size: tuple[int, int]) -> None:
    """It survives all rooms, and is complete once resized to a usual size."""
    terminal = opened(size=size)
    terminal.settle(1.0, 6.0)
    for key in "2345":
        terminal.press(key, limit=0.3)
    terminal.resize(100, 30)
    settled(terminal)
    terminal.press("q", limit=0.1)
    assert terminal.exit_code() == 0


def test_a_size_that_comes_back_at_once(opened: Opened) -> None:
    """Terminals reflow their content on a resize, so the whole screen is redrawn."""
    with in_a_room(opened()) as terminal:
        whole = terminal.text()
        terminal.resize(100, 31)
        terminal.resize(100, 30)
        terminal.screen.feed("\x1b[2Jrubbish")
        terminal.settle(0.5)
        becomes(terminal, whole)


def test_a_size_that_comes_while_another_is_being_asked_for(opened: Opened) -> None:
    """While a window is dragged, the last size counts, wherever the first signal was interrupted."""
    code = """
import time
from textual.widgets import Static
from smoltui.wire import WireApp
from smoltui.wire.driver import WireDriver
class SlowToAsk(WireDriver):
    def _get_terminal_size(self):
        size = super()._get_terminal_size()
        time.sleep(0.4)
        return size
class Sized(WireApp):
    def get_driver_class(self):
        return SlowToAsk
    def compose(self):
        yield Static()
    def on_resize(self, event):
        self.query_one(Static).update(f"it is {event.size.width} wide")
Sized().run()
"""
    with opened(command=[sys.executable, "-c", code]) as terminal:
        terminal.wait_for("it is 100 wide")
        terminal.settle(1.0, 6.0)
        terminal.resize(90, 30)
        terminal.pump(0.2)
        terminal.resize(80, 30)
        terminal.wait_for("it is 80 wide")
        terminal.settle(1.0, 6.0)
        assert "it is 80 wide" in terminal.text()


@pytest.mark.parametrize("dialog", ["", "?"], ids=["room", "dialog"])
def test_ctrl_l_redraws_the_screen(opened: Opened, dialog: str) -> None:
    """Another program wrote over the screen; ctrl+l removes that, also under a dialog."""
    with in_a_room(opened()) as terminal:
        if dialog:
            terminal.press(dialog)
            settled(terminal, "Keys in Evaluate")
        whole = terminal.text()
        terminal.screen.feed("\x1b[5;5HBroadcast message from root")
        assert terminal.text() != whole
        terminal.press("\x0c")
        becomes(terminal, whole)


def test_ctrl_z_and_fg(opened: Opened, furnished: Path) -> None:
    """To the shell and back: the shell has its own screen meanwhile, and the app is complete afterwards."""
    app = f"{shlex.quote(sys.executable)} -m smoltui {shlex.quote(str(furnished))}"
    with opened(command=["bash", "--norc", "--noprofile", "-i"], PS1="shell> ") as terminal:
        terminal.wait_for("shell>")
        terminal.press(f"{app}\n", limit=0.1)
        in_a_room(terminal)
        whole = terminal.text()
        for _ in range(2):
            terminal.press("\x1a", limit=0.0)
            terminal.screen.feed("\x1b[2J\x1b[H")
            terminal.wait_for("shell>|Stopped")
            assert not terminal.modes() - {"?2004"}  # bracketed paste is the shell's too
            terminal.press("echo between\n")
            terminal.press("fg\n", limit=0.1)
            settled(terminal, SCROLL_BAR)
            becomes(terminal, whole)


def test_a_stop_from_outside(opened: Opened) -> None:
    """kill -STOP and kill -CONT, twice: the screen is whole, keys work, and q ends the app."""
    with in_a_room(opened()) as terminal:
        whole = terminal.text()
        for _ in range(2):
            os.kill(terminal.pid, signal.SIGSTOP)
            terminal.pump(0.2)
            terminal.screen.feed("\x1b[2J")
            os.kill(terminal.pid, signal.SIGCONT)
            becomes(terminal, whole)
        terminal.press("q", limit=0.1)
        assert terminal.exit_code() == 0
        assert not terminal.modes()


WHOLE_LOG = "not logged in(?s:.*) · following(?s:.*)line 499"
"""The Runs room with all that arrives late: the answer of the Hub, and the log, whose last line the list names too."""


@pytest.mark.parametrize(
    ("keys", "variable", "shown"),
    [(("5", "e"), "EDITOR", SCROLL_BAR), (("4", "V", "l", "|"), "PAGER", WHOLE_LOG)],
    ids=["editor", "pager"],
)
def test_another_program_has_the_screen_for_a_while(
    opened: Opened, tmp_path: Path, keys: tuple[str, ...], variable: str, shown: str
) -> None:
    """It clears the screen and writes to it; when it exits, the screen is restored."""
    program = tmp_path / "scribble"
    program.write_text("#!/bin/sh\nprintf '\\033[2J\\033[31;44mscribble\\n'; sleep 0.3\n")
    program.chmod(0o755)
    with settled(opened(**{variable: str(program)})) as terminal:
        for key in keys[:-1]:
            terminal.press(key)
            terminal.settle(0.6)
        settled(terminal, shown)
        whole = terminal.text()
        terminal.press(keys[-1], limit=0.1)
        terminal.wait_for("scribble")
        settled(terminal, shown)
        assert "scribble" not in terminal.text()
        becomes(terminal, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(opened: Opened, number: signal.Signals) -> None:
    """It shuts down regularly, the terminal is restored, and the exit code names the signal."""
    with settled(opened()) as terminal:
        os.kill(terminal.pid, number)
        assert terminal.exit_code() == 128 + number
        assert not terminal.modes()


@pytest.mark.parametrize("ignored", [False, True], ids=["hangup", "hangup-ignored"])
def test_a_closed_window(opened: Opened, furnished: Path, ignored: bool) -> None:
    """If the connection is lost, the process exits within a second or two, even if SIGHUP is ignored."""
    command = None
    if ignored:
        app = f"{shlex.quote(sys.executable)} -m smoltui {shlex.quote(str(furnished))}"
        command = ["sh", "-c", f"trap '' HUP; exec {app}"]
    terminal = settled(opened(command=command))
    terminal.hang_up()
    assert terminal.exit_code() == 128 + signal.SIGHUP


@pytest.mark.parametrize("interrupts", [True, False], ids=["sleep-interrupted", "sleep-goes-on"])
def test_an_app_that_hangs_is_ended_all_the_same(opened: Opened, interrupts: bool) -> None:
    """If the regular shutdown hangs, the process still exits, and the terminal is restored.

    A signal that arrives just before the sleep begins doesn't interrupt it.
    """
    code = f"""
import signal, threading, time
from smoltui.wire import WireApp, driver_for
class Hanging(WireApp):
    def get_driver_class(self):
        return driver_for(super().get_driver_class())
    def on_mount(self):
        def tell():
            time.sleep(0.5)
            thread = threading.main_thread() if {interrupts} else threading.current_thread()
            signal.pthread_kill(thread.ident, signal.SIGTERM)
        threading.Thread(target=tell, daemon=True).start()
        self.call_later(lambda: time.sleep(60))
Hanging().run()
"""
    with opened(command=[sys.executable, "-c", code]) as terminal:
        assert terminal.exit_code() == 128 + signal.SIGTERM
        assert not terminal.modes()


@pytest.mark.parametrize("where", ["key", "worker", "drawing"])
def test_a_mistake_of_our_own(opened: Opened, furnished: Path, own_machine: Path, where: str) -> None:
    """One sentence on a restored terminal, and a report without values of variables."""
    code = f"""
import sys
from smoltui.cli.main import run
from smoltui.app import SmoltuiApp
from smoltui.wire import output
def broken(*_):
    token = "hf_" + 34 * "a"
    raise KeyError(f"red \\x1b[31m, {{token}}")
async def working():
    broken()
if {where!r} == "key":
    SmoltuiApp.action_help = broken
elif {where!r} == "worker":
    SmoltuiApp.action_help = lambda self: self.run_worker(working())
else:
    SmoltuiApp.action_help = lambda self: (setattr(output, "difference", broken), self.repaint_terminal())
sys.exit(run([{str(furnished)!r}]))
"""
    with settled(opened(command=[sys.executable, "-c", code])) as terminal:
        terminal.press("?", limit=0.1)
        assert terminal.exit_code() == 70
        terminal.settle(0.5)
        assert not terminal.modes()
        assert "Internal error: KeyError, 'red" in " ".join(terminal.text().split())
        assert b"Traceback" not in terminal.raw and b"hf_aaa" not in terminal.raw
    (report,) = (own_machine / "smoltui" / "crashes").glob("*.txt")
    told = report.read_text()
    assert "in broken" in told and "hf_aaa" not in told and "\x1b" not in told


def test_nobody_reads(opened: Opened) -> None:
    """The connection stalls with more output than it can hold: quitting does not wait for it."""
    with settled(opened(size=(200, 60))) as terminal:
        terminal.reads.clear()
        for _ in range(40):
            for key in "12345\x0c":
                terminal.send(key.encode())
                time.sleep(0.005)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.exit_code() == 128 + signal.SIGTERM


def test_a_light_terminal(opened: Opened) -> None:
    """It says so when it is asked, usually before the first frame; a later answer is no key, and changes nothing."""
    with settled(opened(), HOME) as dark:
        dark_start = dark.bytes
        assert dark.screen.buffer[0][0].bg == "303030"
    terminal = opened(background="\x1b]11;rgb:ffff/ffff/ffff\x07")
    with settled(terminal, HOME):
        assert terminal.screen.buffer[0][0].bg == "e4e4e4"
        assert terminal.bytes < 2 * dark_start
        terminal.send(b"\x1b]11;rgb:0000/0000/0000\x0754")
        terminal.wait_for("run 59")
        assert terminal.screen.buffer[0][0].bg == "e4e4e4"
