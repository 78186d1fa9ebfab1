"""Runs as Jobs on Hugging Face: the same script, log format and `Run` as on this machine."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from functools import partial
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import not_the_hub
from smoltui.backends.jobs import acts as hub_acts
from smoltui.backends.jobs import records as job_records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.job_json import access_of, clean, id_of, run_of, unreadable
from smoltui.backends.jobs.listing import JobList, first_found, from_all
from smoltui.backends.jobs.log_merge import Note, follow_lines
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.backends.jobs.settling import LAST_LINES, recorded_runs, settled
from smoltui.backends.jobs.shipment import shipment
from smoltui.backends.jobs.stats import follow_stats
from smoltui.backends.jobs.stream import Opened, event_stream
from smoltui.backends.pairs.curated import curated_spec
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.script_stages import stages_as_text
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.account import Account
from smoltui.core.machine.sample import Sample
from smoltui.core.runs import events
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    RateLimitedError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.redaction import BrokenTokens
from smoltui.safe_text import safe_line

__all__ = ["HubEngine", "poll_seconds", "shipment"]

SHORTEST_POLL_SECONDS = 1.0
"""Minimum seconds between two requests for a stage."""
QUEUE = 64
"""Maximum number of events that wait for a slow reader, about 1 ms of work; reading the log pauses meanwhile."""
CLOSED_SECONDS = 600.0
"""Seconds before an organization that hides its Jobs is asked again."""
CANCEL_WAITS = (0.3, 0.7, 1.5)
"""Seconds before each check of a cancelled Job: its stage changes with a delay."""


def poll_seconds(stage: str, polls: int) -> float:
    """Seconds until the next request for a stage: 5 while scheduling, 30 while running; longer after many of them.

    While log lines arrive, no request is needed, so ten running Jobs take less than 100 of the 1 000 requests that a
    free account has in five minutes.
    """
    if stage == Stage.RUNNING:
        return (30.0, 60.0, 120.0)[min(polls, 2)]
    return 5.0 if polls < 12 else 15.0 if polls < 40 else 30.0


class HubEngine(Engine):
    """Implements `Engine` with the Jobs of every namespace the account belongs to.

    A run's id may be written as `namespace/id` everywhere.
    """

    place = JOBS

    def __init__(self) -> None:
        self._list = JobList()
        self._made: dict[str, tuple[Any, Run]] = {}
        self._namespaces: dict[str, str] = {}
        self._notes: dict[str, Note] = {}
        self._closed: dict[str, float] = {}
        self._scheduled = ScheduledJobs()
        self._problems: dict[str, SmoltuiError] = {}

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        """As `Engine.submit`. Uploads what the Job needs first; cancelling it stops the upload immediately.

        Raises also:
            NoCreditError, PermissionDeniedError: nothing was started.
            UnreachableError: the message says whether nothing was started, or that it is unknown; submitting the same
                spec again first searches for the Job.
        """
        await in_thread(job_records.ready)
        return await self._submitted(await hub_submit.submit(spec), spec)

    async def command(self, spec: CommandSpec) -> Run:
        """As `Engine.command`. Raises as `submit`."""
        await in_thread(job_records.ready)
        return await self._submitted(await hub_submit.submit_command(spec), spec)

    async def _submitted(self, job: Mapping[str, object], spec: RunSpec | CommandSpec) -> Run:
        """The run of a Job that was just submitted, recorded on this machine."""
        run = run_of(job, namespace=spec.namespace)
        self._namespaces[run.id] = run.namespace or ""
        with suppress(InputError):  # it was writable a minute ago; the Job runs, which matters more
            await in_thread(lambda: job_records.write(run, spec))
        return await self._with_record(run)

    async def list_runs(self) -> list[Run]:
        """As `Engine.list_runs`, over all namespaces; those that could not be read are in `problems`.

        Raises also:
            RateLimitedError: too many requests; `retry_after` applies to all namespaces.
            ServiceError: no namespace could be read.
        """
        doing = "list the Jobs"
        known = await in_thread(job_records.read_all)
        account = await hub.account()
        own = account.name
        used = dict.fromkeys([own, *(str(record.get("namespace") or own) for record in known.values())])
        now = time.monotonic()
        asked = [name for name in account.orgs if now - self._closed.get(name, -CLOSED_SECONDS) >= CLOSED_SECONDS]

        async def jobs_of(session: hub.Session, name: str) -> list[Any]:
            return await self._list.read(session, name, doing)

        listed = await from_all([*used, *asked], used, jobs_of, doing)
        self._closed |= dict.fromkeys(listed.closed, now)
        self._problems = listed.problems

        def as_runs() -> list[Run]:
            made: dict[str, tuple[Any, Run]] = {}
            for name, jobs in listed.items.items():
                for number, job in enumerate(jobs, 1):
                    job_id = id_of(job)
                    if job_id is None:
                        made[f"{name}/{number}"] = (job, unreadable(job, name, number))
                        continue
                    before = self._made.get(job_id)
                    # A Job that was not read again is the same object, so its `Run` is reused.
                    if before is None or before[0] is not job or job_id in known:
                        before = (job, job_records.applied(run_of(job, namespace=name), known.get(job_id)))
                    made[job_id] = before
            self._made = made
            return sorted((run for _, run in made.values()), key=lambda run: run.created_at or 0.0, reverse=True)

        runs = await in_thread(as_runs)  # a thousand Jobs take 50 ms
        for run in runs:
            self._namespaces[run.id] = run.namespace or own
        return runs

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
            reader, broken = events.Reader(), BrokenTokens()
            try:
                async with aclosing(follow_lines(_JobLog(watch), follow=follow, tail=tail, sleep=watch.nap)) as lines:
                    async for item in lines:
                        if isinstance(item, Note):
                            self._note(run.id, item)
                            continue
                        watch.heard()
                        found = events.without_secrets(reader, item.text, broken, at=item.at, secrets=(token,))
                        for event in stages_as_text(found):
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
                # It started and ended between two requests; without this the start time would be unknown.
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
                # It may have ended meanwhile, for which the Hub reports a conflict; its stage decides.
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

    # -- what some engines can do

    async def rerun(self, run_id: str) -> Run:
        """Starts the same Job again, once, with a new label, and returns the new run.

        A Job that was submitted from here is submitted again from its record: the original recipe, and the current
        files. Any other is started from its JSON (`acts.start_again`).

        Raises:
            InputError: it had secrets whose values are never revealed, or it cannot be started again.
            Else as `submit` and `get`.
        """
        job = await self.job(run_id)
        bare = str(id_of(job))
        record = await in_thread(lambda: job_records.read(bare))
        if (spec := await in_thread(lambda: hub_acts.recorded_spec(record))) is not None:
            refuse_tokens(spec)  # before the pairs in it are copied
            return await self.submit(await in_thread(lambda: curated_spec(spec)))
        namespace = self._namespaces[bare]
        run = run_of(await hub_acts.start_again(job, namespace), namespace=namespace)
        self._namespaces[run.id] = run.namespace or namespace
        return run

    async def labels(self, run_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> Run:
        """Sets some labels, removes others, keeps the rest, and returns the run.

        Raises:
            InputError: a label that the Hub would reject, a missing one to be removed, or `smoltui-run`.
            Else as `get`.
        """
        job = await self.job(run_id)
        namespace = self._namespaces[str(id_of(job))]
        changed = await hub_acts.relabel(job, namespace, set_, remove)
        return await self._with_record(run_of(changed, namespace=namespace))

    async def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        """The resource usage of the Job, one sample per second until it has ended; waits for its start.

        Without `follow`, one sample, or none if it is not running. Closing the iterator (or cancelling the task that
        reads it) closes the connection immediately. Raises as `get`; a lost connection is retried when following.
        """
        run = await self._run(run_id)
        patience = partial(poll_seconds, Stage.SCHEDULING)
        async with aclosing(follow_stats(run, lambda: self._run(run.id), patience, follow=follow)) as samples:
            async for sample in samples:
                yield sample

    async def hardware(self) -> list[Flavor]:
        """As `hub.flavors`; `core.machine.hardware.fits` says which of them a recipe fits."""
        return await hub.flavors()

    async def account(self) -> Account:
        return await hub.account()

    @property
    def scheduled(self) -> ScheduledJobs:
        return self._scheduled

    # -- optional for every engine

    @property
    def problems(self) -> Mapping[str, SmoltuiError]:
        """Namespaces whose Jobs are missing from the last list, and why."""
        return self._problems

    async def started_with(self, run: Run) -> RunSpec | None:
        """From the record of a Job that was submitted from here."""
        record = await in_thread(lambda: job_records.read(run.id))
        return spec_of((record or {}).get("spec") or run.raw.get("spec"))

    async def recorded(self, project: str) -> list[Run]:
        return await in_thread(lambda: recorded_runs(project))

    async def settled(self, run: Run) -> Run:
        """As `Engine.settled`, from the end of the log; where that is gone, from the recipe of the Job."""
        return await settled(run, partial(self.follow, follow=False, tail=LAST_LINES))

    def access(self, inspected: Mapping[str, object]) -> list[str]:
        return access_of(inspected)

    def poll_seconds(self, stage: str, polls: int) -> float:
        return poll_seconds(stage, polls)

    def connection(self, run_id: str) -> str | None:
        """Why no lines of a followed log arrive; None if it is connected, or not followed."""
        note = self._notes.get(run_id)
        if note is None or note.retry_in is None:
            return None
        return f"{note.reason}; retrying in {note.retry_in:.0f} s"

    async def job(self, run_id: str) -> dict[str, Any]:
        """The Job's JSON from the server, searched in every namespace it may be in. Raises as `Engine.get`."""
        wanted, _, bare = run_id.rpartition("/")
        doing = f"find the Job {safe_line(run_id, 60)}"
        names = [wanted] if wanted else await self._candidates(bare)
        async with hub.session(doing) as session:
            found = await first_found(names, lambda name: session.get(hub.jobs_path(name, bare), doing=doing))
        if found is None:
            raise NotFoundOnHubError(
                f"This account has no such Job: {safe_line(run_id, 60)}", "List run ids: smoltui ps -a"
            )
        job = hub_acts.described(found[1], doing)
        if id_of(job) != bare:
            raise not_the_hub(doing)
        self._namespaces[bare] = found[0]
        return job

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
        return run_of(job, namespace=self._namespaces.get(str(id_of(job))))

    async def _with_record(self, run: Run) -> Run:
        return job_records.applied(run, await in_thread(lambda: job_records.read(run.id)))

    def _note(self, run_id: str, note: Note) -> None:
        self._notes[run_id] = note


class _Watch:
    """The stage of one followed Job: requested at a modest rate, reported when it changes."""

    def __init__(self, engine: HubEngine, run: Run, queue: asyncio.Queue[events.Event | BaseException | None]) -> None:
        self._engine = engine
        self._queue = queue
        self.run = run
        self.said: set[str] = set()
        """Stages that were reported."""
        self.over = asyncio.Event()
        self._moved = asyncio.Event()
        self._heard_at = 0.0
        if run.is_final:
            self.over.set()

    def event(self) -> events.StageChanged:
        """The last known stage."""
        run = self.run
        at = run.finished_at if run.is_final else run.started_at if run.stage == Stage.RUNNING else run.created_at
        return events.StageChanged(stage=run.stage, message=run.message, at=at if at is not None else time.time())

    def heard(self) -> None:
        """A line arrived, so the Job is running: its stage need not be requested, unless the last one was
        SCHEDULING."""
        self._heard_at = time.monotonic()
        if self.run.stage == Stage.SCHEDULING:
            self._moved.set()

    @property
    def skipped_running(self) -> bool:
        """It started and ended while it was followed, and RUNNING was never reported."""
        return (
            bool(self.said) and self.run.is_final and Stage.RUNNING not in self.said and self.run.started_at is not None
        )

    async def tell(self) -> None:
        """Puts the stage into the queue."""
        self.said.add(self.run.stage)
        await self._queue.put(self.event())

    async def ask(self) -> bool:
        """Requests the stage and reports a change, except to a final one, which is reported after the last line.

        Returns whether it changed. Raises `SmoltuiError`.
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
        """Sleeps for this time, or until the stage changes."""
        stage = self.run.stage
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self.run.stage == stage:
            await asyncio.sleep(min(left, 0.25))

    async def poll(self) -> None:
        """Requests the stage regularly until the run has ended."""
        polls = 0
        wait = poll_seconds(self.run.stage, polls)
        while not self.over.is_set():
            await asyncio.sleep(SHORTEST_POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.9, 1.1) - SHORTEST_POLL_SECONDS):
                    await self._moved.wait()
            self._moved.clear()
            if self.run.stage == Stage.RUNNING and time.monotonic() - self._heard_at < wait:
                continue  # lines are arriving
            try:
                polls = 0 if await self.ask() else polls + 1
                wait = poll_seconds(self.run.stage, polls)
            except RateLimitedError as error:
                wait = max(wait, (error.retry_after or 60.0) + 1)
            except UnreachableError:
                pass  # the reader of the log has the same problem, and reports it


class _JobLog:
    """The log of one Job over the Hub's server-sent events."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    @property
    def over(self) -> asyncio.Event:
        return self._watch.over

    async def check(self) -> None:
        await self._watch.ask()

    def open(self, tail: int | None) -> AbstractAsyncContextManager[Opened]:
        run = self._watch.run
        params = {"tail": str(tail)} if tail is not None else None
        return event_stream(hub.jobs_path(run.namespace or "", run.id, "logs"), doing="read the log", params=params)
