"""Evaluate: up to four models answer the same prompts side by side, and are measured on held-out pairs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import ContentSwitcher, Input, Static

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.prompt_sets import PROJECT
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.figures import answers_worse, manner_of
from smoltui.core.evaluation.thoughts import split
from smoltui.core.guide.ends import Act, End, Outcome
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.evaluate.answer_sheet import AnswerSheet
from smoltui.screens.evaluate.base import ANSWERS, HELD_OUT, ROOMY, WIDE
from smoltui.screens.evaluate.choosing import Choosing
from smoltui.screens.evaluate.copying import Copying
from smoltui.screens.evaluate.held_out_figures import HeldOutFigures
from smoltui.screens.evaluate.measuring import MEASURED, Measuring
from smoltui.screens.room import LOADING_RUNS, View, hint_of
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.next_step import next_step
from smoltui.widgets.page import Page

NEEDS_MODELS = frozenset(
    {"ask", "own", "columns", "thinking", "edit", "label", "vote", "judge", "measure", "other", "set", "reload"}
)
"""Actions that wait until the models are idle."""
MANY = 1_000
"""Answers whose manner is judged at once; the figures below the prompts have it for more."""


class EvaluateRoom(Choosing, Measuring, Copying):
    """Shows the models, their sampling settings, and their answers."""

    MODE = "evaluate"
    VIEWS = (
        View("a", "Answers side by side", "show('answers')"),
        View("h", "Figures of held-out pairs", "show('held-out')"),
        View("b", "Blind vote", "vote"),
        View("j", "Judge", "judge"),
        View("l", "Label answers", "label"),
        View("B", "Benchmarks", "benchmarks"),
    )
    CSS_PATH = "evaluate.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("evaluate")

    def __init__(self) -> None:
        super().__init__()
        self._wish: str | None = None
        """Id of the run to compare; None: the newest."""
        self._ask_when_loaded = False
        self._known: frozenset[tuple[str, str]] = frozenset()
        """Finished runs that were offered last: id, and place of the model."""
        self._reading = True
        """Runs are still being loaded, as far as was drawn."""

    def compose_room(self) -> ComposeResult:
        yield Static(id="eval-head", markup=False)
        yield Static(id="eval-notices", markup=False)
        yield Static("Loading the project…", id="eval-status", markup=False)
        with ContentSwitcher(initial=ANSWERS):
            yield AnswerSheet(id=ANSWERS)
            with Page(id=HELD_OUT):
                yield HeldOutFigures(id="figures")
        yield Input(
            placeholder=in_own_keys(self, "Your prompt (enter asks the models, esc cancels)"),
            id="own",
            select_on_focus=False,
        )
        yield AskLine()

    def on_mount(self) -> None:
        self.query_one(AnswerSheet).focus()
        self.query_one("#own", Input).cursor_blink = False  # a blinking cursor keeps sending bytes
        self.watch(self.app, "runs", self._runs_changed, init=False)
        self._load()

    def on_screen_resume(self) -> None:
        self._draw_all()
        self._load()
        self.workspace.look_at_runs(jobs=True)  # a Job may have pushed its model since

    def on_screen_suspend(self) -> None:
        if not isinstance(self.app.screen, ModalScreen):  # another room is in front, not a dialog of this one
            self._aside = ""

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height < ROOMY, "short")
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self._draw_all)
        self.call_after_refresh(self._draw_below)

    # -- called from other rooms

    def start_asking(self, run_id: str | None = None) -> None:
        """Lets the reference and the model of a run (None: the newest) answer all prompts, once these are loaded."""
        if self._working:
            self.say(f"The models are busy {self._working}; x stops it.")
            return
        self._ask_when_loaded, self._wish, self._chosen, self._set = True, run_id, None, PROJECT
        self.switch_view(ANSWERS)
        self._load()

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF[f"evaluate.{self.view}"]

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action in NEEDS_MODELS:
            if self._working:
                return f"The models are busy {self._working}. Press x to stop them"
            if self._loaded is None and action not in ("set", "reload"):
                return "The project is not loaded; the line below the title says why"
        return self._why_not_loaded(action, self._loaded) or super().why_not(action, parameters)

    def _why_not_loaded(self, action: str, loaded: answers.Opening | None) -> str:
        """Why an action that the models do not prevent cannot run now; empty if it can."""
        if action == "stop" and not self._working and self._memory is None:
            return "Nothing to stop: the models are idle and not loaded"
        if action == "shift" and self._at_once() >= len(self.columns):
            return "All columns are in view"
        if loaded is None:
            return ""
        if action in ("vote", "judge") and loaded.subject is None:
            return "There is no aligned model yet. Press t to train one, or c to choose one"
        if action == "measure" and loaded.comparison.aligned is None:
            return "There is no aligned model to measure yet. Press t to train one, or c to choose one"
        if action == "other" and len(loaded.candidates) < 2:
            return "There is no other finished run in this project"
        return ""

    def action_reload(self) -> None:
        self._load()

    @property
    def has_view_in_front(self) -> bool:
        return self.view != ANSWERS

    def close_view(self) -> None:
        self.switch_view(ANSWERS)

    def action_ask(self) -> None:
        self.switch_view(ANSWERS)
        self._ask(self._to_ask())

    def action_measure(self) -> None:
        self._measure()

    def action_vote(self) -> None:
        """Opens the blind vote on these answers."""
        from smoltui.core.evaluation.vote_sheet import answers_of
        from smoltui.screens.evaluate.vote_view import VoteView

        if (loaded := self._loaded) is not None and (subject := self._kept_for(loaded)) is not None:
            self.app.push_screen(VoteView(subject, lambda: answers_of(self._sheet), lambda: self._ask(self._to_ask())))

    def action_judge(self) -> None:
        """Opens what a judge says about these answers."""
        from smoltui.core.evaluation.vote_sheet import answers_of
        from smoltui.screens.evaluate.judge_view import JudgeView

        if (loaded := self._loaded) is not None and (subject := self._kept_for(loaded)) is not None:
            found, said = answers_of(self._sheet), "The models are unloaded: the judge needs the memory."
            self.app.push_screen(JudgeView(subject, found, self.columns, lambda: self._unload(said)))

    def action_label(self) -> None:
        """Opens the choice of best and worst among sampled answers."""
        from smoltui.screens.evaluate.label_setup import LabelSetup

        if (loaded := self._loaded) is not None:
            self.app.push_screen(LabelSetup(self.columns, loaded.settings))

    def action_benchmarks(self) -> None:
        from smoltui.screens.evaluate.benchmarks_view import open_benchmarks

        open_benchmarks(self)

    def action_other(self, step: int) -> None:
        loaded, self._aside = self._loaded, ""
        if loaded is None or not loaded.candidates:
            return
        ids = [run.id for run in loaded.candidates]
        at = ids.index(loaded.run.id) if loaded.run is not None and loaded.run.id in ids else 0
        self._wish, self._chosen = ids[(at + step) % len(ids)], None
        self._load()

    def action_own(self) -> None:
        self.app.clear_notifications()  # they would cover the input
        self.query_one("#own").add_class("open")
        self.query_one("#own").focus()

    def action_back(self) -> None:
        """One step back: out of an input, then to the answers."""
        if self.query_one(AskLine).asking:
            self.query_one(AskLine).stop()
        elif self.query_one("#own").has_class("open"):
            self.query_one("#own").remove_class("open")
            self.query_one(f"#{self.view}").focus()
        elif self.view != ANSWERS:
            self.switch_view(ANSWERS)

    @on(Input.Submitted, "#own")
    def _own_submitted(self, message: Input.Submitted) -> None:
        prompt = message.value.strip()
        self.action_back()
        if not prompt:
            return
        if self._working:
            self.say(f"The models are busy {self._working}; x stops it.")
            return
        message.input.clear()
        index = self._sheet.add_own(prompt)
        self.switch_view(ANSWERS)
        self._ask([index])
        self.query_one(AnswerSheet).go(index)

    def action_edit(self) -> None:
        """Opens the project's prompts in the user's editor."""
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
        self._set = PROJECT
        self._load()

    # -- models and prompts

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        self._look_at_trainings(runs)
        knows = self.workspace.knows_runs_here
        if self._loaded is not None and self._loaded.run_id and self._loaded.run_id not in runs and knows:
            self._run_deleted(self._loaded)
        known = frozenset((run.id, run.model_path or run.pushed_to or "") for run in runs.values() if run.is_final)
        if known != self._known:
            self._known = known
            if self.is_current:
                self._load()
        elif self._reading and knows and self._loaded is not None:
            self._reading = False
            self._draw_head()
            if self._status == LOADING_RUNS:
                self._set_status(self._resting())

    def _run_deleted(self, opening: answers.Opening) -> None:
        """Says so, and keeps what is shown where the deletion cannot take it."""
        if self._sheet.complete or opening.measurement is not None:
            self._keep_all(opening)
        elif opening.run is not None:
            self._aside = f"The run {opening.run.name} {opening.run.id} was deleted."
            opening.run = opening.subject = None

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        if self._working:
            return
        runs, here = dict(self.workspace.runs), self.workspace.services.here
        project, wish, name, chosen = self.workspace.project, self._wished(), self._set, self._chosen
        try:
            loaded = await in_thread(
                lambda: answers.open_evaluation(project, runs, wish, here, prompt_set=name, columns=chosen)
            )
        except SmoltuiError as error:
            self._not_loaded(error)
            return
        if self._working:
            return
        self._carry_over(loaded)
        self._show_loaded(loaded)
        if self._wanted:
            self._put_beside(self._wanted, loaded.comparison.reference)
            self._wanted = ""
        if self._ask_when_loaded:
            self._ask_when_loaded = False
            self.action_ask()

    def _wished(self) -> str | None:
        """The run to open: the chosen one, else the one shown; to ask, the newest instead of the one shown."""
        if self._wish or self._ask_when_loaded:
            return self._wish
        return self._loaded.run_id if self._loaded is not None else None

    def _carry_over(self, loaded: answers.Opening) -> None:
        """Adds to what was opened what this room has and no folder."""
        before = self._loaded
        same = before is None or _kept_in(before) == _kept_in(loaded)
        if same and self._sheet.prompt_set in ("", loaded.sheet.prompt_set):
            # Including what is not saved: typed prompts, answers of the reference alone.
            loaded.sheet.take_over(self._sheet)
        else:
            for prompt in self._sheet.own:
                loaded.sheet.add_own(prompt)
            self._file = None
        if not same:
            self._tally, self._not_saved = None, ""
            if before is not None and before.run is not None:
                self._aside = ""
        elif before is not None and loaded.subject is None:  # its figures are in no folder
            loaded.measurement = before.measurement

    def _not_loaded(self, error: SmoltuiError) -> None:
        """A set that cannot be read is given up; without a recipe, there is nothing to show."""
        self._ask_when_loaded = False
        if self._set != PROJECT and self._loaded is not None:
            self._set = self._loaded.prompt_set.name
        else:
            self._loaded, self._failed = None, True
            self._draw_head()
        self._set_status(" → ".join(filter(None, (error.message, in_own_keys(self, hint_of(error))))))

    def _show_loaded(self, loaded: answers.Opening) -> None:
        moved, first = self._sheet.prompt_set != loaded.sheet.prompt_set, self._loaded is None
        self._loaded, self._sheet = loaded, loaded.sheet
        self._notices = {key: text for key, text in self._notices.items() if key[0] in self._sheet.names}
        if not self._view_chosen and loaded.measurement is not None and not loaded.sheet.complete:
            self.switch_view(HELD_OUT)
        self._draw_figures()
        if moved:
            self.query_one(AnswerSheet).go(0)
        self._draw_all()
        if first:
            self.recall_prompt()
        self._draw_below()
        self._set_status(self._aside or self._resting())

    # -- status

    def _resting(self) -> str:
        """The status while the models are idle."""
        loaded, sheet = self._loaded, self._sheet
        if loaded is None:
            return ""
        if loaded.run is None and not sheet.complete and not self.workspace.knows_runs_here:
            return LOADING_RUNS
        if loaded.comparison.aligned is None and len(sheet.columns) == 1:
            return "No aligned model yet. Press t to train one, c to choose one, or a to ask the reference alone."
        if not sheet.complete:
            more = " Held-out figures: v." if loaded.measurement is not None else ""
            return f"Press a to compare these models on these prompts, or m to measure them on held-out pairs.{more}"
        said = f"{sheet.complete:,} {'answer' if sheet.complete == 1 else 'answers'}{self._saved_words(loaded)}"
        if missing := len(sheet.missing()):
            said += f" {missing:,} {'prompt is' if missing == 1 else 'prompts are'} not answered by all."
        elif sheet.all_alike:
            said += " No answer differs."
        return f"{said}{self._manner_words()} {next_step(self, self._answers_end(missing))} G shows the figures."

    def _answers_end(self, missing: int) -> End:
        """What has ended once there are answers."""
        loaded, facts = self._loaded, set()
        if missing:
            facts.add("missing")
        if loaded is not None and loaded.comparison.aligned is not None:
            facts |= {"aligned", *(("measured",) if loaded.measurement is not None else ()), *self._measured_facts()}
            facts |= {"one"} if len(self.columns) == 1 else set()
        return End(Act.ASK, Outcome.DONE, facts=frozenset(facts))

    def _measured_facts(self) -> frozenset[str]:
        found = self._loaded.measurement if self._loaded is not None else None
        worse = found is not None and answers_worse(found.reference, found.aligned)
        return frozenset({"worse"} if worse else ())

    def _manner_words(self) -> str:
        """How many answers are in the manner of smoltui.toml; empty without one, or for more than `MANY`."""
        manner = self._loaded.settings.manner if self._loaded else None
        if manner is None or len(self._sheet.cells) > MANY:
            return ""
        shares = []
        for name in self._sheet.names:
            whole = [cell for (column, _), cell in self._sheet.cells.items() if column == name and cell.answered]
            kept = sum(manner_of(split(cell.text).answer, manner) for cell in whole)
            shares += [f"{name} {kept} of {len(whole)}"] if whole else []
        if not shares:
            return ""
        return f" {safe_line(manner.name, 30).capitalize()}: {', '.join(shares)}."

    def _done(self, doing: str, took: str) -> str:
        """The status after work that took `took`."""
        if doing == MEASURED:
            following = next_step(self, End(Act.MEASURE, facts=self._measured_facts()))
            return f"{self._measured_words()} in {took}.{self._incomparable()} {following}".strip()
        if self._loaded is not None and self._loaded.comparison.aligned is None and len(self.columns) == 1:
            return f"The reference answered in {took}. No aligned model yet. Press t to train one, or c to choose one."
        return f"{self._resting()} Took {took}."


def _kept_in(opening: answers.Opening) -> Path | None:
    """The folder of what was answered and measured; None without one."""
    return opening.subject.folder if opening.subject is not None else None
