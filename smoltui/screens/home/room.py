"""Home: what this project is, what is done, and the next step on one key. The opening room."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Static

from smoltui.backends.system.paths import shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.guide.steps import Act, Next, ProjectFacts, checklist, next_step
from smoltui.errors import SmoltuiError
from smoltui.screens.home import drawing
from smoltui.screens.room import Room, RoomBar
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.page import Page

if TYPE_CHECKING:
    from smoltui.backends.guide.recent import Recent
    from smoltui.backends.runs.machine import Machine
    from smoltui.core.machine.account import Account
    from smoltui.core.runs.run import Run

WIDE, TINY = 100, 60
"""Columns from which facts are side by side, and below which there are no margins."""
CHECKING = "checking…"
LOOK_AFTER_SECONDS = 0.05
"""Delay before project and machine are read: what they import would delay the first frame."""


class HomeRoom(Room):
    """Draws what is known so far; workers fill in the rest."""

    MODE = "home"
    CSS_PATH = "home.tcss"
    AUTO_FOCUS = "#home"
    BINDINGS: ClassVar[list[BindingType]] = bindings("home")

    def __init__(self) -> None:
        super().__init__()
        self._forget()
        self._machine: Machine | None = None
        self._account: Account | None = None
        self._account_problem = CHECKING
        self._shown: dict[str, Text] = {}

    def _forget(self) -> None:
        """Knows nothing of the project."""
        self._facts = ProjectFacts()
        self._recent: list[Recent] = []
        self._stamp: object = None
        """The state of the project's files when they were last read."""

    def explained(self) -> tuple[str, ...]:
        from smoltui.core.meanings.shown import CARDS_OF

        return CARDS_OF["home"]

    def compose_room(self) -> ComposeResult:
        with Page(id="home"):
            yield Static(drawing.WHAT, id="home-what", markup=False)
            yield Static(id="home-project", markup=False)
            yield Static(id="home-steps", markup=False)
            yield Static(id="home-next", markup=False)
            yield Static(id="home-more", markup=False)
            with Container(id="home-facts"):
                yield Static(id="home-machine", markup=False)
                yield Static(id="home-account", markup=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._draw()
        self.set_timer(LOOK_AFTER_SECONDS, partial(self._look, then_account=True))
        self.watch(self.app, "runs", self._runs_changed, init=False)

    @on(textual_events.ScreenResume)
    def look_again(self) -> None:
        if self._facts.looked:
            self._facts = replace(self._facts, opened=self.workspace.other_pairs)
            self._draw()
            self._look(if_changed=True)
            self._read_runs()
        if self._account_problem != CHECKING:  # the token may be another one now; the same one is not asked about again
            self._ask_account()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.width < TINY or event.size.height < 18, "tiny")
        self.call_after_refresh(self._draw)

    def start_over(self) -> None:
        """Shows another project, after the workspace has changed to it."""
        self._forget()
        self.query_one(RoomBar).redraw()
        self._draw()
        self._look()

    @property
    def next(self) -> Next:
        """The next step, as shown."""
        return next_step(self._facts)

    # -- gathering facts

    @work(group="look", exclusive=True)
    async def _look(self, *, then_account: bool = False, if_changed: bool = False) -> None:
        """Reads project and machine, cheap facts first; with `if_changed` only if a file has changed since."""
        situation: ModuleType = await in_thread(lambda: import_module("smoltui.backends.guide.situation"))
        recent: ModuleType = await in_thread(lambda: import_module("smoltui.backends.guide.recent"))
        project, counts = self.workspace.project, self.workspace.services.counts
        stamp = (await in_thread(partial(situation.files_stamp_of, project)), counts.measurements)
        if if_changed and stamp == self._stamp:
            return
        self._stamp = stamp
        read: ProjectFacts = await in_thread(partial(situation.read_project, project))
        before = self._facts
        self._facts = replace(
            read, opened=self.workspace.other_pairs,
            pairs=before.pairs, runs=before.runs, with_model=before.with_model, compared=before.compared,
            account=before.account, memory=before.memory, memory_words=before.memory_words, lacking=before.lacking,
        )  # fmt: skip
        self._recent = await in_thread(partial(recent.recent_projects, but=project.folder))
        self._draw()
        self._read_runs()
        if read.has_recipe and not read.recipe_problem:
            known, words = await in_thread(partial(situation.count_pairs, project, counts))
            self._facts = replace(self._facts, pairs=known, recipe=words or read.recipe)
            self._draw()
        ours: ModuleType = await in_thread(lambda: import_module("smoltui.backends.runs.machine"))
        self._machine = await in_thread(partial(ours.machine_for, project, counts))
        self._facts = situation.with_machine(self._facts, self._machine)
        self._draw()
        if then_account:  # sequentially: importing the Hub client takes longer than finding the facts
            self._ask_account()

    @work(group="account", exclusive=True)
    async def _ask_account(self, *, refresh: bool = False) -> None:
        from smoltui.core.machine.device_words import before_jobs

        hub: ModuleType = await in_thread(lambda: import_module("smoltui.backends.hub.client"))
        try:
            self._account, self._account_problem = await hub.account(refresh=refresh), ""
        except SmoltuiError as error:
            self._account, self._account_problem = None, before_jobs(error)
        self._facts = replace(self._facts, account=self._account.name if self._account else "")
        self._draw()

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        if self.is_current:
            self._read_runs()

    @work(group="runs", exclusive=True)
    async def _read_runs(self) -> None:
        """Takes over what is known about runs, once those of this machine are listed."""
        monitor, services = self.workspace.monitor, self.workspace.services
        listed = self.workspace.knows_runs_here and (self._facts.here or not monitor.reading)
        if not listed or not self._facts.looked:
            return
        import time

        situation: ModuleType = await in_thread(lambda: import_module("smoltui.backends.guide.situation"))
        project, runs = self.workspace.project, dict(self.workspace.runs)
        known: ProjectFacts = await in_thread(
            partial(situation.with_runs, ProjectFacts(), project, runs, services.here)
        )
        self._facts = replace(
            self._facts, runs=known.runs, with_model=known.with_model, compared=known.compared, now=time.time()
        )
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        """Draws each section whose text has changed."""
        if not self.is_attached or not self.query("#home-steps"):
            return
        facts, width = self._facts, self.size.width - 2
        wide = self.size.width >= WIDE
        project = self.workspace.project
        steps = checklist(facts)
        self._put("what", Text(drawing.WHAT_WIDE if wide else drawing.WHAT))
        self._put("project", drawing.heading(project.name, shown_path(project.folder), width))
        self._put("steps", drawing.steps_text(steps, width, wide=wide))
        if self._put("next", drawing.next_text(self.next)):
            self.refresh_bindings()  # whether enter does anything
        more = drawing.more_text(facts.found, facts.has_recipe, self._recent, self.workspace.runs, width)
        self._put("more", more if facts.looked else Text())
        self._draw_machine(width, wide=wide)

    def _draw_machine(self, width: int, *, wide: bool) -> None:
        from smoltui.core.guide.machine_words import account_line, machine_line, machine_rows

        report = self._machine.report if self._machine is not None else None
        account = account_line(self._account, self._account_problem, optional=self._facts.here)
        if wide:
            rows = machine_rows(report) if report is not None else [("machine", CHECKING)]
            half = (width - 3) // 2
            self._put("machine", drawing.facts_text(rows, in_own_keys(self, "THIS MACHINE  (D: details)"), half))
            if self._account is None and self._facts.here:  # shorter than the sentence that says so
                account = account_line(None, self._account_problem, optional=False)
                row = ("optional", account)
            else:
                row = ("account", account)
            self._put("account", drawing.facts_text([row], "HUGGING FACE JOBS", half))
        else:
            words = machine_line(report) if report is not None else CHECKING
            self._put("machine", drawing.facts_text([("machine", words)], "", width))
            self._put("account", drawing.facts_text([("Jobs", account)], "", width))

    def _put(self, name: str, text: Text) -> bool:
        """Draws a section if its text is another one; returns whether it is."""
        before = self._shown.get(name)
        if before is None or before != text or before.spans != text.spans:
            self._shown[name] = text
            self.query_one(f"#home-{name}", Static).update(text)
            return True
        return False

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "next_step" and not self.next.key:
            return "The folder is still being read"
        if action == "compare" and self._facts.trained is None:
            train = "Press t to train" if self._facts.has_recipe else "Start a project first"
            return f"No run of this project has produced a model yet. {train}"
        return super().why_not(action, parameters)

    def action_next_step(self) -> None:
        self.workspace.do(self.next)

    def action_new(self) -> None:
        self.workspace.do(replace(self.next, act=Act.WIZARD))

    def action_demo(self) -> None:
        self.workspace.do(Next(Act.DEMO, ""))

    def action_details(self) -> None:
        self.workspace.open_room("device")

    def action_compare(self) -> None:
        trained = self._facts.trained
        if trained is not None:
            self.workspace.ask_models(trained.id)

    def action_refresh(self) -> None:
        self._look()
        self._ask_account(refresh=True)
        self.workspace.look_at_runs(jobs=True)

    async def action_open(self) -> None:
        """Asks for pairs, a project folder, a Hub id or a run, and opens it."""
        from smoltui.widgets.ask_line import AskLine  # not before the first frame

        self.app.clear_notifications()
        found = self._facts.found
        if not self.query(AskLine):
            await self.mount(AskLine(), before=self.query_one(KeyBar))
        if self.query("AskLine Input"):  # not while the room is being removed
            self.query_one(AskLine).ask(
                "open:", "file, folder, owner/name, run", self.workspace.open_typed, found[0] if found else ""
            )

    def action_back(self) -> None:
        for line in self.query("AskLine").results():
            if line.asking:  # type: ignore[attr-defined]
                line.stop()  # type: ignore[attr-defined]

    def action_recent(self) -> None:
        if not self._recent:
            self.say("No other project yet. Press n for a new one, or d for the demo.")
            return
        from smoltui.screens.home.recent_dialog import RecentDialog

        words = [drawing.recent_words(one, self.workspace.runs) for one in self._recent]
        self.app.push_screen(RecentDialog(words), self._open_recent)

    def _open_recent(self, position: int | None) -> None:
        if position is not None and position < len(self._recent):
            self.workspace.open_folder(self._recent[position].folder)
