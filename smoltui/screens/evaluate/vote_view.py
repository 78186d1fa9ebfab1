"""Blind votes: two answers to one prompt, with nothing to tell the models by, until all are voted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from smoltui.backends.evaluation.subject import Subject
from smoltui.backends.evaluation.votes import Voting, export_votes, open_voting
from smoltui.backends.pairs.export import Exported
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.vote_log import Choice
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.evaluation.vote_words import name, votes
from smoltui.core.guide.ends import Act, End
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.errors import SmoltuiError
from smoltui.screens.evaluate.deciding_view import DecidingView
from smoltui.screens.evaluate.pairs_offer import How
from smoltui.screens.evaluate.vote_panes import TextPane, answer_text, prompt_text, result_text
from smoltui.widgets.actions import bindings
from smoltui.widgets.next_step import next_step
from smoltui.widgets.page import Page

GENERATING_SECONDS = 0.5
"""How often the number of answers is told while they are generated."""
CHOICE_WORDS: dict[Choice, str] = {
    "a": "A is better",
    "b": "B is better",
    "tie": "a tie",
    "bad": "both are bad",
    "skip": "skipped",
}


class VoteView(DecidingView):
    """Votes on the answers of a run, which are kept with it. Opens where the last vote left off."""

    HEADING = "Blind vote"
    BINDINGS: ClassVar[list[BindingType]] = bindings("vote")

    def __init__(
        self, subject: Subject, answers: Callable[[], Answers], ask: Callable[[], Worker[None]] | None = None
    ) -> None:
        """`answers`: those there are now. `ask` lets the models answer; None: that is not possible here."""
        super().__init__()
        self._subject = subject
        self._answers = answers
        self._ask = ask
        self._generating = False
        self._voting: Voting | None = None
        self._shown = ""
        """Id of the matchup on the screen; empty for none."""
        self._round = 0
        """That of the matchup on the screen; 0 before the first one."""

    def compose_answers(self) -> Iterable[Widget]:
        yield Container(TextPane("A", id="vote-a"), TextPane("B", id="vote-b"), id="vote-answers")

    def on_mount(self) -> None:
        self._load()

    @work(exclusive=True)
    async def _load(self) -> None:
        try:
            self._voting = await in_thread(partial(open_voting, self._subject.folder, self._answers()))
        except SmoltuiError as error:
            self.show_text(Text(f"{error}\n\nesc goes back"))
            return
        self.said = self._voting.unreadable
        if self._voting.progress.items:
            await self.show_next()
        else:
            why = (
                "all answers are the same"
                if self._voting.progress.ballot.identical
                else "no prompt has two answers yet"
            )
            more = "\n\nPress enter to generate answers without seeing whose they are." if self._can_generate() else ""
            self.show_text(Text(f"There is nothing to vote on: {why}.{more}"))

    # -- what is possible

    def has_more(self) -> bool:
        return self._voting is not None and self._voting.progress.current is not None

    def _can_generate(self) -> bool:
        """Answers are missing, and the models can be asked."""
        ballot = self._voting.progress.ballot if self._voting is not None else None
        return ballot is not None and ballot.incomplete > 0 and self._ask is not None and not self._generating

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        voting = self._voting
        if action in ("vote", "undo", "redo", "result", "export", "generate") and (voting is None or self.saving):
            return "The last vote is being saved" if self.saving else "The votes are not loaded"
        why = "" if voting is None else self._why_not_with(voting, action, parameters)
        return super().why_not(action, parameters) if why == "" else why

    def _why_not_with(self, voting: Voting, action: str, parameters: tuple[object, ...]) -> str | None:
        progress = voting.progress
        match action:
            case "vote" if not self.deciding:  # on the result, only what was skipped can be voted on
                return "" if parameters == ("skip",) and progress.skipped > 0 else None
            case "generate" if self.deciding or not self._can_generate():
                return None if self.deciding else "No answer is missing, or the models cannot be asked here"
            case "export" if self.deciding or not progress.log.votes:
                return "Press v for the result first" if progress.log.votes else "There is no vote to export yet"
            case "undo" if progress.last() is None:
                return "There is no vote to undo"
            case "redo" if not voting.can_redo:
                return "There is nothing to redo"
            case "result" if not progress.items:
                return "There is nothing to vote on, so there is no result"
        return ""

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["vote"]

    # -- keys

    async def action_vote(self, choice: Choice) -> None:
        voting = self._voting
        if voting is None or self.saving:
            return
        if self.deciding:
            self._round = voting.progress.round
            self.start(partial(self._vote, voting, choice, self._shown))
        elif choice == "skip" and voting.progress.skipped:
            voting.progress.again()
            await self.show_next()

    @staticmethod
    def _vote(voting: Voting, choice: Choice, on: str) -> str:
        voting.vote(choice, on)
        return ""

    def action_undo(self) -> None:
        if self._voting is not None and not self.saving:
            self._round = 0
            self.start(partial(self._undo, self._voting))

    @staticmethod
    def _undo(voting: Voting) -> str:
        undone = voting.undo()
        return f"Undone: {CHOICE_WORDS[undone.choice]} · ctrl+r redoes" if undone is not None else "Nothing to undo"

    def action_redo(self) -> None:
        if self._voting is not None and not self.saving:
            self._round = 0
            self.start(partial(self._redo, self._voting))

    @staticmethod
    def _redo(voting: Voting) -> str:
        again = voting.redo()
        return f"Redone: {CHOICE_WORDS[again.choice]} · u undoes" if again is not None else "Nothing to redo"

    async def after_saving(self) -> None:
        """Shows the next matchup, but the result at the end of a round."""
        progress = self._voting.progress if self._voting is not None else None
        if progress is not None and progress.current is not None and progress.round > self._round > 0:
            self.said = f"Round {self._round} of {progress.ballot.rounds} is done. v votes on the next one."
            await self.show_result()
        else:
            await self.show_next()

    def action_next_pane(self) -> None:
        panes = [page for page in self.query(Page) if page.is_on_screen]
        if panes:
            at = next((place for place, page in enumerate(panes) if page.has_focus), -1)
            panes[(at + 1) % len(panes)].focus()

    # -- answers that are missing

    def action_generate(self) -> None:
        self._generate()

    @work(exclusive=True, group="generate")
    async def _generate(self) -> None:
        """Lets the models answer behind this view, then votes on their answers."""
        if self._ask is None or self._generating:
            return
        self._generating = True
        self.refresh_bindings()
        ticker = self.set_interval(GENERATING_SECONDS, self._tell_generating)
        try:
            self._tell_generating()
            await self._ask().wait()
        except WorkerFailed as error:
            raise error.error from error
        except WorkerCancelled:  # in the room behind, when a training needs the memory
            pass
        finally:
            ticker.stop()
            self._generating = False
        self._load()

    def _tell_generating(self) -> None:
        found = self._answers()
        done = sum(len(question.answers) for question in found.questions)
        self.tell(f"Generating answers, unseen: {done} of {len(found.questions) * len(found.places)}")

    # -- drawing

    async def show_next(self) -> None:
        voting = self._voting
        if voting is None:
            return
        if (matchup := voting.progress.current) is None:
            await self.show_result()
            return
        self._shown = matchup.id
        first = self.query_one("#vote-a", TextPane)
        first.show(answer_text(matchup.a.text))
        self.query_one("#vote-b", TextPane).show(answer_text(matchup.b.text))
        self.show_item(prompt_text(matchup.prompt), first.page)

    async def show_result(self) -> None:
        if (voting := self._voting) is None:
            return
        figures = await in_thread(voting.figures)
        done = voting.progress.current is None
        self.show_text(result_text(figures, _notes(voting), voting.progress.cast if done else []))

    def title_words(self) -> str:
        voting = self._voting
        words = [""]
        if voting is not None and voting.progress.items:
            progress = voting.progress
            words.append(f"{progress.number if self.deciding else len(progress.cast)} of {len(progress.items)}")
            if progress.ballot.rounds > 1:
                words.append(f"round {progress.round} of {progress.ballot.rounds}")
            if progress.skipped:
                words.append(f"{progress.skipped} skipped")
        return " · ".join([*words, name(self._subject.name)])

    def hint(self) -> str:
        voting = self._voting
        if voting is None or not voting.progress.items:
            return ""
        if self.deciding:
            return "Which answer is better? tab scrolls the other one."
        if self.has_more():
            return "esc returns to voting. E exports the votes as preference pairs."
        again = f"l votes on the {voting.progress.skipped} skipped. " if voting.progress.skipped else ""
        return f"{again}{next_step(self, End(Act.VOTE))}"

    # -- pairs

    def action_export(self) -> None:
        self.ask_export("votes-pairs", self._export_votes)

    def _export_votes(self, out: Path, how: How) -> Exported:
        whose = f"blind votes on {self._subject.name}"
        return export_votes(
            self._subject.folder, out, name=whose, kind=how.kind, hold_out=how.hold_out, overwrite=how.overwrite
        )


def _notes(voting: Voting) -> list[str]:
    """What was left out of the ballot, and what is kept apart."""
    ballot, notes = voting.progress.ballot, []
    if ballot.identical:
        notes.append(f"{ballot.identical} left out: both answers are the same.")
    if ballot.incomplete:
        notes.append(f"{ballot.incomplete} left out: a model has not answered.")
    if apart := voting.progress.apart:
        notes.append(f"On other prompts or answers, kept apart: {votes(apart)}. E exports them too.")
    return notes
