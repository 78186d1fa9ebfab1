"""What the app knows of all runs, kept up to date while it lives: lists, curves of those that go on, prices, rules.

Local runs are listed all the time, other engines while the room of runs is open, at a rate that leaves most of an
account's requests to others. Runs that go on are followed in the background, so that the list has their last figures
and the rules hold for all of them, not only for the one that is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.worker import Worker

from smoltui.core.runs import events
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.metrics import History, load_all
from smoltui.core.runs.pace import Pace
from smoltui.core.runs.rules import Warned, WatchSettings, watched
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import RateLimitedError, SmoltuiError

if TYPE_CHECKING:
    from smoltui.app import SmoltuiApp
    from smoltui.backends.runs.engine import Engine
    from smoltui.core.runs.cost import Flavor

ACTIVE_SECONDS = 0.5
"""How often local runs are looked at while one is active."""
IDLE_SECONDS = 3.0
"""…and while none is: another terminal may have started one."""
JOBS_SECONDS = 15.0
"""How often Jobs are listed while the Runs room is open: 20 requests in the 5 minutes in which 1 000 are allowed."""
BLURRED_SECONDS = 60.0
"""…and while the terminal's window does not have the focus, where the terminal tells."""
STALE_SECONDS = 40.0
"""A list older than this is said to be: two in a row did not come."""
RATE_LIMIT_SECONDS = 60.0
"""The wait after a 429 that names none."""
FOLLOWED = 10
"""Runs followed in the background at most: each is a connection."""
RULES_SECONDS = 2.0
"""How often the rules are looked at."""
TELL_SECONDS = 1.0
"""How often a followed run is put into the list."""


class RunKeeper:
    """Belongs to one app; everything happens on its event loop."""

    def __init__(self, app: SmoltuiApp) -> None:
        self._app = app
        self._look_again = asyncio.Event()
        self._asked_at: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()
        self._followed: dict[str, Worker[None]] = {}
        self._read: str | None = None
        self._prices_asked = False
        self.blurred = False
        """The terminal's window does not have the focus."""
        self.listed_at: dict[str, float] = {}
        """Engine → when its list last came, seconds since the epoch."""
        self.not_before: dict[str, float] = {}
        """Engine → when it may be asked again after it asked for a pause, seconds since the epoch."""
        self.answered: set[str] = set()
        """Engines that have answered, with a list or with why there is none."""
        self.prices: dict[str, Flavor] = {}
        """Flavor by name; empty until a Job was seen and the Hub's list has come."""
        self.warned: dict[str, list[Warned]] = {}
        """Run → the rules that hold for it."""
        self.heard: dict[str, float] = {}
        """Run → when its last line came here, `time.monotonic` seconds."""
        self.paces: dict[str, Pace] = {}
        self.chains: dict[str, Chain] = {}
        """Run → what follows it."""
        self._doing: set[str] = set()
        self.waited: set[str] = set()
        """Runs whose end is to be told with a bell."""

    # -- lists

    def look(self, *, jobs: bool = False) -> None:
        """Lists the runs again now; Jobs too when asked."""
        if jobs:
            self._asked_at.clear()
        self._look_again.set()

    async def keep(self) -> None:
        """Goes on for as long as the app lives."""
        app = self._app
        while True:
            for name, engine in app.services.engines.items():
                if name == "local":
                    await self._list(engine)
                elif app.current_mode == "runs" and self._is_due(name):
                    self._asked_at[name] = time.monotonic()
                    # Beside the local runs, which must not wait for a service that does not answer.
                    # A partial: one that is replaced before it began leaves no coroutine that nobody awaits.
                    listing = partial(self._list, engine)
                    app.run_worker(listing, group=f"list {name}", exclusive=True)  # type: ignore[arg-type]  # None is a result
            active = any(run.engine == "local" and not run.is_final for run in app.runs.values())
            try:
                async with asyncio.timeout(ACTIVE_SECONDS if active else IDLE_SECONDS):
                    await self._look_again.wait()
            except TimeoutError:
                pass
            self._look_again.clear()

    def _is_due(self, name: str) -> bool:
        every = BLURRED_SECONDS if self.blurred else JOBS_SECONDS
        waited = time.monotonic() - self._asked_at.get(name, -every)
        return waited >= every and time.time() >= self.not_before.get(name, 0.0)

    async def _list(self, engine: Engine) -> None:
        app, name = self._app, engine.name
        try:
            listed = await engine.list_runs()
            await self._load_curves(listed)
        except SmoltuiError as error:
            self._note_answer(name)
            if isinstance(error, RateLimitedError):
                self.not_before[name] = time.time() + (error.retry_after or RATE_LIMIT_SECONDS) + 1
            if str(app.runs_errors.get(name)) != str(error):
                app.runs_errors = {**app.runs_errors, name: error}
            return
        self.listed_at[name] = time.time()
        self.not_before.pop(name, None)
        if name in app.runs_errors:
            app.runs_errors = {key: value for key, value in app.runs_errors.items() if key != name}
        self._take_list(name, listed)
        self._note_answer(name)

    def knows(self, engine: str) -> bool:
        """Whether this engine has said at least once which runs it has, or why it cannot."""
        return engine in self.answered or engine not in self._app.services.engines

    @property
    def reading(self) -> bool:
        """Whether an engine has yet to say which runs it has: until then nobody knows that there are none."""
        return not all(self.knows(name) for name in self._app.services.engines)

    def _note_answer(self, name: str) -> None:
        if name not in self.answered:
            self.answered.add(name)
            self._app.mutate_reactive(type(self._app).runs)  # what says that there are none may now say so

    async def _load_curves(self, listed: Sequence[Run]) -> None:
        """Reads, in a thread, the curves that the rules look at."""
        from smoltui.backends.system.threads import in_thread

        needed = [run.history for run in listed if not run.is_final and not run.history.loaded]
        if needed:
            await in_thread(lambda: load_all(needed))

    def _take_list(self, engine: str, listed: list[Run]) -> None:
        known = self._app.runs
        kept = [run for run in known.values() if run.engine != engine]
        # A list may know less of a run than who follows it: what was learnt stays.
        fresh = [richer(run, known.get(run.id)) for run in listed]
        merged = sorted([*kept, *fresh], key=lambda run: run.created_at or 0, reverse=True)
        new = {run.id: run for run in merged}
        for run in fresh:
            self._note_end(run, known.get(run.id))
        if new != known:
            self._app.runs = new
        self._follow_some()
        if not self._prices_asked and any(run.flavor for run in fresh):
            self._prices_asked = True
            self._app.run_worker(self._read_prices(), group="prices")

    async def _read_prices(self) -> None:
        from smoltui.backends.hub.client import flavors

        try:
            self.prices = {flavor.name: flavor for flavor in await flavors()}
        except SmoltuiError:
            self._prices_asked = False  # the list of Jobs says what is wrong; costs stay unknown until it comes

    # -- runs that go on

    def _follow_some(self) -> None:
        """Follows what runs and is not followed yet, the newest first."""
        running = [run for run in self._app.runs.values() if run.stage == Stage.RUNNING and run.id != self._read]
        for run in running:
            if len(self._followed) >= FOLLOWED:
                return
            if run.id not in self._followed:
                self._followed[run.id] = self._app.run_worker(self._follow(run), group=f"keep {run.id}")

    async def _follow(self, run: Run) -> None:
        engine = self._app.services.engines.get(run.engine)
        pace = self.paces[run.id] = Pace()
        learnt = replace(run, history=History(), step=0)
        told = slept = self.heard[run.id] = time.monotonic()  # one that never says a word is silent from here on
        try:
            if engine is None:
                return
            async with aclosing(engine.follow(run.id)) as stream:
                async for event in stream:
                    now = time.monotonic()
                    self.heard[run.id] = now
                    if isinstance(event, events.LogLine):
                        if now - slept > 0.02:  # a long log must not hold up the keys
                            await asyncio.sleep(0)
                            slept = time.monotonic()
                        continue
                    learnt = learnt.after(event)
                    if isinstance(event, events.Progress | events.Metrics) and event.at is not None:
                        pace.observe(event.at, event.step)
                    if now - told > TELL_SECONDS or learnt.is_final:
                        told = now
                        self.learn(learnt)
            self.learn(learnt)
        except SmoltuiError:
            return  # who reads the run is told by the room, who lists it by the list
        finally:
            self._followed.pop(run.id, None)

    def reads(self, run_id: str | None) -> None:
        """The room follows this run itself (None: none), and tells what it learns: its log need not come twice."""
        self._read = run_id
        if run_id is not None:
            self.heard.setdefault(run_id, time.monotonic())
        if run_id is not None and (worker := self._followed.pop(run_id, None)) is not None:
            worker.cancel()
        self._follow_some()

    def learn(self, learnt: Run) -> None:
        """Takes over what was learnt of a run by following it."""
        known = self._app.runs.get(learnt.id)
        if known is not None:
            new = richer(replace(known, history=History()), learnt)
            if not known.is_final and learnt.is_final:
                new = replace(new, stage=learnt.stage, message=learnt.message, finished_at=learnt.finished_at)
                self._note_end(new, known)
            self._app.take_run(new)

    def _note_end(self, run: Run, before: Run | None) -> None:
        """A bell and a word at the end of a run that is waited for."""
        if run.is_final and before is not None and not before.is_final and run.id in self.waited:
            self.waited.discard(run.id)
            self._app.ring(f"{run.name} ended: {run.stage}{f', {run.message}' if run.message else ''}")

    # -- chains

    async def look_at_chains(self) -> None:
        """Starts the steps whose turn has come, of this project's runs."""
        from smoltui.backends.runs import chains
        from smoltui.backends.system.threads import in_thread

        # A chain whose steps are done here is newer in memory than on the disk.
        self.chains = {**await in_thread(chains.read_all), **{key: self.chains[key] for key in self._doing}}
        for run_id, chain in self.chains.items():
            run = self._app.runs.get(run_id)
            if run is None or run_id in self._doing or chain.project != str(self._app.project.folder):
                continue
            if (broken := chain.broken_by(run)) is not None:
                self._keep_chain(broken)
            elif chain.due(run) is not None:
                self._doing.add(run_id)
                self._app.run_worker(self._go_on(run, chain), group=f"chain {run_id}")

    def begin_chain(self, run: Run, steps: Sequence[str]) -> None:
        """What is to follow a run that was just started; says so where it cannot be written down."""
        self._keep_chain(Chain(run.id, run.project or "", tuple(Step(name) for name in steps)))

    async def _go_on(self, run: Run, chain: Chain) -> None:
        from smoltui.backends.runs import chains

        try:
            with chains.claimed(run.id) as mine:
                while mine and (number := chain.due(run)) is not None:
                    chain = self._keep_chain(chain.with_step(number, stage=Stage.RUNNING, started_at=time.time()))
                    changes: dict[str, object] = {"stage": Stage.COMPLETED}
                    try:
                        await chains.do(chain.steps[number], chain)
                    except SmoltuiError as error:
                        changes = {"stage": Stage.ERROR, "message": error.message}
                    except asyncio.CancelledError:
                        self._keep_chain(chain.with_step(number, stage=Stage.SCHEDULING, started_at=None))
                        raise
                    chain = self._keep_chain(chain.with_step(number, finished_at=time.time(), **changes))
                    said = "done" if changes["stage"] == Stage.COMPLETED else f"failed: {changes['message']}"
                    self._app.say(f"{run.name} → {chain.steps[number].name}: {said}")
        except OSError as error:
            self._app.say(f"The follow-up steps of {run.name} cannot be started: {error.strerror}", "error")
        finally:
            self._doing.discard(run.id)

    def _keep_chain(self, chain: Chain) -> Chain:
        from smoltui.backends.runs import chains

        self.chains[chain.run_id] = chain
        try:
            chains.save(chain)
        except SmoltuiError as error:
            self._app.say(str(error), "error")
        return chain

    # -- rules

    def settings(self) -> WatchSettings:
        """The rules as smoltui.toml has them; the defaults where it cannot be read, which the room of recipes says."""
        try:
            return self._app.project.settings().watch
        except SmoltuiError:
            return WatchSettings()

    async def look_at_rules(self) -> None:
        """Works out which rules hold, and tells of those that did not hold before."""
        from smoltui.backends.system.threads import in_thread

        settings = await in_thread(self.settings)
        now, tick = time.time(), time.monotonic()
        holding: dict[str, list[Warned]] = {}
        for run in self._app.runs.values():
            if run.is_final:
                continue
            heard, pace = self.heard.get(run.id), self.paces.get(run.id)
            found = watched(
                run, settings, now, cost=self.cost(run, now), quiet_for=None if heard is None else tick - heard,
                seconds_left=pace.seconds_left(run.step, run.max_steps) if pace else None,
            )  # fmt: skip
            if found:
                holding[run.id] = found
            for one in found:
                if (run.id, one.rule) not in self._told:
                    self._told.add((run.id, one.rule))
                    self._app.say(f"{run.name}: {one.sentence}", "warning")
                    if one.rule == "cost_usd" and settings.cancel_over_cost:
                        self._app.run_worker(self._cancel(run), group=f"over cost {run.id}")
        self.warned = holding

    async def _cancel(self, run: Run) -> None:
        try:
            self._app.take_run(await self._app.services.engines[run.engine].cancel(run.id))
            self._app.say(f"{run.name} was cancelled: its cost exceeded watch.cost_usd", "warning")
        except SmoltuiError as error:
            self._app.say(str(error), "error")

    def cost(self, run: Run, now: float) -> float | None:
        """USD so far; None for what costs nothing here and where no price is known."""
        from smoltui.core.runs.cost import cost_so_far

        return cost_so_far(self.prices.get(run.flavor), run, now) if run.flavor else None


def richer(run: Run, known: Run | None) -> Run:
    """`run` with what only `known` holds: the plan, the step and the curve come from the log, not from a list."""
    if known is None or run.history.known or not (known.history.known or known.plan or known.step):
        return run
    return replace(
        run, plan=run.plan or known.plan, bar_steps=run.bar_steps or known.bar_steps,
        step=max(run.step, known.step), history=known.history,
        phase=run.phase or known.phase, moved=run.moved if run.moved is not None else known.moved,
        model_path=run.model_path or known.model_path, pushed_to=run.pushed_to or known.pushed_to,
    )  # fmt: skip
