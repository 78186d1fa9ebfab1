"""The table of tasks: one line per task, marked ones are benchmarked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from smoltui.core.evaluation.benchmark_tasks import Task
from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

NARROW = 60
"""Width in cells below which how a task is scored is not shown."""


class BenchmarkList(CursorList):
    """The parent binds the keys and gives the tasks."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tasks: Sequence[Task | str] = ()
        self._marked: Collection[str] = ()
        self._minutes: Sequence[float | None] = ()

    @property
    def count(self) -> int:
        return len(self._tasks)

    @property
    def current(self) -> Task | str | None:
        """What the cursor is on: a task, or only the name of one that the table does not have."""
        return self._tasks[self.cursor] if self._tasks else None

    def show(self, tasks: Sequence[Task | str], marked: Collection[str], minutes: Sequence[float | None]) -> None:
        """Shows these tasks; `minutes` has one entry for each, None if unknown."""
        self._tasks, self._marked, self._minutes = tasks, marked, minutes
        self.reload()

    def head(self, width: int) -> str:
        took = "estimated" if any(minutes is not None for minutes in self._minutes) else ""
        return fitted(_columns("     task", "questions", "scored", took, width), width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        task = self._tasks[position]
        text = task if isinstance(task, str) else task.text
        mark = "✓" if text in self._marked else "·"
        lead = f" {CURSOR if is_cursor else ' '} {mark} {safe_line(text, 60)}"
        if isinstance(task, str):
            return fitted(_columns(lead, "–", "your own", "", width), width), False
        minutes = self._minutes[position] if position < len(self._minutes) else None
        took = "" if minutes is None else f"{max(round(minutes), 1):,} min"
        items = "–" if task.items is None else f"{task.items:,}"
        scored = f"{task.scored}, judged" if task.needs_judge else task.scored
        return fitted(_columns(lead, items, scored, took, width), width), text not in self._marked


def _columns(name: str, items: str, scored: str, took: str, width: int) -> str:
    """A line; without the scoring if it is narrow, so that the names can be read."""
    if width < NARROW:
        return f"{fitted(name, max(width - 20, 12))}{items:>9}{took:>10}"
    return f"{fitted(name, 28)}{items:>10}   {fitted(scored, 18)}{took:>11}"
