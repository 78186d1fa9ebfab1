"""The part of the Evaluate room that chooses what is compared: prompts, columns, thinking."""

from __future__ import annotations

from functools import partial

from textual import on, work

from smoltui.backends.evaluation.columns import Candidate, candidates
from smoltui.backends.evaluation.model_choices import checked_place, folder_choices, hub_choices
from smoltui.backends.evaluation.prompt_sets import NAMED, PROJECT
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import MOST_COLUMNS, Column
from smoltui.errors import SmoltuiError
from smoltui.screens.evaluate.answer_sheet import AnswerSheet
from smoltui.screens.evaluate.base import ANSWERS, HELD_OUT, EvaluateBase
from smoltui.screens.evaluate.columns_dialog import ColumnsDialog
from smoltui.widgets.ask_line import AskLine


class Choosing(EvaluateBase):
    """Chooses prompts and models by key."""

    def __init__(self) -> None:
        super().__init__()
        self._set = PROJECT
        """Name or path of the set of prompts."""
        self._chosen: list[Column] | None = None
        """Columns that were chosen here; None: those of the run."""
        self._wanted = ""
        """A folder or Hub id whose model is put beside the reference once the project is loaded; empty: none."""

    def _load(self) -> object:
        """Reads the project with what was chosen."""
        raise NotImplementedError

    # -- prompts

    def action_set(self) -> None:
        """Asks for a set of prompts."""
        hint = f"{', '.join(NAMED)}, or a text or JSONL file"
        self.query_one(AskLine).ask("Prompts:", hint, self._set_given, value=self._set)

    def _set_given(self, name: str) -> None:
        if name and name != self._set:
            self._set = name
            self._load()

    # -- columns

    @work(group="columns", exclusive=True)
    async def action_columns(self) -> None:
        """Opens the list of models that can be compared."""
        loaded = self._loaded
        if loaded is None:
            return
        project, here = self.workspace.project, self.workspace.services.here

        def on_disk() -> list[Candidate]:
            found = candidates(project, loaded.comparison, loaded.candidates, here)
            known = {one.column.weights for one in found}
            found += [Candidate(column, "") for column in self.columns if column.weights not in known]
            return found + folder_choices(project, [one.column for one in found])

        with self.workspace.hold_keys():
            found = await in_thread(on_disk)
            if self.is_current:
                find = partial(checked_place, project)
                more = partial(hub_choices, project, loaded.comparison)
                self.app.push_screen(ColumnsDialog(found, self.columns, find, more), self._columns_given)

    def _columns_given(self, columns: list[Column] | None) -> None:
        if columns and columns != list(self.columns):
            self._chosen, self._aside = columns[:MOST_COLUMNS], ""
            self._load()

    def show_model(self, place: str) -> None:
        """Puts the model of a folder or Hub id beside the reference, once the project is loaded."""
        self._wanted = place
        self._load()

    @work(group="columns", exclusive=True)
    async def _put_beside(self, place: str, reference: Column) -> None:
        try:
            column = (await checked_place(self.workspace.project, place, [reference])).column
        except SmoltuiError as error:
            self.say(error)
            return
        self._columns_given([reference, column])

    def action_shift(self, by: int) -> None:
        """Shows the columns to the left or right of those in view."""
        self._first = max(0, min(self._first + by, len(self.columns) - self._at_once()))
        self._draw_answers()
        self._redraw_below()

    # -- views and switches

    def action_view(self) -> None:
        """Answers, or figures of held-out pairs."""
        self.switch_view(HELD_OUT if self.view == ANSWERS else ANSWERS)

    def action_show(self, view: str) -> None:
        self.switch_view(ANSWERS if view == "answers" else HELD_OUT)

    def action_thinking(self) -> None:
        """Lets models think before they answer, or not."""
        self._thinking = not self.settings.thinking
        self._draw_all()

    def action_unfold(self) -> None:
        """Shows thoughts in full, or folds them."""
        self._unfolded = not self._unfolded
        self._draw_answers()

    # -- where the prompts were left

    @on(AnswerSheet.Moved)
    def _prompt_moved(self, event: AnswerSheet.Moved) -> None:
        if self._loaded is not None and self._set == PROJECT:
            self.workspace.remember("evaluate.prompt", event.block)

    def recall_prompt(self) -> None:
        """Scrolls to the project's prompt that was read last."""
        if self._set == PROJECT:
            self.query_one(AnswerSheet).go(self.workspace.remembered.project.get("evaluate.prompt", 0))
