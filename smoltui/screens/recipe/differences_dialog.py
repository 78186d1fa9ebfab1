"""Compares the recipe with another one, and takes over values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.recipe import Fix
from smoltui.core.recipe.differences import Difference, take_all
from smoltui.safe_text import safe_line
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings
from smoltui.widgets.cursor_list import CursorList, fitted


class DifferenceList(CursorList):
    """One line per key: the value here, and the other one."""

    def __init__(self, found: Sequence[Difference], other: str) -> None:
        super().__init__(id="differences")
        self._found, self._other = found, other

    @property
    def count(self) -> int:
        return len(self._found)

    def head(self, width: int) -> str:
        return self._line("field", "this recipe", self._other, width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        here, there = self._found[position].words
        return self._line(self._found[position].key, here, there, width), False

    @staticmethod
    def _line(key: str, here: str, there: str, width: int) -> str:
        name = min(32, width * 2 // 5)
        value = (width - name) // 2
        cells = (fitted(safe_line(key, name - 1), name), fitted(safe_line(here, value - 1), value))
        return fitted("".join(cells) + safe_line(there, value), width)


class DifferencesDialog(Modal[Fix | None]):
    """Returns what is to be taken over, or None."""

    DEFAULT_CSS = """
    DifferencesDialog .dialog { width: 96%; max-width: 120; height: 90%; }
    DifferencesDialog DifferenceList { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("differences")

    def __init__(self, other: str, found: list[Difference]) -> None:
        """`other` is the name of the other recipe, in words, sanitized."""
        super().__init__()
        self._other, self._found = other, found

    def compose(self) -> ComposeResult:
        count = len(self._found)
        said = f"{count} field{'' if count == 1 else 's'} differ{'s' if count == 1 else ''} from {self._other}"
        with Vertical(classes="dialog"):
            yield Static(said if count else f"No difference from {self._other}", classes="title", markup=False)
            yield DifferenceList(self._found, self._other)
            yield Static("enter takes over this value · A takes over all · esc closes · u undoes", markup=False)

    def on_mount(self) -> None:
        self._list.put_cursor(0, "Every value is the same.")

    @property
    def _list(self) -> DifferenceList:
        return self.query_one(DifferenceList)

    def action_move(self, by: int) -> None:
        self._list.move(by)

    def action_page(self, by: int) -> None:
        self._list.page(by)

    def action_take(self) -> None:
        if self._found:
            self.dismiss(self._found[self._list.cursor].fix)

    def action_take_all(self) -> None:
        fix = take_all(self._found)
        self.dismiss(fix if fix.writes else None)

    def action_leave(self) -> None:
        self.dismiss(None)
