"""A Job that timed out continues in another one: one run, one curve, one cost."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.jobs import records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.core.runs import events
from smoltui.core.runs.cost import Flavor, cost_of
from smoltui.core.runs.rerun import Changes
from smoltui.core.runs.run import CONTINUES, Part, Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.hub.server import Job, LocalHub

STEPS, STOPPED, KEPT = 1000, 640, 600
MORE = Changes(flavor="l40sx1", timeout_seconds=7200)


def loss(step: int) -> float:
    return 0.7 - step / 2000


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LocalHub) -> RunSpec:
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    server.hardware = [*server.hardware, {**server.hardware[0], "name": "l40sx1", "unitCostUSD": 0.03}]
    made = RunSpec("long", str(tmp_path), "beta: 0.1\n", "/tmp/smoltui/aligned", "0123456789abcdef", "a100-large", 3600)
    return replace(made, keep=f"bucket:{made.label}/kept", labels={"smoltui-run": made.label, "name": "long"})


def trains(job: Job, first: int, last: int) -> None:
    """The log of a part: the plan, the steps, and a checkpoint kept at each hundredth."""
    job.stage = "RUNNING"
    job.say("===== Job started at noon =====", events.dump(events.Planned(max_steps=STEPS, train_pairs=8000)))
    if first > 1:
        job.say(events.dump(events.Progress(step=first - 1)))
    for step in range(first, last + 1, 10):
        job.say(events.dump(events.Metrics(step=step, values={"loss": loss(step)})))
    for step in range(100, last + 1, 100):
        if step >= first:
            job.say(events.dump(events.CheckpointKept(step=step, path=f"/checkpoints/checkpoint-{step}")))


def ends(job: Job, stage: str, message: str | None = None) -> None:
    job.stage, job.message = stage, message


async def read(engine: HubEngine, run: Run) -> Run:
    """The run after everything that its log says."""
    known = replace(run, step=0)
    async with aclosing(engine.follow(run.id, follow=False)) as stream:
        async for event in stream:
            known = known.after(event)
    return known


async def timed_out(engine: HubEngine, server: LocalHub, spec: RunSpec) -> Run:
    """A run whose Job was killed at its time limit."""
    run = await engine.submit(spec)
    job = server.jobs[run.id]
    trains(job, 1, STOPPED)
    ends(job, "ERROR", "Job timeout")
    await read(engine, run)
    return await engine.get(run.id)


async def test_what_is_asked_for_so_that_checkpoints_outlive_the_job(server: LocalHub, spec: RunSpec) -> None:
    """A folder of the private bucket is mounted for them, writable; the script is told where it is."""
    run = await HubEngine().submit(spec)
    asked = server.jobs[run.id].spec
    inputs, kept = asked["volumes"]
    assert inputs["readOnly"] and not kept.get("readOnly")
    assert (kept["source"], kept["path"]) == ("ada/jobs-artifacts", f"{spec.label}/kept")
    assert asked["command"][-2:] == ["--keep", kept["mountPath"]]
    without = await HubEngine().submit(
        replace(spec, keep="", label="another0123", labels={"smoltui-run": "another0123"})
    )
    assert len(server.jobs[without.id].spec["volumes"]) == 1


async def test_one_curve_and_one_cost(server: LocalHub, spec: RunSpec) -> None:
    """Killed at step 640 of 1 000 with a checkpoint of 600 kept: resumed on another flavor for two hours, the run has
    one curve, as an unbroken run would have, and the cost of both Jobs."""
    engine = HubEngine()
    stopped = await timed_out(engine, server, spec)
    assert (stopped.stage, stopped.resumable, stopped.kept_step) == (Stage.ERROR, True, KEPT)

    resumed = await engine.resume(stopped.id, MORE)
    assert resumed.id == stopped.id and not resumed.is_final and resumed.flavor == "l40sx1"
    second = server.jobs[next(job_id for job_id in server.jobs if job_id != stopped.id)]
    assert second.spec["labels"][CONTINUES] == stopped.id and second.spec["timeoutSeconds"] == 7200
    assert second.spec["volumes"][1]["path"] == f"{spec.label}/kept" and second.spec["command"][-1] == "--must-resume"

    trains(second, KEPT + 1, STEPS)
    ends(second, "COMPLETED")
    last = await read(engine, await engine.get(stopped.id))
    assert (last.stage, last.step) == (Stage.COMPLETED, KEPT + 391)
    curve = last.history.series["loss"]
    assert [step for step, _ in curve] == list(range(1, STEPS, 10)) and all(
        value == loss(step) for step, value in curve
    )
    assert last.parts == (Part(stopped.id, "a100-large", 60.0, stopped.started_at),)
    assert last.duration(time.time()) == 120.0
    prices = {
        name: Flavor(name, "", "", None, "A", 1, None, usd, 0.0) for name, usd in (("a100-large", 2), ("l40sx1", 1))
    }
    assert cost_of(last, lambda name: prices[name or ""], time.time()) == 2 + 1

    (listed,) = await engine.list_runs()
    assert (listed.id, listed.stage, listed.seconds_before) == (stopped.id, Stage.COMPLETED, 60.0)
    elsewhere = HubEngine()
    for path in records.folder().iterdir():
        path.unlink()
    (known_by_label,) = await elsewhere.list_runs()
    assert [part.id for part in known_by_label.parts] == [stopped.id]
    assert (await elsewhere.cancel(stopped.id)).stage == Stage.COMPLETED
    with pytest.raises(InputError, match="nothing to resume"):
        await engine.resume(stopped.id)


async def test_a_resume_is_done_once_its_job_is_started(server: LocalHub, spec: RunSpec) -> None:
    """The Hub fails after the POST was answered: the run is resumed, not "not resumed" beside a Job that costs."""
    engine = HubEngine()
    stopped = await timed_out(engine, server, spec)
    server.spoil("GET", r"/job0002$", status=500, times=50)
    resumed = await engine.resume(stopped.id, MORE)
    assert (resumed.id, resumed.stage, resumed.flavor) == (stopped.id, Stage.SCHEDULING, "l40sx1")
    assert [part.id for part in resumed.parts] == [stopped.id] and len(server.jobs) == 2
    server._faults.clear()
    ends(server.jobs["job0002"], "ERROR", "Job timeout")
    before = await engine.get(stopped.id)
    server.spoil("GET", r"/job0003$", status=500, times=50)
    again = await engine.resume(stopped.id, MORE)
    assert [part.id for part in again.parts] == [stopped.id, "job0002"] == again.raw["parts"][:-1]
    assert again.parts[0] == before.parts[0] and again.seconds_before == 120.0


async def test_the_jobs_of_a_run_are_in_the_order_of_their_starts(server: LocalHub, spec: RunSpec) -> None:
    """Asked for by the id of its newest Job, by a process that knows none of them; and what is next names the run."""
    engine = HubEngine()
    stopped = await timed_out(engine, server, spec)
    for name in ("job0002", "job0003"):
        await engine.resume(stopped.id, MORE)
        trains(server.jobs[name], KEPT + 1, STOPPED)
        ends(server.jobs[name], "ERROR", "Job timeout")
    told = await engine.settled(await engine.get(stopped.id))
    assert told.hint and stopped.id in told.hint and "job0003" not in told.hint
    for path in records.folder().iterdir():
        path.unlink()
    elsewhere = HubEngine()
    assert (await elsewhere.get("job0003")).id == stopped.id
    assert await elsewhere.jobs_of(stopped.id) == (stopped.id, "job0002", "job0003")


async def resumed_elsewhere(server: LocalHub, spec: RunSpec) -> tuple[Run, Job]:
    """A run that timed out and the Job that continues it, of which nothing on this machine knows: the process was
    killed after the POST, or it was another machine."""
    engine = HubEngine()
    stopped = await timed_out(engine, server, spec)
    record = records.read(stopped.id)
    await engine.resume(stopped.id, MORE)
    second = server.jobs[next(job_id for job_id in server.jobs if job_id != stopped.id)]
    second.stage = "RUNNING"
    (records.folder() / f"{second.id}.json").unlink()
    records.save(record or {})
    return stopped, second


async def test_what_continues_elsewhere_is_canceled(server: LocalHub, spec: RunSpec) -> None:
    stopped, second = await resumed_elsewhere(server, spec)
    assert (await HubEngine().get(stopped.id)).stage == "RUNNING"
    assert (await HubEngine().cancel(stopped.id)).stage == second.stage == "CANCELED"
    engine = HubEngine()
    await engine.get(stopped.id)
    async with aclosing(engine.follow(stopped.id, follow=False)) as stream:
        last = [event async for event in stream][-1]
    for hint in (getattr(last, "hint", None), (await HubEngine().get(stopped.id)).hint):
        assert hint and f"smoltui resume {stopped.id}" in hint and second.id not in hint


async def test_all_that_continue_a_run_are_canceled(server: LocalHub, spec: RunSpec) -> None:
    """`hf jobs rerun` copies the labels: two Jobs continue one run, and only one of them is known here."""
    engine = HubEngine()
    stopped = await timed_out(engine, server, spec)
    await engine.resume(stopped.id, MORE)
    second = server.jobs["job0002"]
    copy = server.add(stage="RUNNING", **{**second.spec, "labels": {**second.spec["labels"], "smoltui-run": "other"}})
    second.stage = "RUNNING"
    elsewhere = HubEngine()
    assert (await elsewhere.get(stopped.id)).stage == "RUNNING"
    assert (await elsewhere.cancel(stopped.id)).stage == "CANCELED"
    assert (second.stage, copy.stage) == ("CANCELED", "CANCELED")


async def test_what_continues_elsewhere_is_not_continued_a_second_time(server: LocalHub, spec: RunSpec) -> None:
    """Also by an app whose list is older."""
    old = HubEngine()
    stopped, _ = await resumed_elsewhere(server, spec)
    old._looked.add(stopped.id)
    for one in (HubEngine(), old):
        with pytest.raises(InputError, match="has not ended"):
            await one.resume(stopped.id)
    assert len(server.jobs) == 2


async def test_who_may_not_see_the_list_sees_the_job(server: LocalHub, spec: RunSpec) -> None:
    stopped, _ = await resumed_elsewhere(server, spec)
    server.spoil("GET", "^/api/jobs/ada$", status=403)
    assert (await HubEngine().get(stopped.id)).stage == "ERROR"


async def test_of_two_that_continue_a_run_both_are_canceled(server: LocalHub, spec: RunSpec) -> None:
    stopped, second = await resumed_elsewhere(server, spec)
    third = server.add(stage="RUNNING", labels={CONTINUES: stopped.id})
    await HubEngine().cancel(stopped.id)
    assert second.stage == third.stage == "CANCELED"


async def test_what_cannot_be_resumed(server: LocalHub, spec: RunSpec) -> None:
    """Each reason is a sentence, and nothing is started."""
    engine = HubEngine()
    running = await engine.submit(spec)
    with pytest.raises(InputError, match="has not ended"):
        await engine.resume(running.id)
    ends(server.jobs[running.id], "ERROR", "Job failed with exit code: 1")
    with pytest.raises(InputError, match="No checkpoint of this Job was complete"):
        await engine.resume(running.id)
    foreign = server.add(["x"], stage="ERROR")
    with pytest.raises(InputError, match="not started from this machine"):
        await engine.resume(foreign.id)
    (records.folder() / f"{running.id}.json").write_text("[")
    with pytest.raises(InputError, match="record of this Job cannot be read"):
        await engine.resume(running.id)
    bare = replace(spec, keep="", label="another0124", labels={"smoltui-run": "another0124"})
    kept_nothing = await engine.submit(bare)
    ends(server.jobs[kept_nothing.id], "ERROR")
    with pytest.raises(InputError, match="kept no checkpoints"):
        await engine.resume(kept_nothing.id)
    assert len(server.jobs) == 3


async def test_again_with_other_hardware(server: LocalHub, spec: RunSpec) -> None:
    """Run again with another flavor, limit and number of attempts: a run of its own, with a folder of its own."""
    engine = HubEngine()
    first = await timed_out(engine, server, spec)
    second = await engine.rerun(first.id, replace(MORE, attempts=3))
    asked = server.jobs[second.id].spec
    assert second.id != first.id and CONTINUES not in asked["labels"]
    assert (asked["flavor"], asked["timeoutSeconds"], asked["attempts"]) == ("l40sx1", 7200, 3)
    assert asked["volumes"][1]["path"] != f"{spec.label}/kept" and "--must-resume" not in asked["command"]
