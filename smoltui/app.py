"""The app: which rooms there are, which keys work everywhere, and the state that rooms share."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import SystemCommand
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.events import DescendantFocus, Event, Key
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer
from textual.widget import AwaitMount, Widget
from textual.worker import Worker, WorkerFailed, get_current_worker

from smoltui.at_rest import COLLECT_SECONDS, resume_collections
from smoltui.backends.project.project import Project
from smoltui.backends.runs.callbacks import Severity
from smoltui.backends.services import Services
from smoltui.backends.system.threads import in_thread
from smoltui.backends.system.ui_state import Remembered
from smoltui.doors import Doors
from smoltui.errors import InternalError, SmoltuiError, UnreachableError
from smoltui.keyed_app import KeyedApp
from smoltui.looks.themed import AUTO, ThemedApp
from smoltui.safe_text import redact, safe, safe_line
from smoltui.wire import driver_for, is_remote
from smoltui.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from smoltui.backends.guide.opening import Target
    from smoltui.backends.runs.plan import Plan
    from smoltui.core.guide.steps import Next
    from smoltui.core.runs.run import Run


def _home() -> Screen[None]:
    from smoltui.screens.home.room import HomeRoom

    return HomeRoom()


def _device() -> Screen[None]:
    from smoltui.screens.device.room import DeviceRoom

    return DeviceRoom()


def _pairs() -> Screen[None]:
    from smoltui.screens.pairs.room import PairsRoom

    return PairsRoom()


def _recipe() -> Screen[None]:
    from smoltui.screens.recipe.room import RecipeRoom

    return RecipeRoom()


def _runs() -> Screen[None]:
    from smoltui.screens.runs.room import RunsRoom

    return RunsRoom()


def _evaluate() -> Screen[None]:
    from smoltui.screens.evaluate.room import EvaluateRoom

    return EvaluateRoom()


def _submit() -> Screen[None]:
    from smoltui.screens.submit.room import SubmitRoom

    return SubmitRoom()


WATCH_AFTER_SECONDS = 0.1
"""Delay before runs are listed: after the first frame."""
PRELOAD_AFTER_SECONDS = 1.2
"""Delay before what Recipe and Pairs need is loaded; otherwise opening Pairs takes a third of a second."""
PRELOADED = (
    "smoltui.screens.recipe.room",
    "smoltui.backends.project.recipe_facts",
    "ruamel.yaml",
    "pyarrow.ipc",
    "smoltui.screens.pairs.room",
)
"""Modules of which these consist."""

REMEMBER_AFTER_SECONDS = 2.0
REMEMBER_AT_END_SECONDS = 0.2
"""Time that writing what is remembered gets when the app exits."""

SIGNS: Mapping[Severity, str] = {"information": "", "warning": "! ", "error": "✗ "}
LEAVING_SECONDS = 0.5
"""Time that workers get to end their children when the app exits."""


def _preload() -> None:
    """Imports the Recipe room, the Pairs room, and what they read files with, in a background thread."""

    def load() -> None:
        from importlib import import_module

        for name in PRELOADED:
            import_module(name)

    threading.Thread(target=load, name="smoltui-preload", daemon=True).start()


class _Told(Exception):
    """An error as it is shown after the app has exited."""

    def __init__(self, error: InternalError) -> None:
        super().__init__(str(error))
        self.__cause__ = error.__cause__
        self._error = error

    def __rich__(self) -> Text:
        return Text(f"smoltui: {self._error}")


def _lacks_what_is_closed(error: Exception) -> bool:
    """Whether a worker missed a widget of a view that is being closed: widgets are removed before workers are canceled.

    If it is a worker that failed, this must run in that worker.
    """
    if not isinstance(error, WorkerFailed) or not isinstance(error.error, NoMatches):
        return False
    node = get_current_worker().node
    return isinstance(node, Widget) and node._pruning


class SmoltuiApp(KeyedApp[int], ThemedApp[int]):
    """smoltui on one project folder."""

    TITLE = "smoltui"
    CSS_PATH = "app.tcss"
    # Rooms are imported when they are opened, so that the first frame does not wait for all of them.
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "home": _home,
        "device": _device,
        "pairs": _pairs,
        "recipe": _recipe,
        "runs": _runs,
        "evaluate": _evaluate,
        "submit": _submit,
    }

    runs: reactive[dict[str, Run]] = reactive(dict, init=False)
    """Every known run by id, newest first."""
    runs_errors: reactive[dict[str, SmoltuiError]] = reactive(dict, init=False)
    """Engines that could not list their runs, with the reason."""

    def __init__(
        self,
        project: Project,
        services: Services | None = None,
        opening: str = "home",
        theme: str = "",
        remembered: Remembered | None = None,
        target: Target | None = None,
    ) -> None:
        """With `remembered`, the room and (if `theme` is empty) the theme are those that it knows, else `opening`.

        None: it is read now, for what is opened later. `target` is opened once the first frame is drawn; None: nothing
        but the room.
        """
        known = AUTO
        if remembered is not None:
            room, known = remembered.project.get("room", opening), remembered.app.get("theme", AUTO)
            opening = room if room in self.MODES else opening
        # Without it, Textual mounts an empty screen first.
        self.DEFAULT_MODE = opening  # type: ignore[misc]
        super().__init__(theme or known)
        self.workspace = Workspace(project, services, self, remembered)
        self._recalls_theme = not theme
        self._remembers: Timer | None = None
        self._doors = Doors(self, self)
        self._target = target
        self._forwarded: dict[str, str] = {}
        """Row of a start → id of its run."""
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"  # an animated scroll sends a whole screen per frame over the line

    async def _shutdown(self) -> None:
        """Ends the workers before the widgets that they draw on are removed, and lets them end their child processes.

        Textual cancels workers when its loop ends, after `run_test` has returned, and does not wait for them.
        """
        workers = list(self.workers)
        self.workers.cancel_all()
        ended = asyncio.gather(*(worker.wait() for worker in workers if worker.is_running), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended, LEAVING_SECONDS)
        await self._remember(at_most=REMEMBER_AT_END_SECONDS)
        await super()._shutdown()

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.set_timer(WATCH_AFTER_SECONDS, self._recall_theme)
        self.set_timer(WATCH_AFTER_SECONDS, self._begin_watching)
        if self.complaints:
            self.set_timer(WATCH_AFTER_SECONDS, self.tell_complaints)
        self.set_timer(1.0, self._collect_again)
        self.set_timer(WATCH_AFTER_SECONDS, self._doors.remember)
        if self._target is not None:
            self.call_after_refresh(self._doors.open_target, self._target)
        if not self.is_headless:
            self.set_timer(PRELOAD_AFTER_SECONDS, _preload)

    def deliver_screenshot(
        self, filename: str | None = None, path: str | None = None, time_format: str | None = None
    ) -> str | None:
        """Saves what is on the screen as SVG in the project folder, unless `path` names another, and says where."""
        from smoltui.backends.system.screenshot import screenshot_name

        folder = Path(path) if path is not None else self.workspace.project.folder
        self._save_screenshot(self.export_screenshot(), folder / (filename or screenshot_name(time_format)))
        return None

    @work(group="screenshot")
    async def _save_screenshot(self, svg: str, path: Path) -> None:
        from smoltui.backends.system.paths import shown_path
        from smoltui.backends.system.screenshot import save_screenshot

        try:
            saved = await in_thread(partial(save_screenshot, svg, path))
        except SmoltuiError as error:
            self.say(str(error), "error")
            return
        self.say(f"Saved the screenshot: {shown_path(saved)}")

    # -- what is remembered for the next start

    def remember_soon(self) -> None:
        """Writes what is to be remembered, after a while in which more may come."""
        if self._remembers is None:
            self._remembers = self.set_timer(REMEMBER_AFTER_SECONDS, lambda: self.spawn(self._remember))

    async def _remember(self, at_most: float | None = None) -> None:
        self._remembers = None
        remembered = self.workspace.remembered
        if remembered.is_changed:
            with suppress(TimeoutError):
                await asyncio.wait_for(in_thread(remembered.write), at_most)

    def _recall_theme(self) -> None:
        """Draws in the theme that was chosen last, if that was not known yet when the app was created."""
        known = self.workspace.remembered.app.get("theme", AUTO)
        if self._recalls_theme and self.chosen_theme == AUTO != known:
            self.choose_theme(known)

    def _theme_changed(self, _: Theme) -> None:
        if self.workspace.remembered.app.put("theme", self.chosen_theme):
            self.remember_soon()

    def switch_mode(self, mode: str) -> AwaitMount:
        self.workspace.remember("room", mode)
        return super().switch_mode(mode)

    # -- the terminal

    def get_driver_class(self) -> type[Driver]:
        """Our driver, which sends less, where the terminal allows it; `SMOLTUI_DRIVER=stock` keeps Textual's."""
        stock = super().get_driver_class()
        return stock if os.environ.get("SMOLTUI_DRIVER") == "stock" else driver_for(stock)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Keeps every cursor from blinking over SSH, also in Textual's command palette: it would send bytes forever."""
        if is_remote() and getattr(event.widget, "cursor_blink", False):
            event.widget.cursor_blink = False  # type: ignore[attr-defined]

    def _handle_exception(self, error: Exception) -> None:
        """Exits with one sentence, instead of Textual's traceback with the values of variables, including tokens."""
        if self.return_code is not None or _lacks_what_is_closed(error):
            return  # while the app exits, a room that was just opened may lack its widgets, too

        from smoltui.backends.system.crash import crashed

        found = crashed(error.error if isinstance(error, WorkerFailed) else error)
        super()._handle_exception(_Told(found))
        self._return_code = InternalError.exit_code

    # -- keys that work everywhere

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key):
            self.workspace.pressed()
        await super().on_event(event)

    def _collect_again(self) -> None:
        """Called when the start is over: from now on, garbage is collected while no key is pressed."""
        resume_collections()
        self.set_interval(COLLECT_SECONDS, self.workspace.collect)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What ctrl+p offers besides the actions of the table: the documentation, and Textual's own."""
        from smoltui.docs import topics

        for topic in topics():
            yield SystemCommand(f"Documentation: {topic.title}", topic.summary, partial(self.action_docs, topic.name))
        yield from super().get_system_commands(screen)

    def quit_app(self) -> None:
        """Exits; asks first in the middle of acts on runs, and if something was typed that is not saved."""
        if self.workspace.asks_before_leaving is not None and self.workspace.asks_before_leaving():
            return
        if not self.workspace.unfinished_acts:
            self.exit()
            return
        from smoltui.screens.leaving import Leaving

        if not isinstance(self.screen, Leaving):
            self.push_screen(Leaving(self.workspace), self._leave)

    def _leave(self, message: str | None) -> None:
        """Exits; the message is printed then, None: stays."""
        if message is not None:
            self.exit(message=Text(safe(redact(message), 4000)) if message else None)

    def action_room(self, mode: str) -> None:
        self.clear_notifications()  # they were about the previous room
        self.switch_mode(mode)

    def action_redraw(self) -> None:
        self.repaint_terminal()

    def action_docs(self, topic: str | None = None) -> None:
        """Opens the documentation: at this topic, or with the list of topics."""
        from smoltui.screens.docs import Documentation

        self.push_screen(Documentation(topic))

    def action_train(self) -> None:
        """Asks what to train and where, and starts the run."""
        from smoltui.screens.room import Room
        from smoltui.screens.start_dialog import StartDialog

        if not isinstance(self.screen, StartDialog):
            warning = self.screen.train_warning if isinstance(self.screen, Room) else ""
            dialog = StartDialog(self.workspace.project, self.workspace.services, warning, self._rival_of)
            self.push_screen(dialog, self._start)

    def _rival_of(self, plan: Plan, listed: Sequence[Run]) -> str:
        """A run under way that this plan would be a second one of, one sentence; empty if there is none.

        `listed`: runs that were just listed; those of the workspace may be older, or may not have been listed yet.
        """
        from smoltui.core.runs.rivals import rival

        runs, starting = self.workspace.under_way(listed), self.workspace.acts.starting
        return rival(plan.spec, runs, starting, on_disk=plan.place.on_disk)

    # -- what the workspace needs of the app (`workspace.Shell`)

    def say(self, text: str, severity: Severity = "information") -> None:
        """Shows a notification, with foreign text sanitized, and with a sign for its severity."""
        logging.getLogger("smoltui").debug("said: %s", text)  # for --debug
        words = f"{SIGNS[severity]}{safe(redact(text), 600)}"
        self.notify(words, severity=severity, markup=False, timeout=10 if severity == "error" else 5)

    def ring(self, text: str) -> None:
        """A bell, a toast, and a notification of the terminal (OSC 9)."""
        self.bell()
        self.say(text)
        if self._driver is not None:
            # Sanitized, so that the name of a run cannot end the sequence and start another one.
            self._driver.write(f"\x1b]9;{safe_line(redact(text), 200)}\x07")

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Worker[None]:
        """Starts a task that ends with the app."""
        return self.run_worker(work, group="workspace")

    def runs_changed(self) -> None:
        """Passes what is newly known about runs to every room."""
        self.set_reactive(SmoltuiApp.runs, self.workspace.monitor.runs)
        self.mutate_reactive(SmoltuiApp.runs)  # whether all engines have answered may have changed, too
        self.runs_errors = self.workspace.monitor.errors

    def shows(self, mode: str) -> bool:
        """Whether this room is in front."""
        return self.current_mode == mode

    def open_room(self, mode: str) -> None:
        """Opens a room."""
        self.action_room(mode)

    def open_pairs(self, source: str) -> None:
        """Opens a set in Pairs: a folder or file."""
        self.switch_mode("pairs")
        self.call_after_refresh(self._open_pairs, source)

    def open_folder(self, folder: Path) -> None:
        """Opens another project in this app, at Home."""
        self._doors.open_folder(folder)

    def open_typed(self, text: str) -> None:
        """Opens what a person typed: a file, a folder, a name on the Hub or a run."""
        self._doors.open_typed(text)

    def do(self, step: Next) -> None:
        """Does a next step (`core.guide.steps`)."""
        self._doors.do(step)

    def _open_pairs(self, source: str) -> None:
        from smoltui.screens.pairs.room import PairsRoom

        if isinstance(self.screen, PairsRoom):
            self.screen.open_source(source)

    def open_recipe(self, key: str) -> None:
        """Opens Recipe with the cursor on a field; an empty key: where it was."""
        self.switch_mode("recipe")
        if key:
            self.call_after_refresh(self._go_to_field, key)

    def _go_to_field(self, key: str) -> None:
        from smoltui.screens.recipe.room import RecipeRoom

        if isinstance(self.screen, RecipeRoom):
            self.screen.go_to_field(key)

    def ask_models(self, run_id: str | None = None) -> None:
        """Opens Evaluate, and lets the reference and the model of this run (None: the newest) answer the prompts."""
        self.switch_mode("evaluate")
        self.call_after_refresh(self._start_asking, run_id)

    def compare_model(self, place: str) -> None:
        """Opens Evaluate with the model of a folder or Hub id beside the reference."""
        self.switch_mode("evaluate")
        self.call_after_refresh(self._compare_model, place)

    def _compare_model(self, place: str) -> None:
        from smoltui.screens.evaluate.room import EvaluateRoom

        if isinstance(self.screen, EvaluateRoom):
            self.screen.show_model(place)

    def _start_asking(self, run_id: str | None) -> None:
        from smoltui.screens.evaluate.room import EvaluateRoom

        while len(self.screen_stack) > 1:  # views that were left open over the room
            self.pop_screen()
        if isinstance(self.screen, EvaluateRoom):
            self.screen.start_asking(run_id)

    # -- starting a run

    def _start(self, asked: tuple[Plan, tuple[str, ...]] | None) -> None:
        if asked is not None:
            self._submit(*asked)

    def _submit(self, plan: Plan, then: tuple[str, ...]) -> None:
        """Starts a run as an act of the app: its row is listed at once, and leaving meanwhile asks."""
        from smoltui.backends.runs.plan import settled

        engine = self.workspace.services.engines[plan.place.name]

        async def work() -> Run:
            try:
                run = await engine.submit(replace(await settled(plan), then=then))
            except UnreachableError as error:
                self._ask_again(plan, then, error)
                raise
            await self.workspace.monitor.begin_steps(run, then)
            self.call_later(self._started, row, run.id)
            return run

        progress = partial(engine.submitting, plan.spec.label)
        row = self.workspace.acts.start(plan.spec, plan.place.name, progress, work)
        self.show_run(row)

    def _started(self, row: str, run_id: str) -> None:
        """Moves the cursor from the row of the start to the run, unless the person looks at something else by now."""
        from smoltui.screens.runs.room import RunsRoom

        self._forwarded[row] = run_id
        if isinstance(self.screen, RunsRoom):
            self.screen.follow_start(row, run_id)

    def _ask_again(self, plan: Plan, then: tuple[str, ...], error: UnreachableError) -> None:
        """Offers another try after a lost answer: the same plan has the same label, by which the run is found."""
        from smoltui.screens.dialogs import Confirm

        def answered(again: bool | None) -> None:
            if again:
                self._submit(plan, then)

        looks = "Trying again first looks for the run by its label, so it is not started twice."
        self.push_screen(Confirm(f"{error.message}.", f"{error.hint}\n\n{looks}", "try again", "cancel"), answered)

    def show_run(self, run_id: str) -> None:
        """Opens Runs at this run, also if it is not listed yet."""
        self.switch_mode("runs")
        self.call_after_refresh(self._show_run, run_id)

    def _show_run(self, run_id: str) -> None:
        from smoltui.screens.runs.room import RunsRoom

        if isinstance(self.screen, RunsRoom):
            self.screen.show_run(self._forwarded.get(run_id, run_id))

    # -- runs

    def _begin_watching(self) -> None:
        """Keeps what is known about runs up to date until the app exits."""
        self.spawn(self.workspace.monitor.keep)
        self.spawn(self.workspace.monitor.watch)

    def on_app_blur(self) -> None:
        self.workspace.monitor.blurred = True

    def on_app_focus(self) -> None:
        from smoltui.screens.room import Room

        self.workspace.monitor.blurred = False
        self.workspace.look_at_runs()
        if isinstance(self.screen, Room):
            self.screen.look_again()
