"""Runs wait for the device in the order in which they were started, whoever started them and whoever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from smoltui.backends.local import tickets as local_queue
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING, PAUSING_TRAINING

SCRIPT = FAKE_TRAINING
PAUSING = PAUSING_TRAINING
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(SCRIPT)


def spec(folder: Path, name: str, recipe: str = "steps: 2", **changes: object) -> RunSpec:
    values = {"name": name, "project": str(folder), "recipe": recipe, "output_dir": str(folder / name), "label": name}
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


HANG = "steps: 1\nend: hang"


async def reached(engine: LocalEngine, run: Run, stage: str, seconds: float = 60) -> Run:
    async with asyncio.timeout(seconds):
        while (run := await engine.get(run.id)).stage != stage:
            await asyncio.sleep(0.02)
    return run


async def says(engine: LocalEngine, run: Run, message: str, seconds: float = 60) -> None:
    """Returns when a queued run says this: the supervisor of one that has just ended may hold its ticket a while."""
    async with asyncio.timeout(seconds):
        while (await engine.get(run.id)).message != message:
            await asyncio.sleep(0.02)


def supervisor(run: Run) -> int:
    return int((data_folder.read_json(run_store.run_dir(run.id) / "status.json") or {})["supervisor_pid"])


async def test_a_run_waits_for_the_one_before(engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """I start three: two wait and say for what; they run one after the other, in that order."""
    one = await engine.submit(spec(tmp_path, "one", HANG))
    two = await engine.submit(spec(tmp_path, "two"))
    three = await engine.submit(spec(tmp_path, "three"))
    assert one.stage == Stage.RUNNING and two.stage == three.stage == Stage.SCHEDULING
    assert two.message == f"waiting for run one ({one.id})"
    assert (await engine.get(three.id)).message == f"waiting for run one ({one.id}) and 1 more"
    assert (await engine.inspect(three.id))["queue"] == {"place": 2, "waits_for": [one.id, two.id]}
    assert (await engine.inspect(one.id))["queue"] is None
    assert two.started_at is None and two.duration(1e12) is None
    await engine.cancel(one.id)
    two, three = await reached(engine, two, Stage.COMPLETED), await reached(engine, three, Stage.COMPLETED)
    assert two.message is None and two.finished_at is not None and three.started_at is not None
    assert two.finished_at <= three.started_at
    await wait_until(lambda: not any(local_queue.folder().iterdir()))


async def test_following_a_waiting_run_tells_of_its_start(engine: LocalEngine, tmp_path: Path) -> None:
    """I follow a run that waits: I read why, then that it runs, then its end."""
    one = await engine.submit(spec(tmp_path, "one", HANG))
    two = await engine.submit(spec(tmp_path, "two", "steps: 5\npause: 0.1"))
    seen: list[events.StageChanged] = []
    async with aclosing(engine.follow(two.id)) as stream:
        async for event in stream:
            if isinstance(event, events.StageChanged):
                seen.append(event)
                if event.message and "waiting for run one" in event.message:
                    await engine.cancel(one.id)
    assert [event.stage for event in seen if not event.message or "waits" in event.message][-2:] == [
        Stage.RUNNING,
        Stage.COMPLETED,
    ]
    assert seen[0].stage == Stage.SCHEDULING and f"({one.id})" in (seen[0].message or "")


async def test_side_by_side_starts_at_once(engine: LocalEngine, tmp_path: Path) -> None:
    """I ask for both at once: the second does not wait; one that is not asked for that waits for both."""
    one = await engine.submit(spec(tmp_path, "one", HANG))
    two = await engine.submit(spec(tmp_path, "two", HANG, side_by_side=True))
    assert two.stage == Stage.RUNNING
    three = await engine.submit(spec(tmp_path, "three"))
    await engine.cancel(one.id)
    assert (await engine.get(three.id)).message == f"waiting for run two ({two.id})"
    await engine.cancel(two.id)
    await reached(engine, three, Stage.COMPLETED)


async def test_a_waiting_run_can_be_cancelled_and_not_paused(engine: LocalEngine, tmp_path: Path) -> None:
    """I change my mind about one that waits: it is CANCELED at once, never started, and the next one moves up."""
    one = await engine.submit(spec(tmp_path, "one", HANG))
    two = await engine.submit(spec(tmp_path, "two"))
    three = await engine.submit(spec(tmp_path, "three"))
    with pytest.raises(InputError, match="is queued and cannot be paused") as error:
        await engine.pause(two.id)
    assert f"smoltui cancel {two.id}" in error.value.hint
    two = await engine.cancel(two.id)
    assert (two.stage, two.message) == (Stage.CANCELED, "Stopped while queued")
    assert two.started_at is None and not two.resumable
    assert not (run_store.run_dir(two.id) / "log").exists()
    await says(engine, three, f"waiting for run one ({one.id})")
    await engine.cancel(one.id)
    await reached(engine, three, Stage.COMPLETED)


async def test_a_killed_supervisor_never_blocks_the_queue(
    engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """The supervisor of the running one and that of a waiting one are killed: the third starts all the same."""
    one = await engine.submit(spec(tmp_path, "one", HANG))
    two = await engine.submit(spec(tmp_path, "two"))
    three = await engine.submit(spec(tmp_path, "three"))
    os.kill(supervisor(two), signal.SIGKILL)
    two = await reached(engine, two, Stage.ERROR)
    assert "the run was still queued" in (two.message or "")
    await says(engine, three, f"waiting for run one ({one.id})")
    os.kill(supervisor(one), signal.SIGKILL)
    await reached(engine, three, Stage.COMPLETED)
    four = await engine.submit(spec(tmp_path, "four"))
    await reached(engine, four, Stage.COMPLETED)
    await wait_until(lambda: not any(local_queue.folder().iterdir()))  # what the killed ones left is gone too


async def test_the_turn_comes_when_the_app_is_closed(engine: LocalEngine, tmp_path: Path) -> None:
    """The app that started both is gone: the second run starts when the first has ended."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from smoltui.backends.local.engine import LocalEngine; from smoltui.core.runs.run import RunSpec\n"
        "async def main():\n"
        f"    engine = LocalEngine(Path({str(SCRIPT)!r}))\n"
        "    for name, recipe in (('one', 'steps: 4\\npause: 0.2'), ('two', 'steps: 2')):\n"
        f"        await engine.submit(RunSpec(name=name, project={str(tmp_path)!r}, recipe=recipe,\n"
        f"                            output_dir={str(tmp_path)!r} + '/' + name, label=name))\n"
        "asyncio.run(main())\n"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=True, timeout=60)
    two, one = await engine.list_runs()
    assert (two.name, two.stage) == ("two", Stage.SCHEDULING)
    one, two = await reached(engine, one, Stage.COMPLETED), await reached(engine, two, Stage.COMPLETED)
    assert (one.finished_at or 0) <= (two.started_at or 0)


@pytest.mark.slow
async def test_two_apps_share_one_queue(tmp_path: Path) -> None:
    """Six runs started from two apps at the same moment: never do two of them train at the same time."""
    apps = [LocalEngine(SCRIPT), LocalEngine(SCRIPT)]
    runs = await asyncio.gather(
        *(apps[n % 2].submit(spec(tmp_path, f"run{n}", "steps: 2\npause: 0.02")) for n in range(6))
    )
    done = [await reached(apps[0], run, Stage.COMPLETED) for run in runs]
    spans = sorted((run.started_at or 0.0, run.finished_at or 0.0) for run in done)
    assert all(spans[n][1] <= spans[n + 1][0] for n in range(5)), spans
    by_start = [run.id for run in sorted(done, key=lambda run: run.started_at or 0)]
    assert by_start == [run.id for run in sorted(done, key=lambda run: run.created_at or 0)]


@pytest.mark.slow
async def test_a_resumed_run_waits_for_its_turn(tmp_path: Path) -> None:
    """I resume a paused run while another trains: it waits, can be cancelled, and can still be resumed."""
    engine = LocalEngine(PAUSING)
    one = await engine.submit(spec(tmp_path, "one", "steps: 30\npause: 0.05"))
    async with asyncio.timeout(60):
        while (await engine.get(one.id)).step < 2:
            await asyncio.sleep(0.02)
    kept = (await engine.pause(one.id)).step
    two = await engine.submit(spec(tmp_path, "two", "steps: 900\npause: 0.05"))
    waiting = await engine.resume(one.id)
    assert (waiting.stage, waiting.message) == (Stage.SCHEDULING, f"waiting for run two ({two.id})")
    assert len(waiting.history.series["loss"]) == kept
    back = await engine.cancel(one.id)
    assert back.stage == Stage.CANCELED and back.resumable
    await engine.resume(one.id)
    await engine.cancel(two.id)
    one = await reached(engine, one, Stage.COMPLETED)
    assert [step for step, _ in one.history.series["loss"]] == list(range(1, 31))


async def test_sigterm_to_a_supervisor_pauses_as_at_a_shutdown(tmp_path: Path) -> None:
    """The machine shuts down and ends every process politely: the run saves a checkpoint and can be resumed."""
    engine = LocalEngine(PAUSING)
    run = await engine.submit(spec(tmp_path, "one", "steps: 300\npause: 0.05"))
    async with asyncio.timeout(60):
        while (await engine.get(run.id)).step < 2:
            await asyncio.sleep(0.02)
    os.kill(supervisor(run), signal.SIGTERM)
    run = await reached(engine, run, Stage.CANCELED)
    assert run.resumable and (run.message or "").startswith("Paused at step")
