"""Runs as Jobs on Hugging Face: the second engine. The same script, the same lines, the same `Run`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from smoltui.backends import hub, hub_submit, job_records
from smoltui.backends.curated import curated_spec
from smoltui.backends.hub_errors import not_the_hub, refusal
from smoltui.backends.job_json import clean, run_of
from smoltui.backends.log_stream import Note, follow_lines
from smoltui.backends.shipment import shipment
from smoltui.backends.threads import in_thread
from smoltui.core import events
from smoltui.core.run import Run, RunSpec, Stage
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    RateLimitedError,
    ServiceError,
    UnreachableError,
)
from smoltui.safe_text import safe_line

__all__ = ["HubEngine", "poll_seconds", "shipment"]

MOST_PAGES = 20
"""Pages of a list of Jobs that are read; the page's size is the server's choice."""
SHORTEST_POLL_SECONDS = 1.0
"""Between two questions for a stage, whatever happens."""
QUEUE = 512
"""Events that wait for a slow reader; the log is not read further until it has caught up."""
CANCEL_WAITS = (0.3, 0.7, 1.5)
"""Seconds between looks at a Job that was cancelled; its stage follows with a delay."""


def poll_seconds(stage: str, polls: int) -> float:
    """Seconds to the next question for a stage: 5 while scheduling, 15 while running; longer after many of them.

    A log that flows asks nothing, so ten running Jobs take less than 100 of the 1 000 requests a free account has in
    five minutes.
    """
    if stage == Stage.RUNNING:
        return (15.0, 30.0, 60.0)[min(polls, 2)]
    return 5.0 if polls < 12 else 15.0 if polls < 40 else 30.0


class HubEngine:
    """Implements `Engine` with Jobs in the account's own namespace and in those that were submitted to from here."""

    name = "hub"

    def __init__(self) -> None:
        self._namespaces: dict[str, str] = {}
        self._notes: dict[str, Note] = {}

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        """As `Engine.submit`. Uploads what the Job needs first; cancelling it stops the upload at once.

        Raises also:
            NoCreditError, PermissionDeniedError: nothing was started.
            UnreachableError: the sentence says whether nothing was started or that it is not known; the same spec
                can be submitted again, which first looks for the Job.
        """
        await in_thread(job_records.ready)
        spec = await in_thread(lambda: curated_spec(spec))  # its record holds what is trained on
        job = await hub_submit.submit(spec)
        run = run_of(job, namespace=spec.namespace)
        self._namespaces[run.id] = run.namespace or ""
        with suppress(InputError):  # it was possible a minute ago; the Job runs, and that is what to say
            await in_thread(lambda: job_records.write(run, spec))
        return await self._with_record(run)

    async def list_runs(self) -> list[Run]:
        doing = "list the Jobs"
        known = await in_thread(job_records.read_all)
        own = await hub.namespace()
        names = dict.fromkeys([own, *(str(record.get("namespace") or own) for record in known.values())])
        runs: list[Run] = []
        async with hub.session(doing) as session:
            for name in names:
                try:
                    jobs = await session.pages(hub.jobs_path(name), doing=doing, most=MOST_PAGES)
                except ServiceError:
                    if name == own:
                        raise
                    continue  # an organization one has left keeps nobody from seeing the others
                runs += [run_of(job, namespace=name) for job in jobs if isinstance(job, Mapping) and job.get("id")]
        for run in runs:
            self._namespaces[run.id] = run.namespace or own
        runs = [job_records.applied(run, known.get(run.id)) for run in runs]
        return sorted(runs, key=lambda run: run.created_at or 0.0, reverse=True)

    async def get(self, run_id: str) -> Run:
        return await self._with_record(await self._run(run_id))

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        token = await hub.token()
        run = await self._run(run_id)
        record = await in_thread(lambda: job_records.read(run.id))
        queue: asyncio.Queue[events.Event | BaseException | None] = asyncio.Queue(QUEUE)
        watch = _Watch(self, run, queue)

        async def read_log() -> None:
            reader = events.Reader()
            try:
                async with aclosing(follow_lines(_JobLog(watch), follow=follow, tail=tail, sleep=watch.nap)) as lines:
                    async for item in lines:
                        if isinstance(item, Note):
                            self._note(run.id, item)
                            continue
                        watch.heard()
                        for event in (events.redacted(one, (token,)) for one in reader.feed(item.text, at=item.at)):
                            await queue.put(event)
            except Exception as error:
                await queue.put(error)
            else:
                await queue.put(None)

        async def poll_stage() -> None:
            try:
                await watch.poll()
            except Exception as error:
                await queue.put(error)

        tasks = [asyncio.create_task(read_log())]
        if follow and not run.is_final:
            await watch.tell()
            tasks.append(asyncio.create_task(poll_stage()))
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if record is not None and job_records.worth_keeping(item):
                    record = await in_thread(partial(job_records.keep, record, item))
                yield item
            if not follow:
                await watch.ask()
            if follow and watch.skipped_running:
                # It ran and ended between two questions; without this nobody would know when it began.
                yield events.StageChanged(stage=Stage.RUNNING.value, at=watch.run.started_at)
            yield watch.event()
        finally:
            self._notes.pop(run.id, None)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def cancel(self, run_id: str) -> Run:
        run = await self._run(run_id)
        if run.is_final:
            return await self._with_record(run)
        doing = f"cancel the Job {safe_line(run.id, 60)}"
        async with hub.session(doing) as session:
            try:
                await session.send("POST", hub.jobs_path(run.namespace or "", run.id, "cancel"), doing=doing)
            except ServiceError:
                # It may have ended meanwhile, which the Hub calls a conflict; its stage tells.
                if not (await self._run(run.id)).is_final:
                    raise
        run = await self._run(run.id)
        for seconds in CANCEL_WAITS:
            if run.is_final:
                break
            await asyncio.sleep(seconds)
            run = await self._run(run.id)
        return await self._with_record(run)

    async def inspect(self, run_id: str) -> dict[str, Any]:
        token = await hub.token()
        job = await self.job(run_id)
        found = clean(job, (token,))
        return found if isinstance(found, dict) else {}

    # -- what a room asks besides

    def connection(self, run_id: str) -> str | None:
        """Why the log of a followed run stands still: the connection broke. None while it is fine or not followed."""
        note = self._notes.get(run_id)
        if note is None or note.retry_in is None:
            return None
        return f"{note.reason}; trying again in {note.retry_in:.0f} s"

    async def job(self, run_id: str) -> dict[str, Any]:
        """The Job as the server gave it, looked for in every namespace it may be in. Raises as `Engine.get`."""
        wanted, _, bare = run_id.rpartition("/")
        doing = f"find the Job {safe_line(run_id, 60)}"
        names = [wanted] if wanted else await self._candidates(bare)
        async with hub.session(doing) as session:
            for number, name in enumerate(names):
                try:
                    job = await session.get(hub.jobs_path(name, bare), doing=doing)
                except NotFoundOnHubError as error:
                    if number + 1 == len(names):
                        raise NotFoundOnHubError(
                            f"There is no such Job for this account: {safe_line(run_id, 60)}",
                            "See the ids with: smoltui ps -a",
                        ) from error
                    continue
                if not isinstance(job, dict) or not job.get("id"):
                    raise not_the_hub(doing)
                self._namespaces[bare] = name
                return job
        raise not_the_hub(doing)  # there is always one namespace

    async def _candidates(self, run_id: str) -> list[str]:
        if known := self._namespaces.get(run_id):
            return [known]
        record = await in_thread(lambda: job_records.read(run_id))
        if record and record.get("namespace"):
            return [str(record["namespace"])]
        account = await hub.account()
        return [account.name, *account.orgs]

    async def _run(self, run_id: str) -> Run:
        job = await self.job(run_id)
        return run_of(job, namespace=self._namespaces.get(str(job["id"])))

    async def _with_record(self, run: Run) -> Run:
        return job_records.applied(run, await in_thread(lambda: job_records.read(run.id)))

    def _note(self, run_id: str, note: Note) -> None:
        self._notes[run_id] = note


class _Watch:
    """The stage of one followed Job: asked at a modest rate, told when it changes."""

    def __init__(self, engine: HubEngine, run: Run, queue: asyncio.Queue[events.Event | BaseException | None]) -> None:
        self._engine = engine
        self._queue = queue
        self.run = run
        self.said: set[str] = set()
        """Stages that were told."""
        self.over = asyncio.Event()
        self._moved = asyncio.Event()
        self._heard_at = 0.0
        if run.is_final:
            self.over.set()

    def event(self) -> events.StageChanged:
        """The stage as it is known."""
        run = self.run
        at = run.finished_at if run.is_final else run.started_at if run.stage == Stage.RUNNING else run.created_at
        return events.StageChanged(stage=run.stage, message=run.message, at=at if at is not None else time.time())

    def heard(self) -> None:
        """A line came: it runs, so the stage need not be asked for, unless it is still said to wait."""
        self._heard_at = time.monotonic()
        if self.run.stage == Stage.SCHEDULING:
            self._moved.set()

    @property
    def skipped_running(self) -> bool:
        """It ran and ended since the follow began, and nobody was told that it ran."""
        return (
            bool(self.said) and self.run.is_final and Stage.RUNNING not in self.said and self.run.started_at is not None
        )

    async def tell(self) -> None:
        """Puts the stage into the queue."""
        self.said.add(self.run.stage)
        await self._queue.put(self.event())

    async def ask(self) -> bool:
        """Reads the stage and tells of a change, but not of the last one, which follows the last line.

        Gives whether it changed. Raises `SmoltuiError`.
        """
        before = (self.run.stage, self.run.message)
        self.run = await self._engine._run(self.run.id)
        changed = before != (self.run.stage, self.run.message)
        if self.run.is_final:
            self.over.set()
        elif changed:
            await self.tell()
        return changed

    async def nap(self, seconds: float) -> None:
        """Sleeps, but not beyond a change of the stage."""
        stage = self.run.stage
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self.run.stage == stage:
            await asyncio.sleep(min(left, 0.25))

    async def poll(self) -> None:
        """Asks again and again, until the run has ended."""
        polls = 0
        wait = poll_seconds(self.run.stage, polls)
        while not self.over.is_set():
            await asyncio.sleep(SHORTEST_POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.9, 1.1) - SHORTEST_POLL_SECONDS):
                    await self._moved.wait()
            self._moved.clear()
            if self.run.stage == Stage.RUNNING and time.monotonic() - self._heard_at < wait:
                continue  # the log flows
            try:
                polls = 0 if await self.ask() else polls + 1
                wait = poll_seconds(self.run.stage, polls)
            except RateLimitedError as error:
                wait = max(wait, (error.retry_after or 60.0) + 1)
            except UnreachableError:
                pass  # the reader of the log meets the same, and tells it


@dataclass
class _Connection:
    now: float
    chunks: AsyncIterator[bytes]


class _JobLog:
    """The log of one Job over the Hub's server-sent events."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    @property
    def over(self) -> asyncio.Event:
        return self._watch.over

    async def check(self) -> None:
        await self._watch.ask()

    @asynccontextmanager
    async def open(self, tail: int | None) -> AsyncIterator[_Connection]:
        import httpx2

        run = self._watch.run
        doing = "read the log"
        timeout = httpx2.Timeout(hub.STREAM_SILENCE_SECONDS, connect=hub.CONNECT_SECONDS)
        params = {"tail": str(tail)} if tail is not None else None
        async with hub.session(doing) as session:
            request = session.client.build_request(
                "GET", session.base + hub.jobs_path(run.namespace or "", run.id, "logs"), params=params,
                headers={**session.headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"},
                timeout=timeout,
            )  # fmt: skip
            try:
                # The answer's head comes at once from a Hub that works; only the lines may be long in coming.
                async with asyncio.timeout(hub.TOTAL_SECONDS):
                    response = await session.client.send(request, stream=True)
            except Exception as error:
                hub.raise_ours(error, doing)
            try:
                if response.status_code >= 400:
                    with suppress(httpx2.HTTPError, TimeoutError):
                        async with asyncio.timeout(hub.TOTAL_SECONDS):
                            await response.aread()
                    raise refusal(response, doing, None if response.is_stream_consumed else "")
                if "event-stream" not in response.headers.get("content-type", ""):
                    raise not_the_hub(doing)
                yield _Connection(_server_time(response.headers.get("date")), _bytes(response, doing))
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
    except ValueError:
        return time.time()
