"""Labelling: the best and the worst of several answers to one prompt, chosen by their letters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.evaluation.labels import Labelling, export_labels, open_labelling
from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.label_set import Task
from smoltui.core.evaluation.label_words import label_words
from smoltui.core.evaluation.vote_log import Choice
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.pairs_offer import PairsOffer
from smoltui.screens.evaluate.vote_panes import LETTERS, answer_text, prompt_text
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.page import Page

UNDONE: dict[Choice, str] = {"tie": "all alike", "bad": "none is good", "skip": "skipped"}


class LabelView(PairsOffer):
    """Chooses in one set. Opens where the last choice left off."""

    CSS_PATH = "vote.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "pick(0)", "Best, then worst", key_display="A B …"),
        *(
            Binding(letter, f"pick({place})", "Best, then worst", show=False)
            for place, letter in enumerate(LETTERS)
            if place
        ),
        Binding("equals_sign", "label('tie')", "All alike", key_display="="),
        Binding("x", "label('bad')", "None good"),
        Binding("s", "label('skip')", "Skip"),
        Binding("u", "undo", "Undo"),
        Binding("v", "result", "Result"),
        Binding("E", "export", "Export pairs"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("q", "leave", "Close"),
        Binding("question_mark", "help", "Show all keys", key_display="?", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._set = name
        self._labelling: Labelling | None = None
        self._best: int | None = None
        """Place of the answer that was picked as the best; None before that."""
        self._shown = ""
        """Id of the task on the screen; empty for none."""
        self._saving = False
        self._said = ""

    def compose(self) -> ComposeResult:
        yield Static(id="vote-title", markup=False)
        with ContentSwitcher(initial="vote-result"):
            with Container(id="vote-matchup"):
                with Page(id="vote-prompt"):
                    yield Static(markup=False)
                with VerticalScroll(id="label-answers"):
                    yield Static(markup=False)
            with Page(id="vote-result"):
                yield Static("Loading answers…", markup=False)
        yield Static(id="vote-status", markup=False)
        yield AskLine()
        yield KeyBar()

    def on_mount(self) -> None:
        self._load()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")

    @property
    def _choosing(self) -> bool:
        """A task is on the screen."""
        return self.query_one(ContentSwitcher).current == "vote-matchup"

    @property
    def _now(self) -> Task | None:
        return self._labelling.progress.current if self._labelling is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        labelling = self._labelling
        if labelling is None or self._saving:
            return None if action in ("pick", "label", "undo", "result", "export") else True
        if action in ("pick", "label"):
            return self._choosing or (parameters == ("skip",) and labelling.progress.skipped > 0)
        if action == "export":
            return not self._choosing and bool(labelling.progress.log.votes)
        if action == "undo":
            return True if self._best is not None or labelling.progress.last() is not None else None
        return True

    @work(exclusive=True)
    async def _load(self) -> None:
        try:
            self._labelling = await in_thread(partial(open_labelling, self.workspace.project, self._set))
        except SmoltuiError as error:
            self._show_text(Text(f"{error}\n\nesc goes back"))
            return
        self._said = self._labelling.unreadable
        self._next()

    def _next(self) -> None:
        """Shows the next task, or the result after the last one."""
        self._best = None
        if self._now is None:
            self._show_result()
            return
        self._shown = self._now.id
        for selector, text in (
            ("#vote-prompt", prompt_text(self._now.prompt)),
            ("#label-answers", self._answers(self._now)),
        ):
            page = self.query_one(selector, VerticalScroll)
            page.query_one(Static).update(text)
            page.scroll_home(animate=False, immediate=True)
        self.query_one(ContentSwitcher).current = "vote-matchup"
        self.query_one("#label-answers").focus()
        self._draw()

    def _answers(self, task: Task) -> Text:
        """The answers below each other, each with its letter; the best is marked."""
        text = Text()
        for place, candidate in enumerate(task.candidates):
            picked = place == self._best
            text.append("\n" if text else "").append(f" {LETTERS[place].upper()} ", "reverse bold")
            text.append("  best\n" if picked else "\n", "bold")
            text.append_text(answer_text(candidate.answer.text)).append("\n")
        return text

    # -- keys

    def action_pick(self, place: int) -> None:
        """The first letter picks the best answer, the second one the worst."""
        task = self._now
        if self._saving or task is None or place >= len(task.candidates) or task.id != self._shown:
            return
        if self._best is None:
            self._best = place
            self.query_one("#label-answers Static", Static).update(self._answers(task))
            self._said = ""
            self._draw()
        elif place == self._best:
            self.tell("That is the best one. Choose the worst, or u to start over.")
        elif self._labelling is not None:
            self._start(partial(self._choose, self._labelling, "a", task.id, self._best, place))

    @property
    def _asking(self) -> bool:
        return self.query_one(AskLine).asking

    def action_scroll(self, by: int) -> None:
        self.query_one("#label-answers").scroll_relative(y=by, animate=False)

    def action_label(self, choice: Choice) -> None:
        labelling, task = self._labelling, self._now
        if labelling is None or self._saving:
            return
        if self._choosing and task is not None and task.id == self._shown:
            self._start(partial(self._choose, labelling, choice, task.id))
        elif choice == "skip" and labelling.progress.skipped:
            labelling.progress.again()
            self._next()

    @staticmethod
    def _choose(labelling: Labelling, choice: Choice, on: str, best: int = 0, worst: int = 1) -> str:
        labelling.choose(choice, best, worst, on)
        return ""

    def action_undo(self) -> None:
        if self._best is not None:
            self._said = ""
            self._next()
        elif self._labelling is not None and not self._saving:
            self._start(partial(self._undo, self._labelling))

    @staticmethod
    def _undo(labelling: Labelling) -> str:
        undone = labelling.undo()
        return f"Undone: {UNDONE.get(undone.choice, 'best and worst')}" if undone is not None else "Nothing to undo"

    def _start(self, change: Callable[[], str]) -> None:
        """Makes a change; keys that follow at once are for what is not on the screen yet, and ignored."""
        self._saving = True
        self._save(change)

    @work(group="label")
    async def _save(self, change: Callable[[], str]) -> None:
        """Makes a change in a thread, then shows what comes next."""
        try:
            self._said = await in_thread(change)
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
            return
        finally:
            self._saving = False
            self.refresh_bindings()
        self._next()

    def action_result(self) -> None:
        """Switches between the result so far and the task."""
        self._said = ""
        if self._choosing:
            self._show_result()
        else:
            self._next()

    def action_back(self) -> None:
        """Closes the innermost of: the question, the result so far, the labels."""
        if self._asking:
            self.query_one(AskLine).stop()
        elif not self._choosing and self._now is not None:
            self.action_result()
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    def action_help(self) -> None:
        self.show_help("Label answers")

    # -- drawing

    def _show_result(self) -> None:
        if self._labelling is not None:
            labelling = self._labelling
            said = label_words(labelling.found, labelling.tasks, labelling.progress)
            self._show_text(Text("\n".join(said)))

    def _show_text(self, text: Text) -> None:
        self.query_one("#vote-result Static", Static).update(text)
        self.query_one(ContentSwitcher).current = "vote-result"
        self.query_one("#vote-result", Page).focus()
        self._draw()

    def _draw(self) -> None:
        title = Text(" Label answers", "bold", no_wrap=True, overflow="ellipsis")
        if self._labelling is not None and self._labelling.progress.items:
            progress = self._labelling.progress
            at = progress.number if self._choosing else len(progress.cast)
            title.append(f" · {at} of {len(progress.items)}", "not bold")
            if progress.skipped:
                title.append(f" · {progress.skipped} skipped", "not bold")
        title.append(f" · {safe_line(self._set, 40)}", "not bold dim")
        self.query_one("#vote-title", Static).update(title)
        self.tell(self._said)
        self.refresh_bindings()

    def tell(self, text: str) -> None:
        self._said = text
        self.query_one("#vote-status", Static).update(Text(safe_line(redact(text or self._hint()), 400)))

    def _hint(self) -> str:
        labelling = self._labelling
        if labelling is None:
            return ""
        if self._choosing:
            return "Press the letter of the best answer." if self._best is None else "Now the letter of the worst one."
        if self._now is not None:
            return "esc returns to choosing. E exports best against worst as preference pairs."
        again = f"s returns to the {labelling.progress.skipped} skipped. " if labelling.progress.skipped else ""
        return f"{again}E exports best against worst as preference pairs."

    # -- pairs

    def action_export(self) -> None:
        self.ask_export(f"{self._set}-pairs", self._export_labels)

    def _export_labels(self, out: Path, kind: Kind, overwrite: bool) -> Exported:
        return export_labels(open_labelling(self.workspace.project, self._set), out, kind=kind, overwrite=overwrite)
