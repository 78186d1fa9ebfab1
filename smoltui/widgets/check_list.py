"""Checks with a cursor: each wraps, and below the selected one stands what enter does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from smoltui.core.recipe import Fix, Level
from smoltui.safe_text import redact, safe_line
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.selectable import Selectable

MARKS = {Level.PASS: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.STOP: ("✗", "bold red")}
"""Level → sign and style. The signs differ without colours."""
CURSOR = "▸"
INDENT = 5
"""Cells before a sentence: cursor and sign."""


@dataclass(frozen=True, slots=True)
class Item:
    """One check."""

    level: Level
    sentence: str
    next_step: str = ""
    fix: Fix | None = None
    name: str = ""
    """Key or name of the check."""

    @property
    def enter(self) -> str:
        """What enter does, in words; empty if it does nothing."""
        return self.fix.words if self.fix is not None else ""


class CheckList(Selectable, can_focus=True):
    """Lines with a cursor, which is on none of them if `cursor` is -1. Its keys work while it has the focus."""

    COMPONENT_CLASSES = {"check-list--cursor"}
    DEFAULT_CSS = """
    CheckList { height: auto; }
    CheckList > .check-list--cursor { text-style: bold; }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("checks")

    class Moved(Message):
        """The cursor is on another item."""

    class Chosen(Message):
        """A line was clicked while it was selected."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: Sequence[Item] = ()
        self._tail: Sequence[Text] = ()
        self._lines: list[tuple[int, Text]] = []
        """Place of the item (-1: none) and the line."""
        self._top = 0
        self.cursor = -1

    @property
    def selected(self) -> Item | None:
        """The item under the cursor; None without one."""
        return self._items[self.cursor] if 0 <= self.cursor < len(self._items) else None

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self._items)

    def show(self, items: Sequence[Item], cursor: int | None = None, tail: Sequence[Text] = ()) -> None:
        """Replaces the items; `tail` are lines below them that cannot be selected.

        With `cursor` None, the cursor stays on its item if it is still there, and is otherwise on the first one.
        """
        before = self.selected
        self._items, self._tail = items, tail
        if cursor is None:
            same = [at for at, item in enumerate(items) if before is not None and item.sentence == before.sentence]
            cursor = same[0] if same else 0 if items else -1
        self.cursor = min(cursor, len(items) - 1)
        self._wrap(layout=True)

    def go(self, cursor: int) -> None:
        """Moves the cursor to an item; -1: to none."""
        self.cursor = max(-1, min(cursor, len(self._items) - 1))
        self._wrap(layout=True)
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Selects another item."""
        self.go(max(0, self.cursor + by))

    def page(self, by: int) -> None:
        """Scrolls by `by` lines, whatever the cursor is on."""
        self._top = max(0, min(self._top + by, len(self._lines) - self.size.height))
        self.refresh()

    # -- drawing

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._wrapped(width)))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        if has_focus:
            self.go(max(0, self.cursor))
        else:
            self._wrap(layout=False)

    def on_resize(self) -> None:
        self._wrap(layout=False)

    def on_click(self, event: events.Click) -> None:
        at = self._top + event.y
        item = self._lines[at][0] if at < len(self._lines) else -1
        if item >= 0 and item == self.cursor:
            self.post_message(self.Chosen())
        elif item >= 0:
            self.go(item)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.page(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.page(-3)

    def _wrap(self, *, layout: bool) -> None:
        before = len(self._lines)
        self._lines = self._wrapped(self.size.width)
        own = [at for at, (item, _) in enumerate(self._lines) if item == self.cursor >= 0]
        height = self.size.height
        if own and height > 0:
            self._top = min(max(self._top, own[-1] - height + 1), own[0])
        self._top = max(0, min(self._top, len(self._lines) - height))
        self.refresh(layout=layout and len(self._lines) != before)

    def _wrapped(self, width: int) -> list[tuple[int, Text]]:
        if width <= INDENT:
            return []
        console = Console(width=width)
        lines: list[tuple[int, Text]] = []
        for at, item in enumerate(self._items):
            lines += [(at, line) for line in self._item_lines(item, width, console, selected=at == self.cursor)]
        return lines + [(-1, line) for line in self._tail]

    def _item_lines(self, item: Item, width: int, console: Console, *, selected: bool) -> list[Text]:
        sign, style = MARKS[item.level]
        head = Text(f" {CURSOR if selected else ' '} ", "bold").append(sign, style).append(" ")
        lines = hanging(head, Text(safe_line(redact(item.sentence), 400), "bold" if selected else ""), width, console)
        if selected:
            told = item.enter
            if told:
                key = in_own_keys(self.screen, f"{'' if self.has_focus or not self.can_focus else 'tab, '}enter: ")
                said = Text(key, "bold cyan").append(safe_line(redact(told), 300))
                lines += hanging(Text(" " * (INDENT + 1)), said, width, console)
            if item.next_step.rstrip(".").lower().replace(" and ", ", ") not in ("", told.lower()):
                said = Text(safe_line(redact(item.next_step), 300), "dim")
                lines += hanging(Text(" " * (INDENT + 1)), said, width, console)
        return lines

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        at = self._top + y
        if at >= len(self._lines):
            return Strip.blank(width, base)
        item, line = self._lines[at]
        below = len(self._lines) - at - 1
        if y == self.size.height - 1 and below and self.size.height > 1 and item != self.cursor:
            line = Text(f"   ▼ {below + 1} more lines", "dim", no_wrap=True)
            line.truncate(width)
        return Strip(line.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)


def hanging(head: Text, text: Text, width: int, console: Console) -> list[Text]:
    """A text in lines of `width` cells, those after the first one indented as far as `head`."""
    found = []
    for place, line in enumerate(text.wrap(console, max(8, width - head.cell_len))):
        line.rstrip()
        found.append((head.copy() if not place else Text(" " * head.cell_len)).append_text(line))
    return found


def counted(items: Sequence[Item]) -> str:
    """`1 to fix, 2 to know`; empty if there is nothing."""
    stops = sum(item.level is Level.STOP for item in items)
    warns = sum(item.level is Level.WARN for item in items)
    parts = [f"{stops} to fix"] if stops else []
    return ", ".join(parts + ([f"{warns} to know"] if warns else []))
