"""Following a log over server-sent events: nothing lost, nothing doubled, closed at once.

The Hub replays a log from its first line on every connection, says no event's number, and may cut a stream anywhere. So
each connection is merged with what was shown before by (timestamp, text, ordinal within that timestamp), broken ones
are mended with back-off, and after the end the log is read once more. Lines are split on `\\n` in bytes: U+0085 and
U+2028 are legal inside JSON, and text splitters break them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from array import array
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import orjson

from smoltui.core.foreign.server_values import moment_in
from smoltui.errors import NotFoundOnHubError, RateLimitedError, SmoltuiError, UnreachableError

MARKER = "===== Job started"
"""The platform's own line at each start of the container, sent even when only the tail was asked for."""
QUIET_SECONDS = 2.0
"""A running log that is only to be read as far as it goes now ends when this long nothing more came."""
OVER_QUIET_SECONDS = 5.0
"""A log that is over normally closes; one that stays open (seen after a failed build) ends after so long a silence."""
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Before each attempt after a break. The first comes soon: a server that keeps a short history forgets meanwhile."""
GOOD_SECONDS = 20.0
"""A connection that lasted this long was a good one: the next back-off begins anew."""
READ_ATTEMPTS = 3
"""A reading that does not follow gives up after so many breaks."""
LINE_LIMIT = 4 << 20
"""Bytes without a newline that are held at most."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """One line of the log, as the Job wrote it. A tuple: 100 000 of them can come in a second."""

    at: float | None
    """Seconds since the epoch on the server's clock; None when it did not say."""
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """The state of the connection changed."""

    retry_in: float | None
    """Seconds until the next attempt; None: it is connected again."""
    reason: str = ""


class Opened(Protocol):
    """One connection."""

    now: float
    """The server's clock when it answered, seconds since the epoch."""
    chunks: AsyncIterator[bytes]


class LogSource(Protocol):
    """Where a log comes from. Errors that a wait can mend are `UnreachableError` and `RateLimitedError`."""

    @property
    def over(self) -> asyncio.Event:
        """Set once the run is known to have ended, by anybody."""
        ...

    def open(self, tail: int | None) -> AbstractAsyncContextManager[Opened]:
        """A connection that sends the whole log, or its last `tail` lines and what follows.

        Raises (on entering and while reading): NotFoundOnHubError when there is no log (yet), other `SmoltuiError`.
        """
        ...

    async def check(self) -> None:
        """Asks for the stage now and sets `over` when it is final. Raises `SmoltuiError`."""
        ...


class Merge:
    """Tells new lines from replayed ones. Keeps 8 bytes for a line, and no text.

    A replay usually repeats what came before in the same order, which is a walk along the kept hashes. When it does
    not (lines missing, other order within one timestamp), what is left is compared as a bag.
    """

    def __init__(self) -> None:
        self._shown = array("q")
        self._walked = 0
        self._bag: Counter[int] | None = None
        self._live = True
        self._newest: float | None = None
        self._newest_before: float | None = None
        self._first: tuple[int, float | None] | None = None
        self._skipping = False

    @property
    def empty(self) -> bool:
        """Whether no line but the platform's marker came yet."""
        return self._first is None

    def restart(self, *, from_first: bool) -> None:
        """A new connection replays. `from_first`: what comes before the first line of before is not wanted (a tail)."""
        self._walked, self._bag, self._live = 0, None, not self._shown
        self._newest_before = self._newest
        self._skipping = from_first and self._first is not None

    def is_new(self, stamp: str, at: float | None, text: str) -> bool:
        """Whether this line was not there before; `stamp` is its time as the server wrote it, `at` that in seconds."""
        key = hash((stamp, text))
        if self._skipping:
            assert self._first is not None  # restart saw it
            first, first_at = self._first
            if key != first and not (at is not None and first_at is not None and at > first_at):
                return False
            self._skipping = False
        if not self._live and self._repeats(key, at):
            return False
        self._shown.append(key)
        if self._first is None and not text.startswith(MARKER):
            self._first = (key, at)
        if at is not None and (self._newest is None or at > self._newest):
            self._newest = at
        return True

    def _repeats(self, key: int, at: float | None) -> bool:
        if self._bag is None:
            if self._shown[self._walked] == key:
                self._walked += 1
                self._live = self._walked == len(self._shown)
                return True
            self._bag = Counter(self._shown[self._walked :])
        if self._bag[key] > 0:
            self._bag[key] -= 1
            return True
        if at is not None and self._newest_before is not None and at > self._newest_before:
            self._live, self._bag = True, None  # later than all that came before: the replay is behind us
        return False


async def follow_lines(
    source: LogSource,
    *,
    follow: bool = True,
    tail: int | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncGenerator[Line | Note, None]:
    """The lines of a log in order, each once, and notes when the connection breaks or is mended.

    With `follow` until the run has ended and a whole reading brings nothing new; without, as far as it goes now.
    `tail` starts at the last so many lines. `sleep` waits between attempts and may return early. Close it (or cancel
    the task that reads it) to let go of the connection at once.

    Raises:
        SmoltuiError: what waiting cannot mend (no permission, no such Job); without `follow`, the break itself after
            `READ_ATTEMPTS` attempts.
    """
    merge = Merge()
    failures = 0
    broken = False
    last = not follow
    while True:
        problem: SmoltuiError | None = None
        news = False
        began = time.monotonic()
        try:
            # A tail that broke before its first line is asked for again; later the whole log comes, cut to the tail.
            async with source.open(tail if merge.empty else None) as opened:
                merge.restart(from_first=tail is not None)
                if broken:
                    broken = False
                    yield Note(None)
                async with aclosing(_lines(opened, merge, source.over, until_now=not follow)) as lines:
                    async for line in lines:
                        news, failures = True, 0
                        yield line
        except NotFoundOnHubError as error:
            if last:
                await source.check()  # the Job itself may be gone, which is the better sentence
                return
            problem = error
        except (UnreachableError, RateLimitedError) as error:
            problem = error
        if problem is None and last and not (follow and news):
            return
        if not follow:
            failures += 1
            if problem is not None and failures >= READ_ATTEMPTS:
                raise problem
        else:
            if time.monotonic() - began >= GOOD_SECONDS:
                failures = 0
            if not source.over.is_set():
                try:
                    await source.check()
                except (UnreachableError, RateLimitedError) as error:
                    problem = problem or error
            if source.over.is_set():
                # The end of a stream may be a cut, and a cut may look like an end: read until nothing new comes.
                last = True
                if problem is None:
                    continue
            failures += 1
        delay = back_off(BACKOFF_SECONDS, failures, problem)
        if problem is not None and not isinstance(problem, NotFoundOnHubError):
            broken = True
            yield Note(delay, problem.message)
        await sleep(delay)


def back_off(waits: Sequence[float], breaks: int, problem: SmoltuiError | None) -> float:
    """Seconds before the attempt after so many breaks, from 1: those of `waits`, a little apart; longer where asked."""
    delay = waits[min(breaks, len(waits)) - 1] * random.uniform(0.85, 1.15)
    if isinstance(problem, RateLimitedError) and problem.retry_after is not None:
        delay = max(delay, problem.retry_after + 1)  # the server rounds down
    return delay


async def _lines(opened: Opened, merge: Merge, over: asyncio.Event, *, until_now: bool) -> AsyncGenerator[Line, None]:
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
                if said is not None and said != stamp:  # a line without a time belongs to the one before it
                    stamp, at = said, moment_in(said)
                if until_now and at is not None and at > opened.now + 1:
                    return
                if merge.is_new(stamp, at, text):
                    yield Line(at, text)
    if rest:  # it comes whole with the next connection
        raise UnreachableError("The log broke off in the middle of a line")


async def _chunks(chunks: AsyncIterator[bytes], over: asyncio.Event, *, until_now: bool) -> AsyncGenerator[bytes, None]:
    """The chunks to the end of the stream; no longer than to a silence when `over` is set or with `until_now`."""
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
    """Text and timestamp in a `data:` line; what is not the JSON it should be is shown as it came."""
    body = raw[5:].strip()
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:  # half a surrogate pair, which JSON can hold and orjson refuses; or no JSON
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
    """Without lone surrogates, which JSON can hold and no file or terminal takes."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
