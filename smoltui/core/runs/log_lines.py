"""The interface of a log for widgets; `backends.runs.log_spool` implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from smoltui.core.runs.log_text import LogLine


class LogSearch(Protocol):
    """A search in a log that may still grow."""

    @property
    def shown(self) -> str:
        """The query as typed."""
        ...

    def run(self, report: Callable[[int, int, Sequence[int]], object], stopped: Callable[[], bool]) -> None:
        """Searches lines not yet searched, and the last line if it may have changed. Blocking: run it in a thread.

        `report(first, end, hits)`: `hits` (ascending line numbers from 0) replace earlier results from line `first`
        onwards; lines before `end` have been searched. Called in the same thread.

        Raises:
            InputError: the expression cannot be used.
        """
        ...

    def marks(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """The matches in each of `texts` (start, end in characters). Fast once `run` was called."""
        ...


class Searched(Protocol):
    """The part of a log that a search reads: finished lines in chunks, and the last line, which may still change."""

    def chunk(self, first: int) -> tuple[int, bytes] | None:
        """Some finished lines, starting with `first`, and before them the number of the line that follows.

        In UTF-8, each with a `\\n`. None if there are none yet.
        """
        ...

    def last(self) -> tuple[int, str] | None:
        """Number and text of the last line while it may still change; None if there is no such line."""
        ...


class Log(Protocol):
    """Lines appended at the end, where a state of a progress bar replaces the previous one.

    What is read from it contains no secrets, but is not safe to draw.
    """

    @property
    def count(self) -> int:
        """Number of lines."""
        ...

    @property
    def stopped(self) -> str:
        """Why it accepts no more lines; empty while it does."""
        ...

    @property
    def first_error(self) -> int | None:
        """Number (from 0) of the first line that reports an error; None without one."""
        ...

    def extend(self, lines: Sequence[str], times: Sequence[float | None] | None = None) -> None:
        """Appends lines; `times` in seconds since the epoch, one per line.

        Raises:
            InputError: they could not be stored; raised once, later lines are dropped silently.
        """
        ...

    def read(self, first: int, end: int) -> list[LogLine]:
        """Lines `first` to `end` - 1, as far as they exist."""
        ...

    def search(self, query: str) -> LogSearch:
        """A search for a text in any case, or for `/a regular expression/` (`/…/i` in any case).

        Errors in an expression are raised when the search runs.
        """
        ...

    def save(self, path: Path) -> int:
        """Writes plain text next to `path`, then replaces it; returns the number of lines. Blocking, thread-safe.

        Raises:
            InputError: it cannot be written, or the log has been closed.
        """
        ...

    def close(self) -> None:
        """Releases it; it is empty afterwards."""
        ...
