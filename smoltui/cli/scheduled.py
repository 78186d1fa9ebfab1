"""Recurring Jobs on the command line: scheduled list, create, suspend, resume, trigger and delete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from smoltui.backends.runs.engine import Engine, Schedules
from smoltui.cli import confirming, runs
from smoltui.cli.arguments import project_in
from smoltui.cli.jobs import parsed_labels, print_labels
from smoltui.cli.output import cell, note, note_error, print_json, print_warning, say
from smoltui.core.runs.pace import as_age
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run
from smoltui.core.runs.scheduled import ScheduledJob, checked_schedule, each_time, scheduled_already
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line


def _scheduled() -> tuple[Engine, Schedules]:
    """The engine that has scheduled Jobs, and its schedules.

    Raises:
        InputError: no engine has them.
    """
    engine = runs.able("scheduled")
    if engine.scheduled is None:
        raise TypeError(f"{engine.name} claims to have scheduled Jobs")
    return engine, engine.scheduled


def list_all(*, as_json: bool) -> None:
    """Prints all schedules; namespaces that cannot be listed are reported on stderr. Raises as `Schedules.list_all`."""
    _, scheduled = _scheduled()
    found = runs.run_async(scheduled.list_all())
    for name, error in scheduled.problems.items():
        note_error(f"Scheduled Jobs of {safe_line(name, 60)} could not be listed", error, as_json)
    if as_json:
        print_json([item.summary() for item in found])
        return
    if not found:
        note("No scheduled Jobs. Create one: smoltui scheduled create FOLDER --schedule @daily")
        return
    now = time.time()
    say(f"{'ID':<26}{'NAME':<22}{'SCHEDULE':<16}{'NEXT (UTC)':<24}{'FLAVOR':<16}LAST")
    for item in found:
        say(
            f"{cell(item.id, 26)}{cell(item.name, 22)}{cell(item.schedule, 16)}"
            f"{_next(item, now):<24}{cell(item.flavor or '–', 16)}{safe_line(item.last_run or 'never', 40)}"
        )


def _next(item: ScheduledJob, now: float) -> str:
    if item.suspended:
        return "suspended"
    if item.next_at is None:
        return "unknown"
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(item.next_at))
    return f"{when} ({as_age(max(0.0, item.next_at - now))})"


@dataclass(frozen=True, slots=True)
class Creation:
    """The options of `smoltui scheduled create`; None for what the project's files or the Job say."""

    schedule: str
    source: str | None
    """Id of the Job to repeat; None to train a project."""
    flavor: str | None
    timeout: str | None
    namespace: str | None
    suspended: bool
    concurrency: bool
    """Allow overlapping runs."""
    yes: bool
    """Create the schedule without asking, although it costs money."""
    as_json: bool


def create(folder: str, asked: Creation) -> None:
    """Creates a schedule from a project, or with `source` from an existing Job, and prints it.

    Raises:
        as `Schedules.create`; InputError also if the schedule, the project or the options cannot be used.
    """
    asked = replace(asked, schedule=checked_schedule(asked.schedule))
    paid, scheduled = _scheduled()
    if asked.source is None:
        made = runs.run_async(_from_project(folder, paid, scheduled, asked))
    elif asked.flavor or asked.timeout or asked.namespace:
        raise InputError("--from takes flavor, timeout and namespace from the Job", "Leave out these options.")
    else:
        made = runs.run_async(_from_job(asked.source, paid, scheduled, asked))
    _print(made, asked.as_json)


async def _from_job(run_id: str, paid: Engine, scheduled: Schedules, asked: Creation) -> ScheduledJob:
    engine, run = await runs.find(run_id)
    if engine.name != paid.name:
        raise InputError(f"Only a Job can be scheduled, not a run of {engine.place.title}: {run.id}")
    await _ask_twice(run.labels.get("name", ""), paid, scheduled, asked)
    await _confirm(paid, run.flavor, run.timeout_seconds or HUB_TIMEOUT_SECONDS, asked, run.attempts)
    with runs.told_if_interrupted(*CREATED, asked.as_json):
        return await scheduled.create_from(
            run.raw, run.namespace or "", asked.schedule, suspended=asked.suspended, concurrency=asked.concurrency
        )


async def _from_project(folder: str, paid: Engine, scheduled: Schedules, asked: Creation) -> ScheduledJob:
    from smoltui.backends.runs import preflight
    from smoltui.backends.runs.plan import make_plan, settled
    from smoltui.backends.runs.spec import Options

    options = Options(flavor=asked.flavor, timeout=asked.timeout, namespace=asked.namespace)
    plan = await make_plan(project_in(folder), paid.place, options)
    for check in await preflight.check_plan(plan, paid):
        print_warning(check.sentence, check.next_step, asked.as_json)
    await _ask_twice(plan.spec.labels.get("name", ""), paid, scheduled, asked)
    await _confirm(paid, plan.spec.flavor, plan.spec.timeout_seconds or 0, asked, plan.spec.attempts)
    spec = await settled(plan)
    with runs.told_if_interrupted(*CREATED, asked.as_json):
        return await scheduled.create(spec, asked.schedule, suspended=asked.suspended, concurrency=asked.concurrency)


CREATED = ("the schedule may have been created", "smoltui scheduled list")
STARTED = ("a Job may have been started", "smoltui ps -a")


async def _ask_twice(name: str, paid: Engine, scheduled: Schedules, asked: Creation) -> None:
    """Asks before a second schedule of what has this name; with `yes`, only warns.

    Raises as `confirm_second`, and ServiceError: the schedules could not be listed.
    """
    confirming.confirm_second(
        scheduled_already(name, await scheduled.list_all()),
        paid.place,
        yes=asked.yes,
        as_json=asked.as_json,
        question="Create a second schedule?",
        instead="Delete one of them: smoltui scheduled delete ID",
    )


async def _confirm(paid: Engine, flavor: str | None, seconds: float, asked: Creation, attempts: int | None) -> None:
    """Asks whether to create it, unless `yes`. Raises as `confirm_cost`."""
    if not asked.yes:
        question = f"Start this Job on schedule '{asked.schedule}' (UTC)? Your token is stored for it as a secret."
        await confirming.confirm_cost(
            paid, flavor, seconds, question, asked.as_json, attempts=attempts, each=each_time(asked.schedule)
        )


def inspect(scheduled_id: str, *, as_json: bool) -> None:
    """Prints everything known about a schedule."""
    item = runs.run_async(_scheduled()[1].get(scheduled_id))
    print_json({**item.summary(), "raw": dict(item.raw)}, indent=None if as_json else 2)


def reschedule(scheduled_id: str, schedule: str, *, as_json: bool) -> None:
    """Changes when a schedule starts Jobs, and prints it. Raises as `create`."""
    schedule = checked_schedule(schedule)
    _print(runs.run_async(_scheduled()[1].reschedule(scheduled_id, schedule)), as_json)


def labels(scheduled_id: str, assignments: Sequence[str], remove: Sequence[str], *, as_json: bool) -> None:
    """Sets and removes labels of a schedule, and prints its labels. Raises as `jobs.labels`."""
    set_ = parsed_labels(assignments)
    scheduled = _scheduled()[1]
    work = scheduled.labels(scheduled_id, set_, remove) if set_ or remove else scheduled.get(scheduled_id)
    item = runs.run_async(work)
    print_labels(item.id, item.labels, as_json)


def suspend(scheduled_id: str, *, as_json: bool) -> None:
    """Suspends a schedule and prints it."""
    _print(runs.run_async(_scheduled()[1].suspend(scheduled_id)), as_json)


def resume(scheduled_id: str, *, as_json: bool) -> None:
    """Resumes a schedule and prints it."""
    _print(runs.run_async(_scheduled()[1].resume(scheduled_id)), as_json)


def trigger(scheduled_id: str, *, yes: bool, as_json: bool) -> None:
    """Starts a Job of a schedule now, and prints the Job; asks first, as it costs money, unless `yes`."""
    paid, scheduled = _scheduled()

    async def work() -> Run:
        item = await scheduled.get(scheduled_id)
        if not yes:
            seconds = item.timeout_seconds or HUB_TIMEOUT_SECONDS
            await confirming.confirm_cost(
                paid,
                item.flavor,
                seconds,
                f"Start a Job of {item.name} ({item.id}) now?",
                as_json,
                attempts=item.attempts,
            )
        with runs.told_if_interrupted(*STARTED, as_json):
            return await scheduled.trigger(scheduled_id)

    started = runs.run_async(work())
    runs.print_run(started, as_json)


def delete(scheduled_id: str, *, yes: bool, as_json: bool) -> None:
    """Deletes a schedule, and prints what it was; asks first unless `yes`."""
    _, scheduled = _scheduled()

    async def work() -> ScheduledJob:
        item = await scheduled.get(scheduled_id)
        if not yes:
            confirming.confirm_loss(f"Delete the scheduled Job {item.name} ({item.id}, {item.schedule})?", as_json)
        return await scheduled.delete(scheduled_id)

    item = runs.run_async(work())
    if as_json:
        print_json({**item.summary(), "deleted": True})
    else:
        say(f"Deleted: {safe_line(item.id, 60)}")


def _print(item: ScheduledJob, as_json: bool) -> None:
    if as_json:
        print_json(item.summary())
    else:
        when = f"{safe_line(item.schedule, 60)}, next: {_next(item, time.time())}"
        say(f"{safe_line(item.id, 60)}: {safe_line(redact(item.name), 60)}, {when}")
