"""One table of actions: what a key, the help, the palette, a click and my own key map do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.widgets import Input

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.actions.own_keys import use_keys
from smoltui.screens.pairs.pair_list import PairList
from smoltui.widgets.actions import offered
from smoltui.widgets.key_bar import KeyBar
from tests.conftest import seen

pytestmark = pytest.mark.slow

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def app(tmp_path: Path) -> SmoltuiApp:
    rows = "".join(f'{{"prompt": "Q{n}?", "chosen": "yes {n}", "rejected": "no"}}\n' for n in range(30))
    (tmp_path / "pairs.jsonl").write_text(rows)
    (tmp_path / "recipe.yaml").write_text("model_name_or_path: demo\ndataset_name: pairs.jsonl\n")
    return SmoltuiApp(Project(tmp_path), Services({}), opening="pairs")


def told(app: SmoltuiApp) -> str:
    return "\n".join(note.message for note in app._notifications)


def packet(app: SmoltuiApp, *names: str) -> None:
    """Keys that arrive at once."""
    assert app._driver is not None
    for name in names:
        event = Key(name, name if len(name) == 1 else None)
        event.set_sender(app)
        app._driver.send_message(event)


async def test_every_key_of_a_packet_reaches_what_the_previous_one_opened(app: SmoltuiApp, wait_until: Wait) -> None:
    """A slow line brings several keys at once: none is lost, and none goes to what was in front before."""
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app) and "loading" not in seen(app))
        packet(app, "i", *"xq1", "enter", "l", "l", "i", *"so", "escape", "l")
        await wait_until(lambda: "pair 4 of 30" in seen(app))
        packet(app, "g", "g", "colon", "1", "2", "enter")
        await wait_until(lambda: "pair 12 of 30" in seen(app))
        packet(app, "4", "X", "2", "question_mark", "slash", *"flag", "enter")
        await wait_until(lambda: "Next flagged pair" in seen(app) and "Exclude" not in seen(app, "#help-text"))
        packet(app, "escape", "escape", "g", "g")
        await wait_until(lambda: "note: xq1" in seen(app) and "pair 1 of 30" in seen(app))
        await pilot.press("q")
        assert app.return_code == 0


@pytest.fixture
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each action, the process stands still for a while, as on a login node with many users."""
    run_action = SmoltuiApp.run_action

    async def late(*args: Any, **kwargs: Any) -> bool:
        time.sleep(0.6)  # noqa: ASYNC251  # not only the action, but all of the app
        return await run_action(*args, **kwargs)

    monkeypatch.setattr(SmoltuiApp, "run_action", late)


async def test_no_key_of_a_packet_is_lost_on_a_busy_machine(
    app: SmoltuiApp, busy_machine: None, wait_until: Wait
) -> None:
    """What I type into an input gets there, even if it opens long after the last key was typed."""
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app) and "loading" not in seen(app))
        packet(app, "colon", "1", "2", "enter", "i", *"xq1", "enter")
        await wait_until(lambda: "note: xq1" in seen(app) and "pair 12 of 30" in seen(app))
        recipe = app.workspace.project.recipe_path
        packet(app, "3")
        await wait_until(lambda: "Learning rate" in seen(app, "#fields"))
        packet(app, "slash", *"model_name", "enter", "enter", "ctrl+u", *"xq/tiny", "enter", "2")
        await wait_until(lambda: "model_name_or_path: xq/tiny" in recipe.read_text())
        await wait_until(lambda: "note: xq1" in seen(app))
        await pilot.press("q")
        assert app.return_code == 0


async def test_an_action_that_cannot_run_says_why(app: SmoltuiApp, wait_until: Wait) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app))
        await pilot.press("n", "n", "f")
        assert told(app) == "There is no match to go to. Press / to search", "once, however often I press"
        await pilot.press("A")
        assert "Search (/) or open an audit finding first" in told(app)
        await pilot.press("question_mark", "slash", *"all", "enter")
        await wait_until(lambda: "Apply to all matches: Nothing to apply to. Search (/)" in seen(app))


async def test_the_palette_has_every_action_of_the_room(app: SmoltuiApp, wait_until: Wait) -> None:
    """Also those without a key; enter in the same packet as the letters runs what they name."""
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app))
        words = {one.action.words for one in offered(app.screen)}
        assert {
            "Show all pairs as a list",
            "Random pair",
            "Go to Runs",
            "Exclude the pair, or include it again",
        } <= words
        packet(app, "colon", *"zzqq", "enter")
        await wait_until(lambda: "No command matches" in told(app))
        await pilot.press("escape", "escape")
        packet(app, "ctrl+p", *"showpairsaslist", "enter")
        await wait_until(lambda: "enter Read" in seen(app, "KeyBar"))


async def test_q_and_escape(app: SmoltuiApp, wait_until: Wait) -> None:
    """q leaves a view, and at the top the app; escape never does; ctrl+c copies, and quits only the second time."""
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app))
        await pilot.press("v")
        await wait_until(lambda: "enter Read" in seen(app, "KeyBar"))
        await pilot.press("q")
        await wait_until(lambda: "→ Next" in seen(app, "KeyBar"))
        await pilot.press("escape", "escape", "ctrl+c")
        assert app.return_code is None and "Press ctrl+c again to quit" in told(app)
        await pilot.press("slash", *"yes", "shift+home", "ctrl+c")
        assert app.clipboard == "yes" and app.return_code is None
        await pilot.press("escape", "ctrl+c", "ctrl+c")
        assert app.return_code == 0


async def test_my_own_keys(app: SmoltuiApp, wait_until: Wait) -> None:
    """A key of my own works, stands in bar and help, and the old one is free; what is wrong is said at the start."""
    app.take_config({"keys": {"pairs.next": "ctrl+n", "pairs.how": "I", "pairs.nxt": "x", "pairs.find": "Z"}})
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app) and "Did you mean pairs.next" in told(app))
        await pilot.press("l", "ctrl+n")
        await wait_until(lambda: "pair 2 of 30" in seen(app))
        assert "ctrl+n Next" in seen(app, "KeyBar")
        await pilot.press("I")
        await wait_until(lambda: "How this set is read" in seen(app))
        await pilot.press("escape", "n")
        await wait_until(lambda: "There is no match to go to. Press Z to search" in told(app))
    use_keys({})


async def test_a_click_is_a_key(app: SmoltuiApp, wait_until: Wait) -> None:
    """On a key of the bar, a heading, a row, and a room at the top."""
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app) and "→ Next" in seen(app, "KeyBar"))
        bar = seen(app, "KeyBar")
        await pilot.click(KeyBar, offset=(bar.index("Next"), 0))
        await wait_until(lambda: "pair 2 of 30" in seen(app))
        await pilot.click(KeyBar, offset=(bar.index("Find"), 0))
        await wait_until(lambda: isinstance(app.focused, Input))
        await pilot.press("escape", "v")
        await wait_until(lambda: "enter Read" in seen(app, "KeyBar") and "chosen length" in seen(app))
        await pilot.pause()
        await pilot.click("#pairs-list PairList", offset=(5, 0))
        await wait_until(lambda: "Sorted by" in told(app))
        listed = app.screen.query_one("#pairs-list PairList", PairList)
        before = listed.cursor
        await pilot.click(listed, offset=(5, 9))
        await wait_until(lambda: listed.cursor not in (before, 0))
        await pilot.click("#room-bar", offset=(seen(app, "#room-bar").index("Runs"), 0))
        await wait_until(lambda: app.current_mode == "runs")


async def test_the_bar_says_what_q_does(app: SmoltuiApp, wait_until: Wait) -> None:
    """In every view of every room: "Back" where it goes back, "Quit" where it leaves the app."""
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 30" in seen(app))
        for room, *keys in ("2v", "2a", "2c", "4v", "4vv", "4vvv", "4z", "4zzz", "5v", "6v"):
            await pilot.press(room)
            await wait_until(lambda: "q Quit" in seen(app, "KeyBar"))
            await pilot.press(*keys)
            await wait_until(lambda: "q Back" in seen(app, "KeyBar"))
            await pilot.press("q")
            await wait_until(lambda: "q Quit" in seen(app, "KeyBar"))
        for room, key, before, after in (("3", "v", "v Settings", "v Recipe"), ("1", "z", "z More", "z Less")):
            await pilot.press(room)
            await wait_until(lambda words=before: words in seen(app, "KeyBar"))  # type: ignore[misc]
            await pilot.press(key)
            await wait_until(lambda words=after: words in seen(app, "KeyBar"))  # type: ignore[misc]
        assert app.return_code is None
        await pilot.press("q")
        assert app.return_code == 0
