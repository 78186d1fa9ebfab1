"""All actions of the screen in front, in groups and searchable, including those without a key."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from smoltui.core.actions.action import Group
from smoltui.safe_text import safe_line
from smoltui.screens.modal import Modal
from smoltui.screens.room import Room
from smoltui.widgets.actions import Offered, bindings, in_own_keys, offered, shown_key
from smoltui.widgets.ask_line import AskLine

NO_KEY = ":"
"""Shown for an action without a key: the palette has it."""


class Help(Modal[None]):
    """Lists what can be done on a screen; what cannot be done now is dimmed, with the reason."""

    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Help #help { height: auto; max-height: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def __init__(self, of: Screen[Any]) -> None:
        super().__init__()
        self._title = of.title_words if isinstance(of, Room) else str(getattr(of, "HEADING", "") or "this dialog")
        self._offered = offered(of)
        self._reasons = {one.action.id: one.reason for one in self._offered}
        self._searched = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help-box"):
            with VerticalScroll(id="help", can_focus=False):
                yield Static(markup=False, id="help-text")
            yield AskLine()

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        """Groups with their actions, those alone that match what is searched for."""
        words = self._searched.lower().split()
        found = [one for one in self._offered if all(word in _haystack(one) for word in words)]
        width = max((len(" ".join(one.keys) or NO_KEY) for one in found), default=0)
        text = Text().append(f"Keys in {self._title}\n", "bold")
        for key, said in (("esc", "close"), ("↑ ↓", "scroll"), ("/", "find"), ("o", "documentation")):
            text.append(f" {shown_key(self, key)} ", "reverse").append(f" {said}   ")
        text.append("\n")
        if words:
            text.append(
                f"\n{len(found)} with “{safe_line(self._searched, 40)}”, {in_own_keys(self, 'esc clears')}\n", "dim"
            )
        for group in Group:
            here = [one for one in found if one.action.group is group]
            if here:
                text.append(f"\n{group.value}\n", "bold underline")
            for one in here:
                self._line(text, one, width)
        self.query_one("#help-text", Static).update(text)

    def _line(self, text: Text, one: Offered, width: int) -> None:
        keys, reason = " ".join(one.keys) or NO_KEY, self._reasons[one.action.id]
        text.append(f" {keys:<{width}}  ", "bold cyan" if one.enabled else "dim")
        text.append(one.action.words, "" if one.enabled else "dim")
        text.append(f": {reason}" if reason else "", "dim italic").append("\n")

    # -- keys

    def action_find(self) -> None:
        self.query_one(AskLine).ask("find:", "words of an action, or a key", partial(self._search))

    def _search(self, text: str) -> None:
        self._searched = text
        self._draw()
        self.query_one("#help", VerticalScroll).scroll_home(animate=False)

    def action_back(self) -> None:
        """Closes the innermost of: the input, the search, the help."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        elif self._searched:
            self._search("")
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    def action_docs(self) -> None:
        """Replaces this list with the documentation."""
        from smoltui.screens.docs import Documentation

        self.app.switch_screen(Documentation())

    def action_scroll(self, by: int) -> None:
        self.query_one("#help", VerticalScroll).scroll_relative(y=by, animate=False)


def _haystack(one: Offered) -> str:
    return f"{one.action.words} {one.action.bar} {' '.join(one.keys)} {one.action.id}".lower()
