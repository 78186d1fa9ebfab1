"""Limits on what a server may send: size, depth, pace. For every client of the Hub in this process.

Whatever responds at the Hub's address is not trusted: it may be a network login page, or send endlessly. Each response
is counted while it is read, after unpacking, by a hook of httpx2's clients, so that huggingface_hub's own requests are
limited too. Imports httpx2: only import this module once the Hub is needed.
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
"""Bytes of one JSON response. A page of 50 Jobs has a few hundred kB; a data set of 100 000 files 6 MB."""
ANSWER_MEMORY = 160 << 20
"""Bytes of memory for one decoded JSON response, estimated from its commas and brackets."""
COMMA_BYTES, LIST_BYTES, OBJECT_BYTES = 40, 72, 240
"""Python's memory for a value, a list and an object (CPython 3.11 to 3.14, 64 bits)."""
ANSWER_DEPTH = 64
"""Nesting depth of lists and objects. The Hub uses up to 6; walking about 300 exceeds Python's own limit."""
ANSWER_SECONDS = 12.0
"""From the request to the head of its response, and again to the end of a JSON response."""
SIDE_SECONDS = 2.0
"""For the body of optional requests made by huggingface_hub itself."""
ERROR_BYTES = 64 << 10
"""Bytes of an error response; the rest is not read."""
FILE_BYTES = 64 << 20
"""Bytes of one file of a model: only tokenizers and their settings are fetched. A file of a data set may have any
announced size."""
PIECE_BYTES = 64 << 10
"""Bytes unpacked at a time."""
SLOWEST_BYTES, SLOWEST_SECONDS = 1024, 15.0
"""A file download is abandoned if less than this arrives in that time."""
SLOWEST_UPLOAD = 16 << 10
"""Bytes per second of an upload, by which the time limit of a request is extended."""
RESUMED_BYTES = 64 << 10
"""A file download interrupted before this size is abandoned; huggingface_hub resumes others endlessly."""
SLACK_BYTES = 1 << 20
"""Tolerance above a file's announced size: huggingface_hub then reports the difference."""
MOST_ANNOUNCED = 256
"""Number of files whose size is remembered until they are fetched."""
REDIRECTS = 10
"""Maximum redirects; the Hub itself needs two."""

ALLOWED = "smoltui_allowed"
"""Key of a request's extensions for its `Allowance`; redirects inherit it."""


_SIZE = re.compile(r"[0-9]{1,15}")


class TooMuchError(httpx2.RequestError):
    """A response larger than any that the Hub sends."""


class BrokenOffError(httpx2.RequestError):
    """A file of which almost no data arrived before the connection was lost."""


class TooSlowError(httpx2.RequestError):
    """A response that trickles. Not a `TimeoutException`, because huggingface_hub would retry endlessly."""


@dataclass
class Allowance:
    """How much may still be read; shared by the requests that use it."""

    bytes_left: int | None = None
    """Bytes after unpacking. None: no limit."""
    memory_left: int | None = None
    """Memory after decoding; see `ANSWER_MEMORY`. None: not JSON."""
    seconds: float | None = None
    """Time for one body, from head to end. None: only the pace counts."""
    paced: bool = True
    """Give up if almost nothing arrives; a stream of events may be silent."""
    cut: bool = False
    """End the body at its limit without an error."""
    resumed_from: int = 0
    """A body interrupted before this many bytes is abandoned (`BrokenOffError`)."""

    def took(self, piece: bytes) -> bytes:
        """`piece`, or its still allowed part if `cut` is set.

        Raises:
            TooMuchError: more arrived than is allowed.
        """
        if self.memory_left is not None:
            values = COMMA_BYTES * piece.count(b",") + LIST_BYTES * piece.count(b"[") + OBJECT_BYTES * piece.count(b"{")
            self.memory_left -= values
        if self.bytes_left is not None:
            if self.cut:
                piece = piece[: self.bytes_left]
            self.bytes_left -= len(piece)
        if (self.bytes_left or 0) < 0 or (self.memory_left or 0) < 0:
            raise TooMuchError("the response is larger than any that the Hub sends")
        return piece

    @property
    def spent(self) -> bool:
        return self.cut and self.bytes_left == 0


def answers() -> Allowance:
    """For requests with JSON responses."""
    return Allowance(ANSWER_BYTES, ANSWER_MEMORY, ANSWER_SECONDS)


def events() -> Allowance:
    """For a stream of events: its reader limits lines and silences."""
    return Allowance(paced=False)


def install(client: httpx2.Client) -> httpx2.Client:
    """Limits all responses that `client` reads, and the time until their heads arrive."""
    client.max_redirects = REDIRECTS
    client.headers["accept-encoding"] = "gzip, deflate"  # encodings unpacked here
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], _Bounds()]}
    # There is no public way to wrap the transports for the environment's proxies.
    client._transport = _PromptTransport(client._transport)
    client._mounts = {
        pattern: None if transport is None else _PromptTransport(transport)
        for pattern, transport in client._mounts.items()
    }
    return client


def install_async(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Limits all responses that `client` reads; callers limit their heads with `asyncio.timeout`."""
    bounds = _Bounds()

    async def bounded(response: httpx2.Response) -> None:
        bounds(response)

    client.max_redirects = REDIRECTS
    client.headers["accept-encoding"] = "gzip, deflate"
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], bounded]}
    return client


def loads(body: bytes) -> Any:
    """The JSON in a response, with texts safe to write anywhere (no lone surrogates).

    Raises:
        ValueError: not JSON, or nested deeper than anything the Hub sends.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:  # half a surrogate pair or NaN, which foreign JSON may contain; or not JSON
        try:
            data = json.loads(body)
            _check_depth(data)
            return _without_surrogates(data)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
    _check_depth(data)
    return data


def _check_depth(data: object) -> None:
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(ANSWER_DEPTH):
        if not level:
            return
        inside = (holder.values() if isinstance(holder, dict) else holder for holder in level)
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
    raise ValueError("nested too deep")


def _without_surrogates(data: object) -> Any:
    if isinstance(data, str):
        return data if data.isascii() else data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(data, list):
        return [_without_surrogates(item) for item in data]
    if isinstance(data, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in data.items()}
    return data


# ------------------------------------------------------------------------------------------------------------- the hook


class _Bounds:
    """The hook of one client: puts limits around a body that has not been read yet."""

    def __init__(self) -> None:
        self._announced: dict[str, int] = {}
        """Bytes of a file by its path, from the response to HEAD, which huggingface_hub always sends first."""

    def __call__(self, response: httpx2.Response) -> None:
        request = response.request
        if request.method == "HEAD":
            self._remember(response)
        allowed = request.extensions.get(ALLOWED)
        if not isinstance(allowed, Allowance):
            allowed = self._by_path(request.url.path)
            request.extensions[ALLOWED] = allowed
        if response.has_redirect_location:
            allowed = Allowance(0, cut=True)  # nobody uses it, and the client reads it to its end
        elif response.status_code >= 400:
            allowed = Allowance(ERROR_BYTES, seconds=ANSWER_SECONDS, cut=True)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding:
            del response.headers["content-encoding"]  # unpacked here in pieces, not by httpx2 as a whole
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _SyncBody(response.stream, allowed, encoding)
        elif isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _AsyncBody(response.stream, allowed, encoding)
        else:
            raise TypeError(f"a body that cannot be limited: {type(response.stream).__name__}")

    def _remember(self, response: httpx2.Response) -> None:
        # A redirect to the store of large files has its own length, and reports the file's separately.
        length = None if response.is_redirect else response.headers.get("content-length")
        said = response.headers.get("x-linked-size") or length or ""
        if not _SIZE.fullmatch(said):
            return
        while len(self._announced) >= MOST_ANNOUNCED:
            del self._announced[next(iter(self._announced))]
        self._announced[response.request.url.path] = int(said)

    def _by_path(self, path: str) -> Allowance:
        """The allowance of a request made by huggingface_hub itself: a file, or JSON."""
        if path.endswith("/api/agent-harnesses"):  # requested before the first call that a person waits for
            return replace(answers(), seconds=SIDE_SECONDS)
        if "/resolve/" not in path:
            return answers()
        bounds = [] if path.startswith("/datasets/") else [FILE_BYTES]
        if (size := self._announced.get(path)) is not None:
            bounds.append(size + SLACK_BYTES)
        return Allowance(min(bounds, default=None), resumed_from=RESUMED_BYTES)


class _Reading:
    """The state of one body: unpacks, counts and times each chunk."""

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
            raise TooSlowError("the response took too long")
        self._window_bytes += came
        if self._allowed.paced and now - self._window_at > SLOWEST_SECONDS:
            if self._window_bytes < SLOWEST_BYTES:
                raise TooSlowError("almost no data arrived")
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
    """A function from the chunks of a body to unpacked pieces of at most `PIECE_BYTES`."""
    if encoding in ("", "identity"):
        return lambda chunk: (chunk,)
    if encoding not in ("gzip", "x-gzip", "deflate"):

        def unknown(chunk: bytes) -> Iterator[bytes]:
            raise httpx2.DecodingError("compressed in a way that was not requested")

        return unknown
    unpacker = zlib.decompressobj(47)  # gzip or zlib, according to its first bytes

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
    """A transport whose responses start in time: a server that sends its head at a byte per second delays nobody."""

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
    """One request in its own thread, which is abandoned if the response does not come in time."""

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
        """`error`, but a file that does not start to arrive is abandoned: huggingface_hub would retry six times."""
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
