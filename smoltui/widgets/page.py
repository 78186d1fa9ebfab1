"""A page longer than the screen, scrolled with the keys of a pager."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from smoltui.widgets.actions import bindings


class Page(VerticalScroll):
    """`VerticalScroll` with j, k, g and G in addition to the arrows."""

    DEFAULT_CSS = """
    Page { scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("page")
