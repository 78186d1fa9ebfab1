"""A judge behind an OpenAI-compatible address, for tests: it decides by a rule, and everything can go wrong."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

ANSWERS = re.compile(r"<answer_a>\n(.*?)\n</answer_a>.*<answer_b>\n(.*?)\n</answer_b>", re.DOTALL)
REPLIES = {
    "first": "[[A]]",
    "second": "[[B]]",
    "tie": "[[C]]",
    "refuse": "I'm sorry, but I can't help with comparing these answers.",
    "nonsense": "Purple [[Q]], or 11/10",
    "empty": "",
}


class JudgeServer:
    """What it does is `rule`, for the next calls `sequence`: first, second, tie, refuse, nonsense, empty, longer,
    shorter, cut, hang, page, flood, deep, echo (of the key), or a status such as 429."""

    def __init__(self) -> None:
        self.rule = "longer"
        self.sequence: list[str] = []
        self.key: str | None = None
        """Only calls with this key are answered."""
        self.retry_after: str | None = "0"
        self.words = "no (fake)"
        self.calls: list[dict[str, Any]] = []
        """Bodies of the calls."""
        self.answered: list[str] = []
        """Prompts of the calls that got a reply."""
        self.lock = threading.Lock()
        self.go_on = threading.Event()
        """Hanging calls wait for it."""
        self.held = threading.Semaphore(0)
        """Released by each call that hangs."""
        self.url = ""

    @property
    def twice(self) -> int:
        """Prompts that were answered more than once."""
        counted = Counter(self.answered)
        return sum(count > 1 for count in counted.values())

    def next_rule(self, body: dict[str, Any]) -> str:
        with self.lock:
            self.calls.append(body)
            return self.sequence.pop(0) if self.sequence else self.rule


class _Handler(BaseHTTPRequestHandler):
    server_version = "judge"
    protocol_version = "HTTP/1.1"
    judge: ClassVar[JudgeServer]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        judge, key = self.judge, self.headers.get("authorization")
        rule = judge.next_rule(body)
        if judge.key is not None and key != f"Bearer {judge.key}":
            rule = "401"
        if self.path != "/v1/chat/completions":
            rule = "404"
        if rule == "hang":
            judge.held.release()
            judge.go_on.wait(30)
            rule = judge.rule
        if rule.isdigit():
            self._send(int(rule), {"error": {"message": f"{judge.words} {key}", "code": None}})
        elif rule == "page":
            self._send(200, "<html>Log in</html>", "text/html")
        elif rule == "flood":
            self._send(200, {"choices": [{"message": {"content": "x" * (5 << 20)}}]})
        elif rule == "deep":
            self._send(200, '{"choices": ' + "[" * 5000 + "]" * 5000 + "}")
        elif rule == "cut":
            self._send(200, {"choices": []}, length=5000)
        else:
            judge.answered.append(body["messages"][0]["content"])
            text = str(key) if rule == "echo" else self._verdict(rule, body["messages"][0]["content"])
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._send(200, {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}})

    def _verdict(self, rule: str, prompt: str) -> str:
        if rule in REPLIES:
            return REPLIES[rule]
        found = ANSWERS.search(prompt)
        assert found is not None, "the prompt has no two answers"
        a, b = map(len, found.groups())
        if a == b:
            return "[[C]]"
        return "[[A]]" if (a > b) == (rule == "longer") else "Because it is better.\n[[B]]"

    def _send(self, status: int, body: object, kind: str = "application/json", length: int | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(length or len(data)))
        if status == 429 and self.judge.retry_after is not None:
            self.send_header("retry-after", self.judge.retry_after)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = length is not None

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def judge_server() -> Iterator[JudgeServer]:
    """A running one; `url` is its base URL."""
    judge = JudgeServer()
    handler = type("Handler", (_Handler,), {"judge": judge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        judge.go_on.set()
        server.shutdown()
        server.server_close()
