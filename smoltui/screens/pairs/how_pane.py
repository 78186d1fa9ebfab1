"""How a set is read: its shape, what each column is, what is left out and why, and the first pairs."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from smoltui.backends.pairs.session import PairsSession
from smoltui.core.pairs.how_read import HowRead, how_lines
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.pairs.first_rows import first_rows
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings
from smoltui.widgets.page import Page

LABEL_CELLS = 10


class HowPane(SetPane):
    """Shows how the set is read; from here, it can be changed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("how-read")

    class ChangeWanted(Message):
        """The set is to be read in another way."""

    _found: HowRead | None = None

    def compose(self) -> ComposeResult:
        with Page(can_focus=False):
            yield Static(id="pairs-how-text", markup=False)

    def take(self, session: PairsSession) -> None:
        super().take(session)
        self._found = None

    def look(self) -> None:
        """Reads the first rows and the counts again, and shows them."""
        self.draw()
        self._read()

    @work(exclusive=True, group="how")
    async def _read(self) -> None:
        try:
            self._found = await self.session.how_read()
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self.draw()

    def draw(self) -> None:
        """Draws what is known."""
        self.query_one("#pairs-how-text", Static).update(self._text(max(self.size.width - 4, 20)))

    def on_resize(self) -> None:
        if self.display and self._found is not None:
            self.draw()

    def _text(self, width: int) -> Text:
        if self._found is None:
            return Text("Reading the first rows…", "dim")
        text = Text().append(f"How this set is read: {safe_line(self.session.opened.name, 60)}\n\n", "bold")
        for label, said in how_lines(self._found.as_json()):
            text.append(f"{label:<{LABEL_CELLS}}", "dim").append(f"{safe_line(said, 400)}\n")
        text.append("\nThe first rows\n", "bold")
        for line in first_rows(self._found.first.shown, width):
            text.append_text(line).append("\n")
        return text

    def action_scroll_text(self, by: int) -> None:
        self.query_one(Page).scroll_relative(y=by, animate=False)

    def action_change(self) -> None:
        """Opens the form."""
        self.post_message(self.ChangeWanted())
