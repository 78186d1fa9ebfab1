"""The card as a page, scrolled with the keys of a pager."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from smoltui.screens.docs import Reader
from smoltui.widgets.actions import bindings


class CardReader(Reader, can_focus=True):
    """The documentation's reader, with j, k, g and G in addition to the arrows."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("card")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.id = name
