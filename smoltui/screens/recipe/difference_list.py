"""The list of values that differ between two recipes."""

from __future__ import annotations

from collections.abc import Sequence

from smoltui.core.recipe.differences import Difference
from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CursorList, fitted


class DifferenceList(CursorList):
    """One line per key: the value here, and the other one."""

    def __init__(self, found: Sequence[Difference], other: str) -> None:
        super().__init__(id="differences")
        self._found, self._other = found, other

    @property
    def count(self) -> int:
        return len(self._found)

    def head(self, width: int) -> str:
        return self._line("field", "this recipe", self._other, width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        here, there = self._found[position].words
        return self._line(self._found[position].key, here, there, width), False

    @staticmethod
    def _line(key: str, here: str, there: str, width: int) -> str:
        name = min(32, width * 2 // 5)
        value = (width - name) // 2
        cells = (fitted(safe_line(key, name - 1), name), fitted(safe_line(here, value - 1), value))
        return fitted("".join(cells) + safe_line(there, value), width)
