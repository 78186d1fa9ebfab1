"""Evaluate: both models answer the same prompts side by side, and are measured on held-out pairs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Input, Static

from smoltui.backends.evaluation import answers, measurements
from smoltui.backends.evaluation.held_out import held_out_pairs
from smoltui.backends.runs import store as run_store
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally, manner_of
from smoltui.core.evaluation.measurement import Measurement, differences
from smoltui.core.evaluation.sheet import MODELS, Sheet, sampling_as_json, sampling_in_words
from smoltui.core.runs.events import Answered, Event, PairScored, PhaseChanged
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.wording import PHASES
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.answer_pair import AnswerPair
from smoltui.screens.evaluate.figures_table import figures_table
from smoltui.screens.room import LOADING_RUNS, Room
from smoltui.widgets.page import Page

WIDE = 100
"""Columns from which the two answers are side by side."""
DRAW_SECONDS = 0.1
"""Streamed text is drawn at most ten times per second."""

ANSWERING, MEASURED = "answering", "being measured"
"""What the models are busy with, as in "The models are busy answering"."""


class EvaluateRoom(Room):
    """Shows the two models, their sampling settings, and their answers."""

    MODE = "evaluate"
    CSS_PATH = "evaluate.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "ask", "Compare"),
        Binding("m", "measure", "Measure"),
        Binding("i", "own", "Own prompt"),
        Binding("e", "edit", "Prompts"),
        Binding("b", "benchmarks", "Benchmarks"),
        Binding("x", "stop", "Stop"),
        Binding("left_square_bracket", "other(1)", "Older run", key_display="[", show=False),
        Binding("right_square_bracket", "other(-1)", "Newer run", key_display="]", show=False),
        Binding("escape", "close_own", "Close", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._loaded: answers.Opening | None = None
        self._sheet = Sheet()
        self._blocks: list[AnswerPair] = []
        self._asked: list[int] = []
        self._tally: Tally | None = None
        self._changed: list[str] = []
        """What makes the newest figures incomparable with those before."""
        self._working = ""
        """`ANSWERING` or `MEASURED`; empty while the models are idle."""
        self._begun = 0.0
        self._phase = ""
        self._wish: str | None = None
        """Id of the run to compare; None: the newest."""
        self._ask_when_loaded = False
        self._dirty: set[int] = set()
        """Places of prompts whose answers have changed since they were drawn."""
        self._ticker: Timer | None = None
        self._known: frozenset[tuple[str, str]] = frozenset()
        """Finished runs that were offered last: id, and place of the model."""
        self._reading = False
        """The status says that runs are still being loaded."""

    def compose_room(self) -> ComposeResult:
        yield Static(id="eval-head", markup=False)
        yield Static("Loading the project…", id="eval-status", markup=False)
        with Page(id="sheet"):
            yield Static(id="figures", markup=False)
        yield Input(placeholder="Your prompt (enter asks the models, esc cancels)", id="own", select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one("#sheet").focus()
        self.query_one(Input).cursor_blink = False  # a blinking cursor keeps sending bytes
        self.watch(self.app, "runs", self._runs_changed, init=False)
        self._load()

    def on_screen_resume(self) -> None:
        self._draw_all()
        self._load()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self._draw_all)

    # -- called from other rooms

    def start_asking(self, run_id: str | None = None) -> None:
        """Lets the reference and the model of a run (None: the newest) answer all prompts, once these are loaded."""
        if self._working:
            self.say(f"The models are busy {self._working}; x stops it.")
            return
        self._ask_when_loaded, self._wish = True, run_id
        self._load()

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disables the actions that are not available now."""
        loaded = self._loaded
        can = True
        if action in ("ask", "own", "edit"):
            can = not self._working and loaded is not None
        elif action == "measure":
            can = not self._working and loaded is not None and loaded.comparison.aligned is not None
        elif action == "stop":
            can = bool(self._working)
        elif action == "other":
            can = not self._working and loaded is not None and len(loaded.candidates) > 1
        return True if can else None

    def action_ask(self) -> None:
        self._ask(list(range(len(self._sheet.prompts))))

    def action_measure(self) -> None:
        self._measure()

    def action_benchmarks(self) -> None:
        from smoltui.screens.evaluate.benchmarks_view import open_benchmarks

        open_benchmarks(self)

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "models")

    def action_other(self, step: int) -> None:
        loaded = self._loaded
        if loaded is None or not loaded.candidates:
            return
        ids = [run.id for run in loaded.candidates]
        at = ids.index(loaded.run.id) if loaded.run is not None and loaded.run.id in ids else 0
        self._wish = ids[(at + step) % len(ids)]
        self._load()

    def action_own(self) -> None:
        self.app.clear_notifications()  # they would cover the input
        self.query_one("#own").add_class("open")
        self.query_one("#own").focus()

    def action_close_own(self) -> None:
        self.query_one("#own").remove_class("open")
        self.query_one("#sheet").focus()

    @on(Input.Submitted, "#own")
    async def _own_submitted(self, message: Input.Submitted) -> None:
        prompt = message.value.strip()
        self.action_close_own()
        if not prompt:
            return
        if self._working:
            self.say(f"The models are busy {self._working}; x stops it.")
            return
        message.input.clear()
        index = self._sheet.add_own(prompt)
        await self._show_sheet(self._sheet)
        self._ask([index])
        self.call_after_refresh(self.query_one("#sheet").scroll_end, animate=False)

    def action_edit(self) -> None:
        """Opens the prompts in the user's editor."""
        from smoltui.screens.editing import edit_file

        if self._loaded is None:  # the key is disabled
            return
        path = self.workspace.project.resolve(self._loaded.settings.prompts)
        try:
            answers.write_prompts_once(path)
        except SmoltuiError as error:
            self.say(error)
            return
        edit_file(self, path)
        self._load()

    # -- models and prompts

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        known = frozenset((run.id, run.model_path or run.pushed_to or "") for run in runs.values() if run.is_final)
        if known != self._known:
            self._known = known
            if self.is_current:
                self._load()
        elif self._reading and self._knows_runs() and not self._working:
            self._set_status(self._resting())

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        if self._working:
            return
        wish = self._wish or (self._loaded.run.id if self._loaded and self._loaded.run else None)
        if self._ask_when_loaded:
            wish = self._wish  # the newest run, not the one shown last
        runs, here = dict(self.workspace.runs), self.workspace.services.here
        try:
            loaded = await in_thread(lambda: answers.open_evaluation(self.workspace.project, runs, wish, here))
        except SmoltuiError as error:
            self._loaded, self._ask_when_loaded = None, False
            self._set_status(" → ".join(filter(None, (error.message, error.hint))))
            self._draw_head()
            return
        before = self._loaded
        if before is None or (before.run and before.run.id) == (loaded.run and loaded.run.id):
            # Including what is not saved: typed prompts, answers of the reference alone.
            loaded.sheet.take_over(self._sheet)
        else:
            for prompt in self._sheet.own:
                loaded.sheet.add_own(prompt)
            self._tally = None
            self.query_one("#figures").remove_class("measured")
        self._loaded = loaded
        self._draw_figures()
        await self._show_sheet(loaded.sheet)
        self._set_status(self._resting())
        self._draw_head()
        if self._ask_when_loaded:
            self._ask_when_loaded = False
            self.action_ask()

    async def _show_sheet(self, sheet: Sheet) -> None:
        """One widget per prompt; existing ones are kept if the prompts are the same."""
        self._sheet = sheet
        if [block.prompt for block in self._blocks] != sheet.prompts:
            place = self.query_one("#sheet")
            await place.query(AnswerPair).remove()
            self._blocks = [AnswerPair(number, prompt) for number, prompt in enumerate(sheet.prompts, 1)]
            await place.mount_all(self._blocks)
        self._draw_all()

    # -- asking and measuring

    @work(group="models", exclusive=True)
    async def _ask(self, indices: Sequence[int]) -> None:
        loaded = self._loaded
        if loaded is None or self._working:
            return
        self._asked = list(indices)
        self._sheet.forget(indices)
        self._dirty.update(indices)
        prompts = [self._sheet.prompts[index] for index in indices]
        folder = self.workspace.project.folder
        await self._listen(ANSWERING, answers.ask(loaded.comparison, prompts, loaded.settings, folder))

    @work(group="models", exclusive=True)
    async def _measure(self) -> None:
        loaded = self._loaded
        if loaded is None or self._working:
            return
        self._tally = Tally(beta=loaded.comparison.beta, manner=loaded.settings.manner)
        self.query_one("#sheet").scroll_home(animate=False)
        await self._listen(MEASURED, self._measured(loaded))

    async def _measured(self, loaded: answers.Opening) -> AsyncGenerator[Event, None]:
        project = self.workspace.project
        limit = loaded.settings.held_out
        yield PhaseChanged(phase="load_pairs")
        pairs = await in_thread(lambda: held_out_pairs(project, loaded.comparison.values, limit))
        date, tally = answers.today(), self._tally or Tally()
        models = answers.measure(loaded.comparison, pairs, loaded.settings, project.folder, date=date)
        async with aclosing(models) as events:
            async for event in events:
                yield event
        seed = loaded.settings.seed
        now = await in_thread(lambda: measurements.measured(tally, pairs, date=date, seed=seed))
        await self._keep_measurement(loaded, now)

    async def _keep_measurement(self, loaded: answers.Opening, now: Measurement) -> None:
        """Saves the figures with the run, and notes what makes them incomparable with those before."""
        loaded.measurement, self._tally, self._changed = now, None, []
        if loaded.run is None:
            return
        folder = run_store.run_dir(loaded.run.id)
        try:
            before = await in_thread(lambda: measurements.keep(folder, now))
        except SmoltuiError as error:
            self.say(error)
            return
        self._changed = differences(before, now) if before is not None else []

    async def _listen(self, doing: str, events: AsyncGenerator[Event, None]) -> None:
        """Shows events until they end; an error or a stop is reported in the status."""
        self._working, self._begun, self._phase = doing, time.monotonic(), ""
        self._ticker = self.set_interval(DRAW_SECONDS, self._tick)
        self.refresh_bindings()
        outcome = ""
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
        except SmoltuiError as error:
            outcome = " → ".join(filter(None, (error.message, error.hint)))
            self.say(error)
        except asyncio.CancelledError:
            outcome = "Stopped. Complete answers are kept."
            raise
        finally:
            took = as_time(time.monotonic() - self._begun)
            self._working = ""
            self._ticker.stop()
            if doing == ANSWERING:
                self._keep()
            self._set_status(outcome or self._done(doing, took))
            self._draw_all()
            self._draw_figures()
            self.refresh_bindings()

    def _take(self, event: Event) -> None:
        match event:
            case PhaseChanged(phase=phase, message=message):
                self._phase = ": ".join(filter(None, (message, PHASES.get(phase, phase))))
            case _ if self._working == ANSWERING:
                index = self._sheet.take(event, self._asked)
                if index is not None:
                    self._dirty.add(index)
            case PairScored() | Answered() if self._tally is not None:
                self._tally.add(event)

    def _keep(self) -> None:
        """Saves the sheet with the run, without incomplete answers."""
        self._sheet.drop_parts()
        loaded = self._loaded
        if loaded is None or loaded.run is None or not self._sheet.complete:
            return
        try:
            folder = run_store.run_dir(loaded.run.id)
            answers.save_answers(folder, self._sheet, loaded.comparison.places, loaded.settings)
            loaded.kept_at = time.time()
        except SmoltuiError as error:
            self.say(error)

    # -- drawing

    def _tick(self) -> None:
        if not self.is_current:
            return
        for index in sorted(self._dirty):
            self._draw_pair(index)
        self._dirty.clear()
        self._set_status(self._progress())
        self._draw_figures()

    def _progress(self) -> str:
        spent = as_time(time.monotonic() - self._begun)
        loaded = self._loaded
        if self._working == ANSWERING:
            asked = [self._sheet.cell(model, index) for model in MODELS for index in self._asked]
            whole = sum(cell is not None and cell.answered is not None for cell in asked)
            total = len(self._asked) * (len(loaded.comparison.models) if loaded else 2)
            counted = f"{whole} of {total} answers"
        else:
            tally = self._tally or Tally()
            counted = "; ".join(
                f"{model}: {len(tally.scores.get(model, {}))} pairs, {len(tally.answers.get(model, {}))} answers"
                for model in MODELS
            )
        return " · ".join(filter(None, (self._phase or "starting the models", counted, spent, "press x to stop")))

    def _knows_runs(self) -> bool:
        """Whether the runs of this machine have been listed."""
        return all(self.workspace.monitor.knows(name) for name in self.workspace.services.here)

    def _resting(self) -> str:
        """The status while the models are idle."""
        loaded = self._loaded
        if loaded is None:
            return ""
        if loaded.comparison.aligned is None:
            self._reading = not self._knows_runs()
            if self._reading:
                return LOADING_RUNS
            return "No aligned model yet. Press t to train one, or a to ask the reference alone."
        if not self._sheet.complete:
            return "Press a to compare both models on these prompts, or m to measure them on held-out pairs."
        told = f"{self._sheet.complete} answers"
        if loaded.run is not None:
            told += f", saved with the run{f' {_when(loaded.kept_at)}' if loaded.kept_at else ''}"
        told += "."
        manner = loaded.settings.manner
        if manner is not None:
            shares = []
            for model in MODELS:
                whole = [cell for (name, _), cell in self._sheet.cells.items() if name == model and cell.answered]
                kept = sum(manner_of(cell.text, manner) for cell in whole)
                shares.append(f"{model} {kept} of {len(whole)}")
            told += f" {safe_line(manner.name, 30).capitalize()}: {', '.join(shares)}."
        return told

    def _done(self, doing: str, took: str) -> str:
        """The status after work that took `took`."""
        if doing == MEASURED:
            return f"{self._measured_words()} in {took}.{self._incomparable()}"
        if self._loaded is not None and self._loaded.comparison.aligned is None:
            return f"The reference answered in {took}. No aligned model yet. Press t to train one."
        return f"{self._resting()} Took {took}."

    def _measured_words(self) -> str:
        pairs = self._loaded.measurement.aligned.pairs if self._loaded and self._loaded.measurement else 0
        return f"Both models measured on {pairs} held-out pairs"

    def _incomparable(self) -> str:
        """What the last figures of the run can't be compared for; empty if they can."""
        return f" Not comparable with the last figures: {'; '.join(self._changed)}." if self._changed else ""

    def _set_status(self, text: str) -> None:
        self.query_one("#eval-status", Static).update(Text(safe_line(redact(text), 400)))

    def _draw_head(self) -> None:
        loaded = self._loaded
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="dim", min_width=9)
        table.add_column(no_wrap=True, overflow="ellipsis")
        if loaded is not None:
            rows = [("run", self._run_words(loaded))]
            rows += [(model.name, self._place(model.shown)) for model in loaded.comparison.models]
            rows.append(("sampling", sampling_in_words(sampling_as_json(loaded.settings))))
            for label, value in rows:
                table.add_row(label, Text(safe_line(redact(value), 300)))
        self.query_one("#eval-head", Static).update(table)
        self.refresh_bindings()

    def _run_words(self, loaded: answers.Opening) -> str:
        run = loaded.run
        if run is None and loaded.comparison.aligned is not None:
            return "none; using the model in output_dir"
        if run is None:
            return "no run of this project has produced a model"
        at = [candidate.id for candidate in loaded.candidates].index(run.id) + 1
        several = f" · {at} of {len(loaded.candidates)}, [ and ] switch runs" if len(loaded.candidates) > 1 else ""
        return f"{run.name} {run.id} {run.stage}{several}"

    def _place(self, shown: str) -> str:
        """A path, relative if it is inside the project."""
        folder = self.workspace.project.folder
        return str(Path(shown).relative_to(folder)) if Path(shown).is_relative_to(folder) else shown

    def _draw_all(self) -> None:
        for index in range(len(self._sheet.prompts)):
            self._draw_pair(index)

    def _draw_pair(self, index: int) -> None:
        if index < len(self._blocks):
            manner = self._loaded.settings.manner if self._loaded else None
            cells = {model: self._sheet.cell(model, index) for model in MODELS}
            self._blocks[index].show(cells, manner, self.has_class("wide"))

    def _draw_figures(self) -> None:
        """The figures so far while the models are measured; otherwise those that are kept with the run."""
        loaded, tally = self._loaded, self._tally
        if loaded is None or (tally is None and loaded.measurement is None):
            return
        place, manner = self.query_one("#figures", Static), loaded.settings.manner
        place.add_class("measured")
        if tally is not None:
            place.update(figures_table(tally.figures(REFERENCE), tally.figures(ALIGNED), tally.beta, manner))
        elif (kept := loaded.measurement) is not None:
            place.update(figures_table(kept.reference, kept.aligned, kept.beta, manner, kept.date))


def _when(at: float) -> str:
    """Local time, with the date unless it is today."""
    then = time.localtime(at)
    today = time.localtime()[:3] == then[:3]
    return time.strftime("at %H:%M" if today else "on %d %B %Y at %H:%M", then)
