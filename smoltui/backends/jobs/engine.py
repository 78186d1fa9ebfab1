"""Runs as Jobs on Hugging Face: the same script, log format and `Run` as on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import not_the_hub
from smoltui.backends.jobs import acts as hub_acts
from smoltui.backends.jobs import ends, watching
from smoltui.backends.jobs import pending as job_pending
from smoltui.backends.jobs import records as job_records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.asked import register_secrets_of
from smoltui.backends.jobs.continuing import Continuing
from smoltui.backends.jobs.job_json import access_of, clean, id_of, run_of, unreadable
from smoltui.backends.jobs.line_merge import MARKER, Beginnings, Missing
from smoltui.backends.jobs.listing import JobList, first_found, from_all
from smoltui.backends.jobs.log_merge import Note, follow_lines
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.backends.jobs.settling import LAST_LINES, recorded_runs, settled
from smoltui.backends.jobs.shipment import shipment
from smoltui.backends.jobs.stats import follow_stats
from smoltui.backends.jobs.watching import JobLog, Watch, patiently
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.script_stages import stages_as_text
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.account import Account
from smoltui.core.machine.sample import Sample
from smoltui.core.runs import events
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.parts import hint_of_whole, joined
from smoltui.core.runs.rerun import NO_CHANGES, Changes, changed, spec_of
from smoltui.core.runs.rivals import rival
from smoltui.core.runs.run import CONTINUES, Run, RunSpec, Stage
from smoltui.core.runs.symptoms import Symptoms
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.redaction import BrokenTokens
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import httpx2

__all__ = ["HubEngine", "shipment"]

QUEUE = 64
"""Maximum number of events that wait for a slow reader, about 1 ms of work; reading the log pauses meanwhile."""
CLOSED_SECONDS = 600.0
"""Seconds before an organization that hides its Jobs is asked again."""
CANCEL_WAITS = (0.3, 0.7, 1.5, 2.5, 5.0)
"""Seconds before each check of a canceled Job: its stage changes with a delay. If not by then, it is still running."""


class HubEngine(Continuing, Engine):
    """Implements `Engine` with the Jobs of every namespace the account belongs to.

    A run's id may be written as `namespace/id` everywhere.
    """

    place = JOBS

    def __init__(self) -> None:
        super().__init__()
        self._list = JobList()
        self._made: dict[str, tuple[Any, Run]] = {}
        self._namespaces: dict[str, str] = {}
        self._notes: dict[str, Note] = {}
        self._beginnings = Beginnings()
        self._closed: dict[str, float] = {}
        self._scheduled = ScheduledJobs()
        self._problems: dict[str, SmoltuiError] = {}
        self._submitting: dict[str, str] = {}
        self._canceled: set[str] = set()
        """Jobs that were asked to end here."""

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        """As `Engine.submit`. Uploads what the Job needs first; cancelling it stops the upload immediately.

        Raises also:
            NoCreditError, PermissionDeniedError: nothing was started.
            UnreachableError: the message says whether nothing was started, or that it is unknown; submitting the same
                spec again first searches for the Job.
        """
        await in_thread(job_records.ready)
        await self._begin(spec)
        try:
            tell = partial(self._submitting.__setitem__, spec.label)
            job = await hub_submit.submit(spec, tell)
            spec = hub_submit.with_owner(spec, run_of(job, namespace=spec.namespace).namespace or "")
            run = await self._submitted(job, spec)
        except UnreachableError as error:  # a list may still find it by its label
            unclear = isinstance(error, hub_submit.UnclearStartError)
            await in_thread(lambda: job_pending.leave(spec.label, unclear=unclear))
            raise
        except SmoltuiError:
            await in_thread(lambda: job_pending.end(spec.label))
            raise
        finally:
            self._submitting.pop(spec.label, None)
        await in_thread(lambda: job_pending.end(spec.label))
        return run  # of a Job that continues a run: as a run of its own

    async def _begin(self, spec: RunSpec) -> None:
        """Records that `spec` is being submitted. Raises InputError: another process has done the same."""
        seen = set(self._namespaces)
        while True:
            try:
                await in_thread(lambda: job_pending.begin(spec, seen))
            except job_pending.JustStartedError as error:
                with suppress(NotFoundOnHubError):
                    run = await self.one_job(error.job_id)
                    if other := rival(spec, (run,), on_disk=False):
                        raise InputError(
                            f"{job_pending.FIRST}: {other}",
                            f"Cancel that one (smoltui cancel {run.id}), or wait two minutes if you want two.",
                        ) from error
                seen.add(error.job_id)  # it has ended
            else:
                return

    async def preview(self, spec: RunSpec) -> dict[str, Any]:
        return await hub_submit.preview(spec)

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
        """As `Engine.list_runs`, over all namespaces; those that could not be read are in `problems`, and
        their runs are as they were last known.

        Raises also:
            RateLimitedError: too many requests; `retry_after` applies to all namespaces.
            ServiceError: no namespace could be read.
        """
        doing = "list the Jobs"
        known, ended = await in_thread(lambda: (job_records.read_all(), ends.read_all()))
        interrupted = await in_thread(job_pending.interrupted)
        account = await hub.account()
        own = account.name
        owners = [str(record.get("namespace") or own) for record in known.values()]
        used = dict.fromkeys([own, *owners, *(spec.namespace or own for spec in interrupted.values())])
        now = time.monotonic()
        asked = [name for name in account.orgs if now - self._closed.get(name, -CLOSED_SECONDS) >= CLOSED_SECONDS]

        async def jobs_of(session: hub.Session, name: str) -> list[Any]:
            return await self._list.read(session, name, doing)

        listed = await from_all([*used, *asked], used, jobs_of, doing)
        self._closed |= dict.fromkeys(listed.closed, now)
        self._problems = listed.problems
        # They run on, and cost, though their list failed once.
        listed.items |= {name: self._list.last(name) for name in listed.problems}

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
                    if before is None or before[0] is not job or job_id in known or job_id in ended:
                        run = job_records.applied(run_of(job, namespace=name), known.get(job_id))
                        before = (job, ends.applied(run, ended.get(job_id)))
                    made[job_id] = before
            self._made = made
            return sorted((run for _, run in made.values()), key=lambda run: run.created_at or 0.0, reverse=True)

        if interrupted:
            jobs = {name: [job for job in found if id_of(job)] for name, found in listed.items.items()}
            known |= await in_thread(partial(job_pending.adopt, interrupted, jobs))
        runs = await in_thread(as_runs)  # a thousand Jobs take 50 ms
        for run in runs:
            self._namespaces[run.id] = run.namespace or own
        return self.fold(runs)

    async def get(self, run_id: str) -> Run:
        return await self.whole(run_id)

    async def one_job(self, job_id: str) -> Run:
        return await self._with_record(await self._run(job_id))

    async def continuing(self, first: Run) -> list[str]:
        doing = f"find what continues the Job {safe_line(first.id, 60)}"
        found = await hub_submit.labeled(first.namespace or (await hub.account()).name, CONTINUES, first.id, doing)
        runs = sorted((run_of(job, namespace=first.namespace) for job in found), key=lambda run: run.created_at or 0.0)
        for run in runs:
            self._namespaces[run.id] = run.namespace or ""
        return [run.id for run in runs]

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        async with aclosing(self.follow_all(run_id, follow=follow, tail=tail)) as stream:
            async for event in stream:
                yield event

    async def follow_job(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        token = await hub.token()
        ask, tell = partial(self._run, run_id), partial(self._note, run_id.rpartition("/")[2])
        run = await (patiently(ask, tell) if follow else ask())
        record = await in_thread(lambda: job_records.read(run.id))
        await in_thread(lambda: register_secrets_of(spec_of((record or {}).get("spec"))))
        queue: asyncio.Queue[events.Event | BaseException | None] = asyncio.Queue(QUEUE)
        watch = Watch(self._run, run, queue)
        symptoms = Symptoms()

        async def read_log() -> None:
            reader, broken = events.Reader(), BrokenTokens()
            begins = tail is None  # the next line is the first one of the whole log
            before_tail = tail is not None
            try:
                async with aclosing(follow_lines(JobLog(watch), follow=follow, tail=tail, sleep=watch.nap)) as lines:
                    async for item in lines:
                        if isinstance(item, Note):
                            self._note(run.id, item)
                            continue
                        watch.heard()
                        if isinstance(item, Missing):
                            await queue.put(item.as_event())
                            continue
                        before_tail = before_tail and item.text.startswith(MARKER)
                        if before_tail:
                            continue  # sent in addition to the lines that were asked for
                        if begins and item.at is not None and not item.text.startswith(MARKER):
                            begins = False
                            if (lost := self._beginnings.missing_before(run.id, item.at)) is not None:
                                await queue.put(lost.as_event())
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
                symptoms.take(item)
                if record is not None and job_records.worth_keeping(item):
                    record = await in_thread(partial(job_records.keep, record, item))
                yield item
            if not follow:
                await watch.ask()
            if follow and watch.skipped_running:
                # It started and ended between two requests; without this the start time would be unknown.
                yield events.StageChanged(stage=Stage.RUNNING.value, at=watch.run.started_at)
            yield await self._ended(watch, None if tail is not None and tail < LAST_LINES else symptoms)
        finally:
            self._notes.pop(run.id, None)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ended(self, watch: Watch, symptoms: Symptoms | None) -> events.StageChanged:
        """The last event of a followed Job, with the reason of its end; `symptoms` of its log, None if only a part of
        it was read."""
        run, last = watch.run, watch.event()
        known = await in_thread(ends.read_all)
        if run.stage not in ends.EXPLAINED:
            return last
        if symptoms is not None and ends.needs_reading(run, known.get(run.id)):
            run = await in_thread(lambda: ends.note_end(run, symptoms, canceled_here=run.id in self._canceled))
        elif ends.needs_reading(run, known.get(run.id)):
            with suppress(ServiceError):  # that it has ended is known all the same
                run = await self.settled(run)
        else:
            run = ends.applied(run, known.get(run.id))
        return replace(last, message=run.message, hint=(await self._with_record(run)).hint)

    async def cancel(self, run_id: str) -> Run:
        current = await self.current(run_id)
        if (namespace := self._namespaces.get(current)) is None:  # otherwise the request itself tells its stage
            run = await self._run(current)
            if run.is_final:  # but a Job that continues it may run
                if (whole := await self.whole(run_id)).is_final:
                    return whole
                run = await self._run(await self.current(run_id))
            current, namespace = run.id, run.namespace or ""
        run = await self._cancel(current, namespace)
        with suppress(ServiceError):  # this one is canceled all the same
            await self.look_once(run_id)
        parts = []
        for job_id in await self.jobs_of(run_id):
            if job_id.rpartition("/")[2] == run.id:
                parts.append(await self._with_record(run))
                continue
            part = await self.one_job(job_id)
            if not part.is_final:  # two may continue one run: after a lost answer, or started again by another program
                await self._cancel(part.id, part.namespace or "")
                part = await self.one_job(part.id)
            parts.append(part)
        return joined(parts)

    async def _cancel(self, current: str, namespace: str) -> Run:
        """Cancels one Job. Raises as `cancel`."""
        doing, told = f"cancel the Job {safe_line(current, 60)}", None
        # Before the request: its answer may be lost, or come after this process has ended.
        self._canceled.add(current)
        await in_thread(lambda: ends.note_cancel(current))
        async with hub.session(doing) as session:
            try:
                told = await session.send("POST", hub.jobs_path(namespace, current, "cancel"), doing=doing)
            except ServiceError as error:
                # It may have ended meanwhile, for which the Hub reports a conflict; its stage decides.
                if not (await self._run(current)).is_final:
                    if not hub_acts.may_have_worked(error):
                        self._canceled.discard(current)
                        await in_thread(lambda: ends.forget_cancel(current))
                    raise
        run = await self._after_cancel(current, namespace, told)
        for seconds in CANCEL_WAITS:
            if run.is_final:
                break
            await asyncio.sleep(seconds)
            run = await self._run(run.id)
        return run

    async def _after_cancel(self, job_id: str, namespace: str, told: httpx2.Response | None) -> Run:
        """The Job after a request to cancel it: from the response, if that has it."""
        if told is not None:
            from smoltui.backends.hub import bodies

            with suppress(ValueError):  # not JSON, or nested deeper than anything the Hub sends: it is asked again
                data = bodies.loads(told.content)
                if isinstance(data, dict) and id_of(data) == job_id:
                    return run_of(data, namespace=namespace)
        return await self._run(job_id)

    async def inspect(self, run_id: str) -> dict[str, Any]:
        token = await hub.token()
        job = await self.job(await self.current(run_id))
        found = clean(job, (token,))
        return found if isinstance(found, dict) else {}

    # -- what some engines can do

    async def resume(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        return await self.continue_run(run_id, changes)

    async def rerun(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """Starts the same Job again, once, with a new label, and returns the new run.

        A Job that was submitted from here is submitted again from its record: the original recipe, and the current
        files. Any other is started from its JSON (`acts.start_again`).

        Raises:
            InputError: it had secrets whose values are never revealed, or it cannot be started again.
            Else as `submit` and `get`.
        """
        from smoltui.backends.pairs.curated import curated_spec

        job = await self.job(run_id)
        bare = str(id_of(job))
        record = await in_thread(lambda: job_records.read(bare))
        if (spec := await in_thread(lambda: hub_acts.recorded_spec(record))) is not None:
            spec = changed(spec, changes)
            refuse_tokens(spec)  # before the pairs in it are copied
            return await self.submit(await in_thread(lambda: curated_spec(spec)))
        if changes.any:
            raise InputError(
                f"This Job was not started from this machine, so it can only be run again as it was: {bare}",
                "Run it again without options.",
            )
        namespace = self._namespaces[bare]
        await in_thread(job_records.ready)
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

    async def expose(self, run_id: str, ports: Sequence[int], public: Sequence[int]) -> Run:
        job = await self.job(run_id)
        namespace = self._namespaces[str(id_of(job))]
        changed = await hub_acts.exposed(job, namespace, ports, public)
        return await self._with_record(run_of(changed, namespace=namespace))

    async def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        """The resource usage of the Job, one sample per second until it has ended; waits for its start.

        Without `follow`, one sample, or none if it is not running. Closing the iterator (or cancelling the task that
        reads it) closes the connection immediately. Raises as `get`; a lost connection is retried when following.
        """
        run = await self._run(await self.current(run_id))
        patience = partial(watching.poll_seconds, Stage.SCHEDULING)
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
        if (current := await self.current(run.id)) != run.id:
            found = await self.settled(await self.one_job(current))
            return replace(
                run,
                message=found.message,
                hint=hint_of_whole(found, run.id, resumable=run.resumable),
                step=found.step or run.step,
                pushed_to=found.pushed_to or run.pushed_to,
            )
        read_log = partial(self.follow_job, follow=False, tail=LAST_LINES)
        if run.stage in ends.EXPLAINED:
            known = (await in_thread(ends.read_all)).get(run.id)
            if ends.needs_reading(run, known):
                async with aclosing(read_log(run.id)) as stream:
                    async for event in stream:
                        run = run.after(event)  # the last one says why it ended, which is kept, too
                known = (await in_thread(ends.read_all)).get(run.id)
            return ends.applied(run, known)
        return await settled(run, read_log)

    def access(self, inspected: Mapping[str, object]) -> list[str]:
        return access_of(inspected)

    def poll_seconds(self, stage: str, polls: int) -> float:
        return watching.poll_seconds(stage, polls)

    def submitting(self, label: str) -> str:
        return self._submitting.get(label, "")

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
        def known() -> Run:
            return ends.applied(job_records.applied(run, job_records.read(run.id)), ends.read_all().get(run.id))

        return await in_thread(known)

    def _note(self, run_id: str, note: Note) -> None:
        self._notes[run_id] = note
