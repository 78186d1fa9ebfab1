"""Benchmarks on the command line: check, run and read them."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.backends.evaluation import answers, benchmark_jobs, benchmark_plan, benchmark_results
from smoltui.backends.evaluation.benchmark_files import read_dataset, read_path
from smoltui.backends.evaluation.benchmark_plan import Wishes
from smoltui.backends.evaluation.benchmark_preflight import Checked, check_benchmark
from smoltui.backends.evaluation.benchmark_roles import role_of
from smoltui.backends.evaluation.benchmark_run import run_here
from smoltui.backends.runs.elsewhere import around_of
from smoltui.backends.services import default_services
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.threads import in_thread
from smoltui.cli.benchmark_output import (
    Progress,
    plan_as_json,
    print_checks,
    print_plan,
    print_tables,
    print_tasks,
    results_as_json,
)
from smoltui.cli.output import note, print_json, print_warning
from smoltui.core.evaluation.benchmark_checks import check_lighteval
from smoltui.core.evaluation.benchmark_parsing import read_command
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, with_new
from smoltui.core.evaluation.benchmark_tasks import Harness
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.recipe import Level
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, RunFailedError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.engine import Engine


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `smoltui benchmark`; None for the default."""

    run_id: str | None = None
    tasks: str | None = None
    """Separated by commas."""
    harness: str | None = None
    models: str | None = None
    max_samples: int | None = None
    engine: str | None = None
    hub_model: str | None = None
    flavor: str | None = None
    timeout: str | None = None
    namespace: str | None = None
    yes: bool = False
    detach: bool = False
    dry_run: bool = False
    lists: bool = False
    command: str | None = None
    """A command to check."""
    source: str | None = None
    """Where to read results from."""
    as_json: bool = False

    def wishes(self) -> Wishes:
        """What changes the plan."""
        tasks = tuple(part.strip() for part in (self.tasks or "").split(",") if part.strip())
        return Wishes(tasks, self.models, self.max_samples, self.flavor, self.timeout, self.namespace, self.hub_model)


# -- without running anything


def list_tasks(asked: Asked) -> None:
    """Prints the table of tasks."""
    print_tasks(asked.harness, asked.flavor, asked.as_json)


def check_command(asked: Asked) -> None:
    """Prints the checks of a LightEval command.

    Raises:
        InputError: it is none, or a check stops it.
    """
    checks = check_lighteval(read_command(asked.command or ""))
    if asked.as_json:
        print_json({"checks": [check.as_json() for check in checks]})
    else:
        print_checks(checks)
    stops = sum(check.level is Level.STOP for check in checks)
    if stops:
        raise InputError(
            f"This command would fail or lose its results: {stops} {'problem' if stops == 1 else 'problems'}",
            "Fix the ✗ lines, or use: smoltui benchmark FOLDER --harness lighteval --dry-run",
        )


# -- running


def run(project: Project, asked: Asked) -> None:
    """Checks and runs benchmarks, and prints their results. Raises as `_benchmarked`."""
    from smoltui.cli.runs import run_async

    run_async(_benchmarked(project, asked))


async def _benchmarked(project: Project, asked: Asked) -> None:
    """Checks, asks for the price, runs and prints.

    Raises:
        InputError, MissingExtraError, ServiceError: a check stops it.
        RunFailedError: the harness failed.
    """
    from smoltui.cli.confirming import confirm_cost
    from smoltui.cli.evaluate import choose

    services = default_services()
    harness = Harness(asked.harness) if asked.harness else None
    if asked.engine is None:
        engine = services.named(benchmark_plan.place_for(harness, services.places).name)
    else:
        engine = services.named(asked.engine)
    benchmark_plan.harness_for(engine.place, harness)
    _, run = await choose(project, asked.run_id)
    plan = await in_thread(lambda: benchmark_plan.make_plan(project, run, engine.place, asked.wishes(), harness))
    checked = await check_benchmark(plan, engine)
    if asked.dry_run:
        print_plan(checked, asked.as_json)
        checked.refuse()
        return
    if not asked.as_json:
        for check in checked.checks:
            if check.level is Level.WARN:
                print_warning(check.sentence, check.next_step, False)
    checked.refuse()
    plan = checked.plan
    if not engine.place.pays:
        await _print_results(plan, checked, await _run_here(plan, asked.as_json), asked.as_json)
        return
    if not asked.yes:
        spec = benchmark_jobs.spec_for(plan, plan.items[0])
        number = len(plan.items)
        what = f"Start the {engine.place.run}?" if number == 1 else f"Start {number} {engine.place.plural} like this?"
        await confirm_cost(engine, spec.flavor, (spec.timeout_seconds or 0) * number, what, asked.as_json)
    await _run_jobs(engine, plan, checked, asked)


async def _run_here(plan: BenchmarkPlan, as_json: bool) -> list[BenchmarkResult]:
    date, results = answers.today(), []
    around = around_of(default_services().engines, plan.run, "benchmark")
    for item in plan.items:
        if not as_json:
            note(f"{item.role}: {safe_line(item.shown, 2000)}")
        tell = _silent if as_json else Progress()
        try:
            async with aclosing(run_here(plan, item, date=date, around=around)) as stream:
                async for event in stream:
                    if isinstance(event, BenchmarkResult):
                        results.append(event)
                    else:
                        tell(event)
        except InputError as error:
            if item.role not in [one.role for one in results]:
                raise
            print_warning(error.message, error.hint, as_json)  # it was measured, but can't be kept
    return results


def _silent(event: events.Event) -> None:
    """Reports nothing: with --json, only errors are printed on stderr."""


async def _run_jobs(engine: Engine, plan: BenchmarkPlan, checked: Checked, asked: Asked) -> None:
    from smoltui.cli.runs import told_if_started

    jobs = []
    for item in plan.items:
        with told_if_started(engine.place, asked.as_json):
            jobs.append(await benchmark_jobs.start(engine, plan, item))
        if not asked.as_json:
            note(f"{item.role}: {jobs[-1].id} ({engine.place.name})")
    if asked.detach:
        if asked.as_json:
            print_json({**plan_as_json(checked), "jobs": [job.id for job in jobs]})
        else:
            folder = shlex.quote(str(plan.project.folder))
            for job in jobs:
                note(f"When it has ended, read its results: smoltui benchmark {folder} --read {job.id}")
        return
    results = []
    for job in jobs:
        ended = await _followed(engine, job, asked.as_json)
        results.append(await in_thread(partial(benchmark_jobs.read_job, ended)))
        await _keep(plan.folder, results[-1], asked.as_json)
    await _print_results(plan, checked, results, asked.as_json)


async def _followed(engine: Engine, job: Run, as_json: bool) -> Run:
    """Prints the log of a Job until it ends.

    Raises:
        RunFailedError: it failed.
    """
    from smoltui.cli.runs import print_event

    try:
        async with aclosing(engine.follow(job.id)) as stream:
            async for event in stream:
                job = job.after(event)
                if not as_json:
                    print_event(event, job, False)
    except asyncio.CancelledError:
        note(f"Stopped following; the {engine.place.run} continues. Read its results later with --read {job.id}")
        raise
    ended = await engine.get(job.id)
    if ended.stage != Stage.COMPLETED:
        raise RunFailedError(
            ended.message or f"The benchmark ended in stage {ended.stage}",
            ended.hint or f"See the log: smoltui logs {job.id}",
        )
    return ended


async def _keep(folder: Path | None, result: BenchmarkResult, as_json: bool) -> None:
    if folder is None:
        return
    try:
        await in_thread(lambda: benchmark_results.keep(folder, result))
    except InputError as error:
        print_warning(error.message, error.hint, as_json)


# -- results


async def _print_results(plan: BenchmarkPlan, checked: Checked, new: Sequence[BenchmarkResult], as_json: bool) -> None:
    """Prints what is kept with the run, and what could not be kept."""
    folder = plan.folder
    kept = [] if folder is None else await in_thread(lambda: benchmark_results.kept(folder))
    shown = with_new(kept, new)
    if as_json:
        print_json({**plan_as_json(checked), **results_as_json(shown)})
    else:
        print_tables(shown, False)


def read(project: Project | None, asked: Asked) -> None:
    """Prints the results of a file, a folder, a dataset or a Job; with a project, keeps them with the run."""
    from smoltui.cli.runs import run_async

    run_async(_read(project, asked))


async def _read(project: Project | None, asked: Asked) -> None:
    from smoltui.backends.runs import store
    from smoltui.cli.evaluate import choose

    found = await _found(asked.source or "")
    result = await in_thread(found.read)
    run_id = found.run_id
    if project is not None and run_id is None:
        comparison, run = await choose(project, asked.run_id)
        result, run_id = role_of(result, comparison, run, asked.hub_model), run.id if run is not None else None
    if project is None or run_id is None:
        print_tables([result], asked.as_json)
        if project is not None:
            note("Not kept: this project has no run whose model this is.")
        return
    folder = store.run_dir(run_id)
    await in_thread(lambda: benchmark_results.keep(folder, result))
    print_tables(await in_thread(lambda: benchmark_results.kept(folder)), asked.as_json)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where results are."""

    read: Callable[[], BenchmarkResult]
    run_id: str | None = None
    """The run whose model a Job measured; None if unknown."""


async def _found(source: str) -> _Found:
    """Finds out whether `source` is a path, a dataset or a Job."""
    from smoltui.cli.runs import find

    path = expanded(source).absolute()
    if not exists(path) and source.count("/") == 1 and source[0] not in "./~" and not source.endswith(".json"):
        return _Found(lambda: read_dataset(source, ALIGNED))
    if exists(path) or "/" in source or source.endswith(".json"):
        return _Found(lambda: read_path(path, ALIGNED))
    _, job = await find(source)
    measured = benchmark_jobs.benchmarked(job)
    if measured is None:
        raise InputError(f"This run is not a benchmark: {source}", "List runs: smoltui ps -a")
    if job.stage != Stage.COMPLETED:
        raise InputError(
            f"This benchmark has no results, because it is {job.stage}: {source}",
            f"See its log: smoltui logs {job.id}",
        )
    return _Found(lambda: benchmark_jobs.read_job(job), None if measured == benchmark_jobs.NO_RUN else measured)
