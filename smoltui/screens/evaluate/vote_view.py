"""Blind votes: two answers to one prompt, with nothing to tell the models by, until all are voted on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import ContentSwitcher, Static
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from smoltui.backends.evaluation.votes import Voting, export_votes, open_voting
from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.runs.store import run_dir
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.vote_figures import VoteFigures
from smoltui.core.evaluation.vote_log import CHOICES, Choice
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.evaluation.vote_words import name, votes
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.pairs_offer import PairsOffer
from smoltui.screens.evaluate.vote_panes import TextPane, answer_text, prompt_text, result_text
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.page import Page

WIDE = 100
"""Columns from which the two answers are side by side."""
GENERATING_SECONDS = 0.5
"""How often the number of answers is told while they are generated."""
CHOICE_WORDS: dict[Choice, str] = {
    "a": "A is better",
    "b": "B is better",
    "tie": "a tie",
    "bad": "both are bad",
    "skip": "skipped",
}


class VoteView(PairsOffer):
    """Votes on the answers of a run, which are kept with it. Opens where the last vote left off."""

    CSS_PATH = "vote.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "vote('a')", "A better"),
        Binding("b", "vote('b')", "B better"),
        Binding("equals_sign", "vote('tie')", "Tie", key_display="="),
        Binding("x", "vote('bad')", "Both bad"),
        Binding("s", "vote('skip')", "Skip"),
        Binding("u", "undo", "Undo"),
        Binding("v", "result", "Result"),
        Binding("enter", "generate", "Generate answers"),
        Binding("E", "export", "Export pairs"),
        Binding("tab", "next_pane", "Scroll prompt, A or B", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("q", "leave", "Close"),
        Binding("question_mark", "help", "Show all keys", key_display="?", show=False),
    ]

    def __init__(self, run: Run, answers: Callable[[], Answers], ask: Callable[[], Worker[None]] | None = None) -> None:
        """`answers`: those there are now. `ask` lets the models answer; None: that is not possible here."""
        super().__init__()
        self._run = run
        self._answers = answers
        self._ask = ask
        self._generating = False
        self._voting: Voting | None = None
        self._figures: VoteFigures | None = None
        """Computed when the result is shown."""
        self._saving = False
        self._shown = ""
        """Id of the matchup on the screen; empty for none."""
        self._said = ""

    def compose(self) -> ComposeResult:
        yield Static(id="vote-title", markup=False)
        with ContentSwitcher(initial="vote-result"):
            with Container(id="vote-matchup"):
                with Page(id="vote-prompt"):
                    yield Static(markup=False)
                with Container(id="vote-answers"):
                    yield TextPane("A", id="vote-a")
                    yield TextPane("B", id="vote-b")
            with Page(id="vote-result"):
                yield Static("Loading votes…", markup=False)
        yield Static(id="vote-status", markup=False)
        yield AskLine()
        yield KeyBar()

    def on_mount(self) -> None:
        self._load()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height < 16, "tiny")

    # -- state

    @property
    def _can_generate(self) -> bool:
        """Answers are missing, and the models can be asked."""
        ballot = self._voting.progress.ballot if self._voting is not None else None
        return ballot is not None and ballot.incomplete > 0 and self._ask is not None and not self._generating

    @property
    def _voting_on(self) -> bool:
        """A matchup is on the screen."""
        return self.query_one(ContentSwitcher).current == "vote-matchup"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        voting = self._voting
        if action in ("vote", "undo", "result", "export") and (voting is None or self._saving):
            return None
        if voting is None:
            return True
        if action == "vote":  # on the result, only what was skipped can be voted on
            return self._voting_on or (parameters == ("skip",) and voting.progress.skipped > 0)
        if action == "generate":
            return self._can_generate and not self._voting_on
        if action == "export":
            return not self._voting_on and bool(voting.progress.cast)
        if action == "undo":
            return True if voting.progress.last() is not None else None
        return True if action != "result" or voting.progress.items else None

    @work(exclusive=True)
    async def _load(self) -> None:
        try:
            self._voting = await in_thread(partial(open_voting, run_dir(self._run.id), self._answers()))
        except SmoltuiError as error:
            self._show_result_text(Text(f"{error}\n\nesc goes back"))
            return
        self._said = self._said or self._voting.unreadable
        if self._voting.progress.ballot.matchups:
            await self._go_on()
        else:
            self._show_nothing(self._voting)

    def _show_nothing(self, voting: Voting) -> None:
        why = "all answers are the same" if voting.progress.ballot.identical else "no prompt has two answers yet"
        more = "\n\nPress enter to generate answers without seeing whose they are." if self._can_generate else ""
        self._show_result_text(Text(f"There is nothing to vote on: {why}.{more}"))

    async def _go_on(self) -> None:
        """Shows the next matchup, or the result after the last one."""
        if self._voting is not None and self._voting.progress.current is not None:
            self._show_matchup()
        else:
            await self._show_result()

    # -- keys

    def action_vote(self, choice: Choice) -> None:
        voting = self._voting
        if voting is None or self._saving or choice not in CHOICES:
            return
        if self._voting_on:
            self._start(partial(self._vote, voting, choice, self._shown))
        elif choice == "skip" and voting.progress.skipped:
            voting.progress.again()
            self._show_matchup()

    @staticmethod
    def _vote(voting: Voting, choice: Choice, shown: str) -> str:
        now = voting.progress.current
        if now is None or now.id != shown:  # a second press, before the next matchup was on the screen
            return ""
        voting.vote(choice)
        return ""

    def action_undo(self) -> None:
        if self._voting is not None and not self._saving:
            self._start(partial(self._undo, self._voting))

    @staticmethod
    def _undo(voting: Voting) -> str:
        undone = voting.undo()
        return f"Undone: {CHOICE_WORDS[undone.choice]}" if undone is not None else "Nothing to undo"

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
            self._said = ""
        self._load()

    def _tell_generating(self) -> None:
        found = self._answers()
        done = sum(len(question.answers) for question in found.questions)
        self.tell(f"Generating answers, unseen: {done} of {len(found.questions) * len(found.places)}")

    def _start(self, change: Callable[[], str]) -> None:
        """Makes a change; keys that follow at once are for what is not on the screen yet, and ignored."""
        self._saving = True
        self._save(change)

    @work(group="vote")
    async def _save(self, change: Callable[[], str]) -> None:
        """Makes a change in a thread, then shows what comes next."""
        try:
            before = self._voting.progress.round if self._voting else 0
            self._said = await in_thread(change)
        except SmoltuiError as error:
            self._said = f"{error.message} {error.hint}"
            self._draw_status()
            return
        finally:
            self._saving = False
            self.refresh_bindings()
        await self._after(before)

    async def _after(self, round_before: int) -> None:
        """The next matchup; the result at the end of a round, and of the ballot."""
        voting = self._voting
        if voting is None:
            return
        if voting.progress.round > round_before > 0 and not self._said:
            self._said = f"Round {round_before} of {voting.progress.ballot.rounds} is done. v votes on the next one."
            await self._show_result()
        else:
            await self._go_on()

    async def action_result(self) -> None:
        """Switches between the result so far and the matchup."""
        self._said = ""
        if self._voting_on:
            await self._show_result()
        else:
            await self._go_on()

    def action_next_pane(self) -> None:
        panes = [page for page in self.query(Page) if page.is_on_screen]
        if panes:
            at = next((place for place, page in enumerate(panes) if page.has_focus), -1)
            panes[(at + 1) % len(panes)].focus()

    async def action_back(self) -> None:
        """Closes the innermost of: the question, the result so far, the votes."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        elif not self._voting_on and self._voting is not None and self._voting.progress.current is not None:
            await self.action_result()
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    def action_help(self) -> None:
        self.show_help("Blind vote")

    # -- drawing

    def _show_matchup(self) -> None:
        voting = self._voting
        matchup = voting.progress.current if voting is not None else None
        if matchup is None:
            return
        self._shown = matchup.id
        prompt = self.query_one("#vote-prompt", Page)
        prompt.query_one(Static).update(prompt_text(matchup.prompt))
        prompt.scroll_home(animate=False, immediate=True)
        self.query_one("#vote-a", TextPane).show(answer_text(matchup.a.text))
        self.query_one("#vote-b", TextPane).show(answer_text(matchup.b.text))
        self.query_one(ContentSwitcher).current = "vote-matchup"
        self.query_one("#vote-a", TextPane).page.focus()
        self._draw()

    async def _show_result(self) -> None:
        voting = self._voting
        if voting is None:
            return
        self._figures = await in_thread(voting.figures)
        done = voting.progress.current is None
        parts = result_text(self._figures, self._notes(voting), voting.progress.cast if done else [])
        self._show_result_text(parts)

    def _show_result_text(self, text: object) -> None:
        self.query_one("#vote-result Static", Static).update(text)  # type: ignore[arg-type]
        self.query_one(ContentSwitcher).current = "vote-result"
        result = self.query_one("#vote-result", Page)
        result.scroll_home(animate=False, immediate=True)
        result.focus()
        self._draw()

    def _notes(self, voting: Voting) -> list[str]:
        progress = voting.progress
        ballot = progress.ballot
        notes = []
        if ballot.identical:
            notes.append(f"{ballot.identical} left out: both answers are the same.")
        if ballot.incomplete:
            notes.append(f"{ballot.incomplete} left out: a model has not answered.")
        if progress.apart:
            notes.append(f"On other prompts or answers, kept apart: {votes(progress.apart)}. E exports them too.")
        return notes

    def _draw(self) -> None:
        self._draw_title()
        self._draw_status()
        self.refresh_bindings()

    def _draw_title(self) -> None:
        title = Text(" Blind vote", "bold", no_wrap=True, overflow="ellipsis")
        if (voting := self._voting) is not None and voting.progress.ballot.matchups:
            progress = voting.progress
            total = len(progress.ballot.matchups)
            title.append(f" · {progress.number if self._voting_on else len(progress.cast)} of {total}", "not bold")
            if progress.ballot.rounds > 1:
                title.append(f" · round {progress.round} of {progress.ballot.rounds}", "not bold")
            if progress.skipped:
                title.append(f" · {progress.skipped} skipped", "not bold")
        title.append(f" · {name(self._run.name)} {name(self._run.id)}", "not bold dim")
        self.query_one("#vote-title", Static).update(title)

    def _draw_status(self) -> None:
        self.query_one("#vote-status", Static).update(Text(safe_line(redact(self._said or self._hint()), 400)))

    def _hint(self) -> str:
        voting = self._voting
        if voting is None or not voting.progress.ballot.matchups:
            return ""
        if self._voting_on:
            return "Which answer is better? tab scrolls the other one."
        if voting.progress.current is not None:
            return "esc returns to voting. E exports the votes as preference pairs."
        again = f"s votes on the {voting.progress.skipped} skipped. " if voting.progress.skipped else ""
        return f"{again}E exports the votes as preference pairs."

    # -- pairs

    def action_export(self) -> None:
        self.ask_export("votes-pairs", self._export_votes)

    def _export_votes(self, out: Path, kind: Kind, overwrite: bool) -> Exported:
        name = f"blind votes on {self._run.name} {self._run.id}"
        return export_votes(run_dir(self._run.id), out, name=name, kind=kind, overwrite=overwrite)

    def tell(self, text: str) -> None:
        self._said = text
        self._draw_status()
