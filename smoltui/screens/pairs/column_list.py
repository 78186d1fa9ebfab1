"""The list of columns: which are shown with each pair, and what they hold."""

from __future__ import annotations

from typing import NamedTuple

from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

SHOWN = "✓"
NAME_CELLS, KIND_CELLS = 24, 8


class ColumnLine(NamedTuple):
    """One column."""

    name: str
    """As in a condition, without quotes; foreign text."""
    further: str | None
    """Its name in the rows; None for one of our own columns."""
    kind: str
    words: str
    """Its meaning, or its value in the current pair; foreign text."""


class ColumnList(CursorList):
    """Columns with a cursor; those that are shown with each pair have a mark."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[ColumnLine] = []
        self._shown: tuple[str, ...] = ()
        self._about = ""

    def show(self, lines: list[ColumnLine], shown: tuple[str, ...], about: str, position: int) -> None:
        """`about` is the heading of the last column."""
        self._columns, self._shown, self._about = lines, shown, about
        self.put_cursor(position, "No columns.")

    @property
    def current(self) -> ColumnLine | None:
        """The column under the cursor."""
        return self._columns[self.cursor] if self.cursor < len(self._columns) else None

    @property
    def count(self) -> int:
        return len(self._columns)

    def head(self, width: int) -> str:
        return fitted(f"    {'column':<{_name_cells(width)}}  {'kind':<{KIND_CELLS}}{self._about}", width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        line = self._columns[position]
        mark = SHOWN if line.further in self._shown else " "
        name = fitted(safe_line(line.name, 60), _name_cells(width))
        begin = f"{CURSOR if is_cursor else ' '} {mark} {name}  {line.kind:<{KIND_CELLS}}"
        return fitted(f"{begin}{safe_line(line.words, 200)}", width), line.further is None


def _name_cells(width: int) -> int:
    return NAME_CELLS if width >= 60 else max(width // 2 - 6, 8)
