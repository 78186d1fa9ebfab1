"""The figures of both models on the held-out pairs, with those of each group below."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from smoltui.core.evaluation.figure_rows import rules
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.group_rows import GROUP_RULE
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.settings.settings import Manner
from smoltui.screens.evaluate.figures_table import figures_table
from smoltui.screens.evaluate.group_list import GroupList
from smoltui.widgets.cursor_list import CursorList

HINT = "tab selects a group · enter opens its pairs, wrong ones first"


class HeldOutFigures(Vertical):
    """Hidden until there are figures."""

    DEFAULT_CSS = """
    HeldOutFigures { height: auto; padding: 0 0 1 0; display: none; }
    HeldOutFigures.measured { display: block; }
    HeldOutFigures Static { height: auto; }
    HeldOutFigures GroupList { margin: 1 0; }
    """

    class GroupChosen(Message):
        """The pairs of a group were requested."""

        def __init__(self, measurement: Measurement, key: str) -> None:
            super().__init__()
            self.measurement = measurement
            self.key = key
            """Of `core.evaluation.groups.BY_KEY`."""

    _measurement: Measurement | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="figures-table", markup=False)
        yield GroupList(id="figures-groups")
        yield Static(id="figures-rules", markup=False)

    def show_tally(self, tally: Tally, manner: Manner | None) -> None:
        """The figures so far, while the models are measured."""
        self._measurement = None
        self._show(figures_table(tally.figures(REFERENCE), tally.figures(ALIGNED), manner), tally.beta, manner, [])

    def show(self, measurement: Measurement, manner: Manner | None, notes: Sequence[str]) -> None:
        """The figures of a finished measurement, with what else to know about it."""
        self._measurement = measurement
        table = figures_table(measurement.reference, measurement.aligned, manner, measurement.date)
        extra = [*notes, *([GROUP_RULE, HINT] if measurement.groups else [])]
        self._show(table, measurement.beta, manner, extra)

    def _show(self, table: RenderableType, beta: float, manner: Manner | None, extra: list[str]) -> None:
        self.add_class("measured")
        self.query_one("#figures-table", Static).update(table)
        self.query_one(GroupList).show(self._measurement.groups if self._measurement is not None else ())
        self.query_one("#figures-rules", Static).update(Text("\n".join([*extra, *rules(beta, manner)]), style="dim"))

    @on(CursorList.Chosen)
    def _chosen(self, event: CursorList.Chosen) -> None:
        event.stop()
        group = self.query_one(GroupList).current
        if group is not None and self._measurement is not None:
            self.post_message(self.GroupChosen(self._measurement, group.key))
