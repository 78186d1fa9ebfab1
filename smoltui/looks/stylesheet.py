"""The style sheet of the app, which parses a source once for each set of variables."""

from __future__ import annotations

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

PARSED_SOURCES = 1024
"""Sources kept parsed: a widget class or a room is one, and all rooms together have fewer than two hundred."""


class ParsedOnce(Stylesheet):
    """Reads only what is new when a room brings its own style sheet.

    Textual parses all sources again then, in a second style sheet whose cache is empty, and does so for most rooms that
    are opened. New variables (another theme) still empty the cache.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(PARSED_SOURCES)

    def set_variables(self, variables: dict[str, str]) -> None:
        """Sets the variables of the theme. The same ones change nothing, and leave everything parsed."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parses sources that are new, or all of them after a change of variables.

        Raises:
            StylesheetParseError: A source is invalid.
        """
        self.parse()
