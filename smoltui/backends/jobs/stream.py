"""One connection to a stream of server-sent events of the Hub: a Job's log or its metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import not_the_hub, refusal
from smoltui.errors import SmoltuiError


@dataclass
class Opened:
    """A stream that is being read."""

    now: float
    """The server's clock at the response, seconds since the epoch."""
    chunks: AsyncIterator[bytes]
    """The bytes as they arrive; raises `SmoltuiError` if the connection is lost or silent for too long."""


@asynccontextmanager
async def event_stream(path: str, *, doing: str, params: Mapping[str, str] | None = None) -> AsyncIterator[Opened]:
    """Opens the stream of a path; it is closed immediately at the end of the block.

    The response's head must arrive within `hub.TOTAL_SECONDS`; a silence of `hub.STREAM_SILENCE_SECONDS` ends it.

    Raises (on entering and while reading):
        SmoltuiError: refused, no response, or one that is not a stream.
    """
    import httpx2

    from smoltui.backends.hub.bodies import ALLOWED, events

    timeout = httpx2.Timeout(hub.STREAM_SILENCE_SECONDS, connect=hub.CONNECT_SECONDS)
    async with hub.session(doing) as session:
        request = session.client.build_request(
            "GET",
            session.base + path,
            params=params,
            timeout=timeout,
            headers={**session.headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"},
            extensions={ALLOWED: events()},
        )
        # A working Hub sends the head immediately; only the events may take long.
        response = await hub.guarded(session.client.send(request, stream=True), doing)
        try:
            if response.status_code >= 400:
                with suppress(SmoltuiError):
                    await hub.guarded(response.aread(), doing)
                raise refusal(response, doing, None if response.is_stream_consumed else "")
            if "event-stream" not in response.headers.get("content-type", ""):
                raise not_the_hub(doing, response)
            yield Opened(_server_time(response.headers.get("date")), _bytes(response, doing))
        finally:
            await response.aclose()


async def _bytes(response: Any, doing: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except Exception as error:
        hub.raise_ours(error, doing)


def _server_time(date: str | None) -> float:
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return time.time()
