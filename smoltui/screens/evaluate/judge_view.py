"""A judge: a model compares the answers of the models, in both orders, after the calls and their cost are shown."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static
from textual.worker import Worker

from smoltui.backends.evaluation.judge import Asker, Judging, open_judging, write_template_once
from smoltui.backends.evaluation.judge_setup import NoJudgeError, Setup, judge_setup, other_judge
from smoltui.backends.evaluation.loading import fetch, load_plan
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.evaluation.subject import Subject
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.judge_figures import JudgeFigures
from smoltui.core.evaluation.judge_plan import Plan
from smoltui.core.evaluation.judge_words import judge_name, plan_words
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.memory_words import size
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.guide.ends import Act, Cause, End, Outcome, cause_of
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.events import Downloading, Event
from smoltui.core.runs.run import Run
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.editing import edit_file
from smoltui.screens.evaluate.giving_way import Trainings, gives_way_to
from smoltui.screens.evaluate.judge_panes import HOW, judge_text, template_text
from smoltui.screens.evaluate.pairs_offer import PairsOffer
from smoltui.screens.room import Room
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.next_step import next_step
from smoltui.widgets.page import Page
from smoltui.widgets.selectable import DrawnTable

DRAW_SECONDS = 1.0
"""The figures are counted again at most this often while replies arrive."""


class JudgeView(PairsOffer):
    """Asks a judge about the answers of a run, and shows what it says. Replies are kept with the run."""

    CSS_PATH = "vote.tcss"
    HEADING: ClassVar[str] = "Judge"
    BINDINGS: ClassVar[list[BindingType]] = bindings("judge")

    def __init__(
        self,
        subject: Subject,
        answers: Answers,
        columns: Sequence[Column],
        unload: Callable[[], Worker[None]],
    ) -> None:
        """`unload` gives back the memory of the models in the room, which a local judge needs."""
        super().__init__()
        self._subject, self._answers, self._columns, self._unload = subject, answers, columns, unload
        self._chosen: tuple[str, str] | None = None
        """Endpoint and model that were typed; None: those of smoltui.toml."""
        self._setup: Setup | None = None
        self._judging: Judging | None = None
        self._plan: Plan | None = None
        self._asker: Asker | None = None
        """None while nothing is asked."""
        self._stopping = False
        """No further call is made; those under way are finished."""
        self._trainings: Trainings | None = None
        self._stop_reason = ""
        """Why the judge was stopped; empty if a person did."""
        self._shows_prompt = False
        self._draw_next = 0.0
        """When replies that arrive are counted again (`time.monotonic`)."""

    def compose(self) -> ComposeResult:
        yield Static(id="vote-title", markup=False)
        with Page(id="judge-page"):
            yield DrawnTable("Loading…", markup=False)
        yield Static(id="vote-status", markup=False)
        yield AskLine()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#judge-page").focus()
        self._trainings = Trainings(self.workspace, self.workspace.runs)
        self.watch(self.app, "runs", self._runs_changed, init=False)
        title = Text(" Judge", "bold", no_wrap=True, overflow="ellipsis")
        title.append(f" · {safe_line(self._subject.name, 80)}", "not bold")
        self.query_one("#vote-title", Static).update(title)
        self._load()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")

    @work(exclusive=True, group="load")
    async def _load(self, ended: tuple[Outcome, SmoltuiError | None] | None = None) -> None:
        """Reads settings, prompt and replies, and shows what they say; and how asking `ended`, if it just did."""
        try:
            setup, judging, plan = await in_thread(self._open)
        except SmoltuiError as error:
            self._setup = self._judging = self._plan = None
            self._shows_prompt = False
            self._show(Text(HOW if isinstance(error, NoJudgeError) else safe(redact(str(error)), 600)))
            self.tell("")
            return
        self._setup, self._judging, self._plan = setup, judging, plan
        self.tell(judging.unreadable)
        await self._draw()
        if ended is not None:
            self._ended(*ended)

    def _open(self) -> tuple[Setup, Judging, Plan]:
        project = self.workspace.project
        settings = other_judge(project.settings().judge, *(self._chosen or ()))
        setup = judge_setup(project, settings, self._columns)
        judging = open_judging(self._subject.folder, self._answers, setup.judge)
        return setup, judging, judging.plan(setup.settings)

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["judge"]

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        asking = self._asker is not None
        if action == "stop":
            return "" if asking else None
        if action in ("ask", "other", "edit") and asking:
            return "The judge is being asked. Press x to stop"
        if action == "ask" and (self._plan is None or not self._plan.calls):
            return "Nothing to ask the judge now; the status line says why"
        if action == "prompt" and self._setup is None:
            return "The judge is not set up; the status line says why"
        return super().why_not(action, parameters)

    def action_ask(self) -> None:
        if self._asker is None:
            self._ask()

    def action_stop(self) -> None:
        """Makes no further call; pressed again, abandons the calls under way."""
        if self._asker is None:
            return
        if self._stopping:
            self.workers.cancel_group(self, "ask")
            return
        self._stopping = True
        self._asker.stop()
        self.tell("Stopping after the calls in progress…")

    def action_other(self) -> None:
        """Asks for an endpoint and a model, for as long as this view is open."""
        now = self._setup.settings if self._setup is not None else None
        value = f"{now.endpoint} {now.model}" if now is not None else ""
        hint = "URL, hf or local, then the model; empty: as in smoltui.toml"
        self.query_one(AskLine).ask("endpoint and model:", hint, self._named, value)

    def _named(self, text: str) -> None:
        endpoint, _, model = text.partition(" ")
        self._chosen = (endpoint, model.strip()) if text else None
        self._shows_prompt = False
        self._load()

    async def action_prompt(self) -> None:
        """Switches between the prompt and the result."""
        self._shows_prompt = not self._shows_prompt
        await self._draw()
        self.query_one("#judge-page", Page).scroll_home(animate=False, immediate=True)

    def action_edit(self) -> None:
        """Opens the project's prompt in the user's editor, made from ours if there is none."""
        project = self.workspace.project
        room = next(screen for screen in self.app.screen_stack if isinstance(screen, Room))
        try:
            path = project.resolve(project.settings().judge.prompt)
            write_template_once(path)
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
            return
        edit_file(room, path)
        self._load()

    async def action_back(self) -> None:
        """Closes the innermost of: the question, the prompt, the view."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        elif self._shows_prompt:
            await self.action_prompt()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Closes the view; calls under way are finished and kept."""
        if self._asker is not None:
            self._asker.stop()
            self.workspace.say("The judge is stopped. Replies so far are kept; asking again continues.")
        self.dismiss()

    def _runs_changed(self, runs: Mapping[str, Run]) -> None:
        """A local judge gives way to a training that starts."""
        new = self._trainings.started(runs) if self._trainings is not None else []
        if new and self._asker is not None and self._setup is not None and self._setup.column is not None:
            self._give_way(new)

    @work(group="give-way")
    async def _give_way(self, runs: list[Run]) -> None:
        run = await gives_way_to(self.workspace, runs)
        if run is not None and self._asker is not None:
            self._stop_reason = f"The judge was unloaded: the training of {run.name} needs the memory."
            self.workers.cancel_group(self, "ask")

    # -- asking

    @work(exclusive=True, group="ask")
    async def _ask(self) -> None:
        setup, judging, plan = self._setup, self._judging, self._plan
        if setup is None or judging is None or plan is None or not plan.calls:
            return
        loading, told = LoadPlan(()), [*plan_words(plan, setup.settings), *setup.warnings]
        if setup.column is not None:
            try:
                self.tell("Checking the model…")
                loading = await load_plan([setup.column], self.workspace.project.folder)
                if loading.problem is not None:
                    raise InputError(*loading.problem)
            except SmoltuiError as error:
                self._ended(Outcome.FAILED, error)
                return
            told += loading.words
        consequence = "\n".join(told)
        where = judge_name(setup.settings.endpoint, setup.settings.model)
        question = f"Ask this model: {where}?" if setup.column else f"Send the prompts and answers to {where}?"
        if not await self.app.push_screen_wait(Confirm(question, consequence, yes="ask the judge", no="cancel")):
            return
        outcome, failure, self._stop_reason = Outcome.DONE, None, ""
        async with ResidentModels(self.workspace.project.folder) as models:
            self._draw_next = 0.0
            self._asker, self._stopping = setup.asker(models, tell=self.tell), False
            self.refresh_bindings()
            try:
                self.tell("Asking the judge…")
                if setup.column is not None:
                    await self._unload().wait()
                    async with aclosing(fetch(loading, self.workspace.project.folder)) as fetching:
                        async for event in fetching:
                            self._take(event)
                await judging.ask(self._asker, plan, partial(self._told, plan))
            except SmoltuiError as error:
                outcome, failure = Outcome.FAILED, error
            except asyncio.CancelledError:
                outcome = Outcome.STOPPED
                self._stop_reason = self._stop_reason or "Stopped. Calls in progress were abandoned."
                raise
            finally:
                self._asker = None
                if self.is_attached:
                    if self._stopping and outcome is Outcome.DONE:
                        outcome, self._stop_reason = Outcome.STOPPED, "Stopped."
                    self._load(ended=(outcome, failure))

    def _take(self, event: Event) -> None:
        """Tells how far the download of a local judge is."""
        if isinstance(event, Downloading):
            self.tell(f"Downloading {event.model}: {size(event.done)} of {size(event.total)} · x stops")

    def _ended(self, outcome: Outcome, error: SmoltuiError | None) -> None:
        """Says how asking ended, and what is next."""
        plan, facts = self._plan, frozenset[str]()
        if outcome is Outcome.DONE and plan is not None and plan.calls:
            facts = frozenset({"missing"})
        words = {Outcome.DONE: "Done.", Outcome.STOPPED: f"{self._stop_reason} Replies so far are kept."}
        said = words.get(outcome, "") if error is None else f"{error.message}. {error.hint}"
        cause = cause_of(error.message) if error is not None else Cause.OTHER
        self.tell(f"{said} {next_step(self, End(Act.JUDGE, outcome, cause, facts))}".strip())

    def _told(self, plan: Plan, done: int) -> None:
        """A reply has come."""
        if not self.is_attached:
            return
        if not self._stopping:
            self.tell(f"{done:,} of {len(plan.calls):,} replies · x stops")
        if time.monotonic() > self._draw_next and not self._shows_prompt:
            self._draw_next = math.inf
            self._redraw()

    @work(exclusive=True, group="draw")
    async def _redraw(self) -> None:
        """Counts the replies so far, and with many of them less often."""
        begun = time.monotonic()
        await self._draw()
        self._draw_next = time.monotonic() + max(DRAW_SECONDS, 10 * (time.monotonic() - begun))

    # -- drawing

    async def _draw(self) -> None:
        setup, judging = self._setup, self._judging
        if setup is None or judging is None:
            return
        if self._shows_prompt:
            self._show(template_text(setup.judge.template, setup.prompt))
            return
        figures, plan = await in_thread(partial(self._counted, setup, judging, self._asker is not None))
        if not self._shows_prompt and judging is self._judging:
            self._show(judge_text(setup, judging.ballot, plan, figures))

    @staticmethod
    def _counted(setup: Setup, judging: Judging, asking: bool) -> tuple[JudgeFigures, Plan | None]:
        return judging.figures(), None if asking else judging.plan(setup.settings)

    def _show(self, text: RenderableType) -> None:
        for page in self.query("#judge-page Static").results(Static):
            page.update(text)
            self.refresh_bindings()

    def tell(self, text: str) -> None:
        for status in self.query("#vote-status").results(Static):  # none while the view is being removed
            status.update(Text(safe_line(redact(in_own_keys(self, text)), 400)))
