"""Benchmarks on the command line: check, run, read and show them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers, benchmark_jobs, benchmark_plan, benchmark_results
from smoltui.backends.evaluation.benchmark_files import read_dataset, read_path
from smoltui.backends.evaluation.benchmark_plan import Wishes
from smoltui.backends.evaluation.benchmark_preflight import Checked, check_benchmark
from smoltui.backends.evaluation.benchmark_roles import role_of
from smoltui.backends.evaluation.benchmark_run import run_here
from smoltui.backends.services import default_services
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.threads import in_thread
from smoltui.cli.output import note, print_json, print_warning, say
from smoltui.core.evaluation.benchmark_checks import check_lighteval
from smoltui.core.evaluation.benchmark_parsing import read_command
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.benchmark_table import EXPLAINED, Table, tables
from smoltui.core.evaluation.benchmark_tasks import Harness, task_table
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.preflight.preflight import Check
from smoltui.core.recipe import Level
from smoltui.core.runs import events
from smoltui.core.runs.cost import usd
from smoltui.core.runs.log_text import bar_of
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, RunFailedError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.engine import Engine

MARKS = {Level.PASS: "✓", Level.WARN: "!", Level.STOP: "✗"}
BAR_STEP = 10.0
"""Per cent between two lines of a progress bar."""


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
    table = task_table()
    tasks = [task for task in table.tasks if asked.harness in (None, task.harness.value)]
    flavors = [asked.flavor] if asked.flavor else list(table.speeds)
    if asked.as_json:
        rows = [
            {
                "harness": task.harness.value,
                "task": task.text,
                "what": task.what,
                "scored": task.scored,
                "items": task.items,
                "items_source": task.items_source or None,
                "metrics": list(task.metrics),
                "needs_judge": task.needs_judge,
                "default": task.is_default,
                "estimated_minutes": {
                    name: None if (minutes := table.minutes(task, name)) is None else round(minutes, 1)
                    for name in flavors
                },
            }
            for task in tasks
        ]
        print_json({"tasks": rows, "how_estimated": table.how_estimated})
        return
    shown = asked.flavor or "a10g-large"
    say(f"{'HARNESS':<11}{'TASK':<20}{'ITEMS':>7}{shown[:13].upper():>14}  WHAT IT DOES")
    for task in tasks:
        minutes = table.minutes(task, shown) if task.harness is Harness.LIGHTEVAL else None
        took = "–" if minutes is None else f"~{max(round(minutes), 1):,} min"
        items = "–" if task.items is None else f"{task.items:,}"
        mark = "* " if task.is_default else "  "
        judge = " Needs a judge." if task.needs_judge else ""
        say(f"{task.harness.value:<11}{mark + task.text:<20}{items:>7}{took:>14}  {task.what}{judge}")
    say(f"\n* default set. Minutes: {table.how_estimated}")


def check_command(asked: Asked) -> None:
    """Prints the checks of a LightEval command.

    Raises:
        InputError: it is none, or a check stops it.
    """
    checks = check_lighteval(read_command(asked.command or ""))
    if asked.as_json:
        print_json({"checks": [check.as_json() for check in checks]})
    else:
        _print_checks(checks)
    stops = sum(check.level is Level.STOP for check in checks)
    if stops:
        raise InputError(
            f"This command would fail or lose its results: {stops} {'problem' if stops == 1 else 'problems'}",
            "Fix the ✗ lines, or use: smoltui benchmark FOLDER --harness lighteval --dry-run",
        )


def _print_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        say(f"{MARKS[check.level]} {safe(redact(check.sentence), 600)}")
        if check.next_step:
            say(f"  {safe(redact(check.next_step), 600)}")


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
        _print_plan(checked, asked.as_json)
        checked.refuse()
        return
    if not asked.as_json:
        for check in checked.checks:
            if check.level is Level.WARN:
                print_warning(check.sentence, check.next_step, False)
    checked.refuse()
    plan = checked.plan
    if not engine.place.pays:
        await _run_here(plan, asked.as_json)
        await _print_results(plan, checked, asked.as_json)
        return
    if not asked.yes:
        spec = benchmark_jobs.spec_for(plan, plan.items[0])
        number = len(plan.items)
        what = f"Start the {engine.place.run}?" if number == 1 else f"Start {number} {engine.place.plural} like this?"
        await confirm_cost(engine, spec.flavor, (spec.timeout_seconds or 0) * number, what, asked.as_json)
    await _run_jobs(engine, plan, checked, asked)


def _print_plan(checked: Checked, as_json: bool) -> None:
    plan = checked.plan
    if as_json:
        print_json(_plan_as_json(checked))
        return
    say(f"{plan.harness.value} on {plan.place.title}, {'run ' + plan.run.id if plan.run else 'without a run'}\n")
    _print_checks(checked.checks)
    if plan.place.pays:
        minutes = checked.minutes
        say(f"\nCosts at most {usd(checked.most_usd)}; {_estimate(minutes)}")
    for item in plan.items:
        say(f"\n{item.role}:\n{safe(item.shown, None)}")


def _estimate(minutes: float | None) -> str:
    return "no estimate of the time" if minutes is None else f"estimated time {as_time(minutes * 60)}"


def _plan_as_json(checked: Checked) -> dict[str, Any]:
    plan = checked.plan
    return {
        "run": plan.run.id if plan.run else None,
        "harness": plan.harness.value,
        "engine": plan.place.name,
        "commands": {item.role: item.shown for item in plan.items},
        "is_rehearsal": any(item.command.is_rehearsal for item in plan.items),
        "checks": [check.as_json() for check in checked.checks],
        "most_usd": checked.most_usd,
        "estimated_minutes": None if checked.minutes is None else round(checked.minutes, 1),
    }


async def _run_here(plan: BenchmarkPlan, as_json: bool) -> None:
    date = answers.today()
    for item in plan.items:
        if not as_json:
            note(f"{item.role}: {safe_line(item.shown, 2000)}")
        tell = _silent if as_json else _Progress()
        async with aclosing(run_here(plan, item, date=date)) as stream:
            async for event in stream:
                if isinstance(event, BenchmarkResult):
                    if plan.folder is None:
                        _print_tables([event], as_json)
                else:
                    tell(event)


def _silent(event: events.Event) -> None:
    """Reports nothing: with --json, only errors are printed on stderr."""


class _Progress:
    """Reports the log of lm_eval on stderr, of a progress bar only every tenth."""

    def __init__(self) -> None:
        self._bar, self._done = "", 0.0

    def __call__(self, event: events.Event) -> None:
        if not isinstance(event, events.LogLine) or not event.text.strip():
            return
        if (bar := bar_of(event.text)) is not None:
            if bar.name == self._bar and bar.done < min(self._done + BAR_STEP, 100.0):
                return
            self._bar, self._done = bar.name, bar.done
        note(safe_line(redact(event.text), 300))


async def _run_jobs(engine: Engine, plan: BenchmarkPlan, checked: Checked, asked: Asked) -> None:
    jobs = []
    for item in plan.items:
        jobs.append(await benchmark_jobs.start(engine, plan, item))
        if not asked.as_json:
            note(f"{item.role}: {jobs[-1].id} ({engine.place.name})")
    if asked.detach:
        if asked.as_json:
            print_json({**_plan_as_json(checked), "jobs": [job.id for job in jobs]})
        else:
            folder = shlex.quote(str(plan.project.folder))
            for job in jobs:
                note(f"When it has ended, read its results: smoltui benchmark {folder} --read {job.id}")
        return
    results = []
    for job in jobs:
        ended = await _followed(engine, job, asked.as_json)
        results.append(await in_thread(lambda ended=ended: benchmark_jobs.read_job(ended)))  # type: ignore[misc]
        await _keep(plan.folder, results[-1], asked.as_json)
    if plan.folder is None:
        _print_tables(results, asked.as_json)
    else:
        await _print_results(plan, checked, asked.as_json)


async def _followed(engine: Engine, job: Run, as_json: bool) -> Run:
    """Prints the log of a Job until it ends.

    Raises:
        RunFailedError: it failed.
    """
    from smoltui.cli.runs import print_event

    async with aclosing(engine.follow(job.id)) as stream:
        async for event in stream:
            job = job.after(event)
            if not as_json:
                print_event(event, job, False)
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


async def _print_results(plan: BenchmarkPlan, checked: Checked, as_json: bool) -> None:
    """Prints what is kept with the run, with the results that were just measured first."""
    folder = plan.folder
    kept = [] if folder is None else await in_thread(lambda: benchmark_results.kept(folder))
    if as_json:
        print_json({**_plan_as_json(checked), **_results_as_json(kept)})
    elif folder is not None:
        _print_tables(kept, False)


def _results_as_json(results: Sequence[BenchmarkResult]) -> dict[str, Any]:
    return {
        "results": [result.as_json() for result in results],
        "tables": [
            {
                "setting": table.setting,
                "is_rehearsal": table.is_rehearsal,
                "note": table.note or None,
                "rows": [row._asdict() for row in table.rows],
            }
            for table in tables(results)
        ],
    }


def _print_tables(results: Sequence[BenchmarkResult], as_json: bool) -> None:
    if as_json:
        print_json(_results_as_json(results))
        return
    for table in tables(results):
        _print_table(table)
    say(f"\n{EXPLAINED}")
    for problem in dict.fromkeys(_not_finite(results)):
        print_warning(problem, "A model whose weights are NaN gives this: see the run's curves.", as_json)


def _print_table(table: Table) -> None:
    say(f"\n{safe_line(redact(table.setting), 300)}")
    if table.note:
        say(f"! {table.note}")
    say(f"{'task':<28}{'metric':<28}{'reference':>16}{'aligned':>16}  difference")
    for row in table.rows:
        say(
            f"{safe_line(row.task, 26):<28}{safe_line(row.metric, 26):<28}{row.reference:>16}{row.aligned:>16}  "
            f"{row.difference}"
        )


def _not_finite(results: Sequence[BenchmarkResult]) -> list[str]:
    return [
        f"Not a number: {metric.name} of {task.task} ({result.role})"
        for result in results
        for task in result.tasks
        for metric in task.metrics
        if metric.value is None
    ]


def read(project: Project | None, asked: Asked) -> None:
    """Prints the results of a file, a folder, a dataset or a Job; with a project, keeps them with the run."""
    from smoltui.cli.runs import run_async

    run_async(_read(project, asked))


async def _read(project: Project | None, asked: Asked) -> None:
    from smoltui.cli.evaluate import choose

    source = asked.source or ""
    found = await _found(source)
    if project is None:
        result = await in_thread(lambda: found(ALIGNED))
        _print_tables([result], asked.as_json)
        return
    comparison, run = await choose(project, asked.run_id)
    result = await in_thread(lambda: role_of(found(ALIGNED), comparison, run))
    if run is None:
        _print_tables([result], asked.as_json)
        note("Not kept: this project has no run whose model this is.")
        return
    from smoltui.backends.runs import store

    folder = store.run_dir(run.id)
    await in_thread(lambda: benchmark_results.keep(folder, result))
    _print_tables(await in_thread(lambda: benchmark_results.kept(folder)), asked.as_json)


async def _found(source: str) -> Callable[[str], BenchmarkResult]:
    """Reads results, given their role; whether `source` is a path, a dataset or a Job is found out first."""
    from smoltui.cli.runs import find

    path = expanded(source).absolute()
    if exists(path):
        return lambda role: read_path(path, role)
    if source.count("/") == 1 and not source.startswith((".", "/", "~")) and not source.endswith(".json"):
        return lambda role: read_dataset(source, role)
    if "/" in source or source.endswith(".json"):
        return lambda role: read_path(path, role)
    _, job = await find(source)
    if benchmark_jobs.benchmarked(job) is None:
        raise InputError(f"This run is not a benchmark: {source}", "List runs: smoltui ps -a")
    if job.stage != Stage.COMPLETED:
        raise InputError(
            f"This benchmark has no results, because it is {job.stage}: {source}", f"smoltui logs {job.id}"
        )
    return lambda role: benchmark_jobs.read_job(job)
