"""The Runs room on the command line: wait, pause, resume, rerun, labels, hardware. `runs.py` has the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.waiting import other_flavors
from smoltui.backends.system.threads import in_thread
from smoltui.cli import confirming, runs, verdicts
from smoltui.cli.follow_ups import carried_out
from smoltui.cli.output import bell, cell, note, print_error, print_json, say
from smoltui.core.machine.hardware import FlavorFit, accelerators, device_bytes, gb, prices
from smoltui.core.machine.hardware import as_json as flavor_as_json
from smoltui.core.runs.cost import usd_span
from smoltui.core.runs.pace import as_span, as_time
from smoltui.core.runs.rerun import Changes, as_before, kept_elsewhere
from smoltui.core.runs.rivals import rival_again
from smoltui.core.runs.rules import waiting_sentence, waits_long
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run, Stage, timeout_seconds
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.core.settings.settings import out_of_range
from smoltui.errors import InputError, RateLimitedError, RunFailedError, SmoltuiError, UnreachableError
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.core.runs.cost import Flavor

UNREACHED_SECONDS = 30.0
"""Delay before a Hub that did not answer is asked again."""
TIMED_OUT = 124
"""Exit code of `wait --timeout`, as that of timeout(1)."""


def wait(run_ids: Sequence[str], timeout: str | None = None, *, as_json: bool) -> int:
    """Waits until all runs have ended, at most `timeout` (in the format of Jobs), and does the steps after them.

    Prints each run with a bell as it ends, and returns the exit code. A step that failed counts like a run that failed.

    Raises:
        InputError: not a time.
    """
    limit = _limit(timeout)

    async def work() -> tuple[list[Run], list[RunFailedError]]:
        # All are looked up before the wait begins, so that a wrong id is reported now and not in three hours.
        found = [await runs.find(run_id) for run_id in dict.fromkeys(run_ids)]
        ended: list[Run] = []
        engines = {run.id: engine for engine, run in found}
        for next_one in asyncio.as_completed([_end_of(engine, run, as_json) for engine, run in found]):
            ended.append(await next_one)
            runs.print_run(ended[-1], as_json)
            verdicts.print_verdict(await verdicts.verdict_on(engines[ended[-1].id], ended[-1]), as_json)
            if not as_json and (reading := await runs.reading_of(engines[ended[-1].id], ended[-1])):
                note(f"Reading: {safe_line(reading.line, 1000)}")
            bell()
        return ended, [failure for run in ended if (failure := await carried_out(run, as_json)) is not None]

    async def in_time() -> tuple[list[Run], list[RunFailedError]]:
        async with asyncio.timeout(limit):
            return await work()

    try:
        ended, failures = runs.run_async(in_time())
    except TimeoutError:
        print_error(
            f"The runs have not ended after {as_time(limit)}; they continue",
            f"Wait for them again: smoltui wait {' '.join(run_ids)}",
            as_json,
        )
        return TIMED_OUT
    codes = {*(runs.exit_code(run.stage) for run in ended), *(1 for _ in failures)}
    return next(code for code in (1, 130, 0) if code in codes)


def _limit(timeout: str | None) -> float | None:
    try:
        return None if timeout is None else float(timeout_seconds(timeout))
    except ValueError as error:
        raise InputError(f"Not a valid timeout: {safe_line(timeout or '', 60)}", str(error)) from error


def _started(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    return asyncio.create_task(work())


async def _end_of(engine: Engine, run: Run, as_json: bool) -> Run:
    """The run once it has ended. A Hub that does not answer is asked again, and that is reported once.

    Why the run waits is said on stderr, unless `as_json`.
    """
    polls, told, patient, reason = 0, False, True, ""
    pause = engine.poll_seconds(run.stage, 0)
    while not run.is_final:
        if not as_json and run.stage == Stage.SCHEDULING and _reason(run) != reason:
            reason = _reason(run)
            note(runs.stage_words(run))
        if patient and waits_long(run, WatchSettings().waiting_minutes, time.time()):
            patient = False
            await _note_waiting(engine, run)
        await asyncio.sleep(pause)
        before = run.stage
        try:
            run = await engine.get(run.id)
        except (RateLimitedError, UnreachableError) as error:
            pause = max(UNREACHED_SECONDS, getattr(error, "retry_after", None) or 0.0)
            if not told:
                note(f"smoltui: {safe_line(error.message, 1000)}; still waiting")
                told = True
            continue
        polls = 0 if run.stage != before else polls + 1
        pause = engine.poll_seconds(run.stage, polls)
    return await verdicts.settled(engine, run)


def _reason(run: Run) -> str:
    """Why a run waits, without the expected start, which changes all the time."""
    return (run.message or "").partition(";")[0]


async def _note_waiting(engine: Engine, run: Run) -> None:
    """Says on stderr that a run waits long for its flavor, and which others would do."""
    with suppress(SmoltuiError):
        flavors = await engine.hardware() if "hardware" in engine.place.can else []
        others = await in_thread(lambda: other_flavors(run, flavors))
        note(f"{safe_line(run.name, 60)}: {safe_line(waiting_sentence(run, others, time.time()), 400)}")


def pause(run_ids: Sequence[str], *, as_json: bool) -> None:
    """Pauses runs and prints the stage of each. Raises as `runs.for_each`."""

    async def work(run_id: str) -> Run:
        engine, _ = await runs.find(run_id)
        return await engine.pause(run_id)

    runs.for_each(run_ids, work, as_json)


@dataclass(frozen=True, slots=True)
class Again:
    """What `resume` and `rerun` change; None keeps what the run had."""

    flavor: str | None = None
    timeout: str | None = None
    """In the format of Jobs, for example 3h."""
    namespace: str | None = None
    attempts: int | None = None

    def changes(self) -> Changes:
        """The changes. Raises InputError for an invalid timeout or number of attempts."""
        if self.attempts is not None and (problem := out_of_range("jobs.attempts", self.attempts)):
            raise InputError(f"--attempts {problem}")
        try:
            seconds = None if self.timeout is None else timeout_seconds(self.timeout)
        except (ValueError, OverflowError) as error:
            raise InputError(f"Not a valid timeout for Jobs: {self.timeout}", str(error)) from error
        return Changes(self.flavor, seconds, self.namespace, self.attempts)


async def _paid(engine: Engine, run: Run, changes: Changes, question: str, as_json: bool) -> None:
    """Asks before a run costs money once more. Raises as `confirm_cost`."""
    if engine.place.pays:
        now = changes.over(as_before(run, await engine.started_with(run)))
        seconds = now.timeout_seconds or HUB_TIMEOUT_SECONDS
        await confirming.confirm_cost(engine, now.flavor, seconds, question, as_json, attempts=now.attempts)


def resume(run_ids: Sequence[str], asked: Again, *, yes: bool, as_json: bool) -> None:
    """Resumes runs with changes and prints the stage of each; asks first if it costs money.

    Raises as `runs.for_each`.
    """
    changes = asked.changes()

    async def work(run_id: str) -> Run:
        engine, run = await runs.find(run_id)
        if kept := kept_elsewhere(run, changes):
            note(f"{safe_line(redact(kept), 200)}.")
        if run.is_final:
            await _ask_twice(engine, run, resume=True, yes=yes, as_json=as_json)
        if not yes and run.is_final and run.stage != Stage.COMPLETED:
            which = f"the checkpoint of step {run.kept_step}" if run.kept_step else "its newest kept checkpoint"
            question = f"Resume {run.name} ({run.id}) from {which}?"
            await _paid(engine, run, changes, question, as_json)
        with runs.told_if_started(engine.place, as_json):
            return await engine.resume(run_id, changes)

    runs.for_each(run_ids, work, as_json)


def rerun(run_id: str, asked: Again, *, yes: bool, as_json: bool) -> None:
    """Starts the same run again with changes and prints the new one; asks first if it costs money, unless `yes`."""
    changes = asked.changes()

    async def work() -> Run:
        engine, run = await runs.find(run_id)
        await _ask_twice(engine, run, resume=False, yes=yes, as_json=as_json)
        if not yes:
            await _paid(engine, run, changes, f"Start {run.name} ({run.id}) again?", as_json)
        with runs.told_if_started(engine.place, as_json):
            return await engine.rerun(run_id, changes)

    started = runs.run_async(work())
    runs.print_run(started, as_json)
    if not as_json:
        note(f"Follow the run: smoltui logs {started.id} --follow")


async def _ask_twice(engine: Engine, run: Run, *, resume: bool, yes: bool, as_json: bool) -> None:
    """Asks before a run is started again, or resumed, beside one that writes to the same place; with `yes`, only warns.

    Raises as `confirm_second`, and ServiceError: the runs could not be listed.
    """
    spec, listed = await engine.started_with(run), await engine.list_runs()
    beside = rival_again(run, spec, listed, on_disk=engine.place.on_disk, resume=resume)
    confirming.confirm_second(beside, engine.place, yes=yes, as_json=as_json)


def labels(run_id: str, assignments: Sequence[str], remove: Sequence[str], *, as_json: bool) -> None:
    """Sets and removes labels of a run, and prints its labels.

    Raises:
        InputError: not KEY=VALUE, or a label that the engine refuses.
    """
    set_ = parsed_labels(assignments)

    async def work() -> Run:
        engine, run = await runs.find(run_id)
        return await engine.labels(run_id, set_, remove) if set_ or remove else run

    run = runs.run_async(work())
    print_labels(run.id, run.labels, as_json)


def parsed_labels(assignments: Sequence[str]) -> dict[str, str]:
    """The labels in KEY=VALUE arguments. Raises InputError for anything else."""
    found: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"Labels are written KEY=VALUE: {safe_line(text, 100)}", "For example: team=ml")
        found[key] = value
    return found


def print_labels(owner: str, labels: Mapping[str, str], as_json: bool) -> None:
    """Prints the labels of a run or a schedule."""
    if as_json:
        print_json({"id": owner, "labels": dict(labels)})
        return
    for key, value in labels.items():
        say(safe_line(redact(f"{key}={value}")))
    if not labels:
        note("No labels")


def _fit_in_words(fit: FlavorFit) -> str:
    """Whether a recipe fits, with what is known of its memory, time and cost."""
    parts = [fit.in_words]
    if fit.needed is not None:
        parts.append(f"needs {gb(fit.needed)}")
    if fit.took is not None:
        parts.append(as_span(fit.took.low, fit.took.high))
    if fit.cost is not None:
        parts.append(usd_span(*fit.cost))
    return ", ".join(parts)


def hardware(project: Project | None, on: str | None, *, as_json: bool) -> None:
    """Prints the hardware of the engine `on`; with a project, also whether its recipe fits.

    Raises:
        RecipeError: the recipe cannot be read.
        ServiceError: the flavors cannot be listed.
    """
    from smoltui.backends.pairs.counted import PairCounts
    from smoltui.backends.project.recipe_facts import recipe_shape
    from smoltui.backends.project.recipe_file import load_project_recipe
    from smoltui.backends.runs.past_speeds import past_speeds
    from smoltui.core.machine.hardware import fits

    values: dict[str, Any] | None = None if project is None else dict(load_project_recipe(project).values)
    shape = recipe_shape(project, values) if project is not None and values is not None else None
    preferred = project.settings().on if project is not None else ""
    engine, listed = runs.run_async(runs.hardware(on, preferred))
    rows: list[tuple[Flavor, FlavorFit | None]]
    if project is None or values is None:
        rows = [(flavor, None) for flavor in listed]
    else:
        counts, settings = PairCounts(), project.settings()
        pairs, sizes = counts.rows(project, values, settings), counts.measured(project, values, settings)
        found = fits(listed, values, shape, pairs, sizes=sizes, past=past_speeds)
        rows = [(fit.flavor, fit) for fit in found]
    if as_json:
        print_json([flavor_as_json(flavor, fit) for flavor, fit in rows])
        return
    pays, width = engine.place.pays, 94 if engine.place.pays else 63
    name = engine.place.asks.get("flavor", "flavor").upper()
    head = f"{name:<18}{'CPU':<10}{'MEMORY':>9}  {'ACCELERATOR':<16}{'EACH':>8}{'  PRICE' if pays else ''}"
    say(f"{head:<{width}}  FITS" if project is not None else head)
    for flavor, fit in rows:
        each = gb(device_bytes(flavor) if flavor.count else None)
        line = (
            f"{cell(flavor.name, 18)}{cell(flavor.cpu, 10)}{gb(flavor.ram_bytes):>9}  "
            f"{cell(accelerators(flavor), 16)}{each:>8}{f'  {prices(flavor)}' if pays else ''}"
        )
        say(line if fit is None else f"{line:<{width}}  {_fit_in_words(fit)}")
    if listed and pays:
        note(f"Listed by the Hub on {time.strftime('%Y-%m-%d %H:%M', time.localtime(listed[0].listed_at))}")
