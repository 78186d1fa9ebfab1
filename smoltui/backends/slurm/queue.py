"""Slurm's view of our jobs: one squeue for all of them, as seldom as possible.

A large cluster is slowed down by people who ask often, so the answer is kept, whoever asks. If the controller does not
answer, the last answer stays.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from smoltui.backends.slurm import commands
from smoltui.core.slurm.answers import COMMENT, SQUEUE_FORMAT, Row, accounted, job_of, rows_of
from smoltui.errors import SmoltuiError

POLL_SECONDS = 30.0
"""Least seconds between two questions while somebody looks at the runs."""
REST_SECONDS = 60.0
"""…and while nobody does."""
WORD_SECONDS = 3.0
"""Least seconds between two questions about the end of one job."""
SACCT = ("sacct", "-X", "-n", "-P", "-o", "JobID,State,ExitCode,Submit,Start")


@dataclass(frozen=True, slots=True)
class Seen:
    """Slurm's list at one moment."""

    rows: dict[str, Row] = field(default_factory=dict)
    """Job id → the job."""
    at: float = 0.0
    """When it was asked for, seconds since the epoch; 0: never."""
    error: SmoltuiError | None = None
    """Why the newest question had no answer; None if it had."""

    def labelled(self, label: str) -> Row | None:
        """The newest job with this label in its comment; None without one."""
        found = [row for row in self.rows.values() if row.comment == f"{COMMENT}{label}"]
        return max(found, key=lambda row: row.submitted_at or 0.0, default=None)


class Queue:
    """The last list, and when it may be asked for again. Used from several threads."""

    def __init__(self, poll_seconds: float = POLL_SECONDS) -> None:
        self._lock = threading.Lock()
        self._poll = poll_seconds
        self._seen = Seen()
        self._asked = -1e9
        self._accounting: bool | None = None
        self._words: dict[str, tuple[float, Row | None]] = {}

    @property
    def seen(self) -> Seen:
        """The last list, without asking."""
        return self._seen

    @property
    def poll_seconds(self) -> float:
        return self._poll

    def read(self, *, age: float | None = None) -> Seen:
        """The list, asked for again if the last question is older than `age` seconds (None: a normal poll)."""
        with self._lock:
            if time.monotonic() - self._asked >= (self._poll - 1 if age is None else age):
                at = time.time()
                try:
                    # -t all: also those that have just ended, as long as Slurm remembers them.
                    text = commands.asked("squeue", "--noheader", "--me", "--states=all", f"--format={SQUEUE_FORMAT}")
                    self._seen = Seen({row.job: row for row in rows_of(text)}, at)
                except SmoltuiError as error:
                    self._seen = Seen(self._seen.rows, self._seen.at, error)
                self._asked = time.monotonic()
            return self._seen

    def word(self, job: str) -> Row | None:
        """What the controller knows of a job now, asked at most every few seconds; None as `one`."""
        with self._lock:
            asked, row = self._words.get(job, (-1e9, None))
            if time.monotonic() - asked >= WORD_SECONDS:
                row = self.one(job)
                self._words[job] = (time.monotonic(), row)
            return row

    def one(self, job: str) -> Row | None:
        """What the controller knows of a job; None if it forgot it, or does not answer."""
        try:
            said = commands.call("scontrol", "show", "job", job, "--oneliner")
        except SmoltuiError:
            return None
        return job_of(said.out) if said.code == 0 else None

    def remembered(self, job: str) -> Row | None:
        """What the accounting knows of a job that the controller forgot; None without accounting."""
        if self._accounting is False:
            return None
        try:
            said = commands.call(*SACCT, "-j", job)
        except SmoltuiError:
            return None
        if said.code:
            self._accounting = False if "disabled" in said.err else None
            return None
        return accounted(said.out, job)
