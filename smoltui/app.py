"""The app: which rooms there are, which keys work everywhere, and the state that rooms share."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.events import DescendantFocus, Event, Key
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import WorkerFailed

from smoltui.backends.project.project import Project
from smoltui.backends.services import Services, default_services
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InternalError, SmoltuiError, UnreachableError
from smoltui.run_keeper import RULES_SECONDS, RunKeeper
from smoltui.safe_text import redact, safe, safe_line
from smoltui.wire import WireApp, driver_for, is_remote


def _device() -> Screen[Any]:
    from smoltui.screens.device import DeviceRoom

    return DeviceRoom()


def _pairs() -> Screen[Any]:
    from smoltui.screens.pairs import PairsRoom

    return PairsRoom()


def _recipe() -> Screen[Any]:
    from smoltui.screens.recipe import RecipeRoom

    return RecipeRoom()


def _runs() -> Screen[Any]:
    from smoltui.screens.runs import RunsRoom

    return RunsRoom()


def _evaluate() -> Screen[Any]:
    from smoltui.screens.evaluate import EvaluateRoom

    return EvaluateRoom()


WATCH_AFTER_SECONDS = 0.1
"""Runs are listed behind the first frame."""
PRELOAD_AFTER_SECONDS = 1.2
"""When the start is long over, what the Pairs room needs is loaded: it takes a third of a second when it is gone to."""

LEAVING_SECONDS = 0.5
"""Children of a room are asked to end when the app is left; so long after, they are killed."""

COLLECT_SECONDS = 0.25
"""So often memory is looked through for garbage, and so long after the last key: what a key made, in 1 to 5 ms."""
YOUNG_DUE, YOUNG_OVERDUE = 1_000, 20
"""Objects made since the young ones were looked through: then they are. While keys come all the time they are when
Python has looked through the youngest so often by itself (`cli.run_app`)."""
OLD_SECONDS, OLD_DUE, OLD_OVERDUE = 2.0, 50, 500
"""The old ones (20 to 90 ms) are looked through so long after the last key, when the young ones were so often; and in
any case when they were still more often."""


TEXTUALS_OWN = frozenset(
    {
        "app.focus_next", "app.focus_previous", "screen.copy_text", "help_quit", "app.help_quit", "command_palette",
        "app.command_palette", "scroll_left", "scroll_right", "page_left", "page_right", "scroll_home", "scroll_end",
    }
)  # fmt: skip
"""Actions that Textual binds on every screen and that say nothing about a room."""


def _preload() -> None:
    """Imports the Pairs room and Arrow in a thread that nobody waits for."""

    def load() -> None:
        import pyarrow.ipc  # noqa: F401

        import smoltui.screens.pairs  # noqa: F401

    threading.Thread(target=load, name="smoltui-preload", daemon=True).start()


def _first(row: tuple[tuple[bool, str], object]) -> bool:
    """Keys of the bottom line first; the order is kept otherwise."""
    return row[0][0]


class _Told(Exception):
    """An error as it is shown when the app has left the screen."""

    def __init__(self, error: InternalError) -> None:
        super().__init__(str(error))
        self.__cause__ = error.__cause__
        self._error = error

    def __rich__(self) -> Text:
        return Text(f"smoltui: {self._error}")


class SmoltuiApp(WireApp[int]):
    """smoltui on one project folder."""

    TITLE = "smoltui"
    CSS_PATH = "app.tcss"
    # Rooms are imported when they are opened: the first frame must not wait for the sixth.
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "device": _device,
        "pairs": _pairs,
        "recipe": _recipe,
        "runs": _runs,
        "evaluate": _evaluate,
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "room('device')", "Device", show=False),
        Binding("2", "room('pairs')", "Pairs", show=False),
        Binding("3", "room('recipe')", "Recipe", show=False),
        Binding("4", "room('runs')", "Runs", show=False),
        Binding("5", "room('evaluate')", "Evaluate", show=False),
        Binding("t", "train", "Train"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("question_mark", "help", "This list of keys", key_display="?", show=False),
        # Textual asks the app for its keys under a dialog only when they have priority.
        Binding("ctrl+l", "redraw", "Redraw the screen", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "To the shell; fg comes back", show=False, priority=True),
    ]

    runs: reactive[dict[str, Run]] = reactive(dict, init=False)
    """Every known run by id, newest first."""
    runs_errors: reactive[dict[str, SmoltuiError]] = reactive(dict, init=False)
    """Engines that could not list their runs, with the reason."""

    def __init__(self, project: Project, services: Services | None = None, opening: str = "device") -> None:
        # The mode the app begins in: without it Textual mounts an empty screen first.
        self.DEFAULT_MODE = opening  # type: ignore[misc]
        super().__init__()
        self.project = project
        self._services = services
        # Not `_key_…`: Textual takes that for the handler of a key.
        self._pressed_at = -math.inf
        self.keeper = RunKeeper(self)
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"  # an animated scroll sends a screen a frame over the line, and is late

    @property
    def services(self) -> Services:
        """The engines; made when first asked for, since importing them would delay the first frame."""
        if self._services is None:
            self._services = default_services()
        return self._services

    async def _shutdown(self) -> None:
        """Ends the workers before the widgets they draw on are taken away, and lets them end their children.

        Textual cancels them when its loop ends, which `run_test` has not seen end by then, and waits for none of them.
        """
        workers = list(self.workers)
        self.workers.cancel_all()
        ended = asyncio.gather(*(worker.wait() for worker in workers if worker.is_running), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended, LEAVING_SECONDS)
        await super()._shutdown()

    def on_mount(self) -> None:
        self.set_timer(WATCH_AFTER_SECONDS, self._watch_runs)
        self.set_interval(RULES_SECONDS, self._look_at_runs_that_go_on)
        self.set_timer(1.0, self._collect_again)
        if not self.is_headless:
            self.set_timer(PRELOAD_AFTER_SECONDS, _preload)

    # -- the terminal

    def get_driver_class(self) -> type[Driver]:
        """Ours, which spares the line, where the terminal allows it; `SMOLTUI_DRIVER=stock` keeps Textual's."""
        stock = super().get_driver_class()
        return stock if os.environ.get("SMOLTUI_DRIVER") == "stock" else driver_for(stock)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Over SSH no cursor blinks, in Textual's own command palette neither: it sends bytes for ever."""
        if is_remote() and getattr(event.widget, "cursor_blink", False):
            event.widget.cursor_blink = False  # type: ignore[attr-defined]

    def _handle_exception(self, error: Exception) -> None:
        """Leaves with one sentence, in place of Textual's traceback with the values of variables, tokens among them."""
        if self.return_code is not None:
            return  # it is being left: a room that was just opened may miss its widgets

        from smoltui.backends.system.crash import crashed

        found = crashed(error.error if isinstance(error, WorkerFailed) else error)
        super()._handle_exception(_Told(found))
        self._return_code = InternalError.exit_code

    # -- keys that work everywhere

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key):
            self._pressed_at = time.monotonic()
        await super().on_event(event)

    def pressed_within(self, seconds: float) -> bool:
        """Whether a key was pressed in the last so many seconds: what can wait then gives way to it."""
        return time.monotonic() - self._pressed_at < seconds

    async def at_rest(self, seconds: float) -> None:
        """Waits until no key has come for so long: before what would hold up the next one."""
        while self.pressed_within(seconds):
            await asyncio.sleep(seconds / 4)

    def _collect_again(self) -> None:
        """Ends what `cli.run_app` began. What lives by now lives to the end: looking through it would hold up a key."""
        gc.freeze()
        gc.enable()
        self.set_interval(COLLECT_SECONDS, self._collect_at_rest)

    def _collect_at_rest(self) -> None:
        """Does the collections that Python would do at any time when no key waits for them."""
        made, young, old = gc.get_count()
        if old >= (OLD_OVERDUE if self.pressed_within(OLD_SECONDS) else OLD_DUE):
            gc.collect()
        elif young >= YOUNG_OVERDUE or (made >= YOUNG_DUE and not self.pressed_within(COLLECT_SECONDS)):
            gc.collect(1)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What ctrl+p offers: our rooms and acts, and Textual's own but for its panel of keys, which is ours."""
        from smoltui.docs import topics
        from smoltui.screens.room import ROOMS

        for key, mode, title in ROOMS:
            yield SystemCommand(title, f"Go to the room (key {key})", partial(self.action_room, mode))
        yield SystemCommand("Train", "Ask what and where, then start a run (key t)", self.action_train)
        yield SystemCommand("Help", "Every key of this room (key ?)", self.action_help)
        for topic in topics():
            yield SystemCommand(f"Documentation: {topic.title}", topic.summary, partial(self.action_docs, topic.name))
        for command in super().get_system_commands(screen):
            if command.title != "Keys":
                yield command

    def action_room(self, mode: str) -> None:
        self.clear_notifications()  # they were about the room one leaves
        self.switch_mode(mode)

    def action_command_palette(self) -> None:
        from smoltui.screens.modal import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())  # without Textual's id: the one before may not be gone yet

    def action_redraw(self) -> None:
        self.repaint_terminal()

    def action_help(self) -> None:
        """Lists every key that works where one is."""
        from smoltui.screens.help import Help
        from smoltui.screens.room import Room

        screen = self.screen
        if not isinstance(screen, Room):
            return
        rows: dict[tuple[bool, str], tuple[list[str], bool]] = {}
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.description and binding.action not in TEXTUALS_OWN:
                keys, _ = rows.setdefault((not binding.show, binding.description), ([], enabled))
                keys.append(self.get_key_display(binding))
        shown = [(" ".join(keys), words, works) for (_, words), (keys, works) in sorted(rows.items(), key=_first)]
        self.push_screen(Help(screen.title_words, shown))

    def action_docs(self, topic: str) -> None:
        """Opens the documentation at this topic."""
        from smoltui.screens.docs import Documentation

        self.push_screen(Documentation(topic))

    def action_train(self) -> None:
        """Asks what to train and where, and starts it."""
        from smoltui.screens.start_dialog import StartDialog

        if not isinstance(self.screen, StartDialog):
            self.push_screen(StartDialog(self.project, self.services), self._start)

    # -- shared state

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """One sentence to the person; foreign parts are made safe here."""
        self.notify(safe(redact(text), 600), severity=severity, markup=False, timeout=10 if severity == "error" else 5)

    def take_run(self, run: Run) -> None:
        """Puts what is newly known of a run where every room sees it."""
        self.runs = {**({run.id: run} if run.id not in self.runs else {}), **self.runs, run.id: run}

    def look_at_runs(self, *, jobs: bool = False) -> None:
        """Lists the runs again now; Jobs too when asked."""
        self.keeper.look(jobs=jobs)

    def _start(self, asked: tuple[str, RunSpec, tuple[str, ...]] | None) -> None:
        if asked is not None:
            self._submit(*asked)

    @work(group="submit")
    async def _submit(self, engine: str, spec: RunSpec, then: tuple[str, ...]) -> None:
        try:
            run = await self.services.engines[engine].submit(spec)
        except UnreachableError as error:
            self._ask_again(engine, spec, then, error)
            return
        except SmoltuiError as error:
            self.say(str(error), "error")
            return
        self.take_run(run)
        if then:
            self.keeper.begin_chain(run, then)
        self.switch_mode("runs")
        self.call_after_refresh(self._show_run, run.id)

    def _ask_again(self, engine: str, spec: RunSpec, then: tuple[str, ...], error: UnreachableError) -> None:
        """After an answer that was lost: the same specification has the same label, by which the run is found."""
        from smoltui.screens.dialogs import Confirm

        def answered(again: bool | None) -> None:
            if again:
                self._submit(engine, spec, then)

        looks = "Trying again first looks for it by its label, so it is not started twice."
        self.push_screen(Confirm(f"{error.message}.", f"{error.hint}\n\n{looks}", "try again", "cancel"), answered)

    def _show_run(self, run_id: str) -> None:
        from smoltui.screens.runs import RunsRoom

        if isinstance(self.screen, RunsRoom):
            self.screen.show_run(run_id)

    def ask_models(self, run_id: str | None = None) -> None:
        """Goes to Evaluate and lets the reference and the model of this run (None: the newest) answer the prompts."""
        self.switch_mode("evaluate")
        self.call_after_refresh(self._start_asking, run_id)

    def _start_asking(self, run_id: str | None) -> None:
        from smoltui.screens.evaluate import EvaluateRoom

        if isinstance(self.screen, EvaluateRoom):
            self.screen.start_asking(run_id)

    @work(group="runs", exclusive=True)
    async def _watch_runs(self) -> None:
        """Keeps `runs` up to date for as long as the app lives."""
        await self.keeper.keep()

    async def _look_at_runs_that_go_on(self) -> None:
        await self.keeper.look_at_rules()
        await self.keeper.look_at_chains()

    def on_app_blur(self) -> None:
        self.keeper.blurred = True

    def on_app_focus(self) -> None:
        self.keeper.blurred = False
        self.keeper.look()

    def ring(self, text: str) -> None:
        """Tells something one waited for: a bell, a toast, and a notification of the terminal (OSC 9)."""
        self.bell()
        self.say(text)
        if self._driver is not None:
            # Made safe, so that nothing in a run's name ends the sequence and begins another.
            self._driver.write(f"\x1b]9;{safe_line(redact(text), 200)}\x07")
