"""Cards: what a figure means, its unit, what is healthy or suspicious, what to do, and where that comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.core.meanings import KINDS, Card, by_id
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key
from smoltui.widgets.selectable import DrawnTable

NOTHING = "No figures here. All terms: smoltui explain, or the glossary in the documentation (?, then o)."
LABEL_STYLES = {"healthy": "green", "suspicious": "yellow", "what to do": "bold"}


class Cards(Modal[None]):
    """Shows one card at a time; the others of the same screen follow in order."""

    DEFAULT_CSS = """
    #card { max-width: 90; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("cards")

    def __init__(self, ids: Sequence[str], at: int = 0) -> None:
        super().__init__()
        self._cards = [by_id(one) for one in ids]
        self._at = at

    @property
    def card(self) -> Card | None:
        """The card that is shown; None if the screen has none."""
        return self._cards[self._at] if self._cards else None

    @property
    def cards(self) -> list[Card]:
        """All cards of the screen, in order."""
        return list(self._cards)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="card"):
            yield Static(id="card-head", markup=False)
            yield DrawnTable(id="card-text", markup=False)

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        head, text = self.query_one("#card-head", Static), self.query_one("#card-text", Static)
        card = self.card
        if card is None:
            head.update(NOTHING)
            return
        title = Text(card.heading, "bold").append(f"  {KINDS[card.kind]}\n", "not bold dim")
        if len(self._cards) > 1:
            title.append(" ← → ", "not bold reverse").append(
                f" {self._at + 1} of {len(self._cards)} on this screen    ", "not bold"
            )
        title.append(f" {shown_key(self, 'esc')} ", "not bold reverse").append(" close\n", "not bold")
        head.update(title)
        text.update(_table(card))
        self.query_one("#card", VerticalScroll).scroll_home(animate=False)

    def action_card(self, by: int) -> None:
        if self._cards:
            self._at = (self._at + by) % len(self._cards)
            self._draw()

    def action_scroll(self, by: int) -> None:
        self.query_one("#card", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leave(self) -> None:
        self.dismiss()


def _table(card: Card) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for label, text in card.rows():
        table.add_row(Text(label, LABEL_STYLES.get(label, "dim")), Text(text))
    return table
