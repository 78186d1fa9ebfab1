"""The last screen before something is published: exactly what, and where."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.core.meanings.shown import CARDS_OF
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key


class PublishDialog(Modal[bool], Explains[bool]):
    """Returns True for `y`, if nothing stops it; False for `n` or escape."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("publish")

    def __init__(self, title: str, body: Text, yes: str, *, may: bool) -> None:
        """`body`: what is published; `yes`: what `y` does; `may`: whether it can be done."""
        super().__init__()
        self._title, self._body, self._yes, self._may = title, body, yes, may

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["publish"]

    def compose(self) -> ComposeResult:
        text = Text(f"{self._title}\n", "bold")
        # At the top, since what follows may be longer than the terminal.
        if self._may:
            text.append(f" {shown_key(self, 'y')} ", "reverse").append(f" {self._yes}   ", "not bold")
        else:
            text.append("Fix the ✗ lines first.   ", "red")
        text.append(f" {shown_key(self, 'esc')} ", "reverse").append(" cancel   ", "not bold")
        text.append(" ↑ ↓ ", "reverse").append(" scroll\n\n", "not bold")
        with VerticalScroll(classes="dialog wide", id="publish-dialog"):
            yield Static(text, markup=False)
            yield Static(self._body, markup=False)

    def action_publish(self) -> None:
        if self._may:
            self.dismiss(True)

    def action_leave(self) -> None:
        self.dismiss(False)

    def action_scroll(self, by: int) -> None:
        self.query_one("#publish-dialog", VerticalScroll).scroll_relative(y=by, animate=False)
