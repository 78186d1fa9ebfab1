"""A server at the Hub's address that is not the Hub, or a Hub gone mad: raw sockets, so that it can say anything.

It answers some paths as the Hub does (`honest`), and all others by its mode, a key of `LIES`.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.hub.server import use_hub

SECRET = "hf_SECRETsecret1234567"
TRICKLE_SECONDS = 0.02
TLS = b"\x16\x03"
"""How a client begins that wants TLS."""

Send = Callable[[bytes], None]
Wait = Callable[[float], bool]
"""Waits so many seconds; whether the server ends."""


def head(status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}connection: close\r\n\r\n".encode("latin-1")


def plain(body: bytes, **how: str) -> Callable[[Send, Wait, str], None]:
    return lambda send, wait, path: send(head(**how) + body)


def _black(send: Send, wait: Wait, path: str) -> None:
    while not wait(0.05):
        pass


def _slow_head(send: Send, wait: Wait, path: str) -> None:
    send(b"HTTP/1.1 200 OK\r\nx-long: ")
    while not wait(TRICKLE_SECONDS):
        send(b"a")


def _slow_body(send: Send, wait: Wait, path: str) -> None:
    send(head())
    while not wait(TRICKLE_SECONDS):
        send(b" ")


def _stalls(send: Send, wait: Wait, path: str) -> None:
    send(head(more="content-length: 100000\r\n") + b"[")
    _black(send, wait, path)


def _endless(send: Send, wait: Wait, path: str) -> None:
    send(head() + b"[")
    while not wait(0):
        send(b"1," * 50_000)


def _endless_objects(send: Send, wait: Wait, path: str) -> None:
    send(head() + b"[")
    while not wait(0):
        send(b'{"a":{"a":{}}},' * 5_000)


def _endless_text(send: Send, wait: Wait, path: str) -> None:
    send(head() + b'["')
    while not wait(0):
        send(b"a" * 100_000)


def _endless_refusal(send: Send, wait: Wait, path: str) -> None:
    words = "\x9bA" * 100 + "\x85"
    send(head("500 X", more=f"x-error-message: {words}\r\n") + b'{"error": "')
    while not wait(0):
        send(f"{SECRET} \\u001b]0;P".encode() * 3000)


def _bomb(send: Send, wait: Wait, path: str) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    send(head(more="content-encoding: gzip\r\n"))
    while not wait(0):
        send(packer.compress(b" " * (1 << 20)))


def _loop(send: Send, wait: Wait, path: str) -> None:
    send(head("302 F", more=f"location: {path}x\r\n") + b"<html>")


def _portal(send: Send, wait: Wait, path: str) -> None:
    page = b"<html>Welcome! Please log in.</html>"
    send(head(kind="text/html") + page if path == "/login" else head("302 F", more="location: /login\r\n"))


def _endless_redirect(send: Send, wait: Wait, path: str) -> None:
    send(head("302 F", more=f"location: {path}x\r\n"))
    while not wait(0):
        send(b"a" * 100_000)


LIES: dict[str, Callable[[Send, Wait, str], None]] = {
    "silent": _black,
    "hangs up": lambda send, wait, path: None,
    "trickles its head": _slow_head,
    "trickles its body": _slow_body,
    "stalls": _stalls,
    "is not HTTP": lambda send, wait, path: send(b"SSH-2.0-OpenSSH_9.6\r\n\x1b]0;P\x07\r\n\r\n"),
    "garbage": plain(b"\xff\xfe{{{[[[\x1b]0;P"),
    "empty": plain(b""),
    "web page": plain(b"<html><body>\x1b]0;P\x07 log in</body></html>", kind="text/html; charset=utf-8"),
    "portal": _portal,
    "refuses with a web page": plain(b"<html>no</html>", status="403 Forbidden", kind="text/html"),
    "fails with a web page": plain(f"<html>\x1b]0;P\x07{SECRET}</html>".encode(), status="503 X", kind="text/html"),
    "ESC in its status": plain(b"", status="503 X\x1b[2J"),
    "fails without end": _endless_refusal,
    "nested": plain(b"[" * 100_000 + b"]" * 100_000),
    "nested less": plain(b'{"a":' * 500 + b"1" + b"}" * 500),
    "endless": _endless,
    "endless text": _endless_text,
    "endless objects": _endless_objects,
    "gzip bomb": _bomb,
    "packed in an unknown way": plain(b"xxxx", more="content-encoding: br\r\n"),
    "redirects in a loop": _loop,
    "redirects without end": _endless_redirect,
    "redirects to nowhere": plain(b"", status="302 F", more="location: http://[::bad/\r\n"),
    "breaks off": plain(b'{"id": ', more="content-length: 900\r\n"),
    "a number": plain(b"7"),
    "null": plain(b"null"),
    "a huge number": plain(b"9" * 5000),
    "lone surrogates": plain(rb'"\ud800\udfff\udc00"'),
}


class LyingHub:
    """The server; `url` is its address."""

    def __init__(self) -> None:
        self.mode = "silent"
        self.honest: dict[str, bytes] = {}
        """Whole answers by a regular expression for "METHOD path"."""
        self.asked: list[str] = []
        """"METHOD path" of each request."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ending = threading.Event()

    def tell(self, request: str, body: object, *, kind: str = "application/json", more: str = "") -> None:
        """Answers requests that match as the Hub would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        length = "" if "content-length" in more.lower() else f"content-length: {len(data)}\r\n"
        self.honest[request] = head(kind=kind, more=f"{length}{more}") + data

    @contextmanager
    def run(self) -> Iterator[LyingHub]:
        threading.Thread(target=self._serve, daemon=True).start()
        try:
            yield self
        finally:
            self._ending.set()
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        mode, ended = LIES[self.mode], threading.Event()

        def wait(seconds: float) -> bool:
            return (self._ending.wait(seconds) if seconds else self._ending.is_set()) or ended.is_set()

        with suppress(OSError), connection:
            connection.settimeout(5)
            received = b""
            while b"\r\n\r\n" not in received and not received.startswith(TLS):
                if not (chunk := connection.recv(65536)):
                    return
                received += chunk
            method, path, *_ = [*received.decode("latin-1").split(" ", 2), ""]
            self.asked.append(f"{method} {path}")
            for wanted, answer in list(self.honest.items()):
                if re.search(wanted, f"{method} {path}"):
                    connection.sendall(answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else answer)
                    return
            mode(connection.sendall, wait, path)


@contextmanager
def lying_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingHub]:
    """A lying Hub that the client in this process uses, with a token."""
    with LyingHub().run() as server:
        use_hub(server.url, monkeypatch)
        yield server
