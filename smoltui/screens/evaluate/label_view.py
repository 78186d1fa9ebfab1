"""Labelling: the best and the worst of several answers to one prompt, chosen by their letters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from smoltui.backends.evaluation.labels import Labelling, export_labels, open_labelling
from smoltui.backends.pairs.export import Exported
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.label_set import Task
from smoltui.core.evaluation.label_words import label_words
from smoltui.core.evaluation.vote_log import Choice, Vote
from smoltui.core.guide.ends import Act, End
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.evaluate.deciding_view import DecidingView
from smoltui.screens.evaluate.pairs_offer import How
from smoltui.screens.evaluate.vote_panes import LETTERS, answer_text, prompt_text
from smoltui.widgets.actions import bindings
from smoltui.widgets.next_step import next_step

UNDONE: dict[Choice, str] = {"tie": "all alike", "bad": "none is good", "skip": "skipped"}


class LabelView(DecidingView):
    """Chooses in one set. Opens where the last choice left off."""

    HEADING = "Label answers"
    BINDINGS: ClassVar[list[BindingType]] = bindings("label")

    def __init__(self, set_name: str) -> None:
        super().__init__()
        self._set = set_name
        self._labelling: Labelling | None = None
        self._best: int | None = None
        """Place of the answer that was picked as the best; None before that."""
        self._shown = ""
        """Id of the task on the screen; empty for none."""

    def compose_answers(self) -> Iterable[Widget]:
        yield VerticalScroll(Static(markup=False), id="label-answers")

    def on_mount(self) -> None:
        self._load()

    @work(exclusive=True)
    async def _load(self) -> None:
        try:
            self._labelling = await in_thread(partial(open_labelling, self.workspace.project, self._set))
        except SmoltuiError as error:
            self.show_text(Text(f"{error}\n\nesc goes back"))
            return
        self.said = self._labelling.unreadable
        await self.show_next()

    @property
    def _now(self) -> Task | None:
        """The task to choose in."""
        return self._labelling.progress.current if self._labelling is not None else None

    def has_more(self) -> bool:
        return self._now is not None

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        labelling = self._labelling
        if action in ("pick", "label", "undo", "redo", "result", "export") and (labelling is None or self.saving):
            return "The last choice is being saved" if self.saving else "The set is not loaded"
        why = "" if labelling is None else self._why_not_with(labelling, action, parameters)
        return super().why_not(action, parameters) if why == "" else why

    def _why_not_with(self, labelling: Labelling, action: str, parameters: tuple[object, ...]) -> str | None:
        progress = labelling.progress
        match action:
            case "pick" | "label" if not self.deciding:
                return "" if parameters == ("skip",) and progress.skipped > 0 else None
            case "export" if self.deciding or not progress.log.votes:
                return "Press v for the result first" if progress.log.votes else "There is no choice to export yet"
            case "undo" if self._best is None and progress.last() is None:
                return "There is no choice to undo"
            case "redo" if self._best is not None or not labelling.can_redo:
                return "There is nothing to redo"
            case "result" if not progress.items:
                return "There is nothing to choose from, so there is no result"
        return ""

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["label"]

    # -- keys

    def action_pick(self, place: int) -> None:
        """The first letter picks the best answer, the second one the worst."""
        task = self._now
        if self.saving or task is None or place >= len(task.candidates) or task.id != self._shown:
            return
        if self._best is None:
            self._best = place
            self._draw_answers(task)
            self.tell("")
            self.refresh_bindings()
        elif place == self._best:
            self.tell("That is the best one. Choose the worst, or u to start over.")
        elif self._labelling is not None:
            self.start(partial(self._choose, self._labelling, "a", task.id, self._best, place))

    async def action_label(self, choice: Choice) -> None:
        labelling, task = self._labelling, self._now
        if labelling is None or self.saving:
            return
        if self.deciding and task is not None and task.id == self._shown:
            self.start(partial(self._choose, labelling, choice, task.id))
        elif choice == "skip" and labelling.progress.skipped:
            labelling.progress.again()
            await self.show_next()

    @staticmethod
    def _choose(labelling: Labelling, choice: Choice, on: str, best: int = 0, worst: int = 1) -> str:
        labelling.choose(choice, best, worst, on)
        return ""

    async def action_undo(self) -> None:
        """Takes back the pick of the best answer, or the last choice."""
        if self._best is not None:
            self.said = ""
            await self.show_next()
        elif self._labelling is not None and not self.saving:
            self.start(partial(self._undo, self._labelling))

    @staticmethod
    def _undo(labelling: Labelling) -> str:
        undone = labelling.undo()
        return f"Undone: {_chosen(undone)} · ctrl+r redoes" if undone is not None else "Nothing to undo"

    def action_redo(self) -> None:
        if self._labelling is not None and not self.saving:
            self.start(partial(self._redo, self._labelling))

    @staticmethod
    def _redo(labelling: Labelling) -> str:
        again = labelling.redo()
        return f"Redone: {_chosen(again)} · u undoes" if again is not None else "Nothing to redo"

    def action_scroll(self, by: int) -> None:
        self.query_one("#label-answers").scroll_relative(y=by, animate=False)

    # -- drawing

    async def show_next(self) -> None:
        self._best = None
        if (task := self._now) is None:
            await self.show_result()
            return
        self._shown = task.id
        answers = self.query_one("#label-answers", VerticalScroll)
        self._draw_answers(task)
        answers.scroll_home(animate=False, immediate=True)
        self.show_item(prompt_text(task.prompt), answers)

    def _draw_answers(self, task: Task) -> None:
        """The answers below each other, each with its letter; the best is marked."""
        text = Text()
        for place, candidate in enumerate(task.candidates):
            text.append("\n" if text else "").append(f" {LETTERS[place].upper()} ", "reverse bold")
            text.append("  best\n" if place == self._best else "\n", "bold")
            text.append_text(answer_text(candidate.answer.text)).append("\n")
        self.query_one("#label-answers Static", Static).update(text)

    async def show_result(self) -> None:
        self._best = None
        if (labelling := self._labelling) is not None:
            self.show_text(Text("\n".join(label_words(labelling.found, labelling.tasks, labelling.progress))))

    def title_words(self) -> str:
        words = [""]
        if self._labelling is not None and self._labelling.progress.items:
            progress = self._labelling.progress
            words.append(f"{progress.number if self.deciding else len(progress.cast)} of {len(progress.items)}")
            if progress.skipped:
                words.append(f"{progress.skipped} skipped")
        return " · ".join([*words, safe_line(self._set, 40)])

    def hint(self) -> str:
        labelling = self._labelling
        if labelling is None:
            return ""
        if self.deciding:
            return "Press the letter of the best answer." if self._best is None else "Now the letter of the worst one."
        if self._now is not None:
            return "esc returns to choosing. E exports best against worst as preference pairs."
        again = f"l returns to the {labelling.progress.skipped} skipped. " if labelling.progress.skipped else ""
        return f"{again}{next_step(self, End(Act.LABEL))}"

    # -- pairs

    def action_export(self) -> None:
        self.ask_export(f"{self._set}-pairs", self._export_labels)

    def _export_labels(self, out: Path, how: How) -> Exported:
        labelling = open_labelling(self.workspace.project, self._set)
        return export_labels(labelling, out, kind=how.kind, hold_out=how.hold_out, overwrite=how.overwrite)


def _chosen(vote: Vote) -> str:
    return UNDONE.get(vote.choice, "best and worst")
