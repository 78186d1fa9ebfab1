"""A small Hub on this machine: the account, the hardware list, Jobs and their logs, data sets and their files, and
what can go wrong with them.

It speaks what `smoltui` and the real client ask of it, no more, and remembers every request. A test says how each
connection to a log ends (`Job.connections`) and which answers are spoiled (`LocalHub.spoil`).
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from smoltui.backends.jobs.line_merge import MARKER
from tests.hub import repo_routes
from tests.hub.repos import Repos

TOKEN = "hf_localwriter0123456789"
KEEP_ALIVE_SECONDS = 30.0
"""Between two comments on a stream that is silent, as on the Hub."""
FINAL = ("COMPLETED", "CANCELED", "ERROR", "DELETED")


def stamp(seconds: float) -> str:
    """A time as the Hub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class Connection:
    """How one connection to a log goes."""

    after: int | None = None
    """It breaks behind so many lines of the log; None: it does not break."""
    how: str = "reset"
    """reset, close (no end of the chunks), clean (looks like the end), midline, midline_clean."""
    skip: int = 0
    """The server has forgotten so many lines from the start."""
    status: int = 200
    """Another status: an answer in place of the stream."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """A Job and its log."""

    id: str
    namespace: str
    spec: dict[str, Any]
    created: float
    stage: str = "RUNNING"
    message: str | None = None
    lines: list[tuple[str, str] | bytes] = field(default_factory=list)
    """(timestamp, text), or bytes for the wire as they are."""
    connections: list[Connection] = field(default_factory=list)
    """The first connections to the log; those behind them just work."""
    opened: int = 0
    never_closes: bool = False
    samples: list[Any] = field(default_factory=list)
    """What the stream of figures sends, in order: an object, or bytes for the wire as they are. Then it is silent."""
    measured: list[Connection] = field(default_factory=list)
    """The first connections to the figures, by `status` and `after`; those behind them just work."""
    asked_for_figures: int = 0
    status: dict[str, Any] = field(default_factory=dict)
    """More of the Job's `status`: exposeUrls, sshUrl."""
    initiator: dict[str, Any] | None = None

    def say(self, *texts: str, same_time: bool = False) -> None:
        for text in texts:
            self.lines.append((stamp(self.created + (0 if same_time else len(self.lines))), text))

    def as_json(self) -> dict[str, Any]:
        final = self.stage in FINAL
        return {
            "id": self.id,
            "type": "job",
            "createdAt": stamp(self.created),
            "startedAt": None if self.stage == "SCHEDULING" else stamp(self.created + 1),
            "finishedAt": stamp(self.created + 61) if final else None,
            "status": {"stage": self.stage, "message": self.message, **self.status},
            "initiator": self.initiator,
            "owner": {"id": "1", "name": self.namespace, "type": "user"},
            **{key: value for key, value in self.spec.items() if key != "secrets"},
            "secrets": sorted(self.spec.get("secrets", {})),
        }


@dataclass
class Scheduled:
    """A scheduled Job."""

    id: str
    namespace: str
    body: dict[str, Any]
    """The request that made it."""
    created: float
    last: Job | None = None

    def as_json(self) -> dict[str, Any]:
        spec, suspended = self.body["jobSpec"], bool(self.body.get("suspend"))
        return {
            "id": self.id,
            "type": "scheduled-job",
            "createdAt": stamp(self.created),
            "jobSpec": {**spec, "secrets": sorted(spec.get("secrets", {})), "timeout": spec.get("timeoutSeconds")},
            "schedule": self.body["schedule"],
            "suspend": suspended,
            "concurrency": bool(self.body.get("concurrency")),
            "status": {
                "lastJob": {"id": self.last.id, "at": stamp(self.last.created)} if self.last else None,
                "nextJobRunAt": None if suspended else stamp(self.created + 3600),
            },
            "owner": {"id": "1", "name": self.namespace, "type": "user"},
        }


@dataclass
class Dataset:
    """A data set and its files."""

    files: dict[str, bytes]
    gated: bool = False
    """Its files are refused, but listed, as on the Hub."""
    private: bool = False
    card: dict[str, Any] | None = None
    """The metadata of its card."""
    ranges: bool = True
    """Ranges are answered; otherwise the whole file comes."""
    slow: float = 0.0
    """Seconds between two pieces of a file."""

    revisions: tuple[str, ...] = ("main", "v1", "0" * 40)


class LocalHub:
    """The Hub; `url` is its address once `run` has entered."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.jobs: dict[str, Job] = {}
        self.scheduled: dict[str, Scheduled] = {}
        self.closed: set[str] = set()
        """Namespaces whose Jobs this account may not see: 403."""
        self.datasets: dict[str, Dataset] = {}
        """By id, owner/name."""
        self.repos = Repos()
        """Models, Spaces, and data sets that are read and written as repositories."""
        self.whoami: Any = {
            "type": "user",
            "name": "ada",
            "fullname": "Ada",
            "isPro": True,
            "canPay": True,
            "orgs": [{"name": "lab"}],
            "auth": {"type": "access_token", "accessToken": {"displayName": "laptop", "role": "write"}},
        }
        self.hardware: Any = [
            {
                "name": "a100-large",
                "prettyName": "Nvidia A100 - large",
                "cpu": "12 vCPU",
                "ram": "142 GB",
                "accelerator": {"type": "gpu", "model": "A100", "quantity": "1", "vram": "80 GB"},
                "unitCostMicroUSD": 41667,
                "unitCostUSD": 0.041667,
                "unitLabel": "minute",
            },
            {
                "name": "cpu-basic",
                "prettyName": "CPU Basic",
                "cpu": "2 vCPU",
                "ram": "16 GB",
                "accelerator": None,
                "unitCostMicroUSD": 167,
                "unitCostUSD": 0.000167,
                "unitLabel": "minute",
            },
        ]
        self.page_size = 50
        self.extra_items: list[Any] = []
        """Put before the Jobs of a list, as they are."""
        self.bucket_private = True
        self.latency = 0.0
        """Seconds before each answer."""
        self.file_bytes = 0
        """Sent of files of data sets."""
        self.streams = 0
        """Log connections open now."""
        self.lock = threading.RLock()
        self._faults: list[dict[str, Any]] = []
        self._stopping = threading.Event()

    def spoil(self, method: str, path: str, *, times: int = 1, **how: Any) -> None:
        """Spoils the next answers: `status` (with `body`, `headers`), or `how` close, silent, garbage or html; with
        `after` only once the request has had its effect."""
        self._faults.append({"method": method, "path": re.compile(path), "times": times, **how})

    def add(
        self, texts: list[str] | None = None, *, stage: str = "RUNNING", namespace: str = "ada", **spec: Any
    ) -> Job:
        """Adds an existing Job, each of `texts` one second after the previous one."""
        with self.lock:
            number = len(self.jobs) + 1
            job = Job(
                f"job{number:04}", namespace, {"command": ["x"], "flavor": "cpu-basic", **spec}, 1.7e9 + number, stage
            )
            job.say(*(texts or []))
            self.jobs[job.id] = job
            return job

    def asked(self, method: str, path: str) -> list[dict[str, Any]]:
        """The requests so far whose path matches."""
        return [r for r in self.requests if r["method"] == method and re.search(path, r["path"])]

    @contextmanager
    def run(self) -> Iterator[LocalHub]:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.hub = self
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def schedule_is_known(self, schedule: str) -> bool:
        """The 30th of February never comes, which only the Hub says."""
        return schedule != "0 0 30 2 *"

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def fault(self, method: str, path: str) -> dict[str, Any] | None:
        with self.lock:
            for fault in self._faults:
                if fault["times"] > 0 and fault["method"] == method and fault["path"].search(path):
                    fault["times"] -= 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: LocalHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        hub, url = self.server.hub, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with suppress(ValueError):
            body = None
            with suppress(ValueError):  # a commit is a list of objects, one per line
                body = json.loads(raw) if raw else None
            hub.requests.append(
                {
                    "method": method,
                    "path": url.path,
                    "query": parse_qs(url.query),
                    "body": body,
                    "headers": {key.lower(): value for key, value in self.headers.items()},
                }
            )
            if hub.latency:
                time.sleep(hub.latency)
            fault = hub.fault(method, url.path)
            if fault and not fault.get("after"):
                return self._spoilt(fault)
            answer = self._of_repos(method, url.path, parse_qs(url.query), raw)
            if answer == repo_routes.CUT:
                return self._cut("close")
            if answer is None:
                answer = self._answer(method, url.path, parse_qs(url.query), body)
            if fault:
                return self._spoilt(fault)
            if answer is not None:
                self._send(*answer)

    def _spoilt(self, fault: dict[str, Any]) -> None:
        match fault.get("how"):
            case "close":
                self._cut("close")
            case "silent":
                while not self.server.hub.stopping and not self._gone(0.05):
                    pass
                self.close_connection = True
            case "garbage":
                self._send(200, b"\x00\xff not json at all {", {})
            case "html":
                self._send(200, "<html>please log in</html>", {"Content-Type": "text/html"})
            case _:
                self._send(fault["status"], fault.get("body", {"error": "spoilt"}), fault.get("headers", {}))

    def _of_repos(
        self, method: str, path: str, query: dict[str, list[str]], raw: bytes
    ) -> tuple[int, Any, dict[str, str]] | None:
        """The answer about a repository; None for any other path, and for a data set of `hub.datasets`."""
        hub = self.server.hub
        name = "/".join(path.removeprefix("/api").removeprefix("/datasets/").split("/")[:2])
        if path.startswith(("/api/datasets/", "/datasets/")) and name in hub.datasets:
            return None
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        try:
            who = hub.whoami
            account = who["name"] if known else None
            owned = (account, *(org["name"] for org in who["orgs"])) if account else ()
            role = who["auth"]["accessToken"]["role"]
        except (KeyError, TypeError, AttributeError):  # spoilt by the test: no account owns anything
            account, owned, role = None, (), "read"
        asked = repo_routes.Asked(method, path, query, raw, account, owned, role, hub.url)
        with hub.lock:
            return repo_routes.answer(hub.repos, asked)

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]], body: Any
    ) -> tuple[int, Any, dict[str, str]] | None:
        hub = self.server.hub
        if path == "/api/jobs/hardware":
            return 200, hub.hardware, {}
        if path.startswith(("/api/datasets/", "/datasets/")):
            return self._dataset(path.removeprefix("/api").removeprefix("/datasets/").split("/"))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}, {}
        if path == "/api/whoami-v2":
            return 200, hub.whoami, {}
        parts = path.removeprefix("/api/").split("/")
        if parts[0] == "buckets":
            return (
                200,
                {"url": f"{hub.url}/buckets/{parts[1]}/{parts[2]}"} if method == "POST" else self._bucket(parts),
                {},
            )
        if parts[0] in ("jobs", "scheduled-jobs") and parts[1] in hub.closed:
            return 403, {"error": "No access to the Jobs of this namespace"}, {}
        if parts[0] == "scheduled-jobs":
            return self._scheduled(method, parts[1:], query, body)
        if parts[0] == "jobs" and len(parts) == 2:
            return self._create(parts[1], body) if method == "POST" else self._list(parts[1], query)
        job = hub.jobs.get(parts[2]) if parts[0] == "jobs" and len(parts) > 2 else None
        if job is None or job.namespace != parts[1]:
            return 404, {"error": "Job not found"}, {}
        match method, parts[3:]:
            case "GET", []:
                return 200, job.as_json(), {}
            case "GET", ["logs"]:
                self._logs(job, int(query["tail"][0]) if "tail" in query else None)
                return None
            case "GET", ["metrics"]:
                self._figures(job)
                return None
            case "PUT", ["expose"]:
                job.spec["expose"] = body
                job.status["exposeUrls"] = [f"https://{job.id}--{port}.hf.jobs" for port in body["ports"]]
                return 200, job.as_json(), {}
            case "PUT", ["labels"]:
                job.spec["labels"] = body["labels"]
                return 200, job.as_json(), {}
            case "POST", ["cancel"]:
                if job.stage in FINAL:
                    return 409, {"error": "Job is not running"}, {}
                job.stage = "CANCELED"
                return 200, job.as_json(), {}
        return 404, {"error": "Not found"}, {}

    def _bucket(self, parts: list[str]) -> dict[str, Any]:
        private, name = self.server.hub.bucket_private, f"{parts[1]}/{parts[2]}"
        return {"id": name, "private": private, "createdAt": stamp(1.7e9), "size": 0, "totalFiles": 0}

    def _create(self, namespace: str, spec: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        job = self.server.hub.add(stage="SCHEDULING", namespace=namespace)
        job.spec = spec
        return 200, job.as_json(), {}

    def _list(self, namespace: str, query: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        hub = self.server.hub
        wanted = [label.split("=", 1) for label in query.get("label", [])]
        jobs = [
            job.as_json()
            for job in reversed(hub.jobs.values())
            if job.namespace == namespace and all(job.spec.get("labels", {}).get(key) == value for key, value in wanted)
        ]
        items = [*hub.extra_items, *jobs]
        start = int(query.get("from", ["0"])[0])
        end = start + hub.page_size
        more = {"Link": f'<{hub.url}/api/jobs/{namespace}?from={end}>; rel="next"'} if end < len(items) else {}
        return 200, items[start:end], more

    # -- scheduled Jobs

    def _scheduled(
        self, method: str, parts: list[str], query: dict[str, list[str]], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        hub, namespace = self.server.hub, parts[0]
        if len(parts) == 1 and method == "POST":
            if not hub.schedule_is_known(body["schedule"]):
                return 400, {"error": f"Invalid schedule: {body['schedule']}"}, {}
            number = len(hub.scheduled) + 1
            made = Scheduled(f"sched{number:04}", namespace, body, 1.7e9 + number)
            hub.scheduled[made.id] = made
            return 200, made.as_json(), {}
        if len(parts) == 1:
            wanted = [label.split("=", 1) for label in query.get("label", [])[:1]]
            return (
                200,
                [
                    item.as_json()
                    for item in hub.scheduled.values()
                    if item.namespace == namespace
                    and all(item.body["jobSpec"].get("labels", {}).get(key) == value for key, value in wanted)
                ],
                {},
            )
        found = hub.scheduled.get(parts[1])
        if found is None or found.namespace != namespace:
            return 404, {"error": "Scheduled job not found"}, {}
        match method, parts[2:]:
            case "DELETE", []:
                del hub.scheduled[found.id]
                return 200, {}, {}
            case "POST", ["suspend" | "resume" as verb]:
                found.body["suspend"] = verb == "suspend"
                return 200, {}, {}
            case "POST", ["run"]:
                busy = found.last is not None and found.last.stage not in FINAL
                if busy and not found.body.get("concurrency"):
                    return 409, {"error": "Another instance of this scheduled job is already running"}, {}
                job = hub.add(stage="SCHEDULING", namespace=namespace)
                job.spec = found.body["jobSpec"]
                job.initiator = {"type": "scheduled-job", "id": found.id}
                found.last = job
                return 200, job.as_json(), {}
            case "POST", ["schedule"]:
                found.body["schedule"] = body["schedule"]
                return 200, found.as_json(), {}
            case "PUT", ["labels"]:
                found.body["jobSpec"]["labels"] = body["labels"]
                return 200, found.as_json(), {}
            case "GET", []:
                return 200, found.as_json(), {}
        return 404, {"error": "Not found"}, {}

    # -- data sets

    def _dataset(self, parts: list[str]) -> tuple[int, Any, dict[str, str]] | None:
        """owner/name, owner/name/revision/REVISION, or owner/name/resolve/REVISION/FILE."""
        hub, name = self.server.hub, "/".join(parts[:2])
        found = hub.datasets.get(name)
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if found is None or (found.private and not known):
            return self._missing(401 if not known else 404, "RepoNotFound", "Repository not found")
        revision = unquote(parts[3]) if len(parts) > 3 else "main"
        if revision not in found.revisions:
            return self._missing(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if parts[2:3] != ["resolve"]:
            siblings = [{"rfilename": file} for file in found.files]
            about = {"id": name, "sha": "0" * 40, "private": found.private, "gated": found.gated, "siblings": siblings}
            return 200, about | ({"cardData": found.card} if found.card else {}), {}
        if found.gated:
            return self._missing(403, "GatedRepo", f"Access to dataset {name} is restricted")
        data = found.files.get(unquote("/".join(parts[4:])))
        if data is None:
            return self._missing(404, "EntryNotFound", "Entry not found")
        self._file(found, data)
        return None

    def _missing(self, status: int, code: str, words: str) -> tuple[int, Any, dict[str, str]]:
        return status, {"error": words}, {"X-Error-Code": code, "X-Error-Message": words}

    def _file(self, dataset: Dataset, data: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d*)-(\d+)", self.headers.get("Range", "")) if dataset.ranges else None
        total = len(data)
        if wanted and int(wanted[1] or 0) >= total:
            return self._send(416, {"error": "range"}, {"Content-Range": f"bytes */{total}"})
        self.send_response(206 if wanted else 200)
        if wanted:
            start, stop = (int(wanted[1]), int(wanted[2]) + 1) if wanted[1] else (total - int(wanted[2]), total)
            start, stop = max(start, 0), min(stop, total)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
            data = data[start:stop]
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{zlib.crc32(data):08x}"')
        self.end_headers()
        if self.command == "HEAD":
            return
        for begin in range(0, len(data), 1 << 14):
            self.wfile.write(data[begin : begin + (1 << 14)])
            self.server.hub.file_bytes += len(data[begin : begin + (1 << 14)])
            if dataset.slow and self._gone(dataset.slow):
                self.close_connection = True
                return

    # -- the log

    def _logs(self, job: Job, tail: int | None) -> None:
        hub = self.server.hub
        with hub.lock:
            plan = job.connections[job.opened] if job.opened < len(job.connections) else Connection()
            job.opened += 1
        if plan.status != 200:
            return self._send(plan.status, {"error": "not now"}, plan.headers)
        chunked = plan.how != "midline_clean"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked") if chunked else self.send_header("Connection", "close")
        self.end_headers()
        hub.streams += 1
        try:
            self._stream(job, plan, tail, chunked)
        finally:
            hub.streams -= 1

    def _stream(self, job: Job, plan: Connection, tail: int | None, chunked: bool) -> None:
        def write(data: bytes) -> None:
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)

        sent = plan.skip if tail is None else max(0, len(job.lines) - tail)
        if tail is not None:
            markers = [line for line in job.lines[:sent] if isinstance(line, tuple) and line[1].startswith(MARKER)]
            write(b"".join(as_event(line) for line in markers))
        alive = time.monotonic()
        while True:
            # The lines first: one that comes before the end of the Job must not be missed.
            over = job.stage in FINAL
            if time.monotonic() - alive > KEEP_ALIVE_SECONDS:
                alive = time.monotonic()
                write(b": keep-alive\n\n")
            upto = len(job.lines) if plan.after is None else min(len(job.lines), plan.after)
            write(b"".join(as_event(line) for line in job.lines[sent:upto]))
            sent = max(sent, upto)
            if plan.after is not None and sent >= plan.after:
                if plan.how.startswith("midline"):
                    write(b'data: {"data":"this line is cut in the mi')
                if plan.how == "clean":
                    return self.wfile.write(b"0\r\n\r\n") and None
                return self._cut("close" if plan.how.startswith("midline") else plan.how)
            if over and not job.never_closes:
                if chunked:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True
                return
            if self.server.hub.stopping or self._gone(0.01):
                self.close_connection = True
                return

    def _figures(self, job: Job) -> None:
        """The stream of figures: open and silent when there is nothing to send, also after the Job's end."""
        hub = self.server.hub
        with hub.lock:
            plan = job.measured[job.asked_for_figures] if job.asked_for_figures < len(job.measured) else Connection()
            job.asked_for_figures += 1
        if plan.status != 200:
            return self._send(plan.status, {"error": "not now"}, plan.headers)
        if job.stage in FINAL:
            return self._send(406, {"error": "Job is not running"}, {})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        hub.streams += 1
        sent = 0
        try:
            while not (hub.stopping or self._gone(0.01)):
                while job.samples and job.stage == "RUNNING":
                    if plan.after is not None and sent >= plan.after:
                        return self._cut(plan.how)
                    one = job.samples.pop(0)
                    data = (
                        one if isinstance(one, bytes) else b"event: metric\ndata: " + json.dumps(one).encode() + b"\n\n"
                    )
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    sent += 1
            self.close_connection = True
        finally:
            hub.streams -= 1

    def _gone(self, seconds: float) -> bool:
        """Whether the client has closed its end; waits so long for that."""
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(None)

    def _cut(self, how: str) -> None:
        self.wfile.flush()
        time.sleep(0.01)  # what was written arrives before the reset
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.close_connection = True

    def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def as_event(line: tuple[str, str] | bytes) -> bytes:
    """A line (time and text) as sent in the stream; bytes are sent unchanged."""
    if isinstance(line, bytes):
        return line
    # The Hub does not escape what is not ASCII.
    return b"data: " + json.dumps({"data": line[1], "timestamp": line[0]}, ensure_ascii=False).encode() + b"\n\n"


def use_hub(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the client of this process to the Hub at `url`, with `TOKEN` and short waits; forgets any other Hub."""
    from smoltui.backends.hub import client as hub
    from smoltui.backends.jobs import engine, log_merge, stats, submit, watching
    from smoltui.backends.publish import submitting

    hub.setup()
    hub.forget()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    files = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(Path(os.environ["HF_HOME"]) / "hub"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for module, name, value in (
        (log_merge, "BACKOFF_SECONDS", (0.01, 0.02)),
        (log_merge, "QUIET_SECONDS", 0.15),
        (stats, "BACKOFF_SECONDS", (0.01, 0.02)),
        (stats, "SILENCE_SECONDS", 0.2),
        (stats, "NOW_SECONDS", 0.3),
        (watching, "SHORTEST_POLL_SECONDS", 0.05),
        (engine, "CANCEL_WAITS", (0.01,)),
        (submit, "LOOKS", (0.0, 0.05)),
        (submitting, "LOOKS", (0.0, 0.05)),
    ):
        monkeypatch.setattr(module, name, value)


@contextmanager
def local_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub that the client in this process uses, with a token that may write."""
    with LocalHub().run() as server:
        use_hub(server.url, monkeypatch)
        yield server
