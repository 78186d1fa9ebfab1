"""What `y` and `Y` copy: a text, or one of several that a person chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.screen import Screen
from textual.widget import Widget

from smoltui.safe_text import safe_line
from smoltui.workspace import workspace_of


class Copied(NamedTuple):
    """One text that can be copied."""

    letter: str
    """The key that chooses it."""
    words: str
    """What it is: "the run's id"."""
    text: str


def copy(node: Widget | Screen[None], words: str, text: str) -> None:
    """Passes a text to the terminal's clipboard (OSC 52), and says so: "Copied WORDS"."""
    from smoltui.core.pairs.facts import sound

    node.app.copy_to_clipboard(sound(text))
    workspace_of(node.app).say(f"Copied {words} (if nothing arrives, your terminal blocks OSC 52)")


def choose_what_to_copy(node: Widget | Screen[None], offers: Sequence[Copied]) -> None:
    """Offers the texts that are not empty, each with its letter, and copies the chosen one."""
    from smoltui.screens.dialogs import Choose

    offered = {one.letter: one for one in offers if one.text}
    if not offered:
        workspace_of(node.app).say("Nothing to copy here yet")
        return

    def chosen(letter: str | None) -> None:
        if (one := offered.get(letter or "")) is not None:
            copy(node, one.words, one.text)

    choices = {letter: f"{one.words}  {_excerpt(one.text)}" for letter, one in offered.items()}
    node.app.push_screen(Choose("Copy", choices), chosen)


def _excerpt(text: str) -> str:
    """The beginning of a text in one line, or how many lines it has."""
    lines = text.strip().count("\n") + 1
    return f"({lines:,} lines)" if lines > 1 else safe_line(text.strip(), 44)
