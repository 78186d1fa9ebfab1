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
from smoltui.errors import NotFoundOnHubError, RateLimitedError, ServiceError, SmoltuiError, UnreachableError

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
    asked = breaks = refusals = 0
    while not run.is_final:
        problem: SmoltuiError | None = None
        if run.stage == Stage.SCHEDULING:
            if not follow:
                return
            await asyncio.sleep(patience(asked) * random.uniform(0.9, 1.1))
            asked += 1
        else:
            try:
                async with aclosing(_samples(run, SILENCE_SECONDS if follow else NOW_SECONDS)) as samples:
                    async for sample in samples:
                        breaks = refusals = 0
                        yield sample
                        if not follow:
                            return
            except (UnreachableError, RateLimitedError) as error:
                problem = error
            except ServiceError as error:
                # The Hub responds 406 (formerly 500) for a Job that is not running; its stage confirms it.
                if not _not_running(error):
                    raise
                problem, refusals = error, refusals + 1
        try:
            run = await stage()
        except (UnreachableError, RateLimitedError) as error:
            problem = problem or error
        if run.is_final:
            return
        if problem is not None and (not follow or refusals >= REFUSALS):
            raise problem
        if not follow:
            return
        if run.stage != Stage.SCHEDULING or problem is not None:
            breaks += 1
            await asyncio.sleep(back_off(BACKOFF_SECONDS, breaks, problem))


def _not_running(error: ServiceError) -> bool:
    """Whether the Hub reports that there are no metrics, not that the account lacks access."""
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
