"""Questions answered with a single key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.safe_text import redact, safe
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key

SECOND = "Start a second one all the same"
"""What is asked before a run writes where another one under way does."""


class Confirm(Modal[bool]):
    """Says what will happen and asks for confirmation: True for `y`, False for `n` or escape. Enter does nothing."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm")

    def __init__(self, question: str, consequence: str, yes: str = "yes", no: str = "no") -> None:
        super().__init__()
        self._question, self._consequence = question, consequence
        self._yes, self._no = yes, no

    def compose(self) -> ComposeResult:
        text = Text()
        text.append(f"{safe(redact(self._question), 400)}\n\n", "bold")
        if self._consequence:
            text.append(f"{safe(redact(self._consequence), 1200)}\n\n")
        text.append(f" {shown_key(self, 'y')} ", "reverse").append(f" {self._yes}   ")
        text.append(f" {shown_key(self, 'n')} ", "reverse").append(f" {self._no}")
        with Vertical(classes="dialog"):
            yield Static(text, markup=False)

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


def start_another(other: str) -> Confirm:
    """Asks before a second run beside the one that the sentence `other` is about."""
    return Confirm(f"{other}.", f"{SECOND}?", "start another", "cancel")


class Choose(Modal[str | None]):
    """Offers several actions, each with a key; returns that key, or None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("choose")

    def __init__(self, question: str, choices: Mapping[str, str]) -> None:
        super().__init__()
        self._question, self._choices = question, choices

    def compose(self) -> ComposeResult:
        text = Text()
        text.append(f"{safe(redact(self._question), 400)}\n\n", "bold")
        for key, words in self._choices.items():
            text.append(f" {key} ", "reverse").append(f" {words}\n")
        text.append(f"\n {shown_key(self, 'esc')} ", "reverse").append(" cancel")
        with Vertical(classes="dialog"):
            yield Static(text, markup=False)

    def on_key(self, event: events.Key) -> None:
        if event.character in self._choices:
            event.stop()
            self.dismiss(event.character)

    def action_leave(self) -> None:
        self.dismiss(None)
