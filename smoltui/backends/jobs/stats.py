"""Resource usage of a Job, from the Hub's stream of metrics, one sample per second.

The stream has no history and stays open and silent after the Job's end, so a silence triggers a stage check (facts of
huggingface_hub 2.4, `fetch_job_metrics`).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs.log_merge import back_off
from smoltui.backends.jobs.stream import event_stream
from smoltui.core.machine.sample import Sample, sample_from
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import NotFoundOnHubError, RateLimitedError, ServiceError, UnreachableError

SILENCE_SECONDS = 5.0
"""Silence of a stream that sends every second, after which the stage is checked."""
NOW_SECONDS = 5.0
"""Maximum wait for the single sample when not following."""
BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Delay before each attempt after a lost connection."""
REFUSALS = 5
"""Attempts for a running Job without metrics before giving up."""
LINE_LIMIT = 1 << 20
"""Maximum bytes of one event; real ones have a few hundred."""


async def follow_stats(
    run: Run, stage: Callable[[], Awaitable[Run]], patience: Callable[[int], float], *, follow: bool = True
) -> AsyncGenerator[Sample, None]:
    """Samples of a Job until it has ended; without `follow`, the current one, or none if it is not running.

    `stage` returns the current run; `patience` the seconds until the next check of a Job that has not
    started, given the number of checks so far. Lost connections are retried with back-off; close it (or cancel the
    task that reads it) to stop immediately.

    Raises:
        SmoltuiError: errors that no retry fixes; without `follow`, any refusal or lost connection.
    """
    if not follow:
        async with aclosing(_current(run, stage)) as samples:
            async for sample in samples:
                yield sample
        return
    asked = failures = refusals = 0
    while not run.is_final:
        problem: ServiceError | None = None
        if run.stage == Stage.SCHEDULING:
            await asyncio.sleep(patience(asked) * random.uniform(0.9, 1.1))
            asked += 1
        else:
            try:
                async with aclosing(_samples(run, SILENCE_SECONDS)) as samples:
                    async for sample in samples:
                        failures = refusals = 0
                        yield sample
            except ServiceError as error:
                problem = _worth_a_retry(error)
                refusals += _not_running(error)
        run, problem = await _asked(stage, run, problem)
        if run.is_final:
            return
        if problem is not None and refusals >= REFUSALS:
            raise problem
        if problem is not None or run.stage != Stage.SCHEDULING:
            failures += 1
            await asyncio.sleep(back_off(BACKOFF_SECONDS, failures, problem))


async def _current(run: Run, stage: Callable[[], Awaitable[Run]]) -> AsyncGenerator[Sample, None]:
    """The current sample of a running Job, or none within `NOW_SECONDS`. Raises `SmoltuiError` if it cannot be read."""
    if run.is_final or run.stage == Stage.SCHEDULING:
        return
    problem: ServiceError | None = None
    try:
        async with aclosing(_samples(run, NOW_SECONDS)) as samples:
            async for sample in samples:
                yield sample
                return
    except ServiceError as error:
        problem = _worth_a_retry(error)
    run, problem = await _asked(stage, run, problem)
    if problem is not None and not run.is_final:
        raise problem


async def _asked(
    stage: Callable[[], Awaitable[Run]], run: Run, problem: ServiceError | None
) -> tuple[Run, ServiceError | None]:
    """The run with its current stage, and the first of `problem` and what kept it from being read."""
    try:
        return await stage(), problem
    except (UnreachableError, RateLimitedError) as error:
        return run, problem or error


def _worth_a_retry(error: ServiceError) -> ServiceError:
    """`error` if it may pass; raised if it will not."""
    if isinstance(error, UnreachableError | RateLimitedError) or _not_running(error):
        return error
    raise error


def _not_running(error: ServiceError) -> bool:
    """Whether the Hub has no metrics of the Job: it responds 406 (formerly 500) unless the Job is running."""
    return isinstance(error, NotFoundOnHubError) or type(error) is ServiceError


async def _samples(run: Run, silence: float) -> AsyncGenerator[Sample, None]:
    """The samples of one connection, to its end or to a silence."""
    doing = "read the usage of the Job"
    async with event_stream(hub.jobs_path(run.namespace or "", run.id, "metrics"), doing=doing) as opened:
        rest, last = b"", time.monotonic()
        while True:
            # A keep-alive is not a sample: the time counts from the last sample.
            try:
                async with asyncio.timeout(last + silence - time.monotonic()):
                    chunk = await _next(opened.chunks)
            except TimeoutError:
                return
            if chunk is None:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_LIMIT:
                rest = b""  # its end will not be JSON, and is skipped
            for line in lines:
                if (sample := _sample(line)) is not None:
                    last = time.monotonic()
                    yield sample


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _sample(line: bytes) -> Sample | None:
    """The sample in a line of the stream; None for a comment, another field, or anything but the expected JSON."""
    if not line.startswith(b"data:"):
        return None
    try:
        data = json.loads(line[5:])
    except (ValueError, RecursionError):
        return None
    return sample_from(data, time.time()) if isinstance(data, Mapping) else None
