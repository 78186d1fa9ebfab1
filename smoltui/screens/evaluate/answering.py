"""The part of the Evaluate room in which models answer: asking, showing what comes, and keeping it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from textual import work
from textual.timer import Timer

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.kept_answers import save_answers
from smoltui.backends.evaluation.loading import loaded
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.evaluation.subject import Subject, of_deleted, remember
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.answer_figures import answer_figures
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.memory_words import size
from smoltui.core.evaluation.sheet import Sheet, sampling_as_json
from smoltui.core.guide.ends import Act, End, Outcome, cause_of
from smoltui.core.runs.events import Downloading, Event, MemoryMeasured, ModelNotice, PhaseChanged
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.wording import PHASES
from smoltui.errors import SmoltuiError
from smoltui.screens.evaluate.agreeing import NOT_LOADED, Agreeing
from smoltui.screens.evaluate.base import when
from smoltui.screens.evaluate.giving_way import Trainings, gives_way_to
from smoltui.widgets.next_step import next_step

DRAW_SECONDS = 0.1
"""Streamed text is drawn at most ten times per second."""
KEEP_SECONDS = 30.0
"""While models answer, complete answers are saved this often."""
ANSWERING = "answering"
"""What the models are busy with, as in "The models are busy answering"."""


def told(error: SmoltuiError) -> str:
    """An error and what to do about it, in one line."""
    return " ".join(f"{part.rstrip('.')}." for part in (error.message, error.hint) if part)


class Answering(Agreeing):
    """Asks models that stay loaded, and saves what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = self._kept = 0.0
        self._phase = ""
        self._ticker: Timer | None = None
        self._file: Path | None = None
        """Where the answers of this asking are saved; None before the first time."""
        self._not_saved = ""
        """Why the newest answers could not be saved; empty if they are."""
        self._before = Sheet()
        """The answers as they were before the newest asking."""
        self._file_before: Path | None = None
        self._changed_at_all = False
        """Answers have come since they were last drawn."""
        self._whole = 0
        """Complete answers of this asking."""
        self._trainings: Trainings | None = None
        self._stop_reason = ""
        self._writes = 0
        """Writes of answers that have begun and not ended."""
        self._ended = ("", "", "")
        """What the status said when the models were done, what they did, and how long it took."""

    # -- asking

    def _to_ask(self) -> list[int]:
        """Indices of what `a` asks: what is missing, or everything if nothing is or if the settings have changed."""
        sheet = self._sheet
        everything = list(range(len(sheet.prompts)))
        if not sheet.complete or not self._same_settings():
            return everything
        return sheet.missing() or everything

    def _same_settings(self) -> bool:
        """Whether new answers can stand beside those that are there."""
        return self._sheet.sampling is None or dict(self._sheet.sampling) == sampling_as_json(self.settings)

    @work(group="models", exclusive=True)
    async def _ask(self, indices: Sequence[int]) -> None:
        if self._loaded is None or self._working:
            return
        plan = await self._planned(self.columns)
        sheet = self._sheet
        if plan is None or self._working or any(index >= len(sheet.prompts) for index in indices):
            return
        sampling = sampling_as_json(self.settings)
        self._before, self._file_before = sheet.copy(), self._file
        if not self._same_settings():
            sheet.cells.clear()  # saved in a file of their own
        self._asked = list(indices)
        sheet.forget(indices)
        if not sheet.cells:
            sheet.date, self._file = None, None
        sheet.sampling, sheet.date = sampling, sheet.date or answers.today()
        self._notices.clear()
        self._whole = 0
        prompts = [sheet.prompts[index] for index in indices]
        around = self._around("ask")
        if self._models is None or self._models.around != around:
            # The previous one ends with its worker.
            self._models = ResidentModels(self.workspace.project.folder, ended=self._models_ended, around=around)
            self._hold(self._models)
        self._resident = frozenset(column.weights for column in self.columns)
        asked = self._models.ask(self.columns, prompts, sampling, date=sheet.date)
        await self._listen(ANSWERING, loaded(plan, self.workspace.project.folder, asked))

    async def _planned(self, columns: Sequence[Column], act: Act = Act.ASK) -> LoadPlan | None:
        """What loading takes, once a person has agreed; None if not, which the status says."""
        before, plan = self._resting(), None
        self._set_status("Checking the models…")
        try:
            plan = await self._agreed_plan(columns)
        except SmoltuiError as error:
            end = End(act, Outcome.FAILED, cause_of(error.message))
            self._aside = f"{told(error)} {next_step(self, end)}".strip()
        else:
            self._aside = f"{NOT_LOADED} {before}" if plan is None else ""
        self._set_status(self._aside)
        return plan

    @work(group="resident", exclusive=True)
    async def _hold(self, models: ResidentModels) -> None:
        """Ends the models with the app, whose workers are cancelled first."""
        async with models:
            await asyncio.Event().wait()

    def _models_ended(self) -> None:
        """The child has ended: idle, killed, or on a key."""
        self._memory = None
        if self.is_attached:
            self._draw_notices()
            self.refresh_bindings()

    @work(group="unload", exclusive=True)
    async def _unload(self, reason: str) -> None:
        """Gives back the memory of the models."""
        if self._models is not None and self._models.alive:
            await self._models.close()
            self._set_status(reason)

    def action_stop(self) -> None:
        """Stops the models, or gives back their memory if they are idle."""
        if self._working:
            self.workers.cancel_group(self, "models")
        else:
            self._unload("The models are unloaded; the next question loads them.")

    # -- a training that needs the memory

    def _look_at_trainings(self, runs: Mapping[str, Run]) -> None:
        """Ends the models when a training starts that needs their memory."""
        if self._trainings is None:
            self._trainings = Trainings(self.workspace, {})
        new = self._trainings.started(runs)
        if new and self._models is not None and self._models.alive:
            self._give_way(new)

    @work(group="give-way")
    async def _give_way(self, runs: list[Run]) -> None:
        models = self._models
        run = await gives_way_to(self.workspace, runs)
        if run is None or models is None or not models.alive:
            return
        said = f"The models were unloaded: the training of {run.name} needs the memory."
        if self._working:
            self._stop_reason = f"{said} Complete answers are kept; a continues after it."
            self.workers.cancel_group(self, "models")
        await models.close()
        self._set_status(self._stop_reason or said)

    # -- listening

    async def _listen(self, doing: str, events: AsyncGenerator[Event, None]) -> None:
        """Shows events until they end; an error or a stop is reported in the status."""
        self._working, self._begun, self._phase = doing, time.monotonic(), ""
        self._kept, self._stop_reason, self._aside = self._begun, "", ""
        self._ticker = self.set_interval(DRAW_SECONDS, self._tick)
        self._draw_below()
        self.refresh_bindings()
        failed: End | None = None
        outcome, stopped, act = "", False, Act.ASK if doing == ANSWERING else Act.MEASURE
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
        except SmoltuiError as error:
            outcome, failed = told(error), End(act, Outcome.FAILED, cause_of(error.message))
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            took = as_time(time.monotonic() - self._begun)
            self._working = ""
            self._ticker.stop()
            if doing == ANSWERING:
                self._settle()
                self._keep()
            if stopped:
                outcome, failed = self._stop_reason or self._stopped_words(doing), End(act, Outcome.STOPPED)
            following = next_step(self, failed) if failed is not None else ""
            # What was said while they worked, as that the run was deleted, comes last: it may end with a path.
            self._aside = " ".join(filter(None, (outcome, following, self._aside)))
            self._set_status(self._aside or self._done(doing, took))
            self._ended = (self._status, doing, took)
            self._draw_all()
            self._draw_figures()
            self._draw_below()
            self.refresh_bindings()

    def _settle(self) -> None:
        """Drops incomplete answers, and brings back earlier ones in their place.

        Those with other settings come back only if there is no new one: they can't stand side by side.
        """
        sheet, before = self._sheet, self._before
        sheet.drop_parts()
        same = before.sampling is None or before.sampling == sheet.sampling
        if same:
            sheet.cells = {**before.cells, **sheet.cells}
        elif not sheet.cells:
            sheet.cells, sheet.sampling, sheet.date = before.cells, before.sampling, before.date
            self._file = self._file_before

    def _stopped_words(self, doing: str) -> str:
        missing = len(self._sheet.missing()) if doing == ANSWERING else 0
        left = "1 prompt is" if missing == 1 else f"{missing:,} prompts are"
        more = f" {left} left." if missing and self._sheet.complete else ""
        return f"Stopped. Complete answers are kept.{more}"

    def _take(self, event: Event) -> None:
        match event:
            case PhaseChanged(phase=phase, message=message):
                self._phase = ": ".join(filter(None, (message, PHASES.get(phase, phase))))
            case Downloading(model=model, done=done, total=total):
                self._phase = f"downloading {model}: {size(done)} of {size(total)}"
            case MemoryMeasured():
                self._memory = event
                self._draw_notices()
            case ModelNotice(model=model, kind=kind, text=text):
                self._notices[model, kind] = text
                self._draw_notices()
            case _ if self._working == ANSWERING:
                if self._sheet.take(event, self._asked) is not None:
                    self._changed_at_all = True
                    self._whole += event.name != "answer_part"
            case _:
                self._take_measured(event)

    def _tick(self) -> None:
        if self._working == ANSWERING and time.monotonic() - self._kept > KEEP_SECONDS:
            self._keep()
        if not self.is_current:
            return
        if self._changed_at_all:
            self._changed_at_all = False
            self._draw_answers()
        self._set_status(self._progress())
        if self._working != ANSWERING:
            self._draw_figures()

    def _progress(self) -> str:
        spent = as_time(time.monotonic() - self._begun)
        if self._phase.startswith("downloading"):
            counted = ""
        elif self._working == ANSWERING:
            counted = f"{self._whole:,} of {len(self._asked) * len(self.columns):,} answers"
        else:
            counted = self._measured_so_far()
        return " · ".join(filter(None, (self._phase or self._starting(), counted, spent, "press x to stop")))

    def _starting(self) -> str:
        """What happens before the models say anything."""
        opening = self._loaded
        if not self._around("ask") or opening is None or opening.run is None:
            return "starting the models"
        return f"waiting for a node of {self.workspace.services.named(opening.run.engine).place.title}"

    # -- keeping

    def _keep(self) -> None:
        """Saves the complete answers with the run."""
        self._kept = time.monotonic()
        opening = self._loaded
        if opening is None or (subject := self._kept_for(opening)) is None or not self._sheet.complete:
            return
        models = {column.name: column.shown for column in self.columns}
        project, now, file = self.workspace.project, self._sheet.copy(), self._file
        aligned = opening.comparison.models[-1]

        def write() -> Path:
            remember(project, subject, aligned)
            return save_answers(subject.folder, now, models, now.sampling or {}, file)

        if self.app.return_code is None:
            self._writes += 1
            self._write(opening, write)
            return
        try:  # the app exits, and waits for no more workers
            write()
        except SmoltuiError as error:
            self.say(error)

    def _kept_for(self, opening: answers.Opening) -> Subject | None:
        """What results are kept for; that of the model, once the run was deleted, which is said."""
        subject = opening.subject
        if subject is None or subject.run is None or subject.run.id in self.workspace.runs:
            return subject
        deleted = subject.run
        opening.subject = of_deleted(self.workspace.project, deleted, opening.comparison.models[-1])
        opening.run, self._file = None, None
        self._aside = (
            f"The run {deleted.name} {deleted.id} was deleted. What is shown here is kept in {opening.subject.folder}"
        )
        if not self._working:
            self._set_status(self._aside)
        return opening.subject

    @work(group="keep")
    async def _write(self, opening: answers.Opening, write: Callable[[], Path]) -> None:
        try:
            self._file = await in_thread(write)
            opening.kept_at, self._not_saved = time.time(), ""
        except SmoltuiError as error:
            self._not_saved = told(error)
            self.say(error)
        finally:
            self._writes -= 1
        said, doing, took = self._ended
        if not self._working and not self._aside and said and said == self._status:
            self._set_status(self._done(doing, took))  # whether they are saved

    def _saved_words(self, opening: answers.Opening) -> str:
        """Where the answers are kept, for the end of a sentence, or why they could not be saved."""
        if self._writes:
            return ", being saved."
        if self._not_saved:
            return f". {self._not_saved}"
        if opening.subject is None or not opening.kept_at:
            return "."
        return f", saved {'with the run' if opening.run is not None else 'for this model'} {when(opening.kept_at)}."

    # -- figures of the set

    @work(group="set-figures", exclusive=True)
    async def _compute_figures(self, sheet: Sheet) -> None:
        manner = self._loaded.settings.manner if self._loaded else None
        now = sheet.copy()
        self._show_figures(sheet, await in_thread(lambda: answer_figures(now, manner)))

    # -- told by the room and by measuring

    def _done(self, doing: str, took: str) -> str:
        """The status after work that took `took`."""
        raise NotImplementedError

    def _resting(self) -> str:
        """The status while the models are idle."""
        raise NotImplementedError

    def _take_measured(self, event: Event) -> None:
        raise NotImplementedError

    def _measured_so_far(self) -> str:
        raise NotImplementedError

    def _draw_figures(self) -> None:
        raise NotImplementedError
