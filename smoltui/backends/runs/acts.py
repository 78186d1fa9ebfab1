"""Acts on runs that outlive the view they were begun in: marks on rows, bounded parallel requests, outcomes.

They belong to the app. A room begins an act and shows its marks; another room, or leaving the app, does not end it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from smoltui.backends.runs.callbacks import Say, Spawn
from smoltui.core.runs.acts import CANCEL, PAUSE, RESUME, START, Mark, Standing, Verb, outcome
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import SmoltuiError, UnreachableError

PARALLEL = 10
"""Requests at a time: a cancel takes about four of them one after the other, and the Hub allows 1,000 in 5 minutes."""
PATIENCE_SECONDS = 60.0
"""How long a run that was asked to end may run on before its row says so."""
STARTING = "STARTING"
"""The stage of a row that stands for a run without an id."""

Act = Callable[[Run], Awaitable[Run]]


@dataclass(slots=True, eq=False)
class _Batch:
    """One act on several runs."""

    verb: Verb
    runs: Sequence[Run]
    asked: set[str] = field(default_factory=set)
    """Ids of runs whose request was sent."""
    done: list[Run] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Id → why."""
    reached: set[str] = field(default_factory=set)
    """Ids of the runs of `done`, as they were before."""
    superseded: set[str] = field(default_factory=set)
    """Ids of runs that had ended, and of which something else was asked, before the answer came: it is out of date."""

    def standing(self, words: str = "") -> Standing:
        over = self.reached | self.superseded | set(self.failed)
        left = [run for run in self.runs if run.id not in over]
        waiting = tuple(_shown(run) for run in left if run.id not in self.asked)
        asked = tuple(_shown(run) for run in left if run.id in self.asked)
        return Standing(self.verb, len(self.done), len(self.runs), waiting, asked, words)


def _failure(verb: Verb, words: str) -> Mark:
    return Mark(f"✗ {verb.name}", words, failed=True)


def _shown(run: Run) -> str:
    return run.name if run.stage == STARTING or run.name == run.id else f"{run.name} ({run.id})"


class Acts:
    """The acts of one app. `take` passes on what is newly known of a run, `changed` says that marks have changed."""

    def __init__(self, *, take: Callable[[Run], object], changed: Callable[[], object], say: Say, spawn: Spawn) -> None:
        self._take, self._changed, self._say, self._spawn = take, changed, say, spawn
        self._batches: list[_Batch] = []
        self._failed: dict[str, tuple[Verb, str]] = {}
        """Run id → act that failed, and why."""
        self._accepted: dict[str, tuple[Verb, float]] = {}
        """Run id → act that was accepted, and shows its effect later; and when, `time.monotonic` seconds."""
        self._starting: dict[str, tuple[Run, Callable[[], str]]] = {}
        self._specs: dict[str, RunSpec] = {}

    # -- what rows show

    def mark(self, run: Run) -> Mark | None:
        """What the row of a run says of an act on it; None for nothing."""
        for batch in self._batches:
            if self._is_busy(batch, run):
                return Mark(batch.verb.doing, self._progress_of(run.id))
        if run.is_final:
            self._accepted.pop(run.id, None)
        if run.id in self._failed:
            verb, words = self._failed[run.id]
            if verb not in ((CANCEL, PAUSE) if run.is_final else (RESUME,)):
                return _failure(verb, words)
            del self._failed[run.id]  # it happened all the same
        return self._accepted_mark(run.id)

    def _accepted_mark(self, run_id: str) -> Mark | None:
        """What the row says of an act that was accepted: after a while, that it has had no effect."""
        if run_id not in self._accepted:
            return None
        verb, at = self._accepted[run_id]
        if verb is CANCEL and time.monotonic() - at > PATIENCE_SECONDS:
            return _failure(verb, "asked to cancel, but it is still running: X asks again")
        return Mark(verb.doing)

    @staticmethod
    def _is_busy(batch: _Batch, run: Run) -> bool:
        """Whether the act on this run is under way. One that is to end it is over once the run has ended."""
        if run.id in batch.reached | batch.superseded or run.id in batch.failed:
            return False
        if run.is_final and batch.verb in (CANCEL, PAUSE):
            return False
        return any(one.id == run.id for one in batch.runs)

    @property
    def rows(self) -> list[Run]:
        """A row for each run that is being started, or could not be: the newest first."""
        return [run for run, _ in reversed(self._starting.values())]

    def _progress_of(self, run_id: str) -> str:
        found = self._starting.get(run_id)
        return found[1]() if found is not None else ""

    @property
    def unfinished(self) -> list[Standing]:
        """The acts that have not ended."""
        return [batch.standing(next((self._progress_of(run.id) for run in batch.runs), "")) for batch in self._batches]

    @property
    def starting(self) -> list[RunSpec]:
        """What is being started now."""
        busy = {run.id for batch in self._batches for run in batch.runs}
        return [spec for row, spec in self._specs.items() if row in busy]

    # -- acts

    def begin(
        self,
        verb: Verb,
        runs: Sequence[Run],
        act: Act,
        *,
        one_by_one: bool = False,
        shows: Callable[[Run], object] | None = None,
    ) -> None:
        """Applies an act to runs, several at a time unless `one_by_one`; runs that are busy with one are left out.

        `shows` gets the first resulting run, to show it.
        """
        busy = {run.id: batch.verb for batch in self._batches for run in runs if self._is_busy(batch, run)}
        wanted = [run for run in runs if run.id not in busy]
        if not wanted:
            for run in runs[:1]:
                self._say(f"{run.name}: {busy[run.id].doing} Wait until that has ended", "warning")
            return
        for run in wanted:
            self._failed.pop(run.id, None)
            for earlier in self._batches:
                earlier.superseded.add(run.id)
        batch = _Batch(verb, wanted)
        self._batches.append(batch)
        self._changed()
        self._spawn(partial(self._carry_out, batch, act, 1 if one_by_one else PARALLEL, shows))

    async def _carry_out(self, batch: _Batch, act: Act, parallel: int, shows: Callable[[Run], object] | None) -> None:
        slots = asyncio.Semaphore(parallel)

        async def one(run: Run) -> None:
            async with slots:
                batch.asked.add(run.id)
                try:
                    found = await act(run)
                except SmoltuiError as error:
                    if run.id in batch.superseded:
                        return
                    batch.failed[run.id] = error.message
                    words = f"not {batch.verb.done}: {error.message}"
                    if batch.verb.shows_failure:
                        self._failed[run.id] = (batch.verb, words)
                else:
                    if run.id in batch.superseded:
                        return
                    batch.reached.add(run.id)
                    batch.done.append(found)
                    if batch.verb in (CANCEL, PAUSE) and not found.is_final:
                        self._accepted[found.id] = (batch.verb, time.monotonic())
                    self._take(found)
                    if shows is not None and len(batch.done) == 1:
                        shows(found)
                self._changed()

        try:
            async with asyncio.TaskGroup() as group:
                for run in batch.runs:
                    group.create_task(one(run))
        finally:
            self._batches.remove(batch)
            self._changed()
        names = {run.id: run.name for run in batch.runs}
        failed = [(names[run_id], why) for run_id, why in batch.failed.items()]
        if said := outcome(batch.verb, batch.done, failed):
            self._say(said, "error" if failed else "information")

    async def alone(self, verb: Verb, name: str, work: Callable[[], Awaitable[object]]) -> object:
        """Does something that is no act on a run, such as suspending a schedule, so that leaving asks meanwhile.

        Raises what `work` raises.
        """
        run = Run(f"alone/{len(self._batches)}/{time.monotonic()}", "", name, STARTING)
        batch = _Batch(verb, [run], asked={run.id})
        self._batches.append(batch)
        try:
            return await work()
        finally:
            self._batches.remove(batch)

    # -- starts

    def start(self, spec: RunSpec, engine: str, progress: Callable[[], str], work: Callable[[], Awaitable[Run]]) -> str:
        """Starts a run; returns the id of the row that stands for it until it has one, or could not be started.

        `progress` says how far it is. `work` submits it; it may be given again for the same `spec`, after a failure.
        """
        row = f"start/{spec.label}"
        run = Run(
            row,
            engine,
            spec.name,
            STARTING,
            created_at=time.time(),
            project=spec.project,
            output_dir=spec.output_dir,
            flavor=spec.flavor,
            namespace=spec.namespace,
            timeout_seconds=spec.timeout_seconds,
            attempts=spec.attempts,
        )
        self._starting[row], self._specs[row] = (run, progress), spec
        self._failed.pop(row, None)
        batch = _Batch(START, [run], asked={row})
        self._batches.append(batch)
        self._changed()
        self._spawn(partial(self._start, batch, row, work))
        return row

    async def _start(self, batch: _Batch, row: str, work: Callable[[], Awaitable[Run]]) -> None:
        try:
            run = await work()
        except SmoltuiError as error:
            words = f"not started: {error.message}"
            self._failed[row] = (START, words)
            self._starting[row] = (replace(self._starting[row][0], message=error.hint or None), lambda: "")
            if not isinstance(error, UnreachableError):  # for that one, another try is offered
                self._say(str(error), "error")
        else:
            self._take(run)
            self.forget(row)
        finally:
            self._batches.remove(batch)
            self._changed()

    def forget(self, row: str) -> bool:
        """Removes the row of a start that has ended; False if there is none, or it is under way."""
        if row not in self._starting:
            return False
        if any(run.id == row for batch in self._batches for run in batch.runs) and row in self._failed:
            return False
        self._starting.pop(row, None)
        self._specs.pop(row, None)
        self._failed.pop(row, None)
        self._changed()
        return True
