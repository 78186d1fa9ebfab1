"""The table of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from smoltui.core.sweeps.table import HEADINGS, SweepRow
from smoltui.safe_text import redact, safe_line
from smoltui.widgets.cursor_list import CursorList, fitted

WIDTHS = (0, 13, 8, 7, 13, 10, 18)
"""Cells of each column; the first takes what is left."""
ORDER = (3, 4, 5, 2)
"""Columns that are left out on a narrow terminal, those in which no run has anything before all others."""
LEAST, MOST = 20, 50
"""Cells of the first column that are kept: as many as the longest values take, within these limits."""


class SweepList(CursorList):
    """One line per run, the best first."""

    def __init__(self) -> None:
        super().__init__(id="sweep")
        self.lines: Sequence[SweepRow] = ()

    @property
    def count(self) -> int:
        return len(self.lines)

    def head(self, width: int) -> str:
        return self._line(HEADINGS, width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        row = self.lines[position]
        return self._line([safe_line(redact(cell), 200) for cell in row.cells], width), not row.stage

    def _line(self, cells: Sequence[str], width: int) -> str:
        longest = max((len(row.point.words) + 1 for row in self.lines), default=LEAST)
        least, kept = min(max(longest, LEAST), MOST), list(range(len(cells)))
        empty = [column for column in ORDER if all(row.cells[column] == "–" for row in self.lines)]
        for column in dict.fromkeys((*empty, *ORDER)):
            if width - sum(WIDTHS[at] for at in kept) >= least:
                break
            kept.remove(column)
        first = max(LEAST, width - sum(WIDTHS[at] for at in kept))
        shown = (fitted(f"{fitted(cells[at], (WIDTHS[at] or first) - 1)} ", WIDTHS[at] or first) for at in kept)
        return fitted("".join(shown), width)
