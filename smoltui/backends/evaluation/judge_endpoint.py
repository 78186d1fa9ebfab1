"""A judge behind an OpenAI-compatible API: several calls at a time, waits for rate limits, and stops without loss.

A call that was sent is paid for, so a stop, also ctrl+c, waits for the calls under way and keeps their replies; a
second one abandons them. Whatever responds is not trusted: size, depth and time are limited (`backends/hub/bodies.py`),
redirects are not followed, and the key goes to the endpoint alone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import judge_errors
from smoltui.backends.evaluation.judge import Record
from smoltui.core.evaluation.judge_plan import Call, Judge
from smoltui.core.evaluation.judge_verdict import MOST_REPLY_CHARS, Reply
from smoltui.core.settings.judge_settings import PROVIDERS, JudgeSettings
from smoltui.errors import InputError, RateLimitedError, SmoltuiError
from smoltui.redaction import register_secrets

if TYPE_CHECKING:
    import httpx2

ROUTER = "https://router.huggingface.co/v1"
"""The OpenAI-compatible address of Hugging Face's inference providers (huggingface_hub 2.4,
`inference/_providers/_common.py`). A model is named owner/name, or owner/name:provider."""
ANSWER_BYTES, ANSWER_MEMORY = 4 << 20, 32 << 20
"""Of one response."""
RETRY_SECONDS = (1.0, 4.0)
"""Waits before a call is repeated after an error of the server or a lost connection; not after a timeout, because the
server may still be working on it, and bill it."""
LIMIT_SECONDS = (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0)
"""Waits for a rate limit that does not say how long; when all are used up without a reply in between, the judge gives
up."""
_FINISHES = {"length": "length", "max_tokens": "length", "content_filter": "content_filter", "refusal": "refusal"}


async def key_of(settings: JudgeSettings) -> tuple[str | None, str]:
    """The key for the endpoint, for immediate use, and where it is from; None and an empty text without one.

    Raises:
        InputError: the variable that should hold it is not set.
        NotLoggedInError: the token of the Hub is wanted, and there is none.
    """
    if settings.endpoint == PROVIDERS and not settings.key_env:
        from smoltui.backends.hub.client import token

        return await token(), "the Hub's token"
    if not settings.key_env:
        return None, ""
    key = os.environ.get(settings.key_env, "").strip()
    if not key:
        raise InputError(
            f"The environment variable with the judge's key is not set: {settings.key_env}",
            f"Set it before you start: export {settings.key_env}=…",
        )
    register_secrets(key, is_token=True)
    return key, settings.key_env


class Endpoint:
    """Asks one endpoint. For one round of calls."""

    def __init__(
        self,
        judge: Judge,
        settings: JudgeSettings,
        *,
        most: int | None = None,
        tell: Callable[[str], object] = lambda words: None,
    ) -> None:
        """`most`: requests at most, repeated ones included. `tell` gets a sentence when it waits."""
        base = ROUTER if judge.endpoint == PROVIDERS else judge.endpoint.rstrip("/")
        self._url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
        self._judge, self._settings, self._most, self._tell = judge, settings, most, tell
        self._stopping = asyncio.Event()
        self._not_before = 0.0
        """Until then (`time.monotonic`), nothing is sent: a rate limit holds for all calls."""
        self._limited = 0
        """Rate limits since the last reply."""
        self._limit_name = "max_tokens"
        self._key_name = ""

    def stop(self) -> None:
        """Makes no further call; those under way are finished."""
        self._stopping.set()

    async def ask(self, calls: Sequence[Call], record: Record) -> None:
        """As `judge.Asker.ask`."""
        key, self._key_name = await key_of(self._settings)
        waiting = deque(calls)
        async with _client(self._settings, key) as client:
            # The first call is alone: a wrong key or model is reported once, and costs one call.
            await self._run([self._lane(client, waiting, record, most=1)])
            lanes = min(self._settings.parallel, len(waiting))
            await self._run([self._lane(client, waiting, record) for _ in range(lanes)])

    async def _run(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Runs lanes to their end. If one fails or this is cancelled, the others finish the call they are at."""
        lanes = [asyncio.create_task(lane) for lane in work]
        if not lanes:
            return
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(lane.done() for lane in lanes):
                self.stop()
                self._tell("Finishing the calls in progress…")
            try:
                await asyncio.wait(lanes)
            finally:
                for lane in lanes:
                    lane.cancel()
        errors = [error for lane in lanes if not lane.cancelled() and (error := lane.exception()) is not None]
        if errors:
            raise errors[0]

    async def _lane(
        self, client: httpx2.AsyncClient, waiting: deque[Call], record: Record, most: int | None = None
    ) -> None:
        """Makes one call after the other, at most `most`."""
        made = 0
        while waiting and not self._stopping.is_set() and (most is None or made < most):
            call = waiting.popleft()
            reply = await self._reply(client, call)
            if reply is None:
                return
            self._limited = 0
            await record(call, reply)
            made += 1

    async def _reply(self, client: httpx2.AsyncClient, call: Call) -> Reply | None:
        """The reply to one call; None if it was stopped before it was sent.

        Raises:
            SmoltuiError: it cannot be had.
        """
        retries = iter(RETRY_SECONDS)
        while True:
            while (wait := self._not_before - time.monotonic()) > 0 and not self._stopping.is_set():
                await self._pause(wait)
            if self._stopping.is_set() or self._most == 0:
                return None
            if self._most is not None:
                self._most -= 1
            try:
                response = await self._send(client, call)
            except _LostError as error:
                if (seconds := next(retries, None)) is None:
                    raise error.told from error
                await self._pause(seconds)
                continue
            if response.status_code == 200:
                return self._read(response)
            told = self._refusal(response)
            if isinstance(told, Reply):
                return told
            if isinstance(told, RateLimitedError):
                self._hold(told)
            elif judge_errors.is_transient(response) and (seconds := next(retries, None)) is not None:
                await self._pause(seconds)
            elif told is not None:
                raise told

    async def _pause(self, seconds: float) -> None:
        """Waits, or until it is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _hold(self, error: RateLimitedError) -> None:
        """Lets all calls wait for a rate limit. Raises it if that does not help."""
        now = time.monotonic()
        if self._most is not None:
            self._most += 1  # it was not answered
        if now < self._not_before:
            return  # another call was told already
        if self._limited >= len(LIMIT_SECONDS):
            raise error
        wait = LIMIT_SECONDS[self._limited] if error.retry_after is None else error.retry_after
        self._limited += 1
        self._not_before = now + wait
        self._tell(f"Rate limit: waiting {wait:.0f} s")

    async def _send(self, client: httpx2.AsyncClient, call: Call) -> httpx2.Response:
        """Raises: SmoltuiError: no response. _LostError: the same, but it may succeed in a moment."""
        import httpx2

        from smoltui.backends.hub.bodies import ALLOWED, Allowance

        seconds = self._settings.timeout
        allowed = Allowance(ANSWER_BYTES, ANSWER_MEMORY, seconds, paced=False)
        try:
            async with asyncio.timeout(seconds):
                return await client.post(self._url, json=self._body(call), extensions={ALLOWED: allowed})
        except Exception as error:
            told = judge_errors.no_reply(error, self._url, seconds)
            if told is None:
                raise
            if isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError) and not isinstance(
                error, httpx2.ConnectError
            ):
                raise _LostError(told) from error
            raise told from error

    def _body(self, call: Call) -> dict[str, Any]:
        judge = self._judge
        seed = {"seed": judge.seed} if judge.temperature else {}
        messages = [{"role": "user", "content": call.text.encode("utf-8", "replace").decode()}]
        return {
            "model": judge.model,
            "messages": messages,
            "temperature": judge.temperature,
            self._limit_name: judge.max_tokens,
            **seed,
        }

    def _refusal(self, response: httpx2.Response) -> SmoltuiError | Reply | None:
        """What a status other than 200 means: an error, or a reply without a verdict; None: repeat the call."""
        from smoltui.backends.hub.bodies import loads

        try:
            words = judge_errors.server_words(loads(response.content))
        except ValueError:
            words = ""
        status = response.status_code
        if judge_errors.too_long(status, words):
            return Reply("", "beyond")
        if judge_errors.filtered(status, words):
            return Reply("", "content_filter")
        if status == 400 and "max_completion_tokens" in words and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"  # what OpenAI's newer models want
            return None
        named = {"key_name": self._key_name, "model": self._judge.model}
        return judge_errors.refused(status, self._url, words, response.headers, **named)

    def _read(self, response: httpx2.Response) -> Reply:
        """Raises: UnreachableError: it is not a chat completion."""
        from smoltui.backends.hub.bodies import loads

        try:
            data = loads(response.content)
        except ValueError as error:
            raise judge_errors.not_a_completion(self._url) from error
        choices = data.get("choices") if isinstance(data, Mapping) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
            raise judge_errors.not_a_completion(self._url)
        usage = data.get("usage")
        used = usage if isinstance(usage, Mapping) else {}
        tokens = _count(used.get("prompt_tokens")), _count(used.get("completion_tokens"))
        text, refusal = _text(message.get("content")), message.get("refusal")
        if not text and isinstance(refusal, str) and refusal:
            return Reply(refusal[:MOST_REPLY_CHARS], "refusal", *tokens)
        return Reply(text[:MOST_REPLY_CHARS], _FINISHES.get(str(choice.get("finish_reason")), "stop"), *tokens)


class _LostError(Exception):
    """The connection was lost; `told` is the error to report if it stays so."""

    def __init__(self, told: SmoltuiError) -> None:
        super().__init__(told.message)
        self.told = told


def _client(settings: JudgeSettings, key: str | None) -> httpx2.AsyncClient:
    import httpx2

    from smoltui import __version__
    from smoltui.backends.hub.bodies import install_async

    headers = {"user-agent": f"smoltui/{__version__}"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        client = httpx2.AsyncClient(headers=headers, timeout=settings.timeout, follow_redirects=False)
    except (UnicodeEncodeError, ValueError) as error:
        raise InputError(
            f"The key contains an invalid character: {settings.key_env}", "Set it to just the key, without quotes."
        ) from error
    return install_async(client)


def _count(value: object) -> int | None:
    """A number of tokens; None if it cannot be one."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and isinstance(value, int) and 0 <= value < 10**9 else None


def _text(content: object) -> str:
    """The text of a message: a text, or parts of which some are."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(text for part in parts if isinstance(part, Mapping) and isinstance(text := part.get("text"), str))
