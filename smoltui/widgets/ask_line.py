"""A one-line prompt for text input, which may propose how to complete it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from smoltui.widgets.actions import Refusing, bindings, in_own_keys
from smoltui.widgets.proposals import Proposals

if TYPE_CHECKING:
    from smoltui.core.pairs.completion import Completion

Completing = Callable[[str, int], "Completion | None"]
"""A text and the place of the cursor → what would complete it; None: nothing."""


class _Line(Refusing, Input):
    BINDINGS: ClassVar[list[BindingType]] = bindings("line")

    completion: Completion | None = None

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        # With nothing to complete, these keys mean what they mean on the screen.
        return None if action in ("complete", "propose") and self.completion is None else ""

    def action_complete(self) -> None:
        """Replaces the word at the cursor by the highlighted proposal."""
        if self.completion is not None:
            text, cursor = self.completion.applied(self.value, self.screen.query_one(Proposals).choice)
            self.value = text
            self.cursor_position = cursor

    def action_propose(self, by: int) -> None:
        self.screen.query_one(Proposals).move(by)


class AskLine(Vertical):
    """Hidden until `ask` is called. Enter passes the text to the caller; the screen's `back` (escape) calls `stop`."""

    DEFAULT_CSS = """
    AskLine { height: auto; display: none; }
    AskLine Horizontal { height: 1; padding: 0 1; }
    AskLine Horizontal, AskLine Input { background: $surface; }
    AskLine Horizontal Static { width: auto; }
    AskLine Input { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.asking = False
        """The line is open."""
        self._answered: Callable[[str], object] = lambda text: None
        self._completing: Completing | None = None
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Proposals()
        with Horizontal():
            yield Static(markup=False, id="question")
            line = _Line(compact=True, select_on_focus=False)
            line.cursor_blink = False  # a blinking cursor keeps sending bytes
            yield line

    # Looked up once: they are asked at every key.

    @cached_property
    def _line(self) -> _Line:
        return self.query_one(_Line)

    @cached_property
    def _proposals(self) -> Proposals:
        return self.query_one(Proposals)

    def on_mount(self) -> None:
        if not self.query(_Line):  # removed again before it was composed
            return
        line = self._line
        self.watch(line, "value", self._look, init=False)
        self.watch(line, "selection", self._look, init=False)

    def ask(
        self,
        question: str,
        hint: str,
        answered: Callable[[str], object],
        value: str = "",
        completing: Completing | None = None,
    ) -> None:
        """Asks for one line; `answered` receives it stripped of surrounding white space.

        `completing` proposes how to complete what was typed; tab accepts a proposal.
        """
        self._answered, self._completing = answered, completing
        self.query_one("#question", Static).update(Text(f"{question} ", "bold"))
        line = self._line
        line.value = value
        line.placeholder = in_own_keys(self.screen, f"{hint}; esc cancels" if hint else "esc cancels")
        if not self.asking:
            self._before = self.screen.focused
        self.asking = self.display = True
        self.screen.set_focus(line, scroll_visible=False)
        line.select_all()  # typing replaces the suggested value
        self._look()

    def _look(self) -> None:
        """Lists what would complete the text at the cursor."""
        line = self._line
        before, found = line.completion, None
        if self.asking and self._completing is not None and line.selection.is_empty:
            found = self._completing(line.value, line.cursor_position)
        if found is None and before is None:
            return
        line.completion = found
        self._proposals.show(found.proposals if found is not None else ())
        if before is None or found is None:
            line.refresh_bindings()

    def stop(self) -> None:
        """Closes the line without an answer, and restores the previous focus."""
        self.asking = self.display = False
        self._look()
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
