"""All keys of the current room, including those that do not fit in the bottom line."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.screens.modal import Modal


class Help(Modal[None]):
    """Lists (keys, description, whether they work now), as given by the caller."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "leave", "Close"),
        Binding("d", "docs", "Documentation"),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(self, title: str, keys: list[tuple[str, str, bool]]) -> None:
        super().__init__()
        self._title, self._keys = title, keys

    def compose(self) -> ComposeResult:
        text = Text(f"Keys in {self._title}", "bold").append("    ")
        for key, words in ((" esc ", " close"), (" ↑ ↓ ", " scroll"), (" d ", " documentation")):
            text.append(key, "reverse").append(f"{words}    ", "not bold")
        text.append("\n\n")
        width = max((len(keys) for keys, _, _ in self._keys), default=0)
        for keys, words, works in self._keys:
            text.append(f" {keys:<{width}}  ", "bold cyan" if works else "dim")
            text.append(f"{words}\n", "" if works else "dim")
        with VerticalScroll(classes="dialog", id="help"):
            yield Static(text, markup=False)

    def action_leave(self) -> None:
        self.dismiss()

    def action_docs(self) -> None:
        """Replaces this list with the documentation."""
        from smoltui.screens.docs import Documentation

        self.app.switch_screen(Documentation())

    def action_scroll(self, by: int) -> None:
        self.query_one("#help", VerticalScroll).scroll_relative(y=by, animate=False)
