"""What is known of all runs, without an app: lists, followed runs, rules, follow-up steps, bells."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.project.project import Project
from smoltui.backends.runs import chains, followed, monitor
from smoltui.backends.runs.monitor import RunMonitor
from smoltui.core.runs import events
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import RateLimitedError, SmoltuiError, UnreachableError
from tests.toy_engine import TOY, ToyEngine

Wait = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACTIVE_SECONDS", "IDLE_SECONDS", "RULES_SECONDS"):
        monkeypatch.setattr(monitor, name, 0.02)
    monkeypatch.setattr(followed, "TELL_SECONDS", 0.02)


class Counting(ToyEngine):
    """Counts what is asked of it."""

    def __init__(self, name: str = "toy") -> None:
        super().__init__()
        self.place = replace(TOY, name=name, here=name == "local")
        self.listed = self.followers = self.most = self.priced = 0
        self.usd_per_minute = 1.0
        self.refuses: SmoltuiError | None = None
        self.takes = 0.0

    async def hardware(self) -> list[Flavor]:
        self.priced += 1
        if self.refuses is not None:
            raise self.refuses
        return [Flavor("big", "", "", None, "A100", 1, None, self.usd_per_minute, 0.0)]

    async def list_runs(self) -> list[Run]:
        self.listed += 1
        await asyncio.sleep(self.takes)
        if self.refuses is not None:
            raise self.refuses
        return await super().list_runs()

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        self.followers += 1
        self.most = max(self.most, self.followers)
        try:
            async with aclosing(super().follow(run_id, follow=follow, tail=tail)) as stream:
                async for event in stream:
                    yield event
        finally:
            self.followers -= 1


class Person:
    """Who looks at a monitor: what they were told, and whether they look at all engines."""

    def __init__(self, folder: Path, *engines: ToyEngine) -> None:
        self.said: list[tuple[str, str]] = []
        self.rung: list[str] = []
        self.changes = 0
        self.looks = True
        self._tasks: list[asyncio.Task[None]] = []
        self.monitor = RunMonitor(
            Project(folder),
            lambda: {engine.name: engine for engine in engines},
            changed=self._changed,
            say=lambda text, how: self.said.append((how, text)),
            ring=self.rung.append,
            spawn=self._spawn,
            lists_all=lambda: self.looks,
        )

    def _changed(self) -> None:
        self.changes += 1

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(work()))
        return self._tasks[-1]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[RunMonitor]:
        self._spawn(self.monitor.keep)
        self._spawn(self.monitor.watch)
        try:
            yield self.monitor
            assert not [task for task in self._tasks if task.done() and not task.cancelled() and task.exception()]
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


def spec(folder: Path, recipe: str, name: str = "toy run") -> RunSpec:
    return RunSpec(name, str(folder), recipe, str(folder / "out"), f"label-{name}")


async def test_lists(tmp_path: Path, wait_until: Wait) -> None:
    """This machine is always listed, other engines while they are on screen; an error stays until a list arrives."""
    local, hub = Counting("local"), Counting("hub")
    hub.refuses = UnreachableError("The Hub is away", "Wait.")
    person = Person(tmp_path, local, hub)
    person.looks = False
    assert person.monitor.reading
    async with person.at_work() as watching:
        await wait_until(lambda: local.listed > 2)
        assert hub.listed == 0 and watching.reading and watching.knows("local") and not watching.knows("hub")
        person.looks = True
        await wait_until(lambda: str(watching.errors.get("hub")) == str(hub.refuses))
        assert hub.listed == 1 and not watching.reading
        hub.refuses = None
        run = await hub.submit(spec(tmp_path, "steps: 1\n"))
        before = person.changes
        watching.look(jobs=True)
        await wait_until(lambda: run.id in watching.runs and not watching.errors)
        assert hub.listed == 2 and person.changes > before and "hub" in watching.listed_at


async def test_a_stage_that_a_follower_knows_first(tmp_path: Path) -> None:
    """A cluster is asked twice a minute; the log says sooner that a run has started. It is asked once for that."""
    cluster = Counting("cluster")
    cluster.place = replace(cluster.place, keeps_files=True)
    person = Person(tmp_path, cluster)
    waits = replace(await cluster.submit(spec(tmp_path, "end: hang\n")), stage=Stage.SCHEDULING, started_at=None)
    watching = person.monitor
    watching.take_run(waits)
    runs = replace(waits, stage=Stage.RUNNING, started_at=1.0)
    for again in (True, False):
        watching._asked_at["cluster"] = time.monotonic()
        watching.learn(runs)
        assert watching._is_due("cluster") is again


async def test_a_job_that_its_log_says_has_started(tmp_path: Path) -> None:
    """Jobs are listed rarely, too: the follower's stage holds until then, and no older one comes back."""
    jobs = Counting("jobs")
    person = Person(tmp_path, jobs)
    waits = replace(await jobs.submit(spec(tmp_path, "end: hang\n")), stage=Stage.SCHEDULING, started_at=None)
    watching = person.monitor
    watching.take_run(waits)
    watching.learn(replace(waits, stage=Stage.RUNNING, started_at=1.0, step=3))
    watching.learn(waits)
    run = watching.runs[waits.id]
    assert (run.stage, run.started_at, run.step) == (Stage.RUNNING, 1.0, 3)


async def test_an_answer_that_takes_longer_than_the_time_between_two_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """It is waited for, not asked for again; whoever asks for a new list gets one."""
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.05)
    hub = Counting("hub")
    hub.takes = 0.4
    hub.refuses = UnreachableError("The Hub is away", "Wait.")
    person = Person(tmp_path, hub)
    async with person.at_work() as watching:
        await wait_until(lambda: "hub" in watching.errors, 5)
        assert hub.listed == 1
        await wait_until(lambda: hub.listed == 2, 5)
        watching.look(jobs=True)
        await wait_until(lambda: hub.listed == 3, 0.3)


async def test_an_engine_that_asks_for_a_pause(tmp_path: Path, wait_until: Wait) -> None:
    hub = Counting("hub")
    hub.refuses = RateLimitedError("Too many requests", "Wait.", retry_after=40)
    person = Person(tmp_path, hub)
    async with person.at_work() as watching:
        await wait_until(lambda: "hub" in watching.not_before)
        watching.look(jobs=True)
        await asyncio.sleep(0.2)
        assert hub.listed == 1


async def test_active_runs_are_followed_and_read_over_one_connection(tmp_path: Path, wait_until: Wait) -> None:
    """The list has their figures. A reader gets every event from the first, and releases the run again."""
    engine = Counting("local")
    run = await engine.submit(spec(tmp_path, f"steps: 5\nuntil: {tmp_path / 'go'}\n"))
    person = Person(tmp_path, engine)
    async with person.at_work() as watching:
        await wait_until(lambda: watching.runs[run.id].step == 4 if run.id in watching.runs else False)
        assert watching.runs[run.id].max_steps == 5 and engine.followers == 1
        read: list[events.Event] = []
        followed = watching.follow(watching.runs[run.id])
        async with aclosing(followed.events()) as stream:
            async for event in stream:
                read.append(event)
                if isinstance(event, events.Metrics) and event.step == 4:
                    break
        assert isinstance(read[0], events.LogLine) and followed.run.history.last("loss") == pytest.approx(0.66)
        await wait_until(lambda: engine.followers == 1)  # in the background again
        (tmp_path / "go").touch()
        await wait_until(lambda: watching.runs[run.id].stage == Stage.COMPLETED)
        assert watching.runs[run.id].step == 5 and watching.runs[run.id].history.last("loss") == pytest.approx(0.65)
        await wait_until(lambda: engine.followers == 0)
    assert engine.most <= 2  # one that ends and one that begins


async def test_a_thousand_active_runs_are_not_a_thousand_connections(tmp_path: Path, wait_until: Wait) -> None:
    engine = Counting("local")
    for number in range(30):
        await engine.submit(spec(tmp_path, "steps: 1\nend: hang\n", f"run {number}"))
    async with Person(tmp_path, engine).at_work():
        await wait_until(lambda: engine.followers == monitor.FOLLOWED)
        await asyncio.sleep(0.1)
        assert engine.most == monitor.FOLLOWED


async def test_rules(tmp_path: Path, wait_until: Wait) -> None:
    """A rule is reported once; a run over its limit is cancelled if that is set."""
    (tmp_path / "smoltui.toml").write_text("[watch]\ncost_usd = 1\ncancel_over_cost = true\n")
    engine = Counting("local")
    sick = await engine.submit(spec(tmp_path, "steps: 1\nend: hang\n"))
    person = Person(tmp_path, engine)
    async with person.at_work() as watching:
        await wait_until(lambda: sick.id in watching.runs and watching.runs[sick.id].step == 1)
        await asyncio.sleep(0.1)
        assert not watching.warned and not person.said
        watching.cost = lambda run, now: 2.0  # type: ignore[method-assign]  # nothing on this machine costs
        engine._say(sick.id, events.Metrics(step=2, values={"loss": math.nan}))
        await wait_until(lambda: watching.runs[sick.id].stage == Stage.CANCELED)
        await wait_until(lambda: len(person.said) == 3)
    assert sorted(person.said) == [
        ("warning", "toy run was canceled: its cost exceeded watch.cost_usd"),
        ("warning", "toy run: Cost so far 2.00 USD, over the limit of 1.00 USD"),
        (
            "warning",
            "toy run: The loss has been NaN or infinite since step 2: the weights are lost. "
            "Lower the learning rate by a factor of 3 to 10",
        ),
    ]


async def test_each_engine_has_its_own_prices(tmp_path: Path, wait_until: Wait) -> None:
    """Two services have a flavor of one name: the price is that of the run's engine, asked again if it refused."""
    cheap, dear, free = Counting("cheap"), Counting("dear"), Counting("free")
    cheap.place, dear.place = (replace(engine.place, can=frozenset({"hardware"})) for engine in (cheap, dear))
    dear.usd_per_minute, dear.refuses = 7.0, UnreachableError("It is away", "Wait.")
    person = Person(tmp_path, cheap, dear, free)
    runs = [
        Run(f"r-{name}", name, "n", Stage.RUNNING, started_at=0.0, flavor="big") for name in ("cheap", "dear", "free")
    ]
    for run in runs:
        person.monitor.take_run(run)
    await wait_until(lambda: cheap.priced == dear.priced == 1 and person.monitor.cost(runs[0], 60.0) == 1.0)
    assert person.monitor.cost(runs[1], 60.0) is None
    dear.refuses = None
    person.monitor.take_run(runs[1])
    await wait_until(lambda: person.monitor.cost(runs[1], 60.0) == 7.0)
    assert person.monitor.cost(runs[2], 60.0) is None and free.priced == 0
    person.monitor.take_run(runs[0])
    assert person.monitor.flavor("cheap", None) is None and cheap.priced == 1


async def test_a_silent_run(tmp_path: Path, wait_until: Wait) -> None:
    (tmp_path / "smoltui.toml").write_text("[watch]\nsilent_minutes = 0.002\n")
    engine = Counting("local")
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang\n"))
    person = Person(tmp_path, engine)
    async with person.at_work() as watching:
        await wait_until(lambda: [one.rule for one in watching.warned.get(run.id, [])] == ["silent_minutes"])


async def test_a_step_follows_and_a_bell_rings(
    tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def do(step: Step, chain: Chain) -> None:
        done.append(chain.run_id)

    monkeypatch.setattr(chains, "do", do)
    engine = Counting("local")
    run = await engine.submit(spec(tmp_path, f"steps: 2\nuntil: {tmp_path / 'go'}\n"))
    person = Person(tmp_path, engine)
    await person.monitor.begin_steps(run, ("ask",))
    async with person.at_work() as watching:
        await wait_until(lambda: run.id in watching.runs)
        watching.waited.add(run.id)
        (tmp_path / "go").touch()
        await wait_until(lambda: ("information", "toy run → ask: done") in person.said)
        assert watching.follow_ups[run.id].steps[0].stage == Stage.COMPLETED
    assert done == [run.id] and len(person.rung) == 1
    assert person.rung[0].startswith("toy run ended: COMPLETED. The model is saved: ")


async def test_what_follows_a_run_waits_while_nobody_knows_whether_it_can_be_resumed(
    tmp_path: Path, wait_until: Wait
) -> None:
    """The log of a paused run tells its end before the list does, and only the list tells that it can be resumed."""
    paused, listed = asyncio.Event(), asyncio.Event()
    listed.set()

    class Pausing(Counting):
        run = Run("r1", "local", "n", Stage.RUNNING, project=str(tmp_path))

        async def list_runs(self) -> list[Run]:
            await listed.wait()
            self.listed += 1
            return [self.run]

        async def follow(
            self, run_id: str, *, follow: bool = True, tail: int | None = None
        ) -> AsyncGenerator[events.Event, None]:
            self.followers += 1
            await paused.wait()
            yield events.StageChanged(stage=Stage.CANCELED, message="Paused at step 3")

    chains.save(Chain("r1", str(tmp_path), (Step("ask"),)))
    engine = Pausing("local")
    person = Person(tmp_path, engine)
    async with person.at_work() as watching:
        await wait_until(lambda: engine.followers == 1 and "r1" in watching.follow_ups)
        listed.clear()
        paused.set()
        await asyncio.sleep(0.3)
        engine.run = replace(engine.run, stage=Stage.CANCELED, resumable=True)
        listed.set()
        await wait_until(lambda: watching.runs["r1"].is_final)
        known = chains.read("r1")
        assert known is not None and known.steps[0].stage == Stage.SCHEDULING


def test_the_list_learns_of_a_start_and_of_figures_from_the_log(tmp_path: Path) -> None:
    """The Job was queued when runs were listed; its log has a loss, but no steps. It ends after two minutes."""
    engine = Counting()
    person = Person(tmp_path, engine)
    listed = Run("7", "toy", "short", Stage.SCHEDULING, flavor="big")
    person.monitor.take_run(listed)
    person.monitor._flavors["toy"] = {"big": Flavor("big", "", "", None, "A100", 1, None, 1.0, 0.0)}
    person.monitor.waited.add("7")
    following = followed.Followed(person.monitor, listed, 0.0)
    following._take(events.StageChanged(stage=Stage.RUNNING, at=100.0))
    person.monitor.learn(following.run)
    shown = person.monitor.runs["7"]
    assert (shown.stage, shown.started_at, shown.history.last("loss")) == (Stage.RUNNING, 100.0, None)
    following._take(events.Metrics(values={"loss": 0.5}))
    person.monitor.learn(following.run)
    assert person.monitor.runs["7"].history.last("loss") == 0.5
    following._take(events.StageChanged(stage=Stage.COMPLETED, at=220.0))
    assert person.rung == ["short ended: COMPLETED. Cost: 2.00 USD"]


def test_a_run_that_has_ended_keeps_its_figures_while_its_log_is_read(tmp_path: Path) -> None:
    """I open Runs: the row of a finished run shows its last loss, not the first one of its log."""
    person = Person(tmp_path, Counting())
    ended = Run("7", "toy", "short", Stage.COMPLETED, step=40).after(events.Metrics(step=40, values={"loss": 0.25}))
    person.monitor.take_run(ended)
    following = followed.Followed(person.monitor, ended, 0.0)
    for event in (events.StageChanged(stage=Stage.RUNNING, at=1.0), events.Metrics(step=1, values={"loss": 0.7})):
        following._take(event)
        assert person.monitor.runs["7"].history.last("loss") == 0.25 and person.monitor.runs["7"].step == 40


async def test_the_step_of_an_ended_run_is_the_one_that_its_message_names(tmp_path: Path, wait_until: Wait) -> None:
    """The list knew an earlier step when the run ended, and the log says how far it came."""

    class Explaining(Counting):
        async def settled(self, run: Run) -> Run:
            return replace(run, step=49, bar_steps=100, message="Canceled by you at step 49 of 100")

    person = Person(tmp_path, Explaining())
    person.monitor._take_list(
        "toy", [Run("7", "toy", "short", Stage.CANCELED, step=30, finished_at=time.time())], asked_at=time.monotonic()
    )
    await wait_until(lambda: person.monitor.runs["7"].message == "Canceled by you at step 49 of 100")
    assert (person.monitor.runs["7"].step, person.monitor.runs["7"].max_steps) == (49, 100)


async def test_a_list_that_was_requested_before_a_start_does_not_remove_it(tmp_path: Path, wait_until: Wait) -> None:
    """The list is slow, and I start a run and resume another meanwhile: neither is lost or ended by what it says. The
    next list is newer than both."""
    engine = Counting()
    engine.takes = 0.3
    person = Person(tmp_path, engine)
    person.monitor.waited.add("old")
    old, answer = Run("old", "toy", "old", Stage.ERROR), [Run("old", "toy", "old", Stage.ERROR)]

    async def list_runs() -> list[Run]:
        found = list(answer)
        await asyncio.sleep(engine.takes)
        return found

    engine.list_runs = list_runs  # type: ignore[method-assign]
    person.monitor._take_list("toy", [old], asked_at=time.monotonic())
    listing = asyncio.create_task(person.monitor._list(engine))
    await asyncio.sleep(0.05)
    person.monitor.take_run(Run("new", "toy", "new", Stage.SCHEDULING))
    person.monitor.take_run(replace(old, stage=Stage.RUNNING))
    await listing
    assert {run.id: run.stage for run in person.monitor.runs.values()} == {"old": "RUNNING", "new": "SCHEDULING"}
    assert not person.rung
    await person.monitor._list(engine)
    assert {run.id: run.stage for run in person.monitor.runs.values()} == {"old": "ERROR"} and person.rung


def test_what_is_told_of_a_run_stays_when_a_list_knows_less(tmp_path: Path) -> None:
    """A list that has no curves takes nothing away; only what differs is a change."""
    person = Person(tmp_path)

    def run() -> Run:
        return Run("j1", "hub", "job", Stage.RUNNING, created_at=1.0)

    person.monitor.take_run(run())
    person.monitor.learn(run().after(events.Metrics(step=3, values={"loss": 0.5})))
    person.monitor._take_list("hub", [run()], asked_at=time.monotonic())
    assert person.monitor.runs["j1"].step == 3 and person.monitor.runs["j1"].history.last("loss") == 0.5
    assert person.changes == 2
