"""The list of runs: rows are drawn as they scroll into view and updated in place; the cursor stays on its run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from smoltui.core.runs.run import LABEL, Run
from smoltui.core.runs.wording import PHASES
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.columns import FactsOf, RowFacts, Shown, columns_in
from smoltui.widgets.actions import bindings
from smoltui.widgets.selectable import Selectable

NO_FACTS = RowFacts()
LEAST_DETAILS = 8
"""Cells that have to be left for the details, of which less than a word would be seen otherwise."""


def row(shown: Shown, width: int, *, marked: bool = False) -> Text:
    """One run in `width` cells: the columns that there is room for, then everything without a fixed width."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("●" if marked else " ", "bold cyan" if marked else "")  # an invisible style costs 40 bytes per row
    mark = shown.facts.mark
    for column in columns_in(width):
        style = column.style(shown.run) if column.style else ""
        if mark is not None and column.name == "stage":
            style = "bold red" if mark.failed else "bold yellow"
        line.append(column.padded(column.text(shown), width), style)
    if width - line.cell_len > LEAST_DETAILS:
        _append_details(line.append("  "), shown)
    line.truncate(width, pad=True)
    return line


def _append_details(line: Text, shown: Shown) -> None:
    """Watch rules, chain, message or phase, and labels."""
    run, facts = shown.run, shown.facts
    if facts.mark is not None and facts.mark.words:
        line.append(f"{safe_line(redact(facts.mark.words), 200)} ", "red" if facts.mark.failed else "yellow")
    for word in facts.words:
        line.append(f"{word} ", "bold yellow")
    if facts.note:
        line.append(f"{safe_line(facts.note, 60)} ", "cyan")
    line.append(safe_line(redact(_doing(run)), 200), "dim")
    labels = " ".join(
        f"{key}={value}" if value else key
        for key, value in run.labels.items()
        if key != LABEL and (key, value) != ("name", run.name)
    )
    if labels:
        line.append(f"  {safe_line(redact(labels), 120)}", "dim italic")


def _doing(run: Run) -> str:
    """The reason for its stage, or its current phase."""
    return run.message or ("" if run.is_final or not run.phase else PHASES.get(run.phase, run.phase))


class RunList(ScrollView, Selectable, can_focus=True):
    """Runs in the given order; posts `Highlighted` when the cursor moves to another run."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-list--cursor"}
    # No scroll bars: they are drawn a frame late and cost more bytes than a row.
    DEFAULT_CSS = """
    RunList { height: auto; scrollbar-size: 0 0; }
    RunList > .run-list--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("run-list")

    cursor: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor is on another run; `run_id` is None if the list is empty."""

        def __init__(self, run_id: str | None) -> None:
            super().__init__()
            self.run_id = run_id

    class Marked(Message):
        """The set of marked runs has changed."""

    def __init__(self, empty_words: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: Sequence[Run] = ()
        self._places: dict[str, int] = {}
        self._drawn: dict[int, Text] = {}
        self._count = -1
        self._told: str | None = ""
        self.facts: FactsOf = lambda run: NO_FACTS
        """Returns additional facts for a row; called for visible rows, once per second."""
        self.marked: set[str] = set()
        """Ids of marked runs, including those not currently listed."""
        self.empty_words = empty_words
        """Shown in place of an empty list."""

    @property
    def runs(self) -> Sequence[Run]:
        """The listed runs, in order."""
        return self._runs

    @property
    def highlighted(self) -> Run | None:
        """The run under the cursor; None in an empty list."""
        return self._runs[self.cursor] if 0 <= self.cursor < len(self._runs) else None

    def show(self, runs: Sequence[Run]) -> None:
        """Replaces the runs; only visible rows that changed are redrawn."""
        current = self.highlighted
        self._runs = runs
        self._places = {run.id: place for place, run in enumerate(runs)}
        if current is not None:
            where = self._places.get(current.id)
            self.cursor = where if where is not None else max(0, min(self.cursor, len(runs) - 1))
        if len(runs) != self._count:
            self._count = len(runs)
            self.virtual_size = Size(0, len(runs))
            self._drawn = {}
            self.refresh(layout=True)
            self.call_after_refresh(self._keep_in_view)  # runs above it may have come
        elif runs:
            self.tick()
        else:
            self.refresh()  # the reason why it is empty may have changed
        self._tell()

    def select(self, run_id: str) -> bool:
        """Moves the cursor to a run; False if it is not listed."""
        where = self._places.get(run_id)
        if where is not None:
            self.cursor = where
        return where is not None

    def tick(self) -> None:
        """Redraws the visible rows whose text has changed."""
        now, width = time.time(), self.size.width
        top = round(self.scroll_y)
        before, self._drawn = self._drawn, {}
        for index in range(top, min(top + self.size.height, len(self._runs))):
            new = self._drawn[index] = self._row(index, now, width)
            old = before.get(index)
            if old is None or old != new or old.spans != new.spans:
                self._refresh_row(index)

    def _row(self, index: int, now: float, width: int) -> Text:
        run = self._runs[index]
        return row(Shown(run, now, self.facts), width, marked=run.id in self.marked)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._runs))

    def on_resize(self) -> None:
        self._drawn = {}
        self._keep_in_view()  # the run that was recalled may have been selected while there was room for one row
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the row that was clicked."""
        row = event.y + round(self.scroll_y)
        if row < len(self._runs):
            self.cursor = row

    def action_move(self, by: int) -> None:
        self.cursor = max(0, min(len(self._runs) - 1, self.cursor + by))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(self.size.height - 1, 1))

    def action_mark(self) -> None:
        """Toggles the mark of the run under the cursor, and moves down by one."""
        if (run := self.highlighted) is not None:
            self.marked ^= {run.id}
            self._redraw(self.cursor)
            self.post_message(self.Marked())
            self.action_move(1)

    def unmark(self) -> None:
        """Removes all marks."""
        if self.marked:
            self.marked.clear()
            self.tick()
            self.post_message(self.Marked())

    def watch_cursor(self, old: int, new: int) -> None:
        self._refresh_row(old)
        self._refresh_row(new)
        self._keep_in_view()
        self._tell()

    def _keep_in_view(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False)

    def _tell(self) -> None:
        run = self.highlighted
        run_id = run.id if run else None
        if run_id != self._told:
            self._told = run_id
            self.post_message(self.Highlighted(run_id))

    def _redraw(self, index: int) -> None:
        self._drawn.pop(index, None)
        self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        self.refresh(Region(0, index - round(self.scroll_y), self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        index, width = y + round(self.scroll_y), self.size.width
        base = self.rich_style
        if index >= len(self._runs):
            if index == 0:
                text = Text(f" {self.empty_words}", "dim")
                return Strip(text.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
            return Strip.blank(width, base)
        drawn = self._drawn.get(index)
        if drawn is None:
            drawn = self._drawn[index] = self._row(index, time.time(), width)
        strip = Strip(drawn.render(self.app.console)).adjust_cell_length(width, base)
        if index == self.cursor:
            return strip.apply_style(self.get_component_rich_style("run-list--cursor"))
        return strip.apply_style(base)
