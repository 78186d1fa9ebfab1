"""One prompt with its answers, as rich draws it: columns side by side, or one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from smoltui.core.evaluation.answer_figures import AnswerFigures, absent, figure_lines, tokens_of
from smoltui.core.evaluation.figures import manner_of
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import Cell
from smoltui.core.evaluation.thoughts import Said, split
from smoltui.core.settings.settings import Manner
from smoltui.safe_text import redact, safe, safe_line

MAX_PROMPT, MAX_ANSWER = 2_000, 8_000
"""Characters of a prompt, and of an answer, that are drawn."""


@dataclass(frozen=True, slots=True)
class Look:
    """How answers are drawn."""

    columns: tuple[str, ...] = ()
    """Names of those in view."""
    beside: bool = True
    """Side by side; False: one below the other."""
    manner: Manner | None = None
    unfolded: bool = False
    """Whether thoughts are shown in full."""


def answer_block(number: int, prompt: Prompt, cells: Mapping[str, Cell | None], look: Look) -> RenderableType:
    """A prompt and its answers. Model output is foreign text, and only drawn as plain text."""
    said = {name: split(cell.text) for name, cell in cells.items() if cell is not None}
    heads = [_head(name, cells.get(name), said.get(name), look.manner) for name in look.columns]
    texts = [_answer(cells.get(name), said.get(name), look.unfolded) for name in look.columns]
    parts: list[RenderableType] = [*_prompt(number, prompt)]
    if not look.beside:
        for head, text in zip(heads, texts, strict=True):
            parts += [head, text]
        return Group(*parts, Text())
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for _ in look.columns:
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*heads)
    table.add_row(*texts)
    return Group(*parts, table, Text())


def _prompt(number: int, prompt: Prompt) -> list[Text]:
    lines = [Text(f"{role}: {safe(redact(content), MAX_PROMPT)}", "dim") for role, content in prompt.before]
    lines.append(
        Text().append("user: " if prompt.before else "", "dim").append(safe(redact(prompt.text), MAX_PROMPT), "bold")
    )
    if prompt.purpose:
        lines[-1].append(f"  ({safe_line(prompt.purpose, 200)})", "dim")
    lines[0] = Text().append(f"{number}  ", "dim").append_text(lines[0])
    return lines


def _head(name: str, cell: Cell | None, said: Said | None, manner: Manner | None) -> Text:
    head = Text().append(safe_line(name, 60), "cyan")
    if cell is None or said is None or cell.answered is None:
        return head
    if manner is not None:
        kept = manner_of(said.answer, manner)
        head.append(f"  {'✓' if kept else '✗ not'} {safe_line(manner.name, 40)}", "green" if kept else "red")
    if tokens := tokens_of(cell):
        head.append(f"  {tokens} token{'' if tokens == 1 else 's'}", "dim")
    if not cell.answered.ended:
        head.append("  cut off at the token limit", "yellow")
    return head


def _answer(cell: Cell | None, said: Said | None, unfolded: bool) -> Text:
    if cell is None or said is None:
        return Text("–", "dim")
    if cell.left_out:
        return Text(f"no answer: {safe_line(redact(cell.left_out), 300)}", "yellow")
    text = _thoughts(cell, said, unfolded)
    text.append("" if said.thinking else safe(said.answer, MAX_ANSWER))
    if cell.answered is None:
        text.append(" …", "dim")
    elif said.thinking:
        text.append("(no answer: still thinking at the token limit)", "dim")
    elif not said.answer.strip():
        text.append("(empty answer)", "dim")
    return text


def _thoughts(cell: Cell, said: Said, unfolded: bool) -> Text:
    """The thoughts of an answer, or one line in place of them."""
    if not said.thoughts and not said.thinking:
        return Text()
    if unfolded:
        return Text(f"{safe(said.thoughts, MAX_ANSWER)}\n", "dim italic")
    tokens = cell.answered.thought_tokens if cell.answered is not None else 0
    words = f"{tokens} tokens" if tokens else f"{len(said.thoughts.split())} words"
    return Text(f"▸ {'thinking, ' if said.thinking else 'thoughts, '}{words}\n", "dim italic")


def figures_block(figures: Sequence[AnswerFigures], look: Look, title: str) -> RenderableType:
    """The figures of a set of answers as a table, one column per model."""
    shown = [one for one in figures if one.column in look.columns]
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    for _ in shown:
        table.add_column(justify="right", no_wrap=True)
    table.add_row("", *(Text(safe_line(one.column, 40), "cyan") for one in shown))
    none = absent(shown)
    for label, values in figure_lines(shown, look.manner):
        if label in none or (label.startswith("  ") and "refusals" in none):
            continue
        table.add_row(
            Text(safe_line(label, 40), "dim"),
            *(Text(value, "bold" if value[0].isdigit() else "") for value in values),
        )
    heading = Text(title, "bold")
    return Group(heading, table, Text(f"Not seen: {', '.join(none)}.", "dim")) if none else Group(heading, table)
