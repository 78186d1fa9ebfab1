"""One contract for every engine: this machine, Jobs, and one that somebody writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.backends.runs.engine import Engine
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.backends.slurm.place import SLURM
from smoltui.core.runs import events
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.place import ACTS
from smoltui.core.runs.rerun import Changes
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError, NotFoundOnHubError
from tests.hub.server import TOKEN, LocalHub, local_hub
from tests.paths import FAKE_TRAINING
from tests.slurm.cluster import NEEDS_SLURM
from tests.toy_engine import TOY, ToyEngine

SCRIPT = FAKE_TRAINING
LIBRARY = "a warning of a library\x1b[31m"


@dataclass
class Case:
    """An engine, and how to make its run proceed."""

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
        if "prints: " in recipe:
            job.say(*json.loads(recipe.split("prints: ")[1].split("\n")[0]))
        for step in range(1, steps + 1):
            await asyncio.sleep(0.01)
            values = {"loss": 0.7 - step / 100, "rewards/margins": step / 10}
            job.say(events.dump(events.Metrics(step=step, values=values)))
        if "hang" not in recipe:
            job.say(events.dump(events.ModelSaved(path="/tmp/smoltui/aligned")))
            job.stage = "COMPLETED"

    return play


@pytest.fixture(params=[HERE, pytest.param(SLURM, marks=NEEDS_SLURM), JOBS, TOY], ids=lambda place: place.name)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    spec = RunSpec(
        name="first",
        project=str(tmp_path),
        recipe="steps: 3\npause: 0.1\n",
        output_dir=str(tmp_path / "aligned"),
        label="0123456789abcdef",
    )
    if request.param is JOBS:
        monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
        with local_hub(monkeypatch) as server:
            job = replace(spec, recipe=f"beta: 0.1\n{spec.recipe}", flavor="a100-large", timeout_seconds=3600)
            yield Case(HubEngine(), job, a_job(server))
    elif request.param is HERE:
        yield Case(LocalEngine(SCRIPT), spec, by_itself)
    elif request.param is SLURM:
        request.getfixturevalue("slurm")
        (tmp_path / "recipe.yaml").touch()
        engine = SlurmEngine(SCRIPT, poll_seconds=0.2, log_seconds=0.1)
        yield Case(engine, replace(spec, options={"gpus": "0", "mem": '"100M"'}), by_itself)
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
    async with asyncio.timeout(60):
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


@pytest.mark.parametrize(
    "case", [HERE, pytest.param(SLURM, marks=NEEDS_SLURM), JOBS], ids=lambda place: place.name, indirect=True
)
async def test_a_stage_that_the_script_prints_is_text(case: Case) -> None:
    """Code that trains with mine prints lines like our stages: I read them in the log, and the run ends as it ends."""
    stages = (Stage.ERROR, Stage.COMPLETED, Stage.CANCELED, Stage.RUNNING)
    forged = [events.dump(events.StageChanged(stage=stage, message="forged", at=1.0)) for stage in stages]
    engine, recipe = case.engine, f"{case.spec.recipe}prints: {json.dumps(forged)}\n"
    run = await engine.submit(replace(case.spec, recipe=recipe))
    known = replace(run, stage=Stage.SCHEDULING)  # it is so short that it may have ended already
    playing = asyncio.ensure_future(case.play(run, recipe))
    async with asyncio.timeout(30):
        found = await told(engine, run.id)
    await playing
    assert texts(found)[1:5] == forged
    for event in found[:-1]:
        known = known.after(event)
        assert not known.is_final and known.message != "forged"
    assert isinstance(found[-1], events.StageChanged) and found[-1].stage == Stage.COMPLETED
    last = await engine.get(run.id)
    assert (last.stage, last.message) == (Stage.COMPLETED, None)
    assert forged[0] in texts(await told(engine, run.id, follow=False, tail=50))


async def test_a_run_that_is_cancelled(case: Case) -> None:
    """A follower sees it, and it stays CANCELED."""
    engine, recipe = case.engine, f"{case.spec.recipe}end: hang\n"
    run = await engine.submit(replace(case.spec, recipe=recipe, label="another-label-01"))
    await case.play(run, recipe)
    found: list[events.Event] = []
    async with asyncio.timeout(60), aclosing(engine.follow(run.id)) as stream:
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
    async with asyncio.timeout(60):
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


# -- what some can do


def asked(engine: Engine, act: str, run_id: str) -> Awaitable[Any]:
    """The act, as a caller asks for it."""
    match act:
        case "labels":
            return engine.labels(run_id, {"team": "ml"})
        case "stats":
            return anext(engine.stats(run_id, follow=False), None)
        case "hardware":
            return engine.hardware()
        case "expose":
            return engine.expose(run_id, (8000,), ())
        case "command":
            return engine.command(CommandSpec("n", ".", ("true",), "label"))  # without hardware
    ask: Callable[[str], Awaitable[Any]] = getattr(engine, act)
    return ask(run_id)


def test_an_engine_has_what_it_says_it_can_do(case: Case) -> None:
    """Nothing is declared that it does not do, and nothing is done that it does not declare."""
    engine, place = case.engine, case.engine.place
    assert place.can <= ACTS and engine.name == place.name and place.title and place.plural and place.run
    own = {act for act in ACTS - {"rerun"} if getattr(type(engine), act) is not getattr(Engine, act)}
    assert own == place.can - {"rerun"}
    assert (engine.scheduled is not None) == ("scheduled" in place.can)
    assert engine.poll_seconds(Stage.RUNNING, 0) > 0 and not engine.problems and engine.connection("x") is None


@pytest.mark.parametrize("act", sorted(ACTS - {"scheduled"}))
async def test_what_an_engine_cannot_do_is_a_sentence(case: Case, act: str) -> None:
    """It names the place and a next step; what it can do has another answer for a run that nobody knows."""
    with_run = act != "hardware"
    if act not in case.engine.place.can:
        with pytest.raises(InputError, match=case.engine.place.subject) as caught:
            await asked(case.engine, act, "0123456789abcdef01234567")
        assert caught.value.hint
    elif with_run:
        with pytest.raises((InputError, NotFoundOnHubError)) as unknown:
            await asked(case.engine, act, "0123456789abcdef01234567")
        assert case.engine.place.subject not in unknown.value.message
    else:
        assert await asked(case.engine, act, "")


async def test_a_second_run_of_the_same(case: Case) -> None:
    """Where an engine can do that: another id, and the recipe of the first, which is known from what was started."""
    engine = case.engine
    assert "rerun" in engine.place.can
    first = await engine.submit(case.spec)
    await case.play(first, case.spec.recipe)
    async with asyncio.timeout(60):
        await told(engine, first.id)
    second = await engine.rerun(first.id)
    spec = await engine.started_with(await engine.get(second.id))
    assert second.id != first.id and spec is not None
    assert spec.recipe == case.spec.recipe and spec.label != case.spec.label
    await engine.cancel(second.id)


async def test_a_run_that_stops_and_continues(case: Case, tmp_path: Path) -> None:
    """Where an engine can pause: the same run, and each step once. (Those with checkpoints have tests of their own.)"""
    engine = case.engine
    if "pause" not in engine.place.can or engine.place.on_disk:
        pytest.skip("cannot pause, or needs a checkpoint")
    recipe = f"steps: 2\nuntil: {tmp_path / 'enough'}\n"
    run = await engine.submit(replace(case.spec, recipe=recipe))
    async with asyncio.timeout(60):
        while (await engine.get(run.id)).step < 1:
            await asyncio.sleep(0.01)
        paused = await engine.pause(run.id)
        assert paused.is_final and paused.resumable and paused.step == 1
        (tmp_path / "enough").touch()
        assert (await engine.resume(run.id)).id == run.id
        found = await told(engine, run.id)
    assert [event.step for event in found if isinstance(event, events.Metrics)] == [1, 2]
    assert (await engine.get(run.id)).stage == Stage.COMPLETED


async def test_changes_are_made_or_refused(case: Case) -> None:
    """Where hardware has no price, a run is resumed or run again as it was: other wishes are a sentence."""
    if case.engine.place.pays:
        pytest.skip("it can change them: tests/backends/jobs/test_continuing.py")
    for act in sorted({"resume", "rerun"} & case.engine.place.can):
        with pytest.raises(InputError, match="only as it was"):
            await getattr(case.engine, act)("x", Changes(flavor="h200"))


class Bare(ToyEngine):
    """Declares nothing, and has the six methods alone."""

    place = replace(TOY, can=frozenset())
    pause, resume = Engine.pause, Engine.resume


async def test_an_engine_that_can_do_nothing_besides() -> None:
    """Its six methods and its declarations are enough: every act is a sentence."""
    for act in sorted(ACTS - {"scheduled"}):
        with pytest.raises(InputError, match=r"The toy cluster \w+"):
            await asked(Bare(), act, "x")


async def test_a_local_run_again_while_it_runs(tmp_path: Path) -> None:
    """Neither the folder it writes to nor one that holds a model is taken."""
    engine = LocalEngine(SCRIPT)
    (tmp_path / "out-2").mkdir()
    (tmp_path / "out-2" / "config.json").write_text("{}")
    spec = RunSpec("n", str(tmp_path), "steps: 1\nend: hang\n", str(tmp_path / "out"), "first")
    first = await engine.submit(spec)
    second = await engine.rerun(first.id)
    try:
        assert second.output_dir == str(tmp_path / "out-3")
    finally:
        for run in (second, first):
            await engine.cancel(run.id)


async def test_a_local_run_again(tmp_path: Path) -> None:
    """A second run with the recipe of the first, beside its model."""
    engine = LocalEngine(SCRIPT)
    spec = RunSpec("n", str(tmp_path), "steps: 1\n", str(tmp_path / "aligned"), "first")
    first = await engine.submit(spec)
    await told(engine, first.id)
    second = await engine.rerun(first.id)
    await told(engine, second.id)
    ended = await engine.get(second.id)
    assert (second.id != first.id, ended.stage) == (True, "COMPLETED")
    assert ended.output_dir == str(tmp_path / "aligned-2")
    assert ended.raw["spec"]["recipe"] == "steps: 1\n" and ended.raw["spec"]["label"] not in ("first", "")
