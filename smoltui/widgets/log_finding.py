"""A search in a log that goes on to grow: what a thread has found so far."""

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
    """The lines that hold what is searched for.

    Its thread is a worker of `view` and says `Found` and `Looked` to it; `view` hands them on to `take` and `looked`.
    """

    class Found(Message):
        """The thread has looked at more: `hits` take the place of those from line `first` on."""

        def __init__(self, finding: LogFinding, first: int, hits: Sequence[int]) -> None:
            super().__init__()
            self.finding, self.first, self.hits = finding, first, hits

    class Looked(Message):
        """The thread has looked at all there was, or was refused."""

        def __init__(self, finding: LogFinding, error: SmoltuiError | None) -> None:
            super().__init__()
            self.finding, self.error = finding, error

    def __init__(self, view: Widget, search: LogSearch) -> None:
        self.hits: array[int] = array("Q")
        """Numbers of the lines, from 0, rising."""
        self.done = False
        """The log was looked through once."""
        self._view = view
        self._search = search
        self._worker: Worker[None] | None = None
        self._ready = self._stale = False

    @property
    def shown(self) -> str:
        """What is searched for, as it was typed."""
        return self._search.shown

    def look(self) -> None:
        """Has a thread look at what is new, or remembers it where one is looking."""
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
        """What was found; True when it is the first, and lines can be marked from now on."""
        del self.hits[bisect_left(self.hits, found.first) :]
        self.hits.extend(found.hits)
        first, self._ready = not self._ready, True
        return first

    def looked(self) -> None:
        """All there was has been looked at; what has come meanwhile is next."""
        self._worker, self.done = None, True
        if self._stale:
            self.look()

    def stop(self) -> None:
        """Ends the thread; harmless when there is none."""
        if self._worker is not None:
            self._worker.cancel()

    def marks(self, text: str) -> list[tuple[int, int]]:
        """Where the hits stand in a line (begin, end in characters); none before the first `take`."""
        return self._search.marks([text])[0] if self._ready and text else []
