"""The figures of the reference and of the aligned model as a table, with their definitions."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from smoltui.core.evaluation.figures import WELL_FORMED_RULE, Figures, rule_in_words
from smoltui.core.runs.metrics import as_word
from smoltui.core.settings.settings import Manner
from smoltui.safe_text import safe_line

Interval = tuple[float, float] | None


def figures_table(reference: Figures, aligned: Figures, beta: float, manner: Manner | None) -> RenderableType:
    """The figures of both models and their definitions; `–` for what has not been measured."""
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)

    def row(label: str, values: list[str]) -> None:
        table.add_row(Text(label, "dim"), *(Text(value, "bold" if value[0].isdigit() else "") for value in values))

    both = (reference, aligned)
    table.add_row("", Text("reference", "cyan"), Text("aligned", "cyan"))
    row("reward accuracy", ["–", share(aligned.reward_accuracy, aligned.reward_accuracy_interval)])
    row("reward margin, nats", [as_word(figures.margin) for figures in both])
    row("log-prob chosen − rejected, nats", [as_word(figures.gap, 2) for figures in both])
    if manner is not None:
        row(safe_line(manner.name, 30), [share(figures.manner_share, figures.manner_interval) for figures in both])
    row("well-formed", [share(figures.well_formed_share, figures.well_formed_interval) for figures in both])
    row("tokens per answer", [as_word(figures.mean_tokens, 1) for figures in both])
    row("held-out pairs / answers", [f"{figures.pairs} / {figures.answers}" for figures in both])
    rules = Text(style="dim")
    rules.append(f"Margin: beta {beta:g} × (log-prob gap of the aligned model − log-prob gap of the reference).")
    if manner is not None:
        rules.append(f"\n{safe_line(rule_in_words(manner), 1000)}")
    rules.append(f"\n{WELL_FORMED_RULE}\nIn parentheses: 95 % confidence interval (Wilson).")
    return Group(table, rules)


def share(value: float | None, interval: Interval) -> str:
    """A share (0..1) with its interval: `97 % (89–99)`; `–` for None."""
    if value is None:
        return "–"
    told = f"{value * 100:.0f} %"
    return f"{told} ({interval[0] * 100:.0f}–{interval[1] * 100:.0f})" if interval else told
