"""Which set of answers to label: one that exists, or a new one, sampled here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from smoltui.backends.evaluation import labels
from smoltui.backends.evaluation.labels import Asked, open_labelling, plan_of
from smoltui.backends.evaluation.loading import load_plan, loaded
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.label_set import LabelPlan
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.memory_words import size
from smoltui.core.guide.ends import Act, End, Outcome, cause_of
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.events import Answered, Downloading, PhaseChanged
from smoltui.core.runs.run import Run
from smoltui.core.runs.wording import PHASES
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.agreeing import agreed
from smoltui.screens.evaluate.giving_way import Trainings, gives_way_to
from smoltui.screens.evaluate.pairs_offer import PairsOffer
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.next_step import next_step
from smoltui.widgets.page import Page

FIELDS = ("prompts", "answers", "temperature", "seed", "models")
HINTS = {
    "prompts": "a set, or a text or JSONL file",
    "answers": "of each model to each prompt",
    "temperature": "higher varies more; 0 always gives the same answer",
    "seed": "a whole number; the same one gives the same answers",
    "models": "enter switches: one of the models, or two",
}


class LabelSetup(PairsOffer):
    """Lists the sets of a project, and below them what a new one will be sampled with."""

    CSS_PATH = "vote.tcss"
    HEADING: ClassVar[str] = "Label answers"
    BINDINGS: ClassVar[list[BindingType]] = bindings("label-setup")

    def __init__(self, columns: Sequence[Column], settings: EvaluationSettings) -> None:
        """`columns`: the models to choose from."""
        super().__init__()
        self._settings = settings
        self._asked = Asked()
        # First what is being trained, the later columns.
        self._choices = [[column] for column in reversed(columns)]
        self._choices += [list(pair) for pair in combinations(columns, 2)]
        self._models = 0
        """Place in `_choices`."""
        self._sets: Sequence[tuple[str, str]] = ()
        """Name of each set, and how far it is."""
        self._at = 0
        self._sampling = False
        self._trainings: Trainings | None = None
        self._stop_reason = ""
        """Why sampling was stopped; empty if a person did."""
        self._said = ""

    def compose(self) -> ComposeResult:
        yield Static(Text(" Label answers", "bold"), id="vote-title", markup=False)
        with Page(id="label-setup"):
            yield Static("Loading labels…", markup=False)
        yield Static(id="vote-status", markup=False)
        yield AskLine()
        yield KeyBar()

    def on_mount(self) -> None:
        self._look()
        self._trainings = Trainings(self.workspace, self.workspace.runs)
        self.watch(self.app, "runs", self._runs_changed, init=False)

    def on_screen_resume(self) -> None:
        self._look()

    @property
    def _rows(self) -> int:
        return len(self._sets) + len(FIELDS)

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Reads which sets there are."""
        known = len(self._sets)
        try:
            self._sets = await in_thread(self._read_sets)
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
        if known == 0 and self._at == 0:
            self._at = 0
        self._draw()

    def _read_sets(self) -> list[tuple[str, str]]:
        project, found = self.workspace.project, []
        for name in labels.set_names(project):
            try:
                opened = open_labelling(project, name)
            except InputError as error:
                found.append((name, error.message))
                continue
            done, total = len(opened.progress.cast), len(opened.progress.items)
            missing = f", {opened.tasks.incomplete} prompts still without answers" if opened.tasks.incomplete else ""
            found.append((name, f"{done} of {total} labeled{missing}"))
        return found

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["label"]

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "stop":
            return "" if self._sampling else None
        if action in ("sample", "open") and self._sampling:
            return "Answers are being sampled. Press x to stop"
        return super().why_not(action, parameters)

    def action_move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, self._rows - 1))
        self._draw()

    def action_open(self) -> None:
        """Opens the set, or edits the value, that is selected."""
        if self._at < len(self._sets):
            self._open(self._sets[self._at][0])
            return
        field = FIELDS[self._at - len(self._sets)]
        if field == "models":
            self._models = (self._models + 1) % len(self._choices)
            self._draw()
        else:
            line = self.query_one(AskLine)
            line.ask(f"{field}:", HINTS[field], partial(self._edited, field), self._value(field))

    def _open(self, name: str) -> None:
        from smoltui.screens.evaluate.label_view import LabelView

        self.app.push_screen(LabelView(name))

    def _edited(self, field: str, text: str) -> None:
        if not text:
            return
        try:
            match field:
                case "prompts":
                    self._asked = replace(self._asked, prompts=text)
                case "answers":
                    self._asked = replace(self._asked, n=int(text))
                case "temperature":
                    self._asked = replace(self._asked, temperature=float(text))
                case _:
                    self._asked = replace(self._asked, seed=int(text))
        except ValueError:
            self.tell(f"Not a number: {safe_line(text, 40)}")
            return
        self.tell("")
        self._draw()

    def action_sample(self) -> None:
        self._sample()

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "sample")

    def action_back(self) -> None:
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    # -- sampling

    @work(exclusive=True, group="sample")
    async def _sample(self) -> None:
        project, models = self.workspace.project, self._choices[self._models]
        self._sampling, self._stop_reason = True, ""
        self.refresh_bindings()
        ended, said, sampled = None, "", False
        try:
            self.tell("Reading the prompts…")
            plan = await in_thread(partial(plan_of, project, self._asked, models))
            loading = await self._agreed_plan(models)
            if sampled := loading is not None:
                await self._follow(plan, models, loading)
        except SmoltuiError as error:
            ended, said = End(Act.LABEL, Outcome.FAILED, cause_of(error.message)), f"{error.message}. {error.hint}"
        except asyncio.CancelledError:
            ended = End(Act.LABEL, Outcome.STOPPED)
            said = f"{self._stop_reason or 'Stopped.'} What was sampled is stored."
            raise
        else:
            if sampled:
                self._open(plan.name)
        finally:
            self._sampling = False
            self.refresh_bindings()
            self.tell(f"{said} {next_step(self, ended) if ended is not None else ''}".strip())
            self._look()

    def _runs_changed(self, runs: Mapping[str, Run]) -> None:
        """Sampling gives way to a training that starts."""
        new = self._trainings.started(runs) if self._trainings is not None else []
        if new and self._sampling:
            self._give_way(new)

    @work(group="give-way")
    async def _give_way(self, runs: list[Run]) -> None:
        run = await gives_way_to(self.workspace, runs)
        if run is not None and self._sampling:
            self._stop_reason = f"The models were unloaded: the training of {run.name} needs the memory."
            self.workers.cancel_group(self, "sample")

    async def _agreed_plan(self, models: Sequence[Column]) -> LoadPlan | None:
        """What loading these takes; None if a person does not want it. Raises as `load_plan`."""
        self.tell("Checking the models…")
        require_train_extra()
        plan = await load_plan(models, self.workspace.project.folder)
        if plan.problem is not None:
            raise InputError(*plan.problem)
        return plan if await agreed(self.app, plan) else None

    async def _follow(self, plan: LabelPlan, models: Sequence[Column], loading: LoadPlan) -> None:
        """Samples, and says how far it is."""
        done, phase = 0, "starting"
        total = len(dict.fromkeys(plan.prompts)) * plan.n * len(models)
        project = self.workspace.project
        async with aclosing(loaded(loading, project.folder, labels.sample(project, plan, models))) as events:
            async for event in events:
                if isinstance(event, Downloading):
                    phase = f"downloading {event.model}: {size(event.done)} of {size(event.total)}"
                elif isinstance(event, PhaseChanged):
                    phase = ": ".join(filter(None, (event.message, PHASES.get(event.phase, event.phase))))
                elif isinstance(event, Answered):
                    done += 1
                else:
                    continue
                self.tell(f"{phase} · {done} of at most {total} answers · x stops")

    # -- drawing

    def _value(self, field: str) -> str:
        settings = self._asked.settings(self._settings)
        if field == "models":
            return " and ".join(model.name for model in self._choices[self._models])
        if field == "answers":
            return str(self._asked.n)
        prompts = self._asked.prompts or settings.prompts
        return str({"prompts": prompts, "temperature": settings.temperature, "seed": settings.seed}[field])

    def _draw(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        if self._sets:
            text.append(in_own_keys(self, "SETS  enter opens one\n"), "dim")
        for place, (name, words) in enumerate(self._sets):
            self._line(text, place, safe_line(name, 30), words)
        text.append("\n" if self._sets else "").append(
            in_own_keys(self, "NEW SET  a samples answers with these settings\n"), "dim"
        )
        for place, field in enumerate(FIELDS, len(self._sets)):
            self._line(text, place, field, f"{safe_line(self._value(field), 40)}   {in_own_keys(self, HINTS[field])}")
        self.query_one("#label-setup Static", Static).update(text)
        self.refresh_bindings()

    def _line(self, text: Text, place: int, label: str, words: str) -> None:
        chosen = place == self._at
        text.append("▸ " if chosen else "  ", "bold").append(f"{label:<14} ", "bold" if chosen else "")
        text.append(f"{safe_line(words, 120)}\n")

    def tell(self, text: str) -> None:
        self._said = text
        for status in self.query("#vote-status").results(Static):  # none while the dialog is being removed
            status.update(Text(safe_line(redact(in_own_keys(self, text)), 400)))
