"""Following a log over server-sent events: nothing lost, nothing duplicated, closed immediately.

The Hub replays a log from its first line on every connection, sends no event ids, and may cut a stream anywhere. So
each connection is merged with the previous lines by (timestamp, text, ordinal within that timestamp), lost ones
are retried with back-off, and after the end the log is read once more. Lines are split on `\\n` in bytes: U+0085 and
U+2028 are legal inside JSON, and text splitters break them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import orjson

from smoltui.backends.jobs.line_merge import Merge, Missing
from smoltui.core.foreign.server_values import moment_in
from smoltui.errors import NotFoundOnHubError, RateLimitedError, SmoltuiError, UnreachableError

QUIET_SECONDS = 2.0
"""When reading only the current content of a running log, it ends after this long without data."""
OVER_QUIET_SECONDS = 5.0
"""A finished log normally closes; one that stays open (seen after a failed build) ends after this long a silence."""
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Delay before each attempt after a lost connection. The first is short: a server may keep little history."""
GOOD_SECONDS = 20.0
"""A connection that lasted this long counts as good: the back-off restarts."""
READ_ATTEMPTS = 3
"""Attempts when not following."""
LINE_LIMIT = 4 << 20
"""Maximum bytes without a newline."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """One line of the log, as written by the Job. A tuple, because there can be 100 000 per second."""

    at: float | None
    """Seconds since the epoch by the server's clock; None if not stated."""
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """The state of the connection changed."""

    retry_in: float | None
    """Seconds until the next attempt; None: reconnected."""
    reason: str = ""


class Opened(Protocol):
    """One connection."""

    now: float
    """The server's clock at the response, seconds since the epoch."""
    chunks: AsyncIterator[bytes]


class LogSource(Protocol):
    """The source of a log. Errors worth a retry are `UnreachableError` and `RateLimitedError`."""

    @property
    def over(self) -> asyncio.Event:
        """Set by anyone who learns that the run has ended."""
        ...

    def open(self, tail: int | None) -> AbstractAsyncContextManager[Opened]:
        """A connection that sends the whole log, or its last `tail` lines and what follows.

        Raises (on entering and while reading): NotFoundOnHubError when there is no log (yet), other `SmoltuiError`.
        """
        ...

    async def check(self) -> None:
        """Asks for the stage now and sets `over` if it is final. Raises `SmoltuiError`."""
        ...


async def follow_lines(
    source: LogSource,
    *,
    follow: bool = True,
    tail: int | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncGenerator[Line | Note | Missing, None]:
    """The lines of a log in order, each once, and notes when the connection is lost or restored.

    With `follow`, until the run has ended and a full reading brings nothing new; without, the current content.
    `tail` starts with the last lines. `sleep` waits between attempts and may return early. Close it (or cancel
    the task that reads it) to close the connection immediately.

    Raises:
        SmoltuiError: errors that no retry fixes (no permission, no such Job); without `follow`, a lost connection after
            `READ_ATTEMPTS` attempts.
    """
    reading = _Reading(source, tail, until_now=not follow)
    attempts = _until_ended(source, reading) if follow else _until_now(source, reading)
    async with aclosing(attempts):
        async for item in attempts:
            if isinstance(item, _Wait):
                await sleep(item.seconds)
            else:
                yield item


@dataclass(frozen=True, slots=True)
class _Wait:
    """The time before the next attempt."""

    seconds: float


class _Reading:
    """One log, read over as many connections as it takes."""

    def __init__(self, source: LogSource, tail: int | None, *, until_now: bool) -> None:
        self._source, self._tail, self._until_now = source, tail, until_now
        self._merge = Merge()
        self._interrupted = False
        """A `Note` reported a lost connection, and none since that it is back."""
        self._doubtful = False
        """A connection was lost, and none since has repeated the newest line before that."""
        self.problem: SmoltuiError | None = None
        """Why the last connection ended, if not at the end of the log."""
        self.news = False
        """The last connection brought a new line."""
        self.failures = 0
        """Attempts in a row without a new line."""

    async def lines(self) -> AsyncGenerator[Line | Note | Missing, None]:
        """The new lines of one more connection; leaves its outcome in `problem` and `news`.

        Raises `SmoltuiError` for errors that no retry fixes.
        """
        self.problem, self.news = None, False
        # A tail that broke before its first line is requested again; later the whole log is read, cut to the tail.
        tail = self._tail if self._merge.empty else None
        try:
            async with self._source.open(tail) as opened:
                self._merge.restart(from_first=self._tail is not None)
                if self._interrupted:
                    self._interrupted = False
                    yield Note(None)
                found = _lines(opened, self._merge, self._source.over, until_now=self._until_now)
                async with aclosing(found):
                    async for line in found:
                        self.news, self.failures = True, 0
                        yield line
        except (NotFoundOnHubError, UnreachableError, RateLimitedError) as error:
            self.problem = error
        proven = self._merge.proven and (self._merge.unique or not self.news)
        lost = isinstance(self.problem, UnreachableError)
        self._doubtful = not self._merge.empty and (lost or (self._doubtful and not proven))

    def missing_at_end(self) -> Iterator[Missing]:
        """What may be missing at the end of the log, which cannot be read again."""
        if self._doubtful:
            yield self._merge.missing_at_end()

    def back_off(self) -> Iterator[Note | _Wait]:
        """A note if the connection was lost, and the wait before the next attempt."""
        delay = back_off(BACKOFF_SECONDS, self.failures, self.problem)
        if self.problem is not None and not isinstance(self.problem, NotFoundOnHubError):
            self._interrupted = True
            yield Note(delay, self.problem.message)
        yield _Wait(delay)


async def _until_now(source: LogSource, reading: _Reading) -> AsyncGenerator[Line | Note | Missing | _Wait, None]:
    """The current content of a log. Raises as `follow_lines`."""
    while True:
        async with aclosing(reading.lines()) as lines:
            async for item in lines:
                yield item
        if isinstance(reading.problem, NotFoundOnHubError):
            await source.check()  # the Job itself may be gone, which is the better message
            return
        if reading.problem is None:
            return
        reading.failures += 1
        if reading.failures >= READ_ATTEMPTS:
            raise reading.problem
        for step in reading.back_off():
            yield step


async def _until_ended(source: LogSource, reading: _Reading) -> AsyncGenerator[Line | Note | Missing | _Wait, None]:
    """A log until its run has ended and a full reading brings nothing new. Raises as `follow_lines`."""
    last = False
    while True:
        began = time.monotonic()
        async with aclosing(reading.lines()) as lines:
            async for item in lines:
                yield item
        if last and isinstance(reading.problem, NotFoundOnHubError):
            await source.check()  # the Job itself may be gone, which is the better message
            return
        if last and reading.problem is None and not reading.news:
            for missing in reading.missing_at_end():
                yield missing
            return
        if time.monotonic() - began >= GOOD_SECONDS:
            reading.failures = 0
        if reading.failures or not isinstance(reading.problem, UnreachableError):
            await _check_stage(source, reading)  # not after the first cut: a server may keep little history
        # A stream may end early, and a cut may look like an end: read until nothing new comes.
        last = last or source.over.is_set()
        if last and reading.problem is None:
            continue
        reading.failures += 1
        for step in reading.back_off():
            yield step


async def _check_stage(source: LogSource, reading: _Reading) -> None:
    """Finds out whether the run has ended; a question that failed counts as a failure of the reading."""
    if source.over.is_set():
        return
    try:
        await source.check()
    except (UnreachableError, RateLimitedError) as error:
        reading.problem = reading.problem or error


def back_off(waits: Sequence[float], failures: int, problem: SmoltuiError | None) -> float:
    """Seconds before the next attempt after this many failures (from 1), with jitter; longer if the Hub asks."""
    delay = waits[min(failures, len(waits)) - 1] * random.uniform(0.85, 1.15)
    if isinstance(problem, RateLimitedError) and problem.retry_after is not None:
        delay = max(delay, problem.retry_after + 1)  # the server rounds down
    return delay


async def _lines(
    opened: Opened, merge: Merge, over: asyncio.Event, *, until_now: bool
) -> AsyncGenerator[Line | Missing, None]:
    """The new lines of one connection."""
    stamp, at = "", None
    rest = b""
    async with aclosing(_chunks(opened.chunks, over, until_now=until_now)) as chunks:
        async for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_LIMIT:
                whole, rest = [*whole, rest], b""
            for raw in whole:
                if not raw.startswith(b"data:"):
                    continue  # a comment, an empty line or another field
                text, said = _event(raw)
                if said is not None and said != stamp:  # a line without a time belongs to the previous one
                    stamp, at = said, moment_in(said)
                if until_now and at is not None and at > opened.now + 1:
                    return
                if merge.is_new(stamp, at, text):
                    if (missing := merge.missing_before(at, text)) is not None:
                        yield missing
                    yield Line(at, text)
    if rest:  # the next connection sends it complete
        raise UnreachableError("The log was interrupted in the middle of a line")


async def _chunks(chunks: AsyncIterator[bytes], over: asyncio.Event, *, until_now: bool) -> AsyncGenerator[bytes, None]:
    """The chunks to the end of the stream; only up to a silence if `over` is set, or with `until_now`."""
    loop = asyncio.get_running_loop()
    last_data = loop.time()
    while True:
        reading = asyncio.ensure_future(_next(chunks))
        try:
            if not over.is_set() and not until_now:
                waiting = asyncio.ensure_future(over.wait())
                try:
                    await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                last_data = loop.time()
            quiet = OVER_QUIET_SECONDS if over.is_set() else QUIET_SECONDS
            while not reading.done():
                left = last_data + quiet - loop.time()
                if left <= 0:
                    return
                await asyncio.wait({reading}, timeout=left)
            chunk = reading.result()
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        if chunk is None:
            return
        if not chunk.lstrip().startswith(b":"):
            last_data = loop.time()
        yield chunk


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _event(raw: bytes) -> tuple[str, str | None]:
    """Text and timestamp in a `data:` line; anything but the expected JSON is shown unchanged."""
    body = raw[5:].strip()
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:  # half a surrogate pair, which JSON allows and orjson rejects; or not JSON
        source = body.decode("utf-8", "replace")
        try:
            data = json.loads(source)
        except (ValueError, RecursionError):
            return source, None
    if not isinstance(data, dict) or not isinstance(data.get("data"), str):
        return body.decode("utf-8", "replace"), None
    stamp = data.get("timestamp")
    return _joined(data["data"]), stamp if isinstance(stamp, str) else None


def _joined(text: str) -> str:
    """Without lone surrogates, which JSON allows but no file or terminal accepts."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
