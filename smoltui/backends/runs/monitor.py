"""Everything known about all runs, kept up to date: lists, curves of active runs, prices, rules and follow-up steps.

Local runs are listed continuously, those of other engines only while they are on screen, at a rate that leaves most of
an account's rate limit unused. Active runs are followed in the background, so that the list has their latest figures
and the rules apply to all of them, not only to the open one. Opening a run (`RunMonitor.follow`) replaces its
background follower: a run is never followed twice.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from smoltui.backends.runs.callbacks import Say, Spawn, Spawned
from smoltui.backends.runs.followed import Followed
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.metrics import History, load_all
from smoltui.core.runs.run import Run, Stage, can_resume, richer
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.errors import RateLimitedError, SmoltuiError

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.chains import Chains
    from smoltui.backends.runs.engine import Engine
    from smoltui.core.runs.chain import Chain
    from smoltui.core.runs.cost import Flavor
    from smoltui.core.runs.rules import Warned
    from smoltui.core.runs.verdict import Verdict

ACTIVE_SECONDS = 0.5
"""Seconds between two lists of local runs while one is active."""
IDLE_SECONDS = 3.0
"""…and while none is: another terminal may start one."""
JOBS_SECONDS = 15.0
"""Seconds between two lists of another engine that is on screen: 20 of the 1,000 requests allowed in 5 minutes."""
BLURRED_SECONDS = 60.0
"""…and while the terminal's window is not focused, if the terminal reports that."""
STALE_SECONDS = 40.0
"""A list older than this is marked as stale: two in a row failed."""
RATE_LIMIT_SECONDS = 60.0
"""Wait after a 429 that does not state one."""
FOLLOWED = 10
"""Maximum number of runs followed in the background: each takes a connection."""
EXPLAINED = 10
"""Maximum number of logs that are read after one list, to learn why runs failed."""
EXPLAINED_SECONDS = 7 * 86_400.0
"""Runs that failed longer ago are explained when they are opened."""
RULES_SECONDS = 2.0
"""Seconds between two checks of rules and follow-up steps."""
YIELD_SECONDS = 0.02
"""Seconds for which a background follower may process events before it yields to other tasks."""


class RunMonitor:
    """The runs of all engines, for an app or a command. Runs on its event loop.

    `engines`: the engines by name. `changed()`: something on screen may have changed. `say(sentence, severity)` and
    `ring(sentence)` notify the person. `spawn` starts a task that ends with the app or command. `lists_all()`: whether
    runs of engines other than this machine's are on screen.
    """

    def __init__(
        self,
        project: Project,
        engines: Callable[[], Mapping[str, Engine]],
        *,
        changed: Callable[[], object],
        say: Say,
        ring: Callable[[str], object],
        spawn: Spawn,
        lists_all: Callable[[], bool] = lambda: True,
    ) -> None:
        self._project = project
        self._engines = engines
        self._changed, self._say, self._ring, self._spawn = changed, say, ring, spawn
        self._lists_all = lists_all
        self._look_again = asyncio.Event()
        self._asked_at: dict[str, float] = {}
        self._answered_at: dict[str, float] = {}
        self._listing: dict[str, Spawned] = {}
        self._settled: set[str] = set()
        """Completed runs whose end was read, to learn where their model is."""
        self._told: set[tuple[str, str]] = set()
        self._followed: dict[str, Followed] = {}
        self._acted_at: dict[str, float] = {}
        """Run → when an act told of it, `time.monotonic` seconds: a list that was requested before is out of date."""
        self._stages_told: dict[str, tuple[str, float | None]] = {}
        """Run → the last stage, with its start, that a follower knew before the list."""
        self._prices_asked: set[str] = set()
        self._flavors: dict[str, dict[str, Flavor]] = {}
        """Engine → its flavors by name; read when a run with a flavor is listed."""
        self._alternatives: dict[str, Sequence[Flavor]] = {}
        """Run that waits long → flavors that may replace its own."""
        self.runs: dict[str, Run] = {}
        """Every known run by id, newest first. Replaced, never changed in place."""
        self.errors: dict[str, SmoltuiError] = {}
        """Engines that could not list their runs, with the reason. Replaced, never changed in place."""
        self.problems: dict[str, Mapping[str, SmoltuiError]] = {}
        """Engine → owners of runs that could not be listed, with the reason; their runs are as last known."""
        self._chains: Chains | None = None
        self.blurred = False
        """The terminal's window is not focused."""
        self.listed_at: dict[str, float] = {}
        """Engine → when it was last listed, seconds since the epoch."""
        self.not_before: dict[str, float] = {}
        """Engine → when it may be listed again after its rate limit was reached, seconds since the epoch."""
        self.answered: set[str] = set()
        """Engines that have returned a list or an error."""
        self.warned: dict[str, list[Warned]] = {}
        """Run id → the rules whose condition is met."""
        self.waited: set[str] = set()
        """Ids of runs whose end rings the bell."""

    @property
    def chains(self) -> Chains:
        """The follow-up steps of runs; imported on first use, after the first frame."""
        if self._chains is None:
            from smoltui.backends.runs.chains import Chains

            self._chains = Chains(str(self._project.folder), say=self._say, spawn=self._spawn)
        return self._chains

    @property
    def follow_ups(self) -> Mapping[str, Chain]:
        """Run id → its follow-up steps, as of the last check."""
        return {} if self._chains is None else self._chains.known

    async def begin_steps(self, run: Run, then: Sequence[str]) -> None:
        """Stores the steps after a run that was just started, with those that its engine needs; none are fine."""
        from smoltui.core.runs.chain import Step

        engine = self.engine_of(run)
        names = dict.fromkeys((*then, *engine.steps_after(run)))
        if names:
            await self.chains.begin(run, [Step(name, around=tuple(engine.around(run, name))) for name in names])

    def change_project(self, project: Project) -> None:
        """Watches over the follow-up steps of another project; what was begun for the previous one is finished."""
        self._project, self._chains = project, None

    # -- lists

    def look(self, *, jobs: bool = False) -> None:
        """Lists local runs now; with `jobs`, those of all engines."""
        if jobs:
            self._asked_at.clear()
        self._look_again.set()

    async def keep(self) -> None:
        """Keeps the lists up to date until it is cancelled."""
        while True:
            for name, engine in self._engines().items():
                if engine.place.here:
                    await self._list(engine)
                # Models of an engine that keeps its files here are used in other rooms, too.
                elif (self._lists_all() or engine.place.keeps_files) and self._is_due(name):
                    self._asked_at[name] = time.monotonic()
                    # In parallel: local runs must not wait for a service that does not respond.
                    if (earlier := self._listing.get(name)) is not None:
                        earlier.cancel()
                    self._listing[name] = self._spawn(partial(self._list, engine))
            here = {name for name, engine in self._engines().items() if engine.place.here}
            active = any(run.engine in here and not run.is_final for run in self.runs.values())
            try:
                async with asyncio.timeout(ACTIVE_SECONDS if active else IDLE_SECONDS):
                    await self._look_again.wait()
            except TimeoutError:
                pass
            self._look_again.clear()

    def _is_due(self, name: str) -> bool:
        if (asked_at := self._asked_at.get(name)) is None:
            return time.time() >= self.not_before.get(name, 0.0)
        every = BLURRED_SECONDS if self.blurred else JOBS_SECONDS
        if self._answered_at.get(name, asked_at) <= asked_at:  # asked again, a slow service would never answer
            every = max(every, STALE_SECONDS)
        return time.monotonic() - asked_at >= every and time.time() >= self.not_before.get(name, 0.0)

    async def _list(self, engine: Engine) -> None:
        name, asked_at = engine.name, time.monotonic()
        try:
            listed = await engine.list_runs()
            await self._load_curves(listed)
        except SmoltuiError as error:
            if isinstance(error, RateLimitedError):
                self.not_before[name] = time.time() + (error.retry_after or RATE_LIMIT_SECONDS) + 1
            if str(self.errors.get(name)) != str(error):
                self.errors = {**self.errors, name: error}
                self._changed()
            self._note_answer(name)
            return
        self.listed_at[name] = time.time()
        self.not_before.pop(name, None)
        if name in self.errors or _said(self.problems.get(name, {})) != _said(engine.problems):
            self.errors = {key: value for key, value in self.errors.items() if key != name}
            self.problems[name] = dict(engine.problems)
            self._changed()
        self._take_list(name, listed, asked_at=asked_at)
        self._note_answer(name)

    def knows(self, engine: str) -> bool:
        """Whether this engine has returned a list or an error at least once."""
        return engine in self.answered or engine not in self._engines()

    @property
    def reading(self) -> bool:
        """Whether some engine has not returned its first list yet, so that an empty list means nothing."""
        return not all(self.knows(name) for name in self._engines())

    def _note_answer(self, name: str) -> None:
        self._answered_at[name] = time.monotonic()
        if name not in self.answered:
            self.answered.add(name)
            self._changed()  # the message that there are no runs may be shown now

    async def _load_curves(self, listed: Sequence[Run]) -> None:
        """Reads the curves that the rules need, in a thread."""
        needed = [run.history for run in listed if not run.is_final and not run.history.loaded]
        if needed:
            await in_thread(lambda: load_all(needed))

    def _take_list(self, engine: str, listed: list[Run], *, asked_at: float) -> None:
        """`asked_at`: when the list was requested, `time.monotonic` seconds."""
        known = self.runs
        newer = {run_id: run for run_id, run in known.items() if self._acted_at.get(run_id, -math.inf) > asked_at}
        listed = [newer.pop(run.id, run) for run in listed]
        # A run that was started meanwhile costs money, and must not leave the list.
        kept = [run for run in known.values() if run.engine != engine or run.id in newer]
        # A list may know less about a run than its follower: what is known is kept.
        fresh = [richer(run, known.get(run.id)) for run in listed]
        merged = sorted([*kept, *fresh], key=lambda run: run.created_at or 0, reverse=True)
        for run in fresh:
            self._note_end(run, known.get(run.id))
        self._put({run.id: run for run in merged})
        self._follow_some()
        self._read_prices_for(fresh)
        self._settle(fresh)

    def _settle(self, runs: Sequence[Run]) -> None:
        """Learns where the models of completed runs of this project are, and why runs failed lately, each once."""
        due: list[Run] = []
        now = time.time()
        for run in runs:
            if run.id in self._settled or (engine := self._engines().get(run.engine)) is None or engine.place.here:
                continue
            ours = run.project == str(self._project.folder)
            failed = run.stage in (Stage.ERROR, Stage.CANCELED) and now - (run.finished_at or 0.0) < EXPLAINED_SECONDS
            if (failed and len(due) < EXPLAINED) or (ours and run.stage == Stage.COMPLETED and not run.pushed_to):
                self._settled.add(run.id)
                due.append(run)
        if due:
            self._spawn(partial(self._learn_ends, due))

    async def _learn_ends(self, runs: Sequence[Run]) -> None:
        """One after the other: each may read a log."""
        for run in runs:
            await self._learn_end(run)

    async def _learn_end(self, run: Run) -> None:
        try:
            known = await self.engine_of(run).settled(run)
        except SmoltuiError:
            self._settled.discard(run.id)  # asked again with the next list
            return
        if (listed := self.runs.get(run.id)) is None or listed.stage != known.stage:
            return
        if known.pushed_to:
            listed = replace(listed, pushed_to=known.pushed_to, model_path=known.model_path)
        self._update(
            replace(
                listed,
                message=known.message,
                hint=known.hint,
                step=known.step or listed.step,  # the one that the message names
                bar_steps=listed.bar_steps or known.bar_steps,
            )
        )

    def take_run(self, run: Run) -> None:
        """Updates a run with the answer to an act on it; a new one becomes the first of the list."""
        self._acted_at[run.id] = time.monotonic()
        self._update(run)

    def _update(self, run: Run) -> None:
        self._put({**({run.id: run} if run.id not in self.runs else {}), **self.runs, run.id: run})
        self._read_prices_for([run])

    def _put(self, runs: dict[str, Run]) -> None:
        if runs != self.runs or any(_has_news(run, self.runs[run.id]) for run in runs.values()):
            self.runs = runs
            self._changed()

    def _read_prices_for(self, runs: Sequence[Run]) -> None:
        for name in {run.engine for run in runs if run.flavor} - self._prices_asked:
            engine = self._engines().get(name)
            if engine is not None and "hardware" in engine.place.can:
                self._prices_asked.add(name)
                self._spawn(partial(self._read_prices, engine))

    async def _read_prices(self, engine: Engine) -> None:
        try:
            self._flavors[engine.name] = {flavor.name: flavor for flavor in await engine.hardware()}
        except SmoltuiError:
            self._prices_asked.discard(engine.name)  # the list of its runs reports the error; costs stay unknown

    def flavors(self, engine: str) -> list[Flavor]:
        """The flavors of an engine, with their prices; empty until its list was read."""
        return list(self._flavors.get(engine, {}).values())

    def flavor(self, engine: str, name: str | None) -> Flavor | None:
        """A flavor of an engine, with its price; None if the run has none, or the engine's list was not read yet."""
        return self._flavors.get(engine, {}).get(name or "")

    # -- active runs

    def engine_of(self, run: Run) -> Engine:
        """The engine of this run."""
        return self._engines()[run.engine]

    def follow(self, run: Run) -> Followed:
        """Follows a run for a reader of its events; ends its background follower."""
        found = self._begin(run)
        self._follow_some()  # perhaps the run that was open before
        return found

    def _begin(self, run: Run) -> Followed:
        earlier = self._followed.get(run.id)
        if earlier is not None and earlier.task is not None:
            earlier.task.cancel()
        heard_at = time.monotonic() if earlier is None else earlier.heard_at
        found = self._followed[run.id] = Followed(self, run, heard_at)
        return found

    def _follow_some(self) -> None:
        """Follows active runs that are not followed yet, the newest first."""
        in_background = sum(one.active and one.task is not None for one in self._followed.values())
        for run in self.runs.values():
            known = self._followed.get(run.id)
            if run.stage != Stage.RUNNING or run.engine not in self._engines() or (known is not None and known.active):
                continue
            if in_background >= FOLLOWED:
                return
            in_background += 1
            found = self._begin(run)
            found.task = self._spawn(partial(self._follow, found))

    async def _follow(self, followed: Followed) -> None:
        rested = time.monotonic()
        try:
            async with aclosing(followed.events()) as stream:
                async for _ in stream:
                    if time.monotonic() - rested > YIELD_SECONDS:  # a long log must not delay key presses
                        await asyncio.sleep(0)
                        rested = time.monotonic()
        except SmoltuiError:
            return  # the room and the list report it
        finally:
            self.let_go(followed)  # even if it was cancelled before it started

    def let_go(self, followed: Followed) -> None:
        """Forgets a follower that has ended. An active run gets another one when runs are listed next."""
        followed.active = False
        if followed.run.is_final and self._followed.get(followed.run.id) is followed:
            del self._followed[followed.run.id]

    def learn(self, learnt: Run) -> None:
        """Updates the list with what a follower knows about a run."""
        known = self.runs.get(learnt.id)
        if known is not None:
            new = richer(replace(known, history=History()), learnt)
            if not known.is_final and self._is_news(known, learnt) and self.engine_of(learnt).place.on_disk:
                self._asked_at.pop(learnt.engine, None)
                self.look()  # its log does not tell whether it can be resumed, which what follows it depends on
            elif not known.is_final and learnt.is_final:
                new = replace(
                    new,
                    stage=learnt.stage,
                    message=learnt.message,
                    hint=learnt.hint,
                    started_at=known.started_at if learnt.started_at is None else learnt.started_at,
                    finished_at=learnt.finished_at,
                )
                new = replace(new, resumable=new.resumable or can_resume(new))  # as the next list will say
                self._note_end(new, known)
            elif (
                (known.stage, learnt.stage) == (Stage.SCHEDULING, Stage.RUNNING)
                and known.started_at is None
                and not self.engine_of(learnt).place.on_disk
            ):  # its follower asks as soon as its log begins, long before the next list
                new = replace(new, stage=learnt.stage, message=learnt.message, started_at=learnt.started_at)
            elif known.stage == learnt.stage and learnt.is_final and not self.engine_of(learnt).place.on_disk:
                new = replace(new, message=learnt.message or new.message, hint=learnt.hint or new.hint)  # from its log
            self._update(new)

    def _is_news(self, known: Run, learnt: Run) -> bool:
        """Whether a follower knows more of a run's stage than the list; once for each stage, because a follower that
        reads the log of earlier parts repeats their stages."""
        news = learnt.stage, learnt.started_at
        if learnt.is_final or known.stage == learnt.stage or self._stages_told.get(known.id) == news:
            return learnt.is_final
        self._stages_told[known.id] = news
        return True

    def _note_end(self, run: Run, before: Run | None) -> None:
        """Rings the bell, with a sentence, at the end of a run in `waited`."""
        if run.is_final and before is not None and not before.is_final and run.id in self.waited:
            self.waited.discard(run.id)
            verdict = self.verdict(run)
            said = verdict.sentence if verdict is not None else ""
            self._ring(f"{run.name} ended: {run.stage}{f'. {said}' if said else ''}")

    def verdict(self, run: Run) -> Verdict | None:
        """What the end of a run comes to; None if it has not ended."""
        from smoltui.core.runs.verdict import verdict_of

        return verdict_of(run, cost=self.cost(run, time.time()))

    # -- rules and follow-up steps

    async def watch(self, *, chains: bool = True) -> None:
        """Checks the rules, and with `chains` the follow-up steps, until it is cancelled."""
        while True:
            await asyncio.sleep(RULES_SECONDS)
            await self.look_at_rules()
            if chains:
                await self.chains.look(self.runs)

    def settings(self) -> WatchSettings:
        """The rules in smoltui.toml; the defaults if it cannot be read, which the Recipe room reports."""
        try:
            return self._project.settings().watch
        except SmoltuiError:
            return WatchSettings()

    async def look_at_rules(self) -> None:
        """Finds the rules whose condition is met, and reports new ones to the person."""
        from smoltui.core.runs.rules import waits_long, watched  # not before the first frame

        settings = await in_thread(self.settings)
        now, tick = time.time(), time.monotonic()
        holding: dict[str, list[Warned]] = {}
        for run in self.runs.values():
            if run.is_final:
                continue
            followed = self._followed.get(run.id)
            waits = bool(settings.waiting_minutes) and waits_long(run, settings.waiting_minutes, now)
            found = watched(
                run,
                settings,
                now,
                cost=self.cost(run, now),
                quiet_for=None if followed is None else tick - followed.heard_at,
                seconds_left=None if followed is None else followed.pace.seconds_left(run.step, run.max_steps),
                others=await self._others(run) if waits else (),
            )
            if found:
                holding[run.id] = found
            for one in found:
                if (run.id, one.rule) not in self._told:
                    self._told.add((run.id, one.rule))
                    self._say(f"{run.name}: {one.sentence}", "warning")
                    if one.rule == "cost_usd" and settings.cancel_over_cost:
                        self._spawn(partial(self._cancel, run))
        self.warned = holding

    async def _others(self, run: Run) -> Sequence[Flavor]:
        """Flavors that may replace that of a run which waits for it; found once."""
        from smoltui.backends.runs.waiting import other_flavors

        if run.id not in self._alternatives and (flavors := self._flavors.get(run.engine)):
            self._alternatives[run.id] = await in_thread(lambda: other_flavors(run, list(flavors.values())))
        return self._alternatives.get(run.id, ())

    async def _cancel(self, run: Run) -> None:
        try:
            self.take_run(await self.engine_of(run).cancel(run.id))
            self._say(f"{run.name} was canceled: its cost exceeded watch.cost_usd", "warning")
        except SmoltuiError as error:
            self._say(str(error), "error")

    def cost(self, run: Run, now: float) -> float | None:
        """USD so far; None if the run is free, or its price is unknown."""
        from smoltui.core.runs.cost import cost_of

        return cost_of(run, partial(self.flavor, run.engine), now) if run.flavor else None


def _has_news(run: Run, known: Run) -> bool:
    """Whether a run has a curve that the known one doesn't have; nothing else may differ if its log tells no steps."""
    return run.history is not known.history and run.history.known


def _said(problems: Mapping[str, SmoltuiError]) -> dict[str, str]:
    """What is shown of them: each list has errors of its own."""
    return {owner: str(error) for owner, error in problems.items()}
