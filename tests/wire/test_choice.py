"""The choice of the driver, and the capabilities of terminals by name."""

from __future__ import annotations

import io
import sys

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.drivers.linux_driver import LinuxDriver
from textual.widgets import Input

from smoltui.wire import WireApp, choice, driver_for, is_remote
from smoltui.wire.terminal import Terminal, terminal_of


class _Stderr(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", _Stderr())


def test_only_the_stock_driver_for_linux_is_replaced() -> None:
    """The drivers for Windows and browsers, and one set explicitly, are kept."""
    xterm = {"TERM": "xterm-256color"}
    assert driver_for(LinuxDriver, xterm).__name__ == "WireDriver"
    assert driver_for(HeadlessDriver, xterm) is HeadlessDriver


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}, {"TERM": "unknown"}, {"TERM": "vt52"}])
def test_a_terminal_of_which_nothing_is_known_keeps_the_stock_driver(environ: dict[str, str]) -> None:
    assert driver_for(LinuxDriver, environ) is LinuxDriver


def test_a_terminal_that_does_not_read_utf_8_keeps_the_stock_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stderr, "encoding", "latin-1")
    assert driver_for(LinuxDriver, {"TERM": "xterm"}) is LinuxDriver
    monkeypatch.setattr(sys, "__stderr__", None)
    assert not choice._reads_utf8()


def test_what_a_name_says() -> None:
    """The capabilities match terminfo."""
    assert terminal_of({"TERM": "xterm-kitty"}) == Terminal(True, True, True, True)
    assert terminal_of({"TERM": "screen-256color"}) == Terminal(scroll=True)
    assert terminal_of({"TERM": "screen-256color", "TMUX": "/tmp/x"}) == terminal_of({"TERM": "tmux-256color"})
    linux = terminal_of({"TERM": "linux"})
    assert linux is not None and linux.background_erase and not linux.scroll and not linux.repeat
    apple = terminal_of({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"})
    assert apple is not None and apple.scroll and not apple.repeat


def test_the_app_asks_for_it_and_a_variable_keeps_the_stock_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from smoltui.app import SmoltuiApp

    app = object.__new__(SmoltuiApp)
    monkeypatch.setattr("textual.constants.DRIVER", None)  # TEXTUAL_DRIVER, which is read once
    monkeypatch.setenv("TERM", "xterm-256color")
    assert SmoltuiApp.get_driver_class(app).__name__ == "WireDriver"
    monkeypatch.setenv("SMOLTUI_DRIVER", "stock")
    assert SmoltuiApp.get_driver_class(app) is LinuxDriver
    monkeypatch.delenv("SMOLTUI_DRIVER")
    monkeypatch.setattr("textual.constants.DRIVER", "textual.drivers.headless_driver:HeadlessDriver")
    assert SmoltuiApp.get_driver_class(app) is HeadlessDriver


@pytest.mark.slow
async def test_over_ssh_no_cursor_blinks(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nor in the command palette, which is part of Textual; and nothing is animated."""
    from smoltui.app import SmoltuiApp
    from smoltui.backends.project.project import Project
    from smoltui.backends.services import Services

    monkeypatch.delenv("TEXTUAL_ANIMATIONS", raising=False)
    for remote in (False, True):
        if remote:
            monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22")
        assert is_remote() == remote
        app = SmoltuiApp(Project(tmp_path_factory.mktemp("project")), Services({}))
        assert app.animation_level == "none"
        async with app.run_test() as pilot:
            await pilot.press("ctrl+p")
            await pilot.pause()
            assert app.screen.query_one(Input).cursor_blink == (not remote)


async def test_an_app_draws_with_any_driver() -> None:
    """With another driver, the base class of the app changes nothing."""
    app: WireApp[None] = WireApp()
    async with app.run_test() as pilot:
        app.repaint_terminal()
        await pilot.pause()
