"""One followed Job: its stage, requested at a modest rate, and its log."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs.log_merge import BACKOFF_SECONDS, Note, back_off
from smoltui.backends.jobs.stream import Opened, event_stream
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import RateLimitedError, UnreachableError

SHORTEST_POLL_SECONDS = 1.0
"""Minimum seconds between two requests for a stage."""


def poll_seconds(stage: str, polls: int) -> float:
    """Seconds until the next request for a stage: 5 while scheduling, 30 while running; longer after many of them.

    While log lines arrive, no request is needed, so ten running Jobs take less than 100 of the 1 000 requests that a
    free account has in five minutes.
    """
    if stage == Stage.RUNNING:
        return (30.0, 60.0, 120.0)[min(polls, 2)]
    return 5.0 if polls < 12 else 15.0 if polls < 40 else 30.0


async def patiently(ask: Callable[[], Awaitable[Run]], tell: Callable[[Note], object]) -> Run:
    """The answer of a Hub that may fail at first: it is asked again as often as its log is read again.

    `tell` gets a note before each wait, and one after it. Raises what `ask` raises if no retry fixes it.
    """
    failures = 0
    while True:
        try:
            return await ask()
        except (UnreachableError, RateLimitedError) as error:
            failures += 1
            wait = back_off(BACKOFF_SECONDS, failures, error)
            tell(Note(wait, error.message))
        try:
            await asyncio.sleep(wait)
        finally:
            tell(Note(None))


class Watch:
    """The stage of one followed Job: requested at a modest rate, reported when it changes."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Run]],
        run: Run,
        queue: asyncio.Queue[events.Event | BaseException | None],
    ) -> None:
        """`ask` requests a run by its id."""
        self._ask = ask
        self._queue = queue
        self.run = run
        self.said: set[str] = set()
        """Stages that were reported."""
        self.over = asyncio.Event()
        self._moved = asyncio.Event()
        self._heard_at = 0.0
        if run.is_final:
            self.over.set()

    def event(self) -> events.StageChanged:
        """The last known stage."""
        run = self.run
        at = run.finished_at if run.is_final else run.started_at if run.stage == Stage.RUNNING else run.created_at
        return events.StageChanged(stage=run.stage, message=run.message, at=at if at is not None else time.time())

    def heard(self) -> None:
        """A line arrived, so the Job is running: its stage need not be requested, unless the last one was
        SCHEDULING."""
        self._heard_at = time.monotonic()
        if self.run.stage == Stage.SCHEDULING:
            self._moved.set()

    @property
    def skipped_running(self) -> bool:
        """It started and ended while it was followed, and RUNNING was never reported."""
        return (
            bool(self.said) and self.run.is_final and Stage.RUNNING not in self.said and self.run.started_at is not None
        )

    async def tell(self) -> None:
        """Puts the stage into the queue."""
        self.said.add(self.run.stage)
        await self._queue.put(self.event())

    async def ask(self) -> bool:
        """Requests the stage and reports a change, except to a final one, which is reported after the last line.

        Returns whether it changed. Raises `SmoltuiError`.
        """
        before = (self.run.stage, self.run.message)
        self.run = await self._ask(self.run.id)
        changed = before != (self.run.stage, self.run.message)
        if self.run.is_final:
            self.over.set()
        elif changed:
            await self.tell()
        return changed

    async def nap(self, seconds: float) -> None:
        """Sleeps for this time, or until the stage changes."""
        stage = self.run.stage
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self.run.stage == stage:
            await asyncio.sleep(min(left, 0.25))

    async def poll(self) -> None:
        """Requests the stage regularly until the run has ended."""
        polls = 0
        wait = poll_seconds(self.run.stage, polls)
        while not self.over.is_set():
            await asyncio.sleep(SHORTEST_POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.9, 1.1) - SHORTEST_POLL_SECONDS):
                    await self._moved.wait()
            self._moved.clear()
            if self.run.stage == Stage.RUNNING and time.monotonic() - self._heard_at < wait:
                continue  # lines are arriving
            try:
                polls = 0 if await self.ask() else polls + 1
                wait = poll_seconds(self.run.stage, polls)
            except RateLimitedError as error:
                wait = max(wait, (error.retry_after or 60.0) + 1)
            except UnreachableError:
                pass  # the reader of the log has the same problem, and reports it


class JobLog:
    """The log of one Job over the Hub's server-sent events."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @property
    def over(self) -> asyncio.Event:
        return self._watch.over

    async def check(self) -> None:
        await self._watch.ask()

    def open(self, tail: int | None) -> AbstractAsyncContextManager[Opened]:
        run = self._watch.run
        params = {"tail": str(tail)} if tail is not None else None
        return event_stream(hub.jobs_path(run.namespace or "", run.id, "logs"), doing="read the log", params=params)
