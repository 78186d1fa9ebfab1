"""Chooses one of the recent projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key


class RecentDialog(Modal[int | None]):
    """Lists projects with a cursor; returns the position of the chosen one, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("recent")

    def __init__(self, projects: Sequence[str]) -> None:
        """`projects` in words, sanitized."""
        super().__init__()
        self._projects = projects
        self._at = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(id="recent", markup=False)

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.query("#recent"):  # keys can arrive before it is composed, and after it was left
            return
        text = Text("Open a recent project\n\n", "bold")
        for at, words in enumerate(self._projects):
            line = Text(f"{'›' if at == self._at else ' '} {words}", "not bold", no_wrap=True, overflow="ellipsis")
            if at == self._at:
                line.stylize("bold reverse")
            text.append_text(line).append("\n")
        text.append(f"\n {shown_key(self, 'enter')} ", "not bold reverse").append(" open   ", "not bold")
        text.append(f" {shown_key(self, 'esc')} ", "not bold reverse").append(" cancel", "not bold")
        self.query_one("#recent", Static).update(text)

    def action_move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._projects) - 1))
        self._draw()

    def action_choose(self) -> None:
        self.dismiss(self._at)

    def action_leave(self) -> None:
        self.dismiss(None)
