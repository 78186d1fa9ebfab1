"""Which theme is drawn: as chosen, as the terminal says, or the dark one."""

from __future__ import annotations

import pytest
from textual.app import ComposeResult
from textual.widgets import Static

from smoltui.cli.commands.app import _configured_theme
from smoltui.errors import InputError
from smoltui.looks.themed import AUTO, ThemedApp, dark_background
from smoltui.wire import TerminalBackground

LIGHT, DARK = (255, 250, 240), (28, 28, 28)


class Page(ThemedApp[None]):
    def compose(self) -> ComposeResult:
        yield Static("words")


@pytest.mark.parametrize(
    ("value", "dark"),
    [("15;0", True), ("0;15", False), ("0;default;15", False), ("7;8", True), ("0;7", False), ("", None)],
)
def test_what_the_environment_says(value: str, dark: bool | None) -> None:
    assert dark_background({"COLORFGBG": value} if value else {}) is dark


@pytest.mark.parametrize("value", ["default;default", "0;99", ";", "x", "15;0;x"])
def test_nonsense_says_nothing(value: str) -> None:
    assert dark_background({"COLORFGBG": value}) is None


async def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any time, as often as it says so; a theme that was chosen stays."""
    monkeypatch.setenv("COLORFGBG", "0;15")
    app = Page()
    assert app.asks_background
    async with app.run_test() as pilot:
        assert app.theme == "smoltui-light"
        app.post_message(TerminalBackground(DARK))
        await pilot.pause()
        assert app.theme == "smoltui-dark"
        assert app.chosen_theme == AUTO
        app.theme = "nord"  # as the command palette does
        app.post_message(TerminalBackground(LIGHT))
        await pilot.pause()
        assert app.theme == app.chosen_theme == "nord"
        app.choose_theme(AUTO)
        assert app.theme == "smoltui-light", "what the terminal said last"


@pytest.mark.parametrize(("asked", "drawn"), [("light", "smoltui-light"), ("dark", "smoltui-dark"), ("nord", "nord")])
async def test_a_theme_is_asked_for(asked: str, drawn: str) -> None:
    app = Page(theme=asked)
    assert not app.asks_background
    async with app.run_test() as pilot:
        app.post_message(TerminalBackground(LIGHT))
        await pilot.pause()
        assert app.theme == drawn


async def test_an_unknown_theme_is_no_error() -> None:
    """It may have been remembered by another version."""
    app = Page(theme="gone")
    async with app.run_test():
        assert app.theme == "smoltui-dark"
        assert app.chosen_theme == AUTO


def test_the_names_are_those_of_the_app() -> None:
    app = Page()
    assert set(Page.theme_names()) == {AUTO, "dark", "light", *app.available_themes}


def test_a_theme_of_my_configuration() -> None:
    """`theme = "light"` in config.toml; a wrong name is an error with the right one."""
    known = Page.theme_names()
    assert _configured_theme({}, known) == ""
    assert _configured_theme({"theme": "light"}, known) == "light"
    for wrong, hint in (("ligth", "light"), (3, "auto, dark, light")):
        with pytest.raises(InputError) as caught:
            _configured_theme({"theme": wrong}, known)
        assert hint in caught.value.hint
