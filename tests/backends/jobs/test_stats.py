"""What a Job takes of its machine, followed to its end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs import stats as hub_stats
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.log_merge import back_off
from smoltui.core.machine.sample import Sample
from smoltui.errors import (
    NotFoundOnHubError,
    NotLoggedInError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from tests.hub.server import Connection, Job, LocalHub


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.05)


def sample(cpu: int) -> dict[str, Any]:
    return {"cpu_usage_pct": cpu, "memory_used_bytes": 5, "memory_total_bytes": 10, "gpus": None}


async def follow(job: Job, **how: Any) -> list[Sample]:
    return [one async for one in HubEngine().stats(job.id, **how)]


def cpus(samples: list[Sample]) -> list[float | None]:
    return [one.cpu for one in samples]


async def test_to_the_end(server: LocalHub) -> None:
    """The stream stays open and silent when the Job ends; I get every sample, and the end."""
    job = server.add()
    job.samples = [sample(1), sample(2), b": keep-alive\n\n", sample(3)]

    async def end() -> None:
        while job.samples:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        job.stage = "COMPLETED"

    ending = asyncio.create_task(end())
    began = time.time()
    found = await asyncio.wait_for(follow(job), 60)
    await ending
    assert cpus(found) == [1, 2, 3] and began <= found[0].at <= time.time() and found[0].memory_share == 0.5
    assert server.streams == 0


async def test_it_is_waited_for(server: LocalHub) -> None:
    """The Job still schedules: the samples begin when it runs. No stream is held open meanwhile."""
    job = server.add(stage="SCHEDULING")
    job.samples = [sample(7)]

    async def go() -> None:
        await asyncio.sleep(0.2)
        assert job.asked_for_figures == 0
        job.stage = "RUNNING"
        while job.samples:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        job.stage = "ERROR"

    going = asyncio.create_task(go())
    assert cpus(await asyncio.wait_for(follow(job), 60)) == [7]
    await going


async def test_breaks_are_bridged(server: LocalHub) -> None:
    """Cut twice, refused with 503 and 429, and the question for the stage fails: I get the samples behind it."""
    job = server.add()
    job.samples = [sample(number) for number in range(6)]
    job.measured = [
        Connection(2),
        Connection(status=503),
        Connection(status=429, headers={"Retry-After": "0"}),
        Connection(status=500),
        Connection(1, "close"),
    ]

    async def end() -> None:
        while job.samples:
            await asyncio.sleep(0.01)
        job.stage = "CANCELED"

    ending = asyncio.create_task(end())
    assert back_off((1.0,), 1, RateLimitedError("x", retry_after=5.0)) == 6.0
    found: list[float | None] = []
    async for one in HubEngine().stats(job.id):
        if not found:
            server.spoil("GET", f"{job.id}$", status=503)
        found.append(one.cpu)
    await ending
    # A sample that was on its way when the connection broke is lost: the stream has no history.
    assert found[:2] == [0, 1] and found[-1] == 5 and found == sorted(set(found))


async def test_what_cannot_be_read_is_left_out(server: LocalHub) -> None:
    """Broken JSON, another event, half a sample, one cut over two pieces: the others come."""
    job = server.add()
    job.samples = [
        b"data: {\n\n",
        b"event: weather\ndata: [1]\n\n",
        {},
        b'data:{"cpu_usa',
        b'ge_pct":4}\n\n',
        b"retry: 5\n",
        sample(5),
    ]
    stats = HubEngine().stats(job.id)
    found = [await anext(stats) for _ in range(3)]
    await stats.aclose()
    assert cpus(found) == [None, 4, 5]


async def test_the_present_one(server: LocalHub) -> None:
    """Not followed: one sample; none of a Job that does not run; none in time from one that says nothing."""
    job = server.add()
    job.samples = [sample(1), sample(2)]
    assert cpus(await follow(job, follow=False)) == [1]
    for stage in ("SCHEDULING", "COMPLETED"):
        assert await follow(server.add(stage=stage), follow=False) == []
    assert await follow(server.add(), follow=False) == []


async def test_it_ended_just_now(server: LocalHub) -> None:
    """406 is the Hub's word for a Job that has ended: that is the end, not an error."""
    job = server.add()
    job.measured = [Connection(status=406)]
    stats = HubEngine().stats(job.id)
    reading = asyncio.ensure_future(anext(stats, None))
    while not job.asked_for_figures:
        await asyncio.sleep(0.001)
    job.stage = "COMPLETED"
    assert await asyncio.wait_for(reading, 60) is None


async def test_there_are_no_figures(server: LocalHub) -> None:
    """It runs, but the Hub still has none: I read that after some attempts."""
    job = server.add()
    job.measured = [Connection(status=406)] * 50
    with pytest.raises(ServiceError) as caught:
        await asyncio.wait_for(follow(job), 60)
    assert caught.value.hint and job.asked_for_figures == hub_stats.REFUSALS


async def test_leaving_is_instant(server: LocalHub) -> None:
    """Nothing comes and I leave: the connection is gone at once, and nothing is left behind."""
    job = server.add()
    task = asyncio.create_task(follow(job))
    while not server.streams:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    async with asyncio.timeout(60):
        while server.streams:
            await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, NotLoggedInError),
        (403, PermissionDeniedError),
        (404, NotFoundOnHubError),
        (409, ServiceError),
        (429, RateLimitedError),
        (503, UnreachableError),
    ],
)
async def test_a_refusal_is_a_sentence(server: LocalHub, status: int, error: type[SmoltuiError]) -> None:
    """A single request fails immediately; an error that waiting cannot fix ends a follow too."""
    job = server.add()
    job.measured = [Connection(status=status, headers={"Retry-After": "9"})] * 2
    with pytest.raises(error) as caught:
        await follow(job, follow=False)
    assert type(caught.value) is error and caught.value.message and caught.value.hint
    if status in (401, 403):
        with pytest.raises(error):
            await asyncio.wait_for(follow(job), 60)


async def test_a_hub_that_says_nothing_or_is_none(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    job = server.add()
    server.spoil("GET", "/metrics$", how="html")
    with pytest.raises(UnreachableError, match="Something other than the Hub"):
        await follow(job, follow=False)
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 0.4)
    server.spoil("GET", "/metrics$", how="silent")
    with pytest.raises(UnreachableError, match="did not answer in time"):
        await asyncio.wait_for(follow(job, follow=False), 60)
