"""Every key, bound or not, in every room, view and dialog: the app keeps running."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from textual.app import App
from textual.binding import Binding
from textual.command import CommandList
from textual.dom import DOMNode
from textual.events import Key
from textual.keys import Keys, _character_to_key
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

import smoltui
from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.local.place import HERE
from smoltui.backends.machine import devices
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.actions import table
from smoltui.core.actions.keys import is_chord
from smoltui.core.runs.run import RunSpec
from smoltui.screens.home.room import HomeRoom
from smoltui.widgets.actions import offered
from tests.backends.evaluation.project import SCRIPTED_MODELS
from tests.conftest import seen
from tests.toy_engine import ToyEngine
from tests.wire.furnished import furnish

pytestmark = pytest.mark.slow

LEAVES = {"ctrl+c", "ctrl+q", "ctrl+z"}
"""They quit or suspend the app anywhere; other stories press them."""
NAMED = [key.value for key in Keys if not key.value.startswith("<") and key.value not in LEAVES]
PRINTABLE = [chr(number) for number in range(32, 127)] + ["é", "日", "ß", "\u0301", "🦊"]
SIZE = (60, 16)
"""Small: what takes the time is drawing."""
APPS = "app: "
"""Marks an action of the app."""
EVERY_KEY = [(_character_to_key(character), character) for character in PRINTABLE] + [(name, None) for name in NAMED]
"""Name and character of each."""


@dataclass(frozen=True)
class Place:
    """Where keys are pressed: the room, and the keys that open the view or dialog."""

    room: str
    way: tuple[str, ...] = ()


PLACES = [
    Place("home"),
    Place("home", ("o",)),
    Place("home", ("p",)),
    Place("home", ("n",)),
    Place("home", ("n", "s")),
    Place("home", ("n", "s", "s")),
    Place("home", ("n", "s", "s", "s")),
    Place("device"),
    Place("device", ("question_mark",)),
    Place("device", ("t",)),
    Place("device", ("ctrl+p",)),
    Place("pairs"),
    Place("pairs", ("o",)),
    Place("pairs", ("v",)),
    Place("pairs", ("a",)),
    Place("pairs", ("V",)),
    Place("pairs", ("V", "t")),
    Place("pairs", ("V", "h")),
    Place("pairs", ("V", "h", "enter")),
    Place("pairs", ("i",)),
    Place("pairs", ("slash",)),
    Place("pairs", ("slash", *"where", "space", "c")),
    Place("pairs", ("c",)),
    Place("pairs", ("c", "enter")),
    Place("recipe"),
    Place("recipe", ("enter",)),
    Place("recipe", ("slash",)),
    Place("recipe", ("v",)),
    Place("recipe", ("v", "enter")),
    Place("recipe", ("tab",)),
    Place("runs"),
    Place("runs", ("K",)),
    Place("runs", ("V", "l")),
    Place("runs", ("V", "l", "slash")),
    Place("runs", ("V", "i")),
    Place("runs", ("X",)),
    Place("runs", ("R",)),
    Place("runs", ("i",)),
    Place("runs", ("O",)),
    Place("runs", ("dollar_sign",)),
    Place("runs", ("at",)),
    Place("evaluate"),
    Place("evaluate", ("i",)),
    Place("evaluate", ("o",)),
    Place("evaluate", ("c",)),
    Place("evaluate", ("c", "a")),
    Place("evaluate", ("v",)),
    Place("evaluate", ("L",)),
    Place("evaluate", ("J",)),
    Place("submit"),
    Place("submit", ("v",)),
    Place("submit", ("v", "v", "v")),
    Place("evaluate", ("B",)),
]


class QuietEngine(ToyEngine):
    """Replaces the local engine, and trains nothing."""

    place = HERE

    async def _train(self, run_id: str) -> None:
        self._specs[run_id] = RunSpec(
            name="n", project=".", recipe=self._specs[run_id].recipe, output_dir="o", label=run_id
        )
        await super()._train(run_id)


@pytest.fixture
def away(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that a key may start exit at once."""
    for name in ("EDITOR", "VISUAL", "PAGER"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    monkeypatch.setattr(devices, "PROBE", SCRIPTED_MODELS)


@pytest.fixture
def full(tmp_path: Path, own_machine: Path) -> Path:
    furnish(tmp_path / "project", own_machine / "smoltui", runs=3)
    for file in (tmp_path / "project" / "pairs").iterdir():  # few: some keys have all of them looked through
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:12]))
    return tmp_path / "project"


def whereabouts(app: SmoltuiApp) -> tuple[object, ...]:
    """If this is unchanged after a key, the next one can be pressed without returning there."""
    shown = tuple(child.id for child in app.screen.walk_children(Widget) if child.id and child.display)
    return app.current_mode, type(app.screen), type(app.focused), shown


def send(app: App[int], name: str, character: str | None = None) -> None:
    """Presses a key, and waits for nothing."""
    assert app._driver is not None
    event = Key(name, character)
    event.set_sender(app)
    app._driver.send_message(event)


async def handled(pilot: Pilot[int]) -> None:
    """Every key that was sent has been handled: on a busy machine, a burst takes a while."""
    app = pilot.app
    assert isinstance(app, SmoltuiApp)
    for _ in range(3):
        await asyncio.sleep(0)  # on its way from the driver
    while (app._waiting or app._in_hand is not None or not app._message_queue.empty()) and app.return_code is None:
        await asyncio.sleep(0.001)


async def drawn(pilot: Pilot[int]) -> None:
    """As `pilot.pause` without its wait for an idle process, in which every timer of the app would draw."""
    await handled(pilot)
    await pilot._wait_for_screen()
    pilot.app.screen._on_timer_update()


async def go(pilot: Pilot[int], place: Place) -> None:
    """Returns to the place, wherever the previous keys led."""
    app = pilot.app
    await handled(pilot)
    if len(app.screen_stack) > 1:
        await pilot.pause()  # it is there to the last widget
    while len(app.screen_stack) > 1:
        app.pop_screen()
        await pilot._wait_for_screen()
    send(app, "escape")
    await handled(pilot)
    if app.current_mode != place.room:
        await app.switch_mode(place.room)
    for key in place.way:
        send(app, key, key if len(key) == 1 else None)
        await handled(pilot)
    await drawn(pilot)


def meaning(app: App[int]) -> dict[str, tuple[str, ...]]:
    """Actions of each bound key, nearest first, those of the app marked: keys that mean the same have the same."""
    found: dict[str, tuple[str, ...]] = {}
    for node, bindings in app.screen._binding_chain:
        mark = APPS if node is app else ""
        for name, meant in bindings.key_to_bindings.items():
            found[name] = (*found.get(name, ()), *(mark + binding.action for binding in meant))
    return found


def assert_refusals(app: SmoltuiApp, place: Place) -> None:
    """Each action that is dimmed here says why in one sentence."""
    for one in offered(app.screen):
        reason = one.reason
        assert one.enabled or 10 <= len(reason) <= 120, f"{one.action.id} in {place}: {reason!r}"
        assert reason.count(". ") <= 1 and not reason.endswith("."), f"{one.action.id} in {place}: {reason!r}"


async def press_every_key(app: SmoltuiApp, places: list[Place]) -> None:
    """Unbound keys are sent in one burst; bound ones each twice at once, from the place itself.

    If a key does not lead away, all others with the same meaning follow in one burst. What only the app knows is
    pressed in the first place in which it means that.
    """
    of_app: set[tuple[str, ...]] = set()
    """Keys of the app that were pressed: they mean the same in all views of a room."""
    met: set[tuple[type, type]] = set()
    """Screen and widget that keys without a meaning went to."""
    async with app.run_test(size=SIZE) as pilot:
        for place in places:
            await pilot.pause()
            await go(pilot, place)
            await pilot.pause()
            there = whereabouts(app)
            meant = meaning(app)
            assert_refusals(app, place)
            if (reached := (type(app.screen), type(app.focused))) not in met:
                met.add(reached)
                for name, character in EVERY_KEY:
                    if name not in meant:
                        send(app, name, character)
                await pilot.pause()
                await go(pilot, place)
                assert app.return_code is None, f"the app ended on a key without a meaning in {place}"
            stays: set[tuple[str, ...]] = set()
            bound = [(name, character, meant[name]) for name, character in EVERY_KEY if name in meant]
            # q first, while it is certain which screen it reaches.
            bound.sort(key=lambda key: (key[0] != "q", key[2]))
            bound = [key for key in bound if key[2] not in of_app]
            of_app |= {actions for *_, actions in bound if all(action.startswith(APPS) for action in actions)}
            for at, (name, character, actions) in enumerate(bound):
                if actions not in stays and whereabouts(app) != there:
                    await go(pilot, place)
                    if whereabouts(app) != there:
                        await pilot.pause()
                if name == "q":
                    await pilot.pause()  # on a busy machine, a dialog that a key before has closed may still be there
                    if not isinstance(app.screen, ModalScreen):
                        continue  # it leaves the app
                # Twice, as when a key is held down on a slow line; a second q would leave the app.
                for _ in range(1 if name == "q" else 2):
                    send(app, name, character)
                if actions in stays and bound[at + 1 : at + 2] and bound[at + 1][2] == actions:
                    continue
                await drawn(pilot)
                assert app.return_code is None, f"the app ended on {name} in {place}"
                if whereabouts(app) == there:
                    stays.add(actions)
            for chord in sorted(filter(is_chord, meant)):
                await go(pilot, place)
                for letter in chord:
                    send(app, letter, letter)
                await drawn(pilot)
                assert app.return_code is None, f"the app ended on {chord} in {place}"
        await pilot.pause()
        assert app.return_code is None


def of(room: str) -> list[Place]:
    return [place for place in PLACES if place.room == room]


ROOMS = ["home", "device", "pairs", "recipe", "runs", "evaluate", "submit"]
LARGE = ["pairs", "evaluate"]
"""Rooms with so many keys and views that they have a file of their own, for another worker."""


async def walk_through(room: str, project: Path) -> None:
    """Every key in all views of a room, of the demo's pairs and recipe, finished runs with logs, and an active run."""
    app = SmoltuiApp(Project(project), Services({"local": QuietEngine()}), opening=room)
    await press_every_key(app, of(room))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in LARGE])
async def test_with_something_in_every_room(full: Path, away: None, room: str) -> None:
    await walk_through(room, full)


@pytest.mark.parametrize("room", ROOMS)
async def test_in_an_empty_folder(tmp_path: Path, away: None, room: str) -> None:
    """No recipe, no pairs, no runs. Views that need none of these are the same as with them."""
    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}), opening=room)
    await press_every_key(app, [Place(room)])


async def test_letters_behind_the_end_of_the_palette(tmp_path: Path, away: None) -> None:
    """esc and more letters in one packet, again and again: nothing is searched for in a palette that is gone."""
    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}))
    async with app.run_test(size=(100, 30)) as pilot:
        for rest in ("escape", "enter"):
            for letters in ("tr", "ev", "x"):
                await pilot.press("ctrl+p")
                for name in (*letters, rest, rest, *letters, rest):
                    send(app, name, name if len(name) == 1 else None)
                await pilot.pause(0.3)
                assert app.return_code is None
                await pilot.press("escape", "escape")


async def test_a_dialog_that_is_closed_before_it_is_drawn(tmp_path: Path, away: None) -> None:
    """A run that starts, or another key in the packet, closes the dialog that I had just opened."""
    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.action_help()
        app.pop_screen()
        await pilot.pause()
        assert app.return_code is None and isinstance(app.screen, HomeRoom)


async def test_work_that_ends_while_its_view_is_closed(
    tmp_path: Path, away: None, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """I leave a view at the moment when what it waited for comes, and is to be shown where nothing is any more."""
    ended: list[str] = []

    class View(ModalScreen[None]):
        def on_mount(self) -> None:
            self.run_worker(self.wait())

        async def wait(self) -> None:
            try:
                await asyncio.sleep(60)
            finally:  # canceled after the widgets were removed
                ended.append("work")
                self.query_one("#removed")

    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}))
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(View())
        await pilot.pause()
        await app.pop_screen()
        await wait_until(lambda: bool(ended))
        await pilot.pause()
        assert app.return_code is None and isinstance(app.screen, HomeRoom)


@pytest.mark.parametrize("action", ["command_palette", "change_theme"])
async def test_pages_of_a_palette_that_has_no_line(
    action: str, tmp_path: Path, away: None, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """My window is four lines high and the list of commands has none of them: pgup and pgdn do nothing there."""
    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}))
    async with app.run_test(size=(40, 4)) as pilot:
        await app.run_action(f"app.{action}")
        await wait_until(lambda: any(found.highlighted is not None for found in app.screen.query(CommandList)))
        await pilot.press("pagedown", "pageup", "down", "pageup", "pagedown")
        await pilot.pause()
        assert app.return_code is None


async def test_a_palette_that_opens_while_a_run_takes_me_to_its_room(
    tmp_path: Path, away: None, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """ctrl+p just before the app goes to Runs by itself: the palette is in the room where I asked for it."""
    app = SmoltuiApp(Project(tmp_path), Services({"local": QuietEngine()}))
    async with app.run_test(size=(100, 30)) as pilot:
        app.action_command_palette()
        app.open_room("runs")
        await wait_until(lambda: "No runs yet" in seen(app))
        await pilot.press("0")
        await wait_until(lambda: any(found.option_count > 5 for found in app.screen.query(CommandList)))
        await pilot.press("escape")
        await wait_until(lambda: isinstance(app.screen, HomeRoom))
        assert app.return_code is None


def ours() -> Iterator[type[DOMNode]]:
    """Every App, Screen and Widget of the package."""
    for module in pkgutil.walk_packages(smoltui.__path__, "smoltui."):
        if ".scripts." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    yield from {kind for kind in below(DOMNode) if kind.__module__.startswith("smoltui.")}


def test_every_key_is_in_the_table() -> None:
    """Every class with keys has those of a place in the table, every place has a class, and each action runs there."""
    used: dict[str, type[DOMNode]] = {}
    for kind in ours():
        own = vars(kind).get("BINDINGS", [])
        if not own:
            continue
        wrong = [binding for binding in own if not isinstance(binding, Binding) or binding.id not in table.ACTIONS]
        assert not wrong, f"{kind.__name__} has keys that are not in the table"
        (place,) = {table.ACTIONS[binding.id].place for binding in own}
        assert [binding.id for binding in own] == [
            action.id for action in table.PLACES[place].actions for _ in action.key_names
        ], kind.__name__
        used[place] = SmoltuiApp if issubclass(SmoltuiApp, kind) else kind
    assert used.keys() == table.PLACES.keys()
    for place, kind in used.items():
        for action in table.PLACES[place].actions:
            *target, name = action.call.partition("(")[0].split(".")
            runs = {"app": SmoltuiApp, "screen": Screen}.get(target[0], kind) if target else kind
            has = any(hasattr(runs, f"{before}{name}") for before in ("action_", "_action_"))
            assert has or target == ["screen"], f"{action.id} runs nothing"


def test_only_handlers_of_keys_are_named_like_them(tmp_path: Path) -> None:
    """Textual calls `key_NAME` or `_key_NAME` of a node for the key NAME: @ would call `_key_at`."""
    keys = {name.replace("+", "_").replace("-", "_") for name, _ in EVERY_KEY}
    kinds = list(ours())
    assert SmoltuiApp in kinds and len(kinds) > 40
    app = SmoltuiApp(Project(tmp_path), Services())
    for kind in kinds:
        names = set(dir(kind)) | (set(vars(app)) if kind is SmoltuiApp else set())
        for method in inspect.getmembers(kind, inspect.isfunction):
            names |= set(_assigned(method[1]))
        for name in names:
            if name.startswith(("key_", "_key_")):
                key = name.removeprefix("_").removeprefix("key_")
                assert key in keys and inspect.isfunction(inspect.getattr_static(kind, name, None)), f"{kind}.{name}"


@cache
def _assigned(method: Callable[..., object]) -> list[str]:
    """Attributes that a method assigns to `self`."""
    source = ""
    with suppress(OSError, TypeError):  # made by a decorator
        source = inspect.getsource(method)
    return re.findall(r"\bself\.(\w+)(?:\s*:[^=\n]+)?\s*=[^=]", source)
