"""Compares the recipe with another one, and takes over values."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.recipe import Fix
from smoltui.core.recipe.differences import Difference, take_all
from smoltui.screens.modal import Modal
from smoltui.screens.recipe.difference_list import DifferenceList
from smoltui.widgets.actions import bindings, in_own_keys


class DifferencesDialog(Modal[Fix | None]):
    """Returns what is to be taken over, or None."""

    DEFAULT_CSS = "DifferencesDialog DifferenceList { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("differences")

    def __init__(self, other: str, found: list[Difference]) -> None:
        """`other` is the name of the other recipe, in words, sanitized."""
        super().__init__()
        self._other, self._found = other, found

    def compose(self) -> ComposeResult:
        count = len(self._found)
        said = f"{count} field{'' if count == 1 else 's'} differ{'s' if count == 1 else ''} from {self._other}"
        with Vertical(classes="dialog large"):
            yield Static(said if count else f"No difference from {self._other}", classes="title", markup=False)
            yield DifferenceList(self._found, self._other)
            yield Static(
                in_own_keys(self, "enter takes over this value · A takes over all · esc closes · u undoes"),
                markup=False,
            )

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
