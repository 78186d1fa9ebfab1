"""A search in a growing log: the matches found so far by a thread, and which of them is current."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, get_current_worker

from smoltui.core.runs.log_lines import LogSearch
from smoltui.errors import SmoltuiError


class LogFinding:
    """The lines that match a search.

    Its thread is a worker of `view` and posts `Found` and `Looked` to it; `view` passes them to `take` and `looked`.
    """

    class Found(Message):
        """The thread has searched more lines: `hits` replace the matches from line `first` on."""

        def __init__(self, finding: LogFinding, first: int, hits: Sequence[int]) -> None:
            super().__init__()
            self.finding, self.first, self.hits = finding, first, hits

    class Looked(Message):
        """The thread has searched all lines so far, or failed."""

        def __init__(self, finding: LogFinding, error: SmoltuiError | None) -> None:
            super().__init__()
            self.finding, self.error = finding, error

    def __init__(self, view: Widget, search: LogSearch) -> None:
        self.hits: array[int] = array("Q")
        """Line numbers from 0, ascending."""
        self.done = False
        """The log has been searched completely once."""
        self.current: int | None = None
        """Number of the line of the current match; None before the first jump."""
        self.has_jumped = False
        """The view was moved to a match, or none was found: later matches do not move it."""
        self._view = view
        self._search = search
        self._worker: Worker[None] | None = None
        self._ready = self._stale = False

    @property
    def shown(self) -> str:
        """The query as it was typed."""
        return self._search.shown

    def look(self) -> None:
        """Searches the new lines in a thread, after the current search if there is one."""
        self._stale = self._worker is not None
        if not self._stale:
            self._worker = self._view.run_worker(self._run, thread=True, group="log search")

    def _run(self) -> None:
        worker, refused = get_current_worker(), None
        try:
            self._search.run(
                lambda first, end, hits: self._view.post_message(self.Found(self, first, hits)),
                lambda: worker.is_cancelled,
            )
        except SmoltuiError as error:
            refused = error
        self._view.post_message(self.Looked(self, refused))

    def take(self, found: Found) -> bool:
        """Adds matches; True for the first ones, since lines can be highlighted from then on."""
        del self.hits[bisect_left(self.hits, found.first) :]
        self.hits.extend(found.hits)
        first, self._ready = not self._ready, True
        return first

    def looked(self) -> None:
        """Ends a pass over the log; lines that were added meanwhile are searched next."""
        self._worker, self.done = None, True
        if self._stale:
            self.look()

    # -- matches

    @property
    def place(self) -> int | None:
        """Place of the current match among all, from 0; None without one."""
        if self.current is None or not self.hits:
            return None
        return min(bisect_left(self.hits, self.current), len(self.hits) - 1)

    def nearest(self, number: int) -> int:
        """The first match at or below a line, or else the last one above it. There must be one."""
        return self.hits[min(bisect_left(self.hits, number), len(self.hits) - 1)]

    def next_after(self, number: int, direction: int, *, is_match: bool) -> tuple[int, bool]:
        """The next match (1) or the previous one (-1) seen from a line, and whether it wrapped around.

        `is_match`: the line is a match itself, which a step down leaves behind. There must be a match.
        """
        place = bisect_left(self.hits, number)
        if direction < 0:
            place -= 1
        elif is_match and place < len(self.hits) and self.hits[place] == number:
            place += 1
        return self.hits[place % len(self.hits)], not 0 <= place < len(self.hits)

    def stop(self) -> None:
        """Stops the thread, if there is one."""
        if self._worker is not None:
            self._worker.cancel()

    def marks(self, text: str) -> list[tuple[int, int]]:
        """The matches within a line as (begin, end) in characters; none before the first `take`."""
        return self._search.marks([text])[0] if self._ready and text else []
