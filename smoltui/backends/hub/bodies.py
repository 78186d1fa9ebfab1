"""Bounds on what a server may send: how much, how deep, how slowly. For every client of the Hub in this process.

Whatever answers at the Hub's address is not trusted: it may be the login page of a network, or send without end. Each
answer is counted while it is read, after unpacking, by a hook of httpx2's clients, so huggingface_hub's own requests
are bounded too. Imports httpx2: only import this module once the Hub is needed.
"""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import orjson

ANSWER_BYTES = 32 << 20
"""Of one answer in JSON. A page of 50 Jobs has some hundred kB; a data set of 100 000 files 6 MB."""
ANSWER_MEMORY = 160 << 20
"""Bytes of memory that one answer in JSON may take once it is decoded, as estimated from its commas and brackets."""
COMMA_BYTES, LIST_BYTES, OBJECT_BYTES = 40, 72, 240
"""What Python takes for a value, a list and an object (CPython 3.11 to 3.14, 64 bits)."""
ANSWER_DEPTH = 64
"""Lists and objects inside each other. The Hub's go to 6; walking some 300 meets Python's own limit."""
ANSWER_SECONDS = 12.0
"""From the request to the head of its answer, and again to the end of an answer in JSON."""
SIDE_SECONDS = 2.0
"""For the body of what huggingface_hub asks for on its own account and can do without."""
ERROR_BYTES = 64 << 10
"""Of an answer that refuses; the rest is not read."""
FILE_BYTES = 64 << 20
"""Of one file of a model: only tokenizers and their settings are fetched. A file of a data set may be of any size that
was announced."""
PIECE_BYTES = 64 << 10
"""Unpacked at once."""
SLOWEST_BYTES, SLOWEST_SECONDS = 1024, 15.0
"""A file of which less than this comes in that time is given up."""
SLOWEST_UPLOAD = 16 << 10
"""Bytes a second of what is sent, for which a request has so much longer."""
RESUMED_BYTES = 64 << 10
"""A file that broke off before so much of it came is given up; huggingface_hub resumes others, and never stops."""
SLACK_BYTES = 1 << 20
"""That a file may be larger than it was said to be: the difference is then told by huggingface_hub."""
MOST_ANNOUNCED = 256
"""Files whose size is remembered until they are fetched."""
REDIRECTS = 10
"""Followed at most; the Hub itself needs two."""

ALLOWED = "smoltui_allowed"
"""Key of a request's extensions that holds its `Allowance`; redirects inherit it."""


_SIZE = re.compile(r"[0-9]{1,15}")


class TooMuchError(httpx2.RequestError):
    """An answer larger than any that the Hub gives."""


class BrokenOffError(httpx2.RequestError):
    """A file of which next to nothing came before the connection broke."""


class TooSlowError(httpx2.RequestError):
    """An answer that trickles. No `TimeoutException`: huggingface_hub would ask again, without end."""


@dataclass
class Allowance:
    """What may still be read; shared by the requests that are given the same one."""

    bytes_left: int | None = None
    """After unpacking. None: no bound."""
    memory_left: int | None = None
    """For what is decoded; see `ANSWER_MEMORY`. None: it is not JSON."""
    seconds: float | None = None
    """For one body, from its head to its end. None: only the pace counts."""
    paced: bool = True
    """Give up when next to nothing comes; a stream of events may be silent."""
    cut: bool = False
    """End the body at its bound and raise nothing."""
    resumed_from: int = 0
    """A body that breaks before so many bytes came is given up (`BrokenOffError`)."""

    def took(self, piece: bytes) -> bytes:
        """`piece`, or the part of it that is still allowed where `cut` is set.

        Raises:
            TooMuchError: more came than is allowed.
        """
        if self.memory_left is not None:
            values = COMMA_BYTES * piece.count(b",") + LIST_BYTES * piece.count(b"[") + OBJECT_BYTES * piece.count(b"{")
            self.memory_left -= values
        if self.bytes_left is not None:
            if self.cut:
                piece = piece[: self.bytes_left]
            self.bytes_left -= len(piece)
        if (self.bytes_left or 0) < 0 or (self.memory_left or 0) < 0:
            raise TooMuchError("the answer is larger than any that the Hub gives")
        return piece

    @property
    def spent(self) -> bool:
        return self.cut and self.bytes_left == 0


def answers() -> Allowance:
    """For requests whose answers are JSON."""
    return Allowance(ANSWER_BYTES, ANSWER_MEMORY, ANSWER_SECONDS)


def events() -> Allowance:
    """For a stream of events: whoever reads it bounds its lines and its silences."""
    return Allowance(paced=False)


def install(client: httpx2.Client) -> httpx2.Client:
    """Bounds all answers that `client` reads, and the time in which their heads come."""
    client.max_redirects = REDIRECTS
    client.headers["accept-encoding"] = "gzip, deflate"  # what is unpacked here
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], _Bounds()]}
    # There is no public way to put something around the transports that the proxies of the environment need.
    client._transport = _PromptTransport(client._transport)
    client._mounts = {
        pattern: None if transport is None else _PromptTransport(transport)
        for pattern, transport in client._mounts.items()
    }
    return client


def install_async(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Bounds all answers that `client` reads; their heads are bounded by `asyncio.timeout` where they are asked for."""
    bounds = _Bounds()

    async def bounded(response: httpx2.Response) -> None:
        bounds(response)

    client.max_redirects = REDIRECTS
    client.headers["accept-encoding"] = "gzip, deflate"
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], bounded]}
    return client


def loads(body: bytes) -> Any:
    """The JSON in an answer, its texts fit to be written anywhere (no lone surrogates).

    Raises:
        ValueError: it is none, or nested deeper than anything the Hub sends.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:  # half a surrogate pair, NaN, which JSON of others may hold; or no JSON
        try:
            data = json.loads(body)
            _check_depth(data)
            return _without_surrogates(data)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
    _check_depth(data)
    return data


def _check_depth(data: Any) -> None:
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(ANSWER_DEPTH):
        if not level:
            return
        inside = (holder.values() if isinstance(holder, dict) else holder for holder in level)
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
    raise ValueError("nested too deep")


def _without_surrogates(data: Any) -> Any:
    if isinstance(data, str):
        return data if data.isascii() else data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(data, list):
        return [_without_surrogates(item) for item in data]
    if isinstance(data, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in data.items()}
    return data


# ------------------------------------------------------------------------------------------------------------- the hook


class _Bounds:
    """The hook of one client: puts the bounds around a body that was not read yet."""

    def __init__(self) -> None:
        self._announced: dict[str, int] = {}
        """Bytes of a file, by its path, as the answer to HEAD said; huggingface_hub always asks that first."""

    def __call__(self, response: httpx2.Response) -> None:
        request = response.request
        if request.method == "HEAD":
            self._remember(response)
        allowed = request.extensions.get(ALLOWED)
        if not isinstance(allowed, Allowance):
            allowed = self._by_path(request.url.path)
            request.extensions[ALLOWED] = allowed
        if response.has_redirect_location:
            allowed = Allowance(0, cut=True)  # nobody looks at it, and the client reads it to its end
        elif response.status_code >= 400:
            allowed = Allowance(ERROR_BYTES, seconds=ANSWER_SECONDS, cut=True)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding:
            del response.headers["content-encoding"]  # it is unpacked here, in pieces, and not by httpx2 at once
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _SyncBody(response.stream, allowed, encoding)
        else:
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # there is no third kind
            response.stream = _AsyncBody(response.stream, allowed, encoding)

    def _remember(self, response: httpx2.Response) -> None:
        # A redirect to the store of large files has a length of its own, and says that of the file apart.
        length = None if response.is_redirect else response.headers.get("content-length")
        said = response.headers.get("x-linked-size") or length or ""
        if not _SIZE.fullmatch(said):
            return
        while len(self._announced) >= MOST_ANNOUNCED:
            del self._announced[next(iter(self._announced))]
        self._announced[response.request.url.path] = int(said)

    def _by_path(self, path: str) -> Allowance:
        """What is allowed to a request of huggingface_hub's own: a file, or JSON."""
        if path.endswith("/api/agent-harnesses"):  # asked for before the first question, which is what a person awaits
            return replace(answers(), seconds=SIDE_SECONDS)
        if "/resolve/" not in path:
            return answers()
        bounds = [] if path.startswith("/datasets/") else [FILE_BYTES]
        if (size := self._announced.get(path)) is not None:
            bounds.append(size + SLACK_BYTES)
        return Allowance(min(bounds, default=None), resumed_from=RESUMED_BYTES)


class _Reading:
    """The state of one body: what is unpacked, counted and timed of each chunk."""

    def __init__(self, allowed: Allowance, encoding: str) -> None:
        self._allowed = allowed
        self._unpack = _unpacker(encoding)
        self._began = self._window_at = time.monotonic()
        self._window_bytes = 0

    @property
    def over(self) -> bool:
        return self._allowed.spent

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        self._check_time(len(chunk))
        for piece in self._unpack(chunk):
            if kept := self._allowed.took(piece):
                yield kept
            if self.over:
                return
            self._check_time(0)

    def _check_time(self, came: int) -> None:
        now = time.monotonic()
        if self._allowed.seconds is not None and now - self._began > self._allowed.seconds:
            raise TooSlowError("the answer took too long")
        self._window_bytes += came
        if self._allowed.paced and now - self._window_at > SLOWEST_SECONDS:
            if self._window_bytes < SLOWEST_BYTES:
                raise TooSlowError("next to nothing came")
            self._window_at, self._window_bytes = now, 0


class _SyncBody(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, allowed: Allowance, encoding: str) -> None:
        self._inner, self._allowed, self._encoding = inner, allowed, encoding

    def __iter__(self) -> Iterator[bytes]:
        reading = _Reading(self._allowed, self._encoding)
        if reading.over:
            return
        came = 0
        try:
            for chunk in self._inner:
                came += len(chunk)
                yield from reading.pieces(chunk)
                if reading.over:
                    return
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            if came < self._allowed.resumed_from:
                raise BrokenOffError(str(error)) from error
            raise

    def close(self) -> None:
        self._inner.close()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, allowed: Allowance, encoding: str) -> None:
        self._inner, self._allowed, self._encoding = inner, allowed, encoding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reading = _Reading(self._allowed, self._encoding)
        if reading.over:
            return
        async for chunk in self._inner:
            for piece in reading.pieces(chunk):
                yield piece
            if reading.over:
                return

    async def aclose(self) -> None:
        await self._inner.aclose()


def _unpacker(encoding: str) -> Any:
    """A function from the chunks of a body to pieces of what is packed in them, `PIECE_BYTES` at most each."""
    if encoding in ("", "identity"):
        return lambda chunk: (chunk,)
    if encoding not in ("gzip", "x-gzip", "deflate"):

        def unknown(chunk: bytes) -> Iterator[bytes]:
            raise httpx2.DecodingError("packed in a way that was not asked for")

        return unknown
    unpacker = zlib.decompressobj(47)  # gzip or zlib, as its first bytes say

    def unpack(chunk: bytes) -> Iterator[bytes]:
        while chunk and not unpacker.eof:
            try:
                piece = unpacker.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise httpx2.DecodingError(str(error)) from error
            chunk = unpacker.unconsumed_tail
            if piece:
                yield piece

    return unpack


class _PromptTransport(httpx2.BaseTransport):
    """A transport whose answers begin in time: a server that sends its head a byte a second keeps nobody waiting."""

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = request.headers.get("content-length", "")
        length = int(sent) if sent.isascii() and sent.isdigit() else 0
        asking = _Asking(self._inner, request)
        return asking.answer(ANSWER_SECONDS + length / SLOWEST_UPLOAD)

    def close(self) -> None:
        self._inner.close()


class _Asking:
    """One request in a thread of its own, which is left to itself when its answer does not come in time."""

    def __init__(self, inner: httpx2.BaseTransport, request: httpx2.Request) -> None:
        self._inner, self._request = inner, request
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._left = False
        self._response: httpx2.Response | None = None
        self._error: BaseException | None = None

    def answer(self, seconds: float) -> httpx2.Response:
        threading.Thread(target=self._ask, name="smoltui-request", daemon=True).start()
        try:
            self._done.wait(seconds)
        finally:  # also when ctrl+c ends the waiting
            with self._lock:
                self._left = not self._done.is_set()
        if self._error is not None:
            raise self._error
        if self._response is None:
            raise self._final(httpx2.ReadTimeout("no answer began in time", request=self._request))
        return self._response

    def _final(self, error: BaseException) -> BaseException:
        """`error`, but a file that does not begin to come is given up: huggingface_hub would ask six times."""
        if isinstance(error, httpx2.TimeoutException) and "/resolve/" in self._request.url.path:
            return TooSlowError(str(error), request=self._request)
        return error

    def _ask(self) -> None:
        try:
            response = self._inner.handle_request(self._request)
        except BaseException as error:
            self._error = self._final(error)
            self._done.set()
            return
        with self._lock:
            if self._left:
                response.close()
                return
            self._response = response
            self._done.set()
