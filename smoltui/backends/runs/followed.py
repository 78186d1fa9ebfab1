"""One run while its log is followed: what the log has said so far, passed on to whoever keeps the list."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from smoltui.backends.runs.callbacks import Spawned
from smoltui.core.runs import events
from smoltui.core.runs.events import Event
from smoltui.core.runs.metrics import History
from smoltui.core.runs.pace import Pace
from smoltui.core.runs.run import Run

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine

TELL_SECONDS = 1.0
"""Seconds between two updates of the list with the figures of a followed run."""


class Keeper(Protocol):
    """Keeps the list of runs."""

    @property
    def runs(self) -> Mapping[str, Run]:
        """The list, by run id."""
        ...

    def engine_of(self, run: Run) -> Engine:
        """The engine that a run belongs to."""
        ...

    def learn(self, learnt: Run) -> None:
        """Updates the list with what a follower knows about a run."""
        ...

    def let_go(self, followed: Followed) -> None:
        """Forgets a follower that has ended."""
        ...


class Followed:
    """One run while it is followed, with what its log has said so far."""

    def __init__(self, keeper: Keeper, run: Run, heard_at: float) -> None:
        self._keeper = keeper
        self.run = replace(run, history=History(), step=0)
        """The run, with the curve that was read from its log so far."""
        self.pace = Pace()
        self.heard_at = heard_at
        """When its last line arrived, `time.monotonic` seconds; the start of following if none has."""
        self.active = True
        self.task: Spawned | None = None
        """The task of a background follower; None if the run is open on screen."""
        self._told_at = time.monotonic()
        self._had_ended = run.is_final
        """The list knows its figures better than a log that is being read from its first line."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events of the run from its first line, as from `Engine.follow`; they update the list, too.

        Can be read once. Raises as `Engine.follow`.
        """
        try:
            async with aclosing(self._keeper.engine_of(self.run).follow(self.run.id)) as stream:
                async for event in stream:
                    self._take(event)
                    yield event
            self._keeper.learn(self.run)
        finally:
            self._keeper.let_go(self)

    def _take(self, event: Event) -> None:
        now = self.heard_at = time.monotonic()
        if isinstance(event, events.LogLine):  # there can be 100,000 per second
            return
        self.run = self.run.after(event)
        if isinstance(event, events.Progress | events.Metrics) and event.at is not None:
            self.pace.observe(event.at, event.step)
        elif isinstance(event, events.StageChanged) and not self.run.is_final:
            self.pace.forget()
        elif isinstance(event, events.StageChanged):
            known = self._keeper.runs.get(self.run.id)
            if known is not None:  # for a resumed run, the log also has earlier starts
                hint = event.hint or known.hint or self.run.hint
                started = self.run.started_at if known.started_at is None else known.started_at
                self.run = replace(self.run, hint=hint, started_at=started)
        if not self._had_ended and (now - self._told_at > TELL_SECONDS or self.run.is_final):
            self._told_at = now
            self._keeper.learn(self.run)
