"""The columns of a set: which further ones are shown with each pair, and the way to the values of each."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from smoltui.backends.pairs.facets import COUNTED
from smoltui.backends.pairs.session import PairsSession
from smoltui.backends.project.settings_file import set_shown_columns
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import column_card
from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.pairs.further import further_name, value_text
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.pairs.column_list import ColumnLine, ColumnList
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings
from smoltui.widgets.cursor_list import CursorList

MOST_FURTHER = 2_000
"""Further columns that are listed."""


class ColumnsPane(SetPane):
    """Lists the further columns of the rows, then our own ones."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")

    class Chosen(Message):
        """The values of a column were requested."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    _saving = False
    _saved: tuple[str, ...] | None = None
    """What smoltui.toml was last given; None: nothing yet."""

    def compose(self) -> ComposeResult:
        yield Static(id="columns-about", markup=False)
        yield ColumnList()

    def take(self, session: PairsSession) -> None:
        super().take(session)
        self._saved = None

    def draw(self) -> None:
        """Lists the columns, with the values of the current pair."""
        session, listed = self.session, self.query_one(ColumnList)
        further = session.opened.further_columns
        words = "with each pair: " + (", ".join(safe_line(name, 40) for name in session.shown) or "nothing further")
        self.query_one("#columns-about", Static).update(f" {words}", layout=False)
        about = f"value in pair {session.index + 1:,}, or meaning" if further else "meaning"
        listed.show(self._lines(), session.shown, about, listed.cursor)

    def _lines(self) -> list[ColumnLine]:
        opened = self.session.opened
        try:
            row = opened.further(self.session.index)
        except (IndexError, SmoltuiError):
            row = {}
        lines = []
        for name, kind in list(opened.further_columns.items())[:MOST_FURTHER]:
            value = value_text(row.get(name))
            lines.append(ColumnLine(further_name(name), name, kind, "–" if value is None else value))
        lines += [ColumnLine(name, None, COLUMNS[name].kind, COLUMNS[name].words) for name in COUNTED]
        return lines

    def under_cursor(self) -> tuple[str, ...]:
        line = self.query_one(ColumnList).current
        return (*((column_card(line.name),) if line is not None else ()), *map(column_card, COUNTED))

    def action_show_column(self) -> None:
        """Shows a further column with each pair, or no longer."""
        session, line = self.session, self.query_one(ColumnList).current
        if line is None:
            return
        if line.further is None:
            self.host.say(f"{line.name} isn't a column of the rows. Press enter for its values")
            return
        names = tuple(name for name in session.shown if name != line.further)
        session.shown = names if line.further in session.shown else (*names, line.further)
        self.draw()
        if session.is_other:
            self.host.say("Shown until another set is opened: only those of the project's own pairs are remembered")
        else:
            self._save()

    @work(group="shown")
    async def _save(self) -> None:
        """Writes `pairs.show`, again if it has changed meanwhile."""
        project = self.session.project
        if project is None or self._saving:
            return
        self._saving = True
        try:
            while self._saved != (names := self.session.shown):
                await in_thread(partial(set_shown_columns, project, names))
                self._saved = names
        except SmoltuiError as error:
            tell(self.host, error)
        finally:
            self._saving = False

    def action_move(self, by: int) -> None:
        self.query_one(ColumnList).move(by)

    def action_page(self, by: int) -> None:
        self.query_one(ColumnList).page(by)

    def action_choose(self) -> None:
        self.query_one(ColumnList).choose()

    @on(CursorList.Chosen)
    def _chosen(self, event: CursorList.Chosen) -> None:
        event.stop()
        if (line := self.query_one(ColumnList).current) is not None:
            self.post_message(self.Chosen(line.name))

    @on(CursorList.Moved)
    def _moved(self, event: CursorList.Moved) -> None:
        event.stop()
