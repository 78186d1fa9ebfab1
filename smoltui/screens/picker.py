"""A list of choices, such as the partitions of a cluster or the flavors of Jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.core.runs.choice import Choice
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key

MOST_ROWS = 12
NAME_CELLS = 30
Load = Callable[[], Awaitable[Sequence[Choice]]]


class Picker(Modal[str | None]):
    """Lists choices once they are loaded; returns the chosen value, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("picker")

    def __init__(self, title: str, load: Load, current: str) -> None:
        """`current`: the value that is set, where the cursor starts; empty: none."""
        super().__init__()
        self._title, self._loading, self._current = title, load, current
        self._choices: Sequence[Choice] | None = None
        self._problem = ""
        self._at = 0

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static(id="picker", markup=False)

    def on_mount(self) -> None:
        self._draw()
        self._load()

    @work(exclusive=True)
    async def _load(self) -> None:
        try:
            self._choices = await self._loading()
        except SmoltuiError as error:
            self._choices, self._problem = (), f"{error.message}\n{error.hint}".strip()
        values = [choice.value for choice in self._choices]
        self._at = values.index(self._current) if self._current in values else 0
        if not values and not self._problem:
            self._problem = "There is nothing to choose from. Type the name: press esc, then enter."
        self._draw()

    def _draw(self) -> None:
        if not self.query("#picker"):  # keys can arrive before it is composed, and after it was left
            return
        text = Text(f"{self._title}\n\n", "bold")
        if self._choices is None:
            text.append("Asking…\n", "not bold dim")
        elif self._problem:
            text.append(f"{safe(redact(self._problem), 600)}\n", "not bold")
        else:
            self._draw_rows(text, self._choices)
        if self._choices:
            text.append(f"\n {shown_key(self, 'enter')} ", "not bold reverse").append(" choose   ", "not bold")
        else:
            text.append("\n")
        text.append(f" {shown_key(self, 'esc')} ", "not bold reverse").append(" cancel", "not bold")
        self.query_one("#picker", Static).update(text)

    def _draw_rows(self, text: Text, choices: Sequence[Choice]) -> None:
        rows = max(3, min(MOST_ROWS, self.app.size.height - 10, len(choices)))
        top = max(0, min(self._at - rows // 2, len(choices) - rows))
        cells = min(NAME_CELLS, max(len(choice.value) for choice in choices))
        width = self.query_one("#picker").size.width or self.app.size.width - 12
        for at, choice in list(enumerate(choices))[top : top + rows]:
            mark = "›" if at == self._at else " "
            line = Text(f"{mark} {safe_line(choice.value, NAME_CELLS):<{cells}}  ", "bold", no_wrap=True)
            line.append(safe_line(choice.words, 200), "not bold")
            if choice.value == self._current:
                line.append("  set now", "not bold dim")
            line.truncate(max(20, width), overflow="ellipsis")
            if at == self._at:
                line.stylize("reverse")
            text.append_text(line).append("\n")
        if len(choices) > rows:
            text.append(f"{self._at + 1} of {len(choices)}\n", "not bold dim")

    def action_move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._choices or ()) - 1))
        self._draw()

    def action_choose(self) -> None:
        if self._choices:
            self.dismiss(self._choices[self._at].value)

    def action_leave(self) -> None:
        self.dismiss(None)
