"""What a screen can be asked: the cards of the figure under the cursor and of all others that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.screen import ScreenResultType

from smoltui.widgets.actions import bindings
from smoltui.widgets.selectable import SelectsCells


class Explains(SelectsCells[ScreenResultType]):
    """A screen whose figures have cards: `K` opens them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("explain")

    def explained(self) -> Sequence[str]:
        """Ids of cards (`core.meanings`): first what the cursor is on, then every other figure shown."""
        return ()

    def action_explain(self) -> None:
        """Opens the cards."""
        from smoltui.screens.cards import Cards

        self.app.push_screen(Cards(tuple(dict.fromkeys(self.explained()))))
