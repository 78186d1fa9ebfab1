"""The groups of held-out pairs with their figures; enter opens the pairs of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType

from smoltui.core.evaluation.group_rows import HEADINGS, GroupRow, group_row
from smoltui.core.evaluation.groups import Group
from smoltui.widgets.actions import bindings
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

NAME_WIDTH, LEAST_NAME = 30, 19
WIDTHS = {
    "pairs": 7,
    "not_finite": 9,
    "accuracy": 10,
    "accuracy_interval": 10,
    "margin": 9,
    "margin_interval": 20,
}
"""Cells of each figure, including the space before it."""
DROPPED_FIRST = ("margin_interval", "not_finite", "margin", "accuracy_interval")
"""In a narrow terminal, until the name of a group has its cells."""


class GroupList(CursorList, can_focus=True):
    """Groups with a cursor, which is only visible while the list has the focus. Its height is that of its lines."""

    DEFAULT_CSS = """
    GroupList { height: auto; }
    GroupList:blur > .cursor-list--cursor { background: transparent; text-style: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("held-out-groups")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[Group] = ()

    def show(self, groups: Sequence[Group]) -> None:
        """Lists groups, with the cursor where it was."""
        self._groups = groups
        self.display = bool(groups)
        self.styles.height = len(groups) + 1
        self.put_cursor(self.cursor, "")

    @property
    def current(self) -> Group | None:
        """The group under the cursor."""
        return self._groups[self.cursor] if self.cursor < len(self._groups) else None

    @property
    def count(self) -> int:
        return len(self._groups)

    def head(self, width: int) -> str:
        return _line("  ", HEADINGS, width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        group = self._groups[position]
        begin = f"{CURSOR} " if is_cursor and self.has_focus else "  "
        return _line(begin, group_row(group), width), group.too_few and group.key != "all"

    def on_focus(self, event: events.Focus) -> None:
        self.reload()

    def on_blur(self, event: events.Blur) -> None:
        self.reload()

    def action_move(self, by: int) -> None:
        self.move(by)
        self.scroll_visible(animate=False)

    def action_choose(self) -> None:
        self.choose()


def _line(begin: str, row: GroupRow, width: int) -> str:
    """Name and figures, as many as fit, in exactly `width` cells."""
    shown = dict(WIDTHS)
    for name in DROPPED_FIRST:
        least = NAME_WIDTH if name == "margin_interval" else LEAST_NAME
        if len(begin) + least + sum(shown.values()) > width:
            del shown[name]
    room = min(width - len(begin) - sum(shown.values()), NAME_WIDTH)
    figures = "".join(_cell(name, getattr(row, name), cells) for name, cells in shown.items())
    return fitted(begin + fitted(row.words, max(room, 1)) + figures, width)


def _cell(name: str, text: str, cells: int) -> str:
    """A figure on the right; what belongs to it, such as its interval, after a space."""
    return f"{text:>{cells}}" if name in ("pairs", "accuracy", "margin") else f" {text:<{cells - 1}}"
