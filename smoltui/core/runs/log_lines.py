"""What a log is to those who draw it; `backends.runs.log_spool` has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from smoltui.core.runs.log_text import LogLine


class LogSearch(Protocol):
    """One search over a log that may still grow."""

    @property
    def shown(self) -> str:
        """What is searched for, as it was typed."""
        ...

    def run(self, report: Callable[[int, int, Sequence[int]], object], stopped: Callable[[], bool]) -> None:
        """Looks at what was not looked at yet, and at a last line that may have changed. Blocking: for a thread.

        `report(first, end, hits)`: what was known of lines from `first` on is replaced by `hits` (line numbers from 0,
        rising); lines before `end` were looked at. Called in the same thread.

        Raises:
            InputError: the expression cannot be used.
        """
        ...

    def marks(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Where the hits stand in each of `texts` (begin, end in characters). Quick once `run` was called."""
        ...


class Searched(Protocol):
    """What a search asks of a log: its finished lines in pieces, and its last line, which may still change."""

    def chunk(self, first: int) -> tuple[int, bytes] | None:
        """The number of the line after some finished ones, and those, from `first` on, in UTF-8 with a `\\n` each.

        None when there are none (yet).
        """
        ...

    def last(self) -> tuple[int, str] | None:
        """Number and text of the last line while it may still change; None when there is none."""
        ...


class Log(Protocol):
    """Lines that only grow at their end, where the state of a progress bar takes the place of the state before it.

    What is read from it holds no secrets any more, and is not safe to draw.
    """

    @property
    def count(self) -> int:
        """Lines there are."""
        ...

    @property
    def stopped(self) -> str:
        """Why it takes no more lines; empty while it does."""
        ...

    @property
    def first_error(self) -> int | None:
        """Number (from 0) of the first line that tells of an error; None when none does."""
        ...

    def extend(self, lines: Sequence[str], times: Sequence[float | None] | None = None) -> None:
        """Adds lines; `times` in seconds since the epoch, one a line.

        Raises:
            InputError: they could not be kept; said once, what comes later is left out in silence.
        """
        ...

    def read(self, first: int, end: int) -> list[LogLine]:
        """Lines `first` to `end` - 1, as far as they are there."""
        ...

    def search(self, query: str) -> LogSearch:
        """A search for a text in any case, or for `/a regular expression/` (`/…/i` in any case).

        What is wrong with an expression is said when the search runs.
        """
        ...

    def save(self, path: Path) -> int:
        """Writes it as plain text beside `path`, then there; gives the number of lines. Blocking, safe in a thread.

        Raises:
            InputError: it cannot be written, or the log was closed meanwhile.
        """
        ...

    def close(self) -> None:
        """Lets go of it; it is empty afterwards."""
        ...
