"""A one-line prompt for text input."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static


class _Line(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Done"),
        Binding("escape", "screen.back", "Cancel"),
    ]


class AskLine(Horizontal):
    """Hidden until `ask` is called. Enter passes the text to the caller; the screen's `back` (escape) calls `stop`."""

    DEFAULT_CSS = """
    AskLine { height: 1; padding: 0 1; display: none; }
    AskLine, AskLine Input { background: $surface; }
    AskLine Static { width: auto; }
    AskLine Input { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.asking = False
        """The line is open."""
        self._answered: Callable[[str], object] = lambda text: None
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)
        line = _Line(compact=True, select_on_focus=False)
        line.cursor_blink = False  # a blinking cursor keeps sending bytes
        yield line

    def ask(self, question: str, hint: str, answered: Callable[[str], object], value: str = "") -> None:
        """Asks for one line; `answered` receives it stripped of surrounding white space."""
        self._answered = answered
        self.query_one(Static).update(Text(f"{question} ", "bold"))
        line = self.query_one(Input)
        line.value, line.placeholder = value, f"{hint}; esc cancels" if hint else "esc cancels"
        if not self.asking:
            self._before = self.screen.focused
        self.asking = self.display = True
        self.screen.set_focus(line, scroll_visible=False)
        line.select_all()  # typing replaces the suggested value

    def stop(self) -> None:
        """Closes the line without an answer, and restores the previous focus."""
        self.asking = self.display = False
        self.screen.set_focus(self._before, scroll_visible=False)
        self.screen.refresh_bindings()

    def then_focus(self, widget: Widget | None) -> None:
        """Focuses a widget (None: no widget) once the line is closed."""
        if self.asking:
            self._before = widget
        else:
            self.screen.set_focus(widget, scroll_visible=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        answered = self._answered
        self.stop()
        answered(event.value.strip())
