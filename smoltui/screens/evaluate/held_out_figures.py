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
from smoltui.widgets.actions import in_own_keys
from smoltui.widgets.cursor_list import CursorList
from smoltui.widgets.selectable import DrawnTable

HINT = "tab selects a group, enter opens its pairs, wrong ones first."


class HeldOutFigures(Vertical):
    """Figures, groups and what they mean."""

    DEFAULT_CSS = """
    HeldOutFigures { height: auto; padding: 0 0 1 0; }
    HeldOutFigures Static { height: auto; }
    HeldOutFigures GroupList, #figures-rules { margin: 1 0 0 0; }
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
        yield DrawnTable(id="figures-table", markup=False)
        yield GroupList(id="figures-groups")
        yield Static(id="figures-rules", markup=False)

    def show_nothing(self, words: str) -> None:
        """Says why there are no figures."""
        self._show(None, Text(in_own_keys(self.screen, words)), [])

    def show_tally(self, tally: Tally, manner: Manner | None) -> None:
        """The figures so far, while the models are measured."""
        table = figures_table(tally.figures(REFERENCE), tally.figures(ALIGNED), manner)
        self._show(None, table, rules(tally.beta, manner))

    def show(self, measurement: Measurement, manner: Manner | None, notes: Sequence[str]) -> None:
        """The figures of a finished measurement, with what else to know about it."""
        table = figures_table(measurement.reference, measurement.aligned, manner, measurement.date)
        about_groups = [in_own_keys(self.screen, HINT), GROUP_RULE] if measurement.groups else []
        self._show(measurement, table, [*about_groups, *notes, *rules(measurement.beta, manner)])

    def _show(self, measurement: Measurement | None, table: RenderableType, below: Sequence[str]) -> None:
        self._measurement = measurement
        self.query_one("#figures-table", Static).update(table)
        self.query_one(GroupList).show(measurement.groups if measurement is not None else ())
        self.query_one("#figures-rules", Static).update(Text("\n".join(below), style="dim"))

    @on(CursorList.Chosen)
    def _chosen(self, event: CursorList.Chosen) -> None:
        event.stop()
        group = self.query_one(GroupList).current
        if group is not None and self._measurement is not None:
            self.post_message(self.GroupChosen(self._measurement, group.key))
