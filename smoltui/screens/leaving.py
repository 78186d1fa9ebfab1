"""Leaving in the middle of acts on runs: wait for them, or leave and be told what they did not reach."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.runs.acts import consequence, farewell, question
from smoltui.safe_text import redact, safe
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key
from smoltui.workspace import Workspace

TICK_SECONDS = 0.1


class Leaving(Modal[str | None]):
    """Returns what to print after leaving, empty for nothing; None: stay.

    Once all acts have ended, leaves by itself: that is what the person asked for.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("leaving")

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._waits = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(id="leaving", markup=False)

    def on_mount(self) -> None:
        self._draw()
        self.set_interval(TICK_SECONDS, self._draw)

    def _draw(self) -> None:
        left = self._workspace.unfinished_acts
        if not left:
            self.dismiss("")
            return
        text = Text()
        text.append(f"{safe(redact(question(left)), 400)}\n\n", "bold")
        text.append(f"{safe(redact(consequence(left)), 1200)}\n\n")
        if self._waits:
            text.append(" waiting… ", "bold yellow").append("  ")
        else:
            text.append(f" {shown_key(self, 'y')} ", "reverse").append(" wait, then quit   ")
        text.append(f" {shown_key(self, 'n')} ", "reverse").append(" leave now   ")
        text.append(f" {shown_key(self, 'esc')} ", "reverse").append(" stay")
        self.query_one("#leaving", Static).update(text)

    def action_wait(self) -> None:
        self._waits = True
        self._draw()

    def action_leave_now(self) -> None:
        self.dismiss(farewell(self._workspace.unfinished_acts))

    def action_stay(self) -> None:
        self.dismiss(None)
