"""What the view of a judge shows: who judges, what is left to ask, the result, and the prompt."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from smoltui.backends.evaluation.judge_setup import Setup
from smoltui.core.evaluation.judge_figures import JudgeFigures
from smoltui.core.evaluation.judge_plan import Plan
from smoltui.core.evaluation.judge_words import (
    ballot_words,
    judge_name,
    judge_words,
    length_rows,
    plan_words,
    reply_rows,
    spent_words,
)
from smoltui.core.evaluation.vote_ballot import Ballot
from smoltui.safe_text import MAX_SHOWN, redact, safe, safe_line

HOW = """No judge is chosen yet. A judge is a model that compares two answers to the same prompt.

Press o and type an endpoint and a model, or write them into smoltui.toml:

  [judge]
  endpoint = "http://127.0.0.1:8000/v1"   # any OpenAI-compatible API
  model = "name-of-the-model"
  key_env = "OPENAI_API_KEY"              # variable with the key; leave out without one

endpoint = "hf" uses Hugging Face inference providers, endpoint = "local" a model on this machine."""


def judge_text(setup: Setup, ballot: Ballot, plan: Plan | None, figures: JudgeFigures) -> Group:
    """Who judges, what is left (None: being asked), and what the replies show."""
    settings = setup.settings
    head = Text()
    head.append("judge   ", "dim").append(f"{judge_name(settings.endpoint, settings.model)}\n", "bold")
    head.append("prompt  ", "dim").append(f"{safe_line(redact(setup.prompt), 200)}\n")
    if plan is not None and (plan.calls or not figures.replies):
        for at, words in enumerate(plan_words(plan, settings)):
            head.append("left    " if at == 0 else "        ", "dim").append(f"{words}\n")
    notes = [Text(words, "dim") for words in ballot_words(ballot)]
    if not figures.replies:
        return Group(head, *notes)
    said = [Text(sentence, "bold" if at == 0 else "") for at, sentence in enumerate(judge_words(figures))]
    parts: list[Text | Table] = [head, *said, *notes, Text(), _lengths(figures), Text(), _replies(figures)]
    if spent := spent_words(figures, settings):
        parts += [Text(), Text(spent, "dim")]
    return Group(*parts)


def template_text(template: str, prompt: str) -> Text:
    """The prompt template."""
    text = Text(f"{safe_line(redact(prompt), 200)}   e edits, v returns\n\n", "dim")
    return text.append(safe(redact(template), MAX_SHOWN), "not dim")


def _lengths(figures: JudgeFigures) -> Table:
    table = _grid("The longer answer won", "", "share (95 %)")
    for who, count, share in length_rows(figures):
        table.add_row(who, count, share)
    return table


def _replies(figures: JudgeFigures) -> Table:
    table = _grid("Replies", "")
    for words, number in reply_rows(figures):
        table.add_row(words, str(number))
    return table


def _grid(first: str, *others: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    for _ in others:
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(Text(head, "dim") for head in (first, *others)))
    return table
