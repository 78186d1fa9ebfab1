"""The card as a page, scrolled with the keys of a pager."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from smoltui.screens.docs import Reader


class CardReader(Reader, can_focus=True):
    """The documentation's reader, with j, k, g and G in addition to the arrows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "End", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self.id = name
