"""Training on the command line: starts a run, follows it, and performs the steps after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from smoltui.backends.local import supervisor
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.callbacks import Severity
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.monitor import RunMonitor
from smoltui.backends.services import default_services
from smoltui.backends.system.threads import in_thread
from smoltui.cli.confirming import confirm_cost, confirm_second
from smoltui.cli.follow_ups import follow_up
from smoltui.cli.output import note, print_json, print_warning, say
from smoltui.cli.runs import exit_code, print_event, run_async, told_if_started
from smoltui.cli.verdicts import settled as settled_run
from smoltui.cli.verdicts import verdict_on
from smoltui.core.runs import events
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError, RunFailedError, ServiceError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.spec import Options
    from smoltui.core.settings.settings import Settings


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
    force: bool
    """Start although an estimate, of memory, disk or time, speaks against it."""
    side_by_side: bool
    processes: int | None
    detach: bool
    dry_run: bool
    """Start nothing; print what would be started."""
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
    _check_steps(asked.then, place)
    warnings = await preflight.check_plan(plan, engine, force=asked.force)
    for check in warnings:
        print_warning(check.sentence, check.next_step, as_json)
    await _ask_twice(engine, plan.spec, yes=asked.yes or asked.dry_run, as_json=as_json)
    if asked.dry_run:
        await _preview(engine, plan.spec, as_json)
        return 0
    if place.pays and not asked.yes:
        seconds = plan.spec.timeout_seconds or 0
        question, attempts = f"Start the {place.run}?", plan.spec.attempts
        await confirm_cost(engine, plan.spec.flavor, seconds, question, as_json, attempts=attempts)
    checks = tuple(f"! {check.sentence}" for check in warnings)
    spec = replace(await settled(plan), checks=checks, side_by_side=asked.side_by_side and place.here)
    spec = replace(spec, then=tuple(asked.then))
    with told_if_started(place, as_json, spec.label):
        run = await engine.submit(spec)
    async with _monitoring(project, engine, as_json) as monitor:
        monitor.take_run(run)
        await monitor.begin_steps(run, asked.then)
        return await _follow_started(monitor, engine, run, detach=asked.detach, as_json=as_json)


async def _ask_twice(engine: Engine, spec: RunSpec, *, yes: bool, as_json: bool) -> None:
    """Asks before a second run that writes where one under way does; with `yes`, only warns.

    Raises:
        click.Abort: the answer was no.
        InputError: it costs money, and nobody can be asked.
        ServiceError: the runs could not be listed.
    """
    from smoltui.core.runs.rivals import rival

    place = engine.place
    listed = await engine.recorded(spec.project) if place.here else await engine.list_runs()
    confirm_second(rival(spec, listed, on_disk=place.on_disk), place, yes=yes, as_json=as_json)


async def _preview(engine: Engine, spec: RunSpec, as_json: bool) -> None:
    """Prints what would be started, and what it costs at most."""
    from smoltui.core.runs.cost import limit_words, usd, worst_cost

    found = await engine.preview(spec)
    if engine.place.pays and spec.flavor and spec.timeout_seconds:
        known = {flavor.name: flavor for flavor in await engine.hardware()}
        if (flavor := known.get(spec.flavor)) is None:
            raise InputError(f"Unknown flavor: {safe_line(spec.flavor, 60)}", f"Known: {', '.join(known)}")
        found["usd_at_most"] = worst_cost(flavor, spec.timeout_seconds, spec.attempts)
        limit = limit_words(spec.timeout_seconds, spec.attempts)
        note(f"{flavor.name} for at most {limit}: at most {usd(found['usd_at_most'])}")
    print_json(found, indent=None if as_json else 2)
    note("Nothing was started (--dry-run)")


def _check_steps(then: Sequence[str], place: Place) -> None:
    """Raises before anything is trained.

    Raises:
        InputError: a step that can't follow a run of this place.
        MissingExtraError: what a step needs is not installed.
    """
    from smoltui.backends.machine.train_extra import require_bench_extra
    from smoltui.core.runs.chain import HERE_ONLY

    for name in then:
        if name in HERE_ONLY and not place.on_disk:
            raise InputError(
                f"{name} can only follow a run on this machine, not a {place.run}",
                f"When the {place.run} is done: smoltui {name} FOLDER --on {place.name}",
            )
    if "benchmark" in then:
        require_bench_extra()


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
    _print_started(run, as_json, is_result=detach)
    if detach:
        _print_ended(run, as_json)
        if run.id in monitor.follow_ups:
            if engine.place.here and (await engine.get(run.id)).is_final:
                # It ended before its steps were stored, and its supervisor found none.
                await in_thread(lambda: supervisor.follow_up(run_store.run_dir(run.id)))
            if not as_json:
                note(_who_follows_up(engine, run))
        return 0
    run = await _followed(monitor, engine, run, as_json)
    _print_ended(run, as_json)
    code = exit_code(run.stage)
    if code == 1:
        verdict = await verdict_on(engine, run)
        raise RunFailedError(
            verdict.sentence if verdict is not None else f"The run ended in stage {run.stage}",
            verdict.next if verdict is not None else f"See the log: smoltui logs {run.id}",
        )
    if run.stage == Stage.COMPLETED and run.id in monitor.follow_ups:
        await follow_up(monitor.chains, run)
    return code


def _who_follows_up(engine: Engine, run: Run) -> str:
    if engine.place.here:
        return "Follow-up steps start as soon as the run is done, even with the app closed"
    return f"Follow-up steps are done while the app is open on this project, or by: smoltui wait {run.id}"


def _print_started(run: Run, as_json: bool, *, is_result: bool) -> None:
    """`is_result`: nothing else will be said about the run, so its id goes to stdout."""
    if as_json:
        stage = events.StageChanged(stage=run.stage, message=run.message)
        print_json({**stage.as_json(), "run": run.id, "engine": run.engine})
    else:
        say(safe_line(f"{run.name}: {run.id} ({run.engine})"), err=not is_result)


def _print_ended(run: Run, as_json: bool) -> None:
    from smoltui.core.runs.verdict import survived

    output = run.saved_to or (None if run.disk_deleted else run.output_dir)
    if as_json:
        print_json({"event": "end", "stage": run.stage, "run": run.id, "output_dir": output, "message": run.message})
    elif run.stage == Stage.COMPLETED:
        left = survived(run)
        note(f"Completed: {safe_line(output, 4096)}" if output else f"Completed. {left}." if left else "Completed")


async def _followed(monitor: RunMonitor, engine: Engine, run: Run, as_json: bool) -> Run:
    """Prints the events of a run until it ends. ctrl+c cancels a local run, and only stops following a Job."""
    followed = monitor.follow(run)
    try:
        async with aclosing(followed.events()) as stream:
            async for event in stream:
                print_event(event, followed.run, as_json)
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
    except ServiceError:
        again = f"smoltui logs {run.id} --follow"
        note(f"Stopped following; the {engine.place.run} may still run. Follow it again: {again}")
        raise
    return await _final(engine, followed.run)


async def _final(engine: Engine, run: Run) -> Run:
    """The ended run as the engine knows it, with what only its log said."""
    now = await settled_run(engine, await engine.get(run.id))
    return replace(
        now,
        hint=now.hint or run.hint,
        model_path=now.model_path or run.model_path,
        pushed_to=now.pushed_to or run.pushed_to,
    )
