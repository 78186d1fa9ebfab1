"""Containers that leave drawing to their children and to the screen behind them."""

from __future__ import annotations

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Unpainted(Widget, inherit_bindings=False):
    """A container without background, border or content of its own.

    For every change of a widget, Textual also renders the part of each container around it that lies behind the
    change, and drops what is covered. Four nested containers cost as much as the widget itself. What no child covers
    shows the screen's background.
    """

    def render_lines(self, crop: Region) -> list[Strip]:
        return []
