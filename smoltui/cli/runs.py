"""The Runs room on the command line: train, ps, logs, inspect, cancel. `jobs.py` has the others."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from smoltui.backends.runs.callbacks import Severity
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.monitor import RunMonitor
from smoltui.backends.services import default_services
from smoltui.cli.follow_ups import follow_up
from smoltui.cli.output import (
    cell,
    confirm,
    log_text,
    note,
    note_error,
    print_error,
    print_json,
    print_log,
    print_warning,
    say,
)
from smoltui.core.runs import events
from smoltui.core.runs.pace import as_age, as_time
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.run_filter import parse_filter
from smoltui.core.runs.wording import in_words
from smoltui.errors import InputError, NotFoundOnHubError, RunFailedError, ServiceError, SmoltuiError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.spec import Options
    from smoltui.core.settings.settings import Settings

RECENT_SECONDS = 86_400
"""`ps` without `-a` leaves out runs that ended longer ago."""

EXIT_CODES = {Stage.COMPLETED: 0, Stage.CANCELED: 130}
"""Final stage of a run → exit code; 1 for the others."""
T = TypeVar("T")


def exit_code(stage: str) -> int:
    """The exit code of a command that followed a run to this final stage."""
    return EXIT_CODES.get(Stage(stage), 1) if stage in set(Stage) else 1


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; ctrl+c cancels it."""
    return asyncio.run(work)


def parse_assignment(text: str) -> tuple[str, object]:
    """`key=value` of `--set`, with the value parsed as YAML.

    Raises:
        InputError: there is no `=`, the value is not YAML, or a recipe cannot contain it (such as a date).
    """
    from ruamel.yaml.error import YAMLError

    from smoltui.backends.system.yaml_limits import load_plain

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes KEY=VALUE: {text}", "For example: --set learning_rate=1e-5")
    if value.count("[") + value.count("{") > MOST_BRACKETS:
        raise InputError(f"The value of --set {key} is nested too deeply", "Set it in recipe.yaml.")
    try:
        found = load_plain(value)
    except YAMLError as error:
        raise InputError(
            f"The value of --set {key} cannot be read: {value}", "Quote the value as in a YAML file."
        ) from error
    if not _fits_recipe(found):
        raise InputError(
            f"--set {key} has a value that a recipe can't contain: {value}",
            "Write a number, text, true, false, null, or a list of these; quote text that looks like another type.",
        )
    return key.strip(), found


MOST_BRACKETS = 100
"""Maximum number of brackets in a value of `--set`: parsing nested ones takes quadratic time."""


def _fits_recipe(value: object, depth: int = 0) -> bool:
    """Whether a recipe can contain a value: no date, set or bytes, no integer over 64 bits, no list inside itself."""
    if isinstance(value, list):
        return depth <= MOST_BRACKETS and all(_fits_recipe(item, depth + 1) for item in value)
    if isinstance(value, dict):
        parts = [*value, *value.values()]
        return depth <= MOST_BRACKETS and all(_fits_recipe(part, depth + 1) for part in parts)
    if isinstance(value, int):
        return value.bit_length() <= 64
    return value is None or isinstance(value, str | float)


@dataclass(frozen=True, slots=True)
class Training:
    """The options of `smoltui train`; None for what the project's files say."""

    engine: str | None
    assignments: tuple[str, ...]
    """KEY=VALUE, each overriding one key of the recipe."""
    seed: int | None
    output_dir: str | None
    overwrite: bool
    flavor: str | None
    timeout: str | None
    namespace: str | None
    yes: bool
    """Start a run that costs money without asking."""
    side_by_side: bool
    processes: int | None
    detach: bool
    """Return once the run is started."""
    then: tuple[str, ...]
    """Steps after the run (`core.runs.chain.STEPS`)."""
    as_json: bool

    def options(self) -> Options:
        """What changes the plan. Raises InputError for what is not an assignment."""
        from smoltui.backends.runs.spec import Options

        overrides = dict(parse_assignment(text) for text in self.assignments)
        if self.seed is not None:
            overrides["seed"] = self.seed
        return Options(
            overrides, self.output_dir, self.overwrite, self.flavor, self.timeout, self.namespace, self.processes
        )


def train(project: Project, asked: Training) -> int:
    """Starts a run, follows it, and performs the steps after it; returns the exit code."""
    settings, options = project.settings(), asked.options()
    services = default_services()
    engine = services.named(asked.engine) if asked.engine else services.default(settings.on)
    return run_async(_trained(project, settings, engine, asked, options))


async def _trained(project: Project, settings: Settings, engine: Engine, asked: Training, options: Options) -> int:
    from smoltui.backends.runs import preflight
    from smoltui.backends.runs.plan import make_plan, settled

    place, as_json = engine.place, asked.as_json
    plan = await make_plan(project, place, options, settings=settings)
    warnings = await preflight.check_plan(plan, engine)
    for check in warnings:
        print_warning(check.sentence, check.next_step, as_json)
    if place.pays and not asked.yes:
        seconds = plan.spec.timeout_seconds or 0
        await confirm_cost(engine, plan.spec.flavor, seconds, f"Start the {place.run}?", as_json)
    checks = tuple(f"! {check.sentence}" for check in warnings)
    spec = replace(await settled(plan), checks=checks, side_by_side=asked.side_by_side and place.here)
    run = await engine.submit(spec)
    async with _monitoring(project, engine, as_json) as monitor:
        monitor.take_run(run)
        if asked.then:
            await monitor.chains.begin(run, tuple(dict.fromkeys(asked.then)))
        return await _follow_started(monitor, engine, run, detach=asked.detach, as_json=as_json)


async def confirm_cost(engine: Engine, flavor_name: str | None, seconds: float, question: str, as_json: bool) -> None:
    """Asks for confirmation, stating the most that a run of `seconds` (its timeout) can cost; returns after a yes.

    Raises:
        InputError: nobody can be asked, or there is no such flavor.
        click.Abort: the answer was no.
        ServiceError: the prices could not be read.
    """
    from smoltui.core.runs.cost import usd, worst_cost

    _must_be_asked(as_json, f"A {engine.place.run} costs money and needs confirmation")
    known = {flavor.name: flavor for flavor in await engine.hardware()}
    flavor = known.get(flavor_name or "")
    if flavor is None:
        raise InputError(f"Unknown flavor: {safe_line(flavor_name or 'none given', 60)}", f"Known: {', '.join(known)}")
    cost = usd(worst_cost(flavor, seconds))
    confirm(f"{flavor.name} for at most {as_time(seconds)}: at most {cost}. {question}")


def confirm_loss(question: str, as_json: bool) -> None:
    """Asks for confirmation of what cannot be undone; returns after a yes. Raises as `confirm_cost`."""
    _must_be_asked(as_json, "This cannot be undone and needs confirmation")
    confirm(question)


def _must_be_asked(as_json: bool, why: str) -> None:
    """Raises InputError if nobody can be asked: with --json, or without a terminal."""
    if as_json or not sys.stdin.isatty():
        raise InputError(why, "Confirm with --yes")


@asynccontextmanager
async def _monitoring(project: Project, engine: Engine, as_json: bool) -> AsyncIterator[RunMonitor]:
    """Watches runs of one engine by the rules of a project, and reports warnings on stderr."""
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work()))
        return tasks[-1]

    def say_aside(sentence: str, severity: Severity) -> None:
        if severity != "information":
            print_warning(sentence, "", as_json)
        elif not as_json:
            note(safe_line(sentence))

    monitor = RunMonitor(
        project, lambda: {engine.name: engine}, changed=lambda: None, say=say_aside, ring=note, spawn=spawn
    )
    spawn(partial(monitor.watch, chains=False))
    try:
        yield monitor
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _follow_started(monitor: RunMonitor, engine: Engine, run: Run, *, detach: bool, as_json: bool) -> int:
    """Reports a run that was just submitted, follows it to its end unless `detach`, and gives the exit code.

    Raises:
        RunFailedError: it failed, or a step after it did.
    """
    _print_started(run, as_json)
    if detach:
        _print_ended(run, as_json)
        if run.id in monitor.follow_ups and not as_json:
            note(_who_follows_up(engine, run))
        return 0
    run = await _followed(monitor, engine, run, as_json)
    _print_ended(run, as_json)
    code = exit_code(run.stage)
    if code == 1:
        raise RunFailedError(
            run.message or f"The run ended in stage {run.stage}",
            run.hint or f"See the log: smoltui logs {run.id}",
        )
    if run.stage == Stage.COMPLETED and run.id in monitor.follow_ups:
        await follow_up(monitor.chains, run)
    return code


def _who_follows_up(engine: Engine, run: Run) -> str:
    if engine.place.here:
        return "What follows is done as soon as the run is done, also while no app is open"
    return f"What follows is done by the app while it is open on this project, or by: smoltui wait {run.id}"


def _print_started(run: Run, as_json: bool) -> None:
    if as_json:
        stage = events.StageChanged(stage=run.stage, message=run.message)
        print_json({**stage.as_json(), "run": run.id, "engine": run.engine})
    else:
        note(safe_line(f"{run.name}: {run.id} ({run.engine})"))


def _print_ended(run: Run, as_json: bool) -> None:
    output = run.pushed_to or run.model_path or run.output_dir
    if as_json:
        print_json({"event": "end", "stage": run.stage, "run": run.id, "output_dir": output, "message": run.message})
    elif run.stage == Stage.COMPLETED:
        note(f"Completed: {safe_line(output or '', 4096)}")


async def _followed(monitor: RunMonitor, engine: Engine, run: Run, as_json: bool) -> Run:
    """Prints the events of a run until it ends. ctrl+c cancels a local run, and only stops following a Job."""
    followed = monitor.follow(run)
    try:
        async with aclosing(followed.events()) as stream:
            async for event in stream:
                _print_event(event, followed.run, as_json)
                if isinstance(event, events.StageChanged):
                    monitor.take_run(followed.run)  # runs are not listed here
    except asyncio.CancelledError:
        if engine.place.here:
            run = await engine.cancel(run.id)
            note(f"Cancelled: {run.id}")
        else:
            again = f"smoltui logs {run.id} --follow"
            note(f"Stopped following; the {engine.place.run} continues. Follow it again: {again}")
        raise
    return await _final(engine, followed.run)


async def _final(engine: Engine, run: Run) -> Run:
    """The ended run as the engine knows it, with what only its log said."""
    now = await engine.get(run.id)
    return replace(
        now,
        hint=now.hint or run.hint,
        model_path=now.model_path or run.model_path,
        pushed_to=now.pushed_to or run.pushed_to,
    )


def _print_event(event: events.Event, run: Run, as_json: bool) -> None:
    if as_json:
        data = event.as_json()
        print_json({**data, "run": run.id} if isinstance(event, events.StageChanged) else data)
        return
    if isinstance(event, events.LogLine):
        print_log(event.text)
    elif words := in_words(event, run.max_steps):
        note(safe(redact(words), 2000))


def ps(*, every: bool, engine: str | None, filter_text: str, as_json: bool) -> None:
    """Prints the list of runs that match `filter_text` (`core/runs/run_filter.py`), newest first.

    `every` includes those that ended more than `RECENT_SECONDS` ago; `engine` is the only one asked, None: all of them.
    An engine or a namespace that cannot be asked is reported on stderr, and the others are listed.

    Raises:
        SmoltuiError: the one `engine` cannot be asked.
    """
    services = default_services()
    wanted, engines = parse_filter(filter_text, services.places), services.engines
    runs, errors = run_async(_listed([engines[engine]] if engine else list(engines.values()), raises=bool(engine)))
    now = time.time()
    runs = [run for run in runs if (every or _is_recent(run, now)) and wanted.matches(run)]
    for which, error in errors:
        note_error(f"{which[:1].upper()}{safe_line(which[1:], 80)} are not listed", error, as_json)
    if as_json:
        print_json([run.summary() for run in runs])
    elif runs:
        _print_table(runs, now)
    else:
        note("No run matches" if wanted else "No runs. Start one: smoltui train FOLDER")


async def _listed(engines: Sequence[Engine], *, raises: bool) -> tuple[list[Run], list[tuple[str, SmoltuiError]]]:
    """The runs of these engines, newest first, and what could not be listed with the reason.

    Raises:
        SmoltuiError: an engine cannot be asked, and `raises` is set.
    """
    found: list[Run] = []
    errors: list[tuple[str, SmoltuiError]] = []
    for one in engines:
        try:
            found += await one.list_runs()
        except SmoltuiError as error:
            if raises:
                raise
            errors.append((one.place.plural, error))
        else:
            errors += [(f"{one.place.plural} of {owner}", error) for owner, error in one.problems.items()]
    return sorted(found, key=lambda run: run.created_at or 0, reverse=True), errors


def _is_recent(run: Run, now: float) -> bool:
    return not run.is_final or now - (run.finished_at or now) < RECENT_SECONDS


def _print_table(runs: Sequence[Run], now: float) -> None:
    say(f"{'ID':<26}{'NAME':<22}{'STAGE':<12}{'WHERE':<14}{'AGE':>5}{'STEP':>11}  MESSAGE")
    for run in runs:
        step = f"{run.step}/{run.max_steps}" if run.max_steps else "–"
        age = as_age(now - run.created_at if run.created_at else None)
        say(
            f"{cell(run.id, 26)}{cell(run.name, 22)}{cell(run.stage, 12)}{cell(run.flavor or run.engine, 14)}"
            f"{age:>5}{step:>11}  {safe_line(redact(run.message or ''), 80)}".rstrip()
        )


def able(act: str) -> Engine:
    """The first engine that supports an act (`core.runs.place.ACTS`).

    Raises:
        InputError: no engine does.
    """
    found = default_services().able(act)
    if found is None:
        words = {"scheduled": "scheduled Jobs", "hardware": "hardware to choose from"}
        raise InputError(f"There is no engine here that has {words.get(act, act)}")
    return found


async def find(run_id: str) -> tuple[Engine, Run]:
    """A run and its engine; engines of this machine are asked first.

    Raises:
        InputError: no engine knows the id.
        ServiceError: the Hub could not be asked.
    """
    if not run_id.strip():
        raise InputError("The run id is empty", "List run ids: smoltui ps -a")
    engines = default_services().engines
    refused: ServiceError | None = None
    for engine in engines.values():
        try:
            return engine, await engine.get(run_id)
        except (InputError, NotFoundOnHubError):
            continue
        except ServiceError as error:
            refused = error
    if refused is not None:
        raise type(refused)(
            f"No run on this machine has this id, and the Hub could not be asked ({refused.message}): {run_id}",
            f"List run ids: smoltui ps -a. For Jobs: {refused.hint}",
        ) from refused
    raise InputError(f"No run on this machine and no Job has this id: {run_id}", "List run ids: smoltui ps -a")


def logs(run_id: str, *, follow: bool, tail: int | None, grep: str | None, as_json: bool) -> int:
    """Prints the log; returns the exit code, which is 0 unless the run is followed.

    `tail` limits it to the last lines (None: all). Of these, only those that match `grep` are printed, where events
    count as the words that a log shows for them.

    Raises:
        InputError: `grep` is not a regular expression.
    """
    pattern = _pattern(grep)

    async def work() -> int:
        engine, run = await find(run_id)
        async with aclosing(engine.follow(run_id, follow=follow, tail=tail)) as stream:
            async for event in stream:
                run = run.after(event)
                if not as_json:
                    _print_matching(_log_words(event, run), pattern)
                elif pattern is None or isinstance(event, events.StageChanged) or _matches(event, run, pattern):
                    _print_event(event, run, True)
        return exit_code(run.stage) if follow else 0

    return run_async(work())


def _print_matching(words: str | None, pattern: re.Pattern[str] | None) -> None:
    """Prints the matching lines of a text, or all of them without a pattern. None stands for no lines."""
    lines = [] if words is None else words.split("\n")
    if matching := [line for line in lines if pattern is None or pattern.search(line)]:
        print_log("\n".join(matching))


def _matches(event: events.Event, run: Run, pattern: re.Pattern[str]) -> bool:
    """Whether a line that a log shows for this event matches."""
    words = _log_words(event, run)
    return words is not None and any(pattern.search(line) for line in words.split("\n"))


def _log_words(event: events.Event, run: Run) -> str | None:
    """What a log shows for an event; None for a change of stage, and for events that it does not show."""
    if isinstance(event, events.LogLine):
        return log_text(event.text)
    words = None if isinstance(event, events.StageChanged) else in_words(event, run.max_steps)
    return None if words is None else safe(redact(words), 2000)


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise InputError(
            f"--grep is not a regular expression ({error}): {safe_line(grep or '', 100)}",
            "Write \\ before a special character to match it literally.",
        ) from error


def inspect(run_id: str, *, as_json: bool) -> None:
    """Prints everything known about a run; without `as_json`, also how to connect to a running Job."""

    async def work() -> tuple[dict[str, Any], list[str]]:
        engine, _ = await find(run_id)
        found = await engine.inspect(run_id)
        return found, engine.access(found)

    found, ways = run_async(work())
    if as_json:
        print_json(found)
    else:
        print_json(found, indent=2)
        for way in ways:
            note(f"Connect: {safe_line(redact(way))}")


def cancel(run_ids: Sequence[str], *, as_json: bool) -> None:
    """Stops runs and prints the stage of each. If one cannot be stopped, the others still are.

    Raises:
        SmoltuiError: the first failure; further ones are printed on stderr.
    """

    async def work(run_id: str) -> Run:
        engine, _ = await find(run_id)
        return await engine.cancel(run_id)

    for_each(run_ids, work, as_json)


def for_each(run_ids: Sequence[str], work: Callable[[str], Coroutine[Any, Any, Run]], as_json: bool) -> None:
    """Applies `work` to each run in turn, and prints the result. Raises as `cancel`."""

    async def all_of_them() -> SmoltuiError | None:
        first: SmoltuiError | None = None
        for run_id in dict.fromkeys(run_ids):
            try:
                print_run(await work(run_id), as_json)
            except SmoltuiError as error:
                if first is not None:
                    print_error(error.message, error.hint, as_json)
                first = first or error
        return first

    if (error := run_async(all_of_them())) is not None:
        raise error


def print_run(run: Run, as_json: bool) -> None:
    """Prints the stage of a run: one line, or one JSON object."""
    if as_json:
        print_json(run.summary())
    else:
        message = f" ({safe_line(redact(run.message), 200)})" if run.message else ""
        say(f"{safe_line(run.id, 60)}: {safe_line(run.stage, 40)}{message}")
