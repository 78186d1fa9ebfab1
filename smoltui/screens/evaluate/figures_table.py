"""The figures of the reference and of the aligned model as a table."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from smoltui.core.evaluation.figure_rows import figure_rows
from smoltui.core.evaluation.figures import Figures
from smoltui.core.settings.settings import Manner


def figures_table(
    reference: Figures, aligned: Figures, manner: Manner | None, date: str | None = None
) -> RenderableType:
    """The figures of both models; `–` for what has not been measured.

    `date`: what the templates took for today; None while it is measured.
    """
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)
    table.add_row("", Text("reference", "cyan"), Text("aligned", "cyan"))
    for label, *values in figure_rows(reference, aligned, manner, date):
        table.add_row(
            Text(label, "dim"), *(Text(value, "bold" if value[0] in "-0123456789" else "") for value in values)
        )
    return table
