"""Slurm's view of our jobs: one squeue for all of them, as seldom as possible.

A large cluster is slowed down by people who ask often, so the answer is kept, whoever asks. If the controller does not
answer, the last answer stays, and nobody who reads it waits for the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from smoltui.backends.slurm import commands
from smoltui.backends.slurm.questions import Questions
from smoltui.core.slurm.answers import COMMENT, SQUEUE_FORMAT, Row, accounted, cluster_of, job_of, rows_of
from smoltui.errors import SmoltuiError, UnreachableError

POLL_SECONDS = 30.0
"""Least seconds between two questions while somebody looks at the runs."""
REST_SECONDS = 60.0
"""…and while nobody does."""
ASK_SECONDS = 1.5
"""…and while a person waits for the effect of a key."""
WORD_SECONDS = 3.0
"""Least seconds between two questions about the end of one job."""
FIRST_SECONDS = 5.0
"""How long a reader waits for the first list. A question that is open for longer is called unanswered."""
PATIENCE_SECONDS = 0.5
"""…and for a newer one: a good answer takes 0.04 s."""
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


@dataclass(frozen=True, slots=True)
class Word:
    """What is known about one job."""

    row: Row | None = None
    """The job; None if it is unknown there, or cannot be asked for."""
    open: bool = False
    """The answer is not there yet."""


class Queue:
    """The last list, and when it may be asked for again. Used from several threads, none of which holds up another."""

    def __init__(self, poll_seconds: float = POLL_SECONDS) -> None:
        self._lock = threading.Lock()
        """Held to change what is below, never while Slurm is asked."""
        self._poll = poll_seconds
        self._questions = Questions()
        self._seen = Seen()
        self._asked = -1e9
        """When the newest question that has ended was begun, on this process's clock."""
        self._ended = -1e9
        """When it ended."""
        self._accounting: bool | None = None
        self._cluster: str | None = None
        self._words: dict[tuple[str, str], tuple[float, Row | None]] = {}

    @property
    def seen(self) -> Seen:
        """The last list, without asking."""
        return self._seen

    @property
    def poll_seconds(self) -> float:
        return self._poll

    def read(self, *, age: float | None = None) -> Seen:
        """The list, asked for again if the last question is older than `age` seconds (None: a normal poll).

        Waits for the answer for a moment only: without one, this is the last list. `fresh` waits for it.
        """
        if time.monotonic() - self._ended >= (self._poll - 1 if age is None else age):
            question = self._questions.ask("list", self._ask)
            question.wait_since_begun(PATIENCE_SECONDS if self._seen.at or self._seen.error else FIRST_SECONDS)
            if not question.answered and time.monotonic() - question.begun >= FIRST_SECONDS:
                self._unanswered()
        return self._seen

    def fresh(self, *, age: float = 0.0) -> Seen:
        """The list of at most `age` seconds ago; waits for it until the deadline of the question."""
        wanted = time.monotonic() - age
        if self._asked < wanted:
            self._questions.ask("list", self._ask, after=wanted).wait()
        return self._seen

    def _ask(self) -> None:
        begun, at = time.monotonic(), time.time()
        rows, failed = {}, None
        try:
            # -t all: also those that have just ended, as long as Slurm remembers them.
            text = commands.asked("squeue", "--noheader", "--me", "--states=all", f"--format={SQUEUE_FORMAT}")
            rows = {row.job: row for row in rows_of(text)}
        except SmoltuiError as error:
            failed = error
        with self._lock:
            self._ended = time.monotonic()
            if begun < self._asked:
                return  # a newer question was faster
            self._asked = begun
            self._seen = Seen(rows, at) if failed is None else Seen(self._seen.rows, self._seen.at, failed)

    def _unanswered(self) -> None:
        with self._lock:
            if self._seen.error is None:
                late = UnreachableError("Slurm has not answered yet", "The jobs continue. smoltui asks again.")
                self._seen = Seen(self._seen.rows, self._seen.at, late)

    def cluster(self) -> str | None:
        """Name of the cluster that is asked; empty if it cannot be told, None if the answer is not there yet."""
        if self._cluster is None:

            def note() -> None:
                with suppress(SmoltuiError):
                    said = commands.call("scontrol", "show", "config")
                    if not said.busy:
                        self._cluster = cluster_of(said.out)

            self._questions.ask("cluster", note).wait_since_begun(PATIENCE_SECONDS)
        return self._cluster

    def word(self, job: str) -> Word:
        """What the controller knows of a job now, asked at most every few seconds; it is not asked while silent."""
        if self._seen.error is not None:
            return Word(open=True)
        return self._about("scontrol", job, lambda: self._one(job))

    def remembered(self, job: str) -> Word:
        """What the accounting knows of a job that the controller forgot; nothing without accounting."""
        if self._accounting is False:
            return Word()
        return self._about("sacct", job, lambda: self._accounted(job))

    def _about(self, whom: str, job: str, ask: Callable[[], Row | None]) -> Word:
        at, row = self._words.get((whom, job), (-1e9, None))
        if time.monotonic() - at < WORD_SECONDS:
            return Word(row)

        def note() -> None:
            self._words[(whom, job)] = (time.monotonic(), ask())

        question = self._questions.ask((whom, job), note)
        question.wait_since_begun(PATIENCE_SECONDS)
        return Word(self._words[(whom, job)][1]) if question.answered else Word(open=True)

    def _one(self, job: str) -> Row | None:
        try:
            said = commands.call("scontrol", "show", "job", job, "--oneliner")
        except SmoltuiError:
            return None
        return job_of(said.out) if said.code == 0 else None

    def _accounted(self, job: str) -> Row | None:
        try:
            said = commands.call(*SACCT, "-j", job)
        except SmoltuiError:
            return None
        if said.code:
            self._accounting = False if "disabled" in said.err else None
            return None
        return accounted(said.out, job)
