"""Base class of the app: it draws in our themes, and chooses between them by the background of the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from textual.app import App, ScreenStackError
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES
from textual.widgets._toast import Toast, ToastHolder

from smoltui.core.looks.contrast import is_dark
from smoltui.core.looks.palette import DARK, LIGHT, PALETTES
from smoltui.looks.paint import Paint, depth_of
from smoltui.looks.stylesheet import ParsedOnce
from smoltui.looks.themes import themes
from smoltui.wire import TerminalBackground, WireApp

ReturnType = TypeVar("ReturnType")
AUTO = "auto"
"""The theme that fits the terminal's background."""
SHORT = {"dark": DARK.name, "light": LIGHT.name}
"""Names of our themes for people to type."""
_DARK_COLORS = frozenset({"0", "1", "2", "3", "4", "5", "6", "8"})


def dark_background(environ: Mapping[str, str] = os.environ) -> bool | None:
    """Whether the terminal says in `COLORFGBG` that its background is dark; None if it does not say.

    The variable is `foreground;background`, or has a third part between, in numbers of the 16 colors. rxvt, Konsole,
    and some others set it.
    """
    number = environ.get("COLORFGBG", "").split(";")[-1]
    if not number.isdigit() or int(number) > 15:
        return None
    return number in _DARK_COLORS


class ThemedApp(WireApp[ReturnType], Generic[ReturnType]):
    """An app with our themes. `theme` may be set to any registered one; `choose_theme` also takes `auto`."""

    def __init__(self, theme: str = AUTO) -> None:
        self._painted: dict[str, Paint] = {}
        super().__init__()
        for ours in themes():
            self.register_theme(ours)
        self._chosen = AUTO
        self._is_light = dark_background() is False
        """What is known of the terminal: from its environment, and later from its answer."""
        self._depth = depth_of(self.console.color_system, no_color=self.no_color)
        name = self._named(theme)
        self._chosen = AUTO if name is None else name
        self.asks_background = self._chosen == AUTO
        self.set_reactive(App.theme, name or self._fitting())
        self.stylesheet = ParsedOnce(variables=self.get_css_variables())

    @classmethod
    def theme_names(cls) -> list[str]:
        """All names that `choose_theme` takes."""
        return [AUTO, *SHORT, *PALETTES, *BUILTIN_THEMES]

    def _named(self, theme: str) -> str | None:
        """The theme with this name; None for `auto` and for one that does not exist."""
        name = SHORT.get(theme, theme)
        return name if name in self.available_themes else None

    def _fitting(self) -> str:
        return LIGHT.name if self._is_light else DARK.name

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Ours for our themes. Another theme is drawn as Textual draws it."""
        palette = PALETTES.get(self.theme)
        if palette is None:
            return super().get_line_filters()
        paint = self._painted.get(palette.name)
        if paint is None:
            paint = self._painted[palette.name] = Paint(palette, self._depth)
        return [paint]

    def _refresh_notifications(self) -> None:
        # Textual removes the toast of a message that was cleared, but not the holder around it. Our rack takes part in
        # the layout, where each empty holder would stay as a blank line.
        with suppress(ScreenStackError):
            for holder in self.screen.query(ToastHolder):
                if not any(toast._notification in self._notifications for toast in holder.query_children(Toast)):
                    holder.remove()
        super()._refresh_notifications()

    def choose_theme(self, theme: str) -> None:
        """Draws in this theme from now on; `auto` follows the terminal."""
        name = self._named(theme)
        self._chosen = AUTO if name is None else name
        self.theme = name or self._fitting()

    @property
    def chosen_theme(self) -> str:
        """The theme that a person chose, or `auto`."""
        return self._chosen if self._chosen == AUTO and self.theme == self._fitting() else self.theme

    def on_terminal_background(self, event: TerminalBackground) -> None:
        """Follows the terminal, unless a theme was chosen meanwhile."""
        follows = self.chosen_theme == AUTO
        self._is_light = not is_dark(event.color)
        if follows:
            self.theme = self._fitting()
