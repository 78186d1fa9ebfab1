"""The form: one line per field, grouped under headings, drawn line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from smoltui.safe_text import redact, safe_line
from smoltui.widgets.actions import bindings
from smoltui.widgets.selectable import Selectable

LABEL_WIDTH = 21

AHEAD = 8
"""Rows kept visible beyond the cursor when the list scrolls."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the form."""

    key: str
    """Empty for the heading of a group."""
    label: str
    value: str = ""
    unit: str = ""
    is_set: bool = False
    """The key is in the file."""
    is_changed: bool = False
    """Its value in the file differs from TRL's default."""
    is_apart: bool = False
    """Its value differs from that of the preset."""
    level: str = ""
    """`stop` or `warn` if there is a problem with it."""


CHANGED, SET, APART = "●", "·", "◆"
MARKS: Mapping[str, tuple[str, str]] = {"stop": ("✗", "bold red"), "warn": ("!", "yellow"), "": (" ", "")}


def drawn(row: Row, width: int) -> Text:
    """One row in `width` cells. `●` marks a value that differs from TRL's default, `·` one equal to it in the file, and
    `◆` one that differs from the preset."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if not row.key:
        line.append(f" {row.label}", "bold")
    else:
        sign, style = MARKS[row.level]
        line.append(sign, style)
        line.append(CHANGED if row.is_changed else SET if row.is_set else " ", "cyan")
        line.append(APART if row.is_apart else " ", "magenta").append(" ")
        cells = LABEL_WIDTH if width >= 44 else 14
        label = safe_line(row.label, cells)
        label = label if len(label) < cells else f"{label[: cells - 2]}…"  # with a blank before the value
        line.append(f"{label:<{cells}}", "" if row.is_set else "dim")
        line.append(safe_line(redact(row.value), 200), "" if row.is_set else "dim")
        if row.unit and row.value:
            line.append(f" {row.unit}", "dim")
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


class FieldList(ScrollView, Selectable, can_focus=True):
    """Rows with a cursor that skips headings; posts `Highlighted` when it moves to another field."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"field-list--cursor"}
    DEFAULT_CSS = """
    FieldList > .field-list--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    FieldList:focus > .field-list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("fields")

    cursor: reactive[int] = reactive(-1, repaint=False)
    """Index of the row under the cursor; -1 in an empty list."""

    class Highlighted(Message):
        """The cursor moved to another field."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._texts: dict[int, Text] = {}
        """Index of a row → its text; a row is drawn when it is first shown."""

    @property
    def key(self) -> str | None:
        """Key of the field under the cursor; empty for a heading, None without a cursor."""
        return self._rows[self.cursor].key if 0 <= self.cursor < len(self._rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Replaces the rows. The cursor stays on its field, and only changed rows are redrawn."""
        key, old = self.key, self._rows
        self._rows, self._texts = list(rows), {}
        if len(old) != len(self._rows):
            self.virtual_size = Size(0, len(self._rows))
            self.refresh()
            self.call_after_refresh(self._keep_in_view)  # before, it can only be scrolled as far as the old rows
        else:
            for index, (before, after) in enumerate(zip(old, self._rows, strict=True)):
                if before != after:
                    self._refresh_row(index)
        self.select(key) if key else self.action_move(1)

    def show_found(self, rows: Sequence[Row]) -> None:
        """Replaces the rows with those that a search found. The cursor goes to the first."""
        self._rows, self._texts = list(rows), {}
        self.virtual_size = Size(0, len(self._rows))
        self.scroll_to(y=0, animate=False)
        with self.prevent(self.Highlighted):
            self.cursor = 0 if self._rows else -1
        self.refresh()

    def clear(self) -> None:
        """Removes all rows, and the cursor."""
        self._rows, self._texts = [], {}
        self.cursor = -1
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def select(self, key: str) -> bool:
        """Moves the cursor to a field; False if it is not in the list."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self.cursor = index
                return True
        return False

    def on_resize(self) -> None:
        self._texts = {}
        self.refresh()
        self._keep_in_view()

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the field that was clicked."""
        index = event.y + round(self.scroll_y)
        if 0 <= index < len(self._rows) and self._rows[index].key:
            self.cursor = index

    def action_move(self, by: int) -> None:
        """Moves by `by` rows, and from a heading on to the next field; at most to the first or last field."""
        fields = [index for index, row in enumerate(self._rows) if row.key]
        if not fields:
            return
        wanted = self.cursor + by
        ahead = [index for index in fields if (index >= wanted if by > 0 else index <= wanted)]
        self.cursor = (ahead[0] if by > 0 else ahead[-1]) if ahead else (fields[-1] if by > 0 else fields[0])

    def watch_cursor(self, old: int, new: int) -> None:
        self._refresh_row(old)
        self._refresh_row(new)
        self._keep_in_view()
        if self.key:
            self.post_message(self.Highlighted(self.key))

    def _keep_in_view(self) -> None:
        if not 0 <= self.cursor < len(self._rows):
            return  # the rows changed, and the cursor follows in a moment
        # The heading of a group scrolls into view with its first field.
        top, bottom = self.cursor - (self.cursor > 0 and not self._rows[self.cursor - 1].key), self.cursor
        shown, height = round(self.scroll_y), self.size.height
        # Scroll by several rows at once: each scroll of a list beside a text sends both to the terminal.
        more = min(AHEAD, height // 2)
        if top < shown:
            top = max(0, top - more)
        elif bottom >= shown + height:
            bottom = min(len(self._rows) - 1, bottom + more)
        self.scroll_to_region(Region(0, top, 1, bottom - top + 1), animate=False)

    def _refresh_row(self, index: int) -> None:
        self.refresh(Region(0, index - round(self.scroll_y), self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        index, width, base = y + round(self.scroll_y), self.size.width, self.rich_style
        if index >= len(self._rows):
            return Strip.blank(width, base)
        if index not in self._texts:
            self._texts[index] = drawn(self._rows[index], width)
        strip = Strip(self._texts[index].render(self.app.console)).adjust_cell_length(width, base)
        if index == self.cursor:
            return strip.apply_style(self.get_component_rich_style("field-list--cursor"))
        return strip.apply_style(base)
