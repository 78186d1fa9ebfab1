"""Which lines of a replayed log are new, and where lines are missing."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

from smoltui.core.runs.events import Gap

MARKER = "===== Job started"
"""The platform's line at each start of the container, sent even if only the tail was requested."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Lines are missing here: a new connection did not repeat any line that came before it."""

    since: float | None
    """Time of the newest line before, seconds since the epoch; None if unknown."""
    until: float | None
    """Time of the next line; None at the end of the log, where lines may be missing, or not."""

    def as_event(self) -> Gap:
        """The event that reports it."""
        return Gap(since=self.since, until=self.until, at=self.until)


class Beginnings:
    """When the log of each Job begins, as far as it was seen: an earlier connection may have seen more of it."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def missing_before(self, job_id: str, at: float) -> Missing | None:
        """What is missing before the first line of a log behind the platform's marker; `at` is its time."""
        known = self._at.setdefault(job_id, at)
        self._at[job_id] = min(known, at)
        return Missing(None, at) if at > known else None


class Merge:
    """Separates new lines from replayed ones. Stores 8 bytes per line, and no text.

    A replay usually repeats the previous lines in the same order, which is a walk along the stored hashes. If it does
    not (missing lines, other order within one timestamp), the rest is compared as a multiset.
    """

    def __init__(self) -> None:
        self._shown = array("q")
        self._walked = 0
        self._bag: Counter[int] | None = None
        self._live = True
        self._newest: float | None = None
        self._newest_before: float | None = None
        self._first: tuple[int, float | None] | None = None
        """Hash and time of the first line behind the platform's marker."""
        self._skip_to: tuple[int, float | None] | None = None
        """The line up to which a replay is skipped; None: nothing is skipped."""
        self._last: int | None = None
        """Hash of the newest line behind the platform's marker."""
        self._last_before: int | None = None
        """…when the connection began."""
        self._equal = 0
        """How often the newest earlier line occurs."""
        self._owed = 0
        """How often the connection has yet to repeat the newest earlier line, which proves that nothing is missing."""

    @property
    def empty(self) -> bool:
        """Whether only the platform's marker has arrived so far."""
        return self._first is None

    def restart(self, *, from_first: bool) -> None:
        """A new connection replays. `from_first`: lines before the previous first line are not wanted (a tail)."""
        self._walked, self._bag, self._live = 0, None, not self._shown
        self._newest_before = self._newest
        self._last_before = self._last
        self._owed = self._equal = 0 if self._last is None else self._shown.count(self._last)
        self._skip_to = self._first if from_first else None

    def is_new(self, stamp: str, at: float | None, text: str) -> bool:
        """Whether this line is new; `stamp` is its time as sent by the server, `at` the same in seconds."""
        key = hash((stamp, text))
        if self._skip_to is not None:
            first, first_at = self._skip_to
            if key != first and not (at is not None and first_at is not None and at > first_at):
                return False
            self._skip_to = None
        if not self._live and self._repeats(key, at):
            self._owed -= self._owed > 0 and key == self._last_before
            return False
        self._shown.append(key)
        if not text.startswith(MARKER):
            self._first = self._first or (key, at)
            self._last = key
        if at is not None and (self._newest is None or at > self._newest):
            self._newest = at
        return True

    @property
    def proven(self) -> bool:
        """Whether the connection has repeated the newest earlier line, so that nothing is missing in between.

        Equal lines of the same moment prove it only once all are repeated, and new ones look the same.
        """
        return not self._owed

    @property
    def unique(self) -> bool:
        """Whether the newest earlier line occurs once, so that a repetition of it cannot be mistaken."""
        return self._equal <= 1

    def missing_before(self, at: float | None, text: str) -> Missing | None:
        """What is missing before a new line: at most once per connection that does not repeat the newest earlier one.

        Within one moment, lines may arrive in another order, so a later line decides.
        """
        since = self._newest_before
        if not self._owed or text.startswith(MARKER) or (at is not None and since is not None and at <= since):
            return None
        self._owed = 0
        return Missing(since, at)

    def missing_at_end(self) -> Missing:
        """What may be missing behind the newest line."""
        return Missing(self._newest, None)

    def _repeats(self, key: int, at: float | None) -> bool:
        if self._bag is None:
            if self._shown[self._walked] == key:
                self._walked += 1
                self._live = self._walked == len(self._shown)
                return True
            self._bag = Counter(self._shown[self._walked :])
        if self._bag[key] > 0:
            self._bag[key] -= 1
            return True
        if at is not None and self._newest_before is not None and at > self._newest_before:
            self._live, self._bag = True, None  # later than all previous lines: the replay is over
        return False
