"""Scheduled Jobs: list, create, suspend, resume, trigger, delete.

Creating and triggering cost money and are not idempotent, so neither is ever requested twice: a scheduled Job has a
unique label and is found by it, a triggered one is distinguished from the Jobs that existed before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import not_the_hub
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.acts import are_set, confirmed, described, may_have_worked, merged_labels, with_token
from smoltui.backends.jobs.asked import asked_of
from smoltui.backends.jobs.job_json import id_of, labels_of, run_of, scheduled_of, spec_of_job, unreadable_scheduled
from smoltui.backends.jobs.listing import first_found, from_all
from smoltui.backends.jobs.shipment import pack
from smoltui.backends.runs.spec import new_label
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.run import LABEL, Run, RunSpec
from smoltui.core.runs.scheduled import ScheduledJob, as_fields, checked_schedule
from smoltui.errors import InputError, NotFoundOnHubError, SmoltuiError, UnreachableError
from smoltui.safe_text import safe_line

SCHEDULE_LABEL = "smoltui-schedule"
"""Label of a scheduled Job, and of each Job that it starts: finds it after a lost response."""
MAKING = "create the scheduled Job"
NOT_SCHEDULED = ("ssh", "network")
"""Properties of a Job that a scheduled one cannot have (Hub, scheduled Jobs)."""


@dataclass(frozen=True, slots=True)
class _Act:
    """An act on a scheduled Job: in words, and as a request."""

    doing: str
    """Completes "could not": `suspend`."""
    done: str
    """Completes "may have been": `suspended`."""
    undone: str
    """What it is if the Hub did nothing: `is not suspended`."""
    method: str
    path: str = ""
    """Behind the path of the scheduled Job."""


class ScheduledJobs:
    """The scheduled Jobs of every namespace the account belongs to. An id may be written as `namespace/id`.

    Like every request to the Hub, each method also raises NotLoggedInError, PermissionDeniedError, RateLimitedError and
    UnreachableError.
    """

    def __init__(self) -> None:
        self._namespaces: dict[str, str] = {}
        self.problems: dict[str, SmoltuiError] = {}
        """Namespaces that could not be read in the last listing, and why."""

    async def list_all(self) -> list[ScheduledJob]:
        """All of them, including suspended ones, newest first.

        Raises:
            ServiceError: no namespace could be read.
        """
        doing = "list the scheduled Jobs"
        account = await hub.account()

        async def one(session: hub.Session, name: str) -> list[Any]:
            return await session.pages(hub.scheduled_path(name), doing=doing, most=1)

        listed = await from_all([account.name, *account.orgs], [account.name], one, doing)
        self.problems = listed.problems
        found = [
            scheduled_of(item, namespace=name) if id_of(item) else unreadable_scheduled(item, name, number)
            for name, items in listed.items.items()
            for number, item in enumerate(items, 1)
        ]
        self._namespaces |= {item.id: item.namespace or account.name for item in found}
        return sorted(found, key=lambda item: item.created_at or 0.0, reverse=True)

    async def get(self, scheduled_id: str) -> ScheduledJob:
        """The current state of one.

        Raises:
            NotFoundOnHubError: this account has none with this id.
        """
        wanted, _, bare = scheduled_id.rpartition("/")
        doing = f"find the scheduled Job {safe_line(scheduled_id, 60)}"
        if wanted or bare in self._namespaces:
            names = [wanted or self._namespaces[bare]]
        else:
            account = await hub.account()
            names = [account.name, *account.orgs]
        async with hub.session(doing) as session:
            found = await first_found(names, lambda name: session.get(hub.scheduled_path(name, bare), doing=doing))
        if found is None:
            raise NotFoundOnHubError(
                f"This account has no such scheduled Job: {safe_line(scheduled_id, 60)}",
                "List ids: smoltui scheduled list",
            )
        data = described(found[1], doing)
        if id_of(data) != bare:
            raise not_the_hub(doing)
        self._namespaces[bare] = found[0]
        return scheduled_of(data, namespace=found[0])

    async def create(
        self, spec: RunSpec, schedule: str, *, suspended: bool = False, concurrency: bool = False
    ) -> ScheduledJob:
        """A scheduled Job that trains `spec` each time. Uploads its files once, now.

        All its Jobs use the current pairs and recipe, and this machine's token is stored with it as a secret.
        `spec.label` makes it unique: the same spec returns the same scheduled Job.

        Raises:
            InputError: the schedule or the spec cannot be used.
            NoCreditError: nothing was created.
            UnreachableError: the message says whether nothing was created, or that it is unknown.
        """
        schedule = checked_schedule(schedule)
        refuse_tokens(spec)
        labels = hub_submit.checked_labels(spec)
        del labels[LABEL]  # it is unique to one Job, and this starts many
        timeout = spec.timeout_seconds
        if not spec.flavor or not timeout or timeout <= 0:
            raise InputError("A scheduled Job needs a flavor and a timeout", "Set both in [jobs] of smoltui.toml.")
        account = await hub.writing_account(MAKING)
        namespace = spec.namespace or account.name
        if found := await self._find(namespace, spec.label):
            return found
        spec = await hub_submit.with_processes(spec)
        command = hub_submit.job_command(spec)
        asked = await in_thread(lambda: asked_of(spec))
        shipment = await in_thread(lambda: pack(spec))
        token = await hub.token()
        volume = await hub_submit.upload(shipment, namespace, spec.label, token)
        job_spec = {
            **asked.as_json(token, hub_submit.environment(spec), [volume]),
            "command": command,
            "arguments": [],
            "flavor": spec.flavor,
            "timeoutSeconds": int(timeout),
            "labels": labels,
            **({"attempts": spec.attempts} if spec.attempts else {}),
        }
        try:
            return await self._make(namespace, spec.label, job_spec, schedule, suspended, concurrency)
        except SmoltuiError as error:
            if not may_have_worked(error):
                await hub_submit.take_back(shipment, namespace, spec.label, token)
            raise

    async def create_from(
        self,
        job: Mapping[str, object],
        namespace: str,
        schedule: str,
        *,
        suspended: bool = False,
        concurrency: bool = False,
    ) -> ScheduledJob:
        """A scheduled Job that does what `job` (its JSON) does, in the same namespace, without ssh and its network.

        Raises:
            InputError: the schedule cannot be used, or it had secrets whose values are never revealed.
            NoCreditError, UnreachableError: as `create`.
        """
        schedule = checked_schedule(schedule)
        spec = await with_token(
            job, spec_of_job(job), "hf jobs scheduled uv run, or hf jobs scheduled run, with --secrets NAME"
        )
        spec = {key: value for key, value in spec.items() if key not in NOT_SCHEDULED}
        spec["labels"] = {key: value for key, value in labels_of(job).items() if key not in (LABEL, SCHEDULE_LABEL)}
        await hub.writing_account(MAKING)
        return await self._make(namespace, new_label(), spec, schedule, suspended, concurrency)

    async def reschedule(self, scheduled_id: str, schedule: str) -> ScheduledJob:
        """Changes when it starts Jobs. Raises as `suspend`; InputError: the schedule cannot be used."""
        wanted, item = checked_schedule(schedule), await self.get(scheduled_id)
        act = _Act("reschedule", "rescheduled", f"still has the schedule '{item.schedule}'", "POST", "schedule")

        def has_it(now: ScheduledJob) -> bool:
            # The Hub may write the new one in its own way.
            return now.schedule != item.schedule or as_fields(now.schedule) == as_fields(wanted)

        return await self._change(item, act, has_it, {"schedule": wanted})

    async def labels(self, scheduled_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> ScheduledJob:
        """Sets some labels of its Jobs, removes others and keeps the rest. Raises as `acts.relabel`."""
        item = await self.get(scheduled_id)
        body = {"labels": merged_labels(item.labels, set_, remove)}
        act = _Act("relabel", "relabeled", "still has its old labels", "PUT", "labels")
        return await self._change(item, act, lambda now: are_set(now.labels, set_, remove), body)

    async def suspend(self, scheduled_id: str) -> ScheduledJob:
        """Suspends it until it is resumed; a running Job continues.

        Raises:
            UnreachableError: the Hub did nothing, or nobody knows. Else as `get`.
        """
        item = await self.get(scheduled_id)
        act = _Act("suspend", "suspended", "is not suspended", "POST", "suspend")
        return await self._change(item, act, lambda now: now.suspended is not False)

    async def resume(self, scheduled_id: str) -> ScheduledJob:
        """Resumes it: it starts Jobs again from its next time. Raises as `suspend`."""
        item = await self.get(scheduled_id)
        act = _Act("resume", "resumed", "is still suspended", "POST", "resume")
        return await self._change(item, act, lambda now: now.suspended is not True)

    async def trigger(self, scheduled_id: str) -> Run:
        """Starts one of its Jobs now and returns it; the schedule does not change. Never starts two.

        After a lost response, a Job that the schedule started at the same moment counts as this one.

        Raises:
            ServiceError: one is already running, and overlapping runs are not allowed (conflict).
            NoCreditError: nothing was started.
            UnreachableError: the message says whether nothing was started, or that it is unknown. Else as `get`.
        """
        item = await self.get(scheduled_id)
        namespace = item.namespace or ""
        doing = f"trigger the scheduled Job {safe_line(item.id, 60)}"
        before = await self._started(namespace, item.id, doing)
        try:
            async with hub.session(doing) as session:
                response = await session.send("POST", hub.scheduled_path(namespace, item.id, "run"), doing=doing)
                return run_of(described(hub.decoded(response, doing), doing), namespace=namespace)
        except SmoltuiError as error:
            if not may_have_worked(error):
                raise

            async def look() -> Run | None:
                started = await self._started(namespace, item.id, doing)
                return next((run for run_id, run in started.items() if run_id not in before), None)

            found = await hub_submit.look_again(
                look,
                error,
                "The connection was lost while triggering; a Job may or may not have started",
                "When the Hub is reachable, check before retrying: smoltui ps -a",
            )
            if found is not None:
                return found
            raise UnreachableError(f"{error.message}; no Job was started", "Try again.") from error

    async def delete(self, scheduled_id: str) -> ScheduledJob:
        """Deletes it permanently and returns its last state; a running Job continues. Raises as `suspend`."""
        item = await self.get(scheduled_id)

        async def look() -> ScheduledJob | None:
            try:
                await self.get(item.id)
            except NotFoundOnHubError:
                return item
            return None

        return await self._act(item, _Act("delete", "deleted", "still exists", "DELETE"), look)

    # -- implementation

    async def _change(
        self,
        item: ScheduledJob,
        act: _Act,
        is_done: Callable[[ScheduledJob], bool],
        body: Mapping[str, object] | None = None,
    ) -> ScheduledJob:
        """`item` as it is afterwards. Raises as `suspend`."""

        async def look() -> ScheduledJob | None:
            now = await self.get(item.id)
            return now if is_done(now) else None

        return await self._act(item, act, look, body)

    async def _act(
        self,
        item: ScheduledJob,
        act: _Act,
        look: Callable[[], Awaitable[ScheduledJob | None]],
        body: Mapping[str, object] | None = None,
    ) -> ScheduledJob:
        """What `look` finds after an act on `item`. Raises as `suspend`."""
        which = f"the scheduled Job {safe_line(item.id, 60)}"
        doing = f"{act.doing} {which}"
        path = hub.scheduled_path(item.namespace or "", item.id, *filter(None, [act.path]))
        async with hub.session(doing) as session:
            return await confirmed(
                lambda: session.send(act.method, path, doing=doing, body=body),
                look,
                undone=f"{which} {act.undone}",
                unclear=f"{which} may or may not have been {act.done}",
                see="smoltui scheduled list",
            )

    async def _make(
        self, namespace: str, label: str, job_spec: Mapping[str, Any], schedule: str, suspended: bool, concurrency: bool
    ) -> ScheduledJob:
        body = {
            "jobSpec": {**job_spec, "labels": {**job_spec.get("labels", {}), SCHEDULE_LABEL: label}},
            "schedule": schedule,
            "suspend": suspended,
            "concurrency": concurrency,
        }
        try:
            async with hub.session(MAKING) as session:
                response = await session.send("POST", hub.scheduled_path(namespace), doing=MAKING, body=body)
                made = scheduled_of(described(hub.decoded(response, MAKING), MAKING), namespace=namespace)
        except SmoltuiError as error:
            if not may_have_worked(error):
                raise
            found = await hub_submit.look_again(
                lambda: self._find(namespace, label),
                error,
                "The connection was lost while creating the scheduled Job; it may or may not exist",
                f"When the Hub is reachable, look for its label before retrying: {SCHEDULE_LABEL}={label}",
            )
            if found is None:
                raise UnreachableError(
                    f"{error.message}; no scheduled Job was created, as none has its label", "Try again."
                ) from error
            made = found
        self._namespaces[made.id] = namespace
        return made

    async def _find(self, namespace: str, label: str) -> ScheduledJob | None:
        """The one with the unique label; None without one."""
        async with hub.session(MAKING) as session:
            named = [("label", f"{SCHEDULE_LABEL}={label}")]
            items = await session.pages(hub.scheduled_path(namespace), doing=MAKING, params=named, most=3)
        for item in items:
            spec = item.get("jobSpec") if isinstance(item, Mapping) else None
            if isinstance(spec, Mapping) and labels_of(spec).get(SCHEDULE_LABEL) == label and id_of(item):
                return scheduled_of(item, namespace=namespace)
        return None

    async def _started(self, namespace: str, scheduled_id: str, doing: str) -> dict[str, Run]:
        """The newest Jobs that it started, by id: the first page of the list, newest first."""
        async with hub.session(doing) as session:
            jobs = await session.pages(hub.jobs_path(namespace), doing=doing, most=1)
        found = {}
        for job in jobs:
            initiator = job.get("initiator") if isinstance(job, Mapping) else None
            if isinstance(initiator, Mapping) and id_of(initiator) == scheduled_id and (job_id := id_of(job)):
                found[job_id] = run_of(job, namespace=namespace)
        return found
