"""One contract for every engine: this machine, Jobs, and one that somebody writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.jobs import engine as hub_engine
from smoltui.backends.jobs import log_merge as log_stream
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs.engine import Engine
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError, NotFoundOnHubError
from tests.hub.server import TOKEN, LocalHub, local_hub
from tests.paths import FAKE_TRAINING
from tests.toy_engine import ToyEngine

SCRIPT = FAKE_TRAINING
LIBRARY = "a warning of a library\x1b[31m"


@dataclass
class Case:
    """An engine, and what it takes that a run of it goes on."""

    engine: Engine
    spec: RunSpec
    play: Callable[[Run, str], Awaitable[None]]
    """Lets the run that was started do what its recipe says, where nobody else does."""


async def by_itself(run: Run, recipe: str) -> None:
    """This engine really runs what it is given."""


def a_job(server: LocalHub) -> Callable[[Run, str], Awaitable[None]]:
    """The Job says what `fake_training.py` says."""

    async def play(run: Run, recipe: str) -> None:
        job = server.jobs[run.id]
        job.stage = "RUNNING"
        steps = int(recipe.split("steps: ")[1].split("\n")[0])
        job.say("===== Job started at noon =====", LIBRARY)
        job.say(events.dump(events.Planned(max_steps=steps, train_pairs=8)))
        for step in range(1, steps + 1):
            await asyncio.sleep(0.01)
            values = {"loss": 0.7 - step / 100, "rewards/margins": step / 10}
            job.say(events.dump(events.Metrics(step=step, values=values)))
        if "hang" not in recipe:
            job.say(events.dump(events.ModelSaved(path="/tmp/smoltui/aligned")))
            job.stage = "COMPLETED"

    return play


@pytest.fixture(params=["local", "hub", "toy"])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    spec = RunSpec(
        name="first", project=str(tmp_path), recipe="steps: 3\n", output_dir=str(tmp_path / "aligned"),
        label="0123456789abcdef",
    )  # fmt: skip
    if request.param == "hub":
        monkeypatch.setattr(log_stream, "BACKOFF_SECONDS", (0.01, 0.02))
        monkeypatch.setattr(log_stream, "QUIET_SECONDS", 0.15)
        monkeypatch.setattr(hub_engine, "SHORTEST_POLL_SECONDS", 0.05)
        monkeypatch.setattr(hub_engine, "CANCEL_WAITS", (0.01,))
        monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
        with local_hub(monkeypatch) as server:
            job = replace(spec, recipe=f"beta: 0.1\n{spec.recipe}", flavor="a100-large", timeout_seconds=3600)
            yield Case(HubEngine(), job, a_job(server))
    elif request.param == "local":
        yield Case(LocalEngine(SCRIPT), spec, by_itself)
    else:
        yield Case(ToyEngine(), spec, by_itself)


def texts(found: list[events.Event]) -> list[str]:
    return [event.text for event in found if isinstance(event, events.LogLine) and "=====" not in event.text]


async def told(engine: Engine, run_id: str, **how: Any) -> list[events.Event]:
    async with aclosing(engine.follow(run_id, **how)) as stream:
        return [event async for event in stream]


async def test_a_run_from_its_start_to_its_end(case: Case) -> None:
    """It is started once, listed, followed line by line to its end, and says the same whenever it is asked."""
    engine = case.engine
    run = await engine.submit(case.spec)
    assert run.engine == engine.name and run.name == "first" and not run.is_final
    assert (await engine.submit(case.spec)).id == run.id  # the same label is the same run
    playing = asyncio.ensure_future(case.play(run, case.spec.recipe))
    async with asyncio.timeout(30):
        found = await told(engine, run.id)
    await playing
    assert texts(found) == [LIBRARY]
    assert isinstance(found[-1], events.StageChanged) and found[-1].stage == Stage.COMPLETED
    known = run
    for event in found:
        known = known.after(event)
    assert (known.stage, known.step, known.max_steps) == (Stage.COMPLETED, 3, 3)
    assert [step for step, _ in known.history.series["rewards/margins"]] == [1, 2, 3]
    assert known.model_path is not None

    assert [one.id for one in await engine.list_runs()] == [run.id]
    last = await engine.get(run.id)
    assert last.stage == Stage.COMPLETED and last.is_final and last.created_at is not None
    again = await told(engine, run.id, follow=False)
    assert texts(again) == [LIBRARY] and isinstance(again[-1], events.StageChanged)
    assert (await engine.cancel(run.id)).stage == Stage.COMPLETED
    everything = await engine.inspect(run.id)
    assert everything and TOKEN not in str(everything)


async def test_a_run_that_is_cancelled(case: Case) -> None:
    """Who follows it is told, and it stays CANCELED."""
    engine, recipe = case.engine, f"{case.spec.recipe}end: hang\n"
    run = await engine.submit(replace(case.spec, recipe=recipe, label="another-label-01"))
    await case.play(run, recipe)
    found: list[events.Event] = []
    async with asyncio.timeout(30), aclosing(engine.follow(run.id)) as stream:
        async for event in stream:
            found.append(event)
            if isinstance(event, events.Metrics) and event.step == 3:
                assert (await engine.cancel(run.id)).stage == Stage.CANCELED
    assert isinstance(found[-1], events.StageChanged) and found[-1].stage == Stage.CANCELED
    assert (await engine.get(run.id)).stage == Stage.CANCELED


async def test_the_end_of_a_log(case: Case) -> None:
    """A tail is cut from the lines of the log; without following it ends with what is there."""
    engine, recipe = case.engine, f"{case.spec.recipe}end: hang\n"
    run = await engine.submit(replace(case.spec, recipe=recipe, label="another-label-02"))
    await case.play(run, recipe)
    async with asyncio.timeout(30):
        while (await engine.get(run.id)).stage != Stage.RUNNING or not texts(await told(engine, run.id, follow=False)):
            await asyncio.sleep(0.05)
        found = await told(engine, run.id, follow=False, tail=0)
    assert not texts(found) and isinstance(found[-1], events.StageChanged) and found[-1].stage == Stage.RUNNING
    await engine.cancel(run.id)


async def test_an_id_that_nobody_knows(case: Case) -> None:
    """Each question about it has the same sort of answer."""
    for ask in (case.engine.get, case.engine.cancel, case.engine.inspect):
        with pytest.raises((InputError, NotFoundOnHubError)) as caught:
            await ask("0123456789abcdef01234567")
        assert caught.value.hint
    with pytest.raises((InputError, NotFoundOnHubError)):
        await told(case.engine, "0123456789abcdef01234567")
