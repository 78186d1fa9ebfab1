"""The values of one column, how many pairs have each, and how the answers of these differ."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from smoltui.backends.pairs.session import Matches, PairsSession
from smoltui.core.pairs.facet import Facet, FacetValue
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.pairs.facet_list import FacetList, shown_value
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings
from smoltui.widgets.cursor_list import CursorList


class FacetPane(SetPane):
    """Counts the values of a column when it is opened; enter lists the pairs of one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("values")

    class Chosen(Message):
        """The pairs with a value were requested."""

        def __init__(self, value: FacetValue, words: str, base: Matches | None) -> None:
            super().__init__()
            self.value, self.words, self.base = value, words, base

    _facet: Facet | None = None
    _base: Matches | None = None
    """The matches whose values were counted; None: the whole set."""
    _asked = ""
    """The column whose values are shown."""
    _message = ""
    _sort, _descending = "pairs", True

    def compose(self) -> ComposeResult:
        yield Static(id="facet-about", markup=False)
        yield FacetList()

    def take(self, session: PairsSession) -> None:
        super().take(session)
        self._facet = self._base = None

    def count(self, name: str) -> None:
        """Counts the values of this column in the matches, or in the whole set."""
        self._asked, self._facet, self._base = name, None, self.session.matches
        self._sort, self._descending = "pairs", True
        self._message = f"Counting the values of {safe_line(name, 60)}…"
        self._draw_at(0)
        self._count(name)

    def loaded(self) -> None:
        """Called when the whole set is loaded: counts again what was counted before."""
        if self._facet is not None and not self._facet.complete and self._base is None:
            self._count(self._asked)

    @work(exclusive=True, group="facet")
    async def _count(self, name: str) -> None:
        session = self.session
        try:
            facet = await session.facet(name)
        except SmoltuiError as error:
            self._message = f"{error.message} {error.hint}".strip()
            tell(self.host, error)
        else:
            self._facet, self._message = facet, "No pairs."
        self.draw()

    def draw(self) -> None:
        self._draw_at(self.query_one(FacetList).cursor)

    def _draw_at(self, position: int) -> None:
        self.query_one("#facet-about", Static).update(self._about(), layout=False)
        self.query_one(FacetList).show(self._facet, self._message, self._sort, self._descending, position)

    def _about(self) -> Text:
        """Which column, and what was counted."""
        line = Text(f" {safe_line(self._asked, 60)}", "bold", no_wrap=True, overflow="ellipsis")
        facet = self._facet
        if facet is None:
            return line
        of = f"{facet.pairs:,} pairs" + (f" with {safe_line(self._base.words, 60)}" if self._base is not None else "")
        of += "" if facet.complete else " so far"
        values = f"{facet.distinct:,} value{'' if facet.distinct == 1 else 's'}"
        if facet.distinct > len(facet.values):
            values += f", the {len(facet.values):,} most frequent are listed,"
        return line.append(f" · {facet.column.kind} · {values} in {of}", "not bold dim")

    def action_sort_values(self) -> None:
        """Sorts by the next column: from the largest figure, or the first value."""
        has_margin = self._facet is not None and self._facet.has_margin
        keys = ["pairs", "gap", *(["margin"] if has_margin else []), "value"]
        self._sort = keys[(keys.index(self._sort) + 1) % len(keys)]
        self._descending = self._sort != "value"
        self._draw_at(0)

    def action_reverse_values(self) -> None:
        self._descending = not self._descending
        self._draw_at(0)

    def action_move(self, by: int) -> None:
        self.query_one(FacetList).move(by)

    def action_page(self, by: int) -> None:
        self.query_one(FacetList).page(by)

    def action_choose(self) -> None:
        self.query_one(FacetList).choose()

    @on(CursorList.Chosen)
    def _chosen(self, event: CursorList.Chosen) -> None:
        event.stop()
        value = self.query_one(FacetList).current
        if value is not None:
            self.post_message(self.Chosen(value, f"{safe_line(self._asked, 40)}: {shown_value(value)}", self._base))

    @on(CursorList.Moved)
    def _moved(self, event: CursorList.Moved) -> None:
        event.stop()
