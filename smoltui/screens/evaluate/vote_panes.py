"""What a blind vote shows: the prompt, and answer panes that give away nothing but their text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import Turns
from smoltui.core.evaluation.vote_figures import VoteFigures
from smoltui.core.evaluation.vote_log import Vote
from smoltui.core.evaluation.vote_words import name, percent, vote_words
from smoltui.safe_text import MAX_SHOWN, redact, safe, safe_line
from smoltui.widgets.page import Page
from smoltui.widgets.selectable import DrawnTable

LETTERS = "abcdefgh"
"""Keys of the answers in a set of labels, at most `label_set.MOST_ANSWERS`."""
MAX_PROMPT = 8_000
"""Characters of a prompt that are shown."""


class TextPane(Vertical):
    """A heading and a text that scrolls; the focused one is marked."""

    DEFAULT_CSS = """
    TextPane { height: 1fr; width: 1fr; }
    TextPane > Static { height: 1; padding: 0 1; background: $panel; }
    TextPane:focus-within > Static { text-style: bold underline; }
    TextPane > Page { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self, heading: str, id: str) -> None:
        super().__init__(id=id)
        self._heading = heading

    def compose(self) -> ComposeResult:
        yield Static(self._heading, markup=False)
        with Page():
            yield DrawnTable(markup=False)

    @property
    def page(self) -> Page:
        """What scrolls and takes the focus."""
        return self.query_one(Page)

    def show(self, text: Text, heading: str | None = None) -> None:
        """Shows another text from its top; `heading`: None keeps the heading."""
        if heading is not None:
            self.query_one("TextPane > Static", Static).update(heading)
        page = self.page
        page.query_one(Static).update(text)
        page.scroll_home(animate=False, immediate=True)


def answer_text(text: str) -> Text:
    """A model's answer as plain text, without thoughts.

    Beyond `MAX_SHOWN` characters, nothing is said about how much there is.
    """
    text = split(text).answer
    if not text.strip():
        return Text("(empty answer)", "dim")
    shown = Text(safe(text[:MAX_SHOWN], None))
    if len(text) > MAX_SHOWN:
        shown.append("\n… (the rest is not shown)", "dim")
    return shown


def prompt_text(prompt: Turns) -> Text:
    """The turns of a prompt; a single one without its role."""
    shown = Text()
    for role, text in prompt:
        if len(prompt) > 1:
            shown.append("\n" if shown else "").append(f"{safe(role, 40)}: ", "dim")
        shown.append(safe(redact(text), MAX_PROMPT), "bold" if role == "user" else "")
    return shown


def result_text(figures: VoteFigures, notes: Sequence[str], votes: Sequence[Vote]) -> Group:
    """The figures in words; for several models also as tables of strengths and duels.

    `votes` are those to reveal: whose answer was preferred, one line each.
    """
    parts: list[Text | Table] = []
    if len(figures.models) > 2:
        if figures.ranking is not None:
            parts += [_strengths(figures), Text()]
        parts += [_duels(figures), Text()]
    parts += [Text(sentence, "bold" if at == 0 else "") for at, sentence in enumerate(vote_words(figures))]
    parts += [Text(note, "dim") for note in notes]
    if votes:
        parts += [Text(), _revealed(votes)]
    return Group(*parts)


def _revealed(votes: Sequence[Vote]) -> Text:
    """Each vote with the names that were hidden, the tokens of both answers, and the prompt's beginning."""
    lines = Text("Whose answer won, with tokens:", "dim", no_wrap=True, overflow="ellipsis")
    for number, vote in enumerate(votes, 1):
        a, b = (f"{name(model)} {answer.tokens}" for model, answer in zip(vote.models, (vote.a, vote.b), strict=True))
        first, second = (b, a) if vote.choice == "b" else (a, b)
        between = {"tie": "tied with", "bad": "as bad as", "skip": "skipped with"}.get(vote.choice, "over")
        lines.append(f"\n{number:>3}  ").append(f"{first} {between} {second}", "bold not dim")
        lines.append(f"  {safe_line(redact(vote.prompt[-1][1]), 120)}", "not dim")
    return lines


def _strengths(figures: VoteFigures) -> Table:
    table = _table("model", "Bradley–Terry strength", "95 % interval")
    if figures.ranking is not None:
        for model, strength in figures.ranking.strengths.items():
            low, high = figures.ranking.intervals[model]
            table.add_row(Text(name(model)), f"{strength:+.2f}", f"{low:+.2f} to {high:+.2f}")
    return table


def _duels(figures: VoteFigures) -> Table:
    table = _table("model against model", "won", "lost", "tied", "both bad", "share (95 %)")
    for duel in figures.duels:
        between = Text(f"{name(duel.model)} : {name(duel.other)}")
        counts = (duel.wins, duel.losses, duel.ties, duel.both_bad)
        table.add_row(between, *map(str, counts), percent(duel.share, duel.interval))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    for _ in others:
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(Text(head, "dim") for head in (first, *others)))
    return table
