"""What `smoltui benchmark` prints: tasks, checks, plans, progress and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smoltui.backends.evaluation.benchmark_preflight import Checked
from smoltui.cli.output import note, print_json, print_warning, say
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.benchmark_table import EXPLAINED, Table, tables
from smoltui.core.evaluation.benchmark_tasks import Harness, Task, task_table
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.core.runs import events
from smoltui.core.runs.cost import usd
from smoltui.core.runs.log_text import bar_of
from smoltui.core.runs.pace import as_time
from smoltui.safe_text import redact, safe, safe_line

MARKS = {Level.PASS: "✓", Level.WARN: "!", Level.STOP: "✗"}
BAR_STEP = 10.0
"""Per cent between two lines of a progress bar."""
USUAL_FLAVOR = "a10g-large"
"""Hardware whose times are listed if none is named."""


def print_tasks(harness: str | None, flavor: str | None, as_json: bool) -> None:
    """Prints the table of tasks; `harness` None: of both, `flavor` None: with the times of the usual one."""
    tasks = [task for task in task_table().tasks if harness in (None, task.harness.value)]
    if as_json:
        print_json(_tasks_as_json(tasks, flavor))
    else:
        _print_tasks(tasks, flavor or USUAL_FLAVOR)


def _tasks_as_json(tasks: Sequence[Task], flavor: str | None) -> dict[str, Any]:
    table = task_table()
    flavors = [flavor] if flavor else list(table.speeds)
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
                name: None if (minutes := table.minutes(task, name)) is None else round(minutes, 1) for name in flavors
            },
        }
        for task in tasks
    ]
    return {"tasks": rows, "how_estimated": table.how_estimated}


def _print_tasks(tasks: Sequence[Task], flavor: str) -> None:
    table = task_table()
    say(f"{'HARNESS':<11}{'TASK':<20}{'ITEMS':>7}{safe_line(flavor, 13).upper():>14}  WHAT IT DOES")
    for task in tasks:
        minutes = table.minutes(task, flavor) if task.harness is Harness.LIGHTEVAL else None
        took = "–" if minutes is None else f"~{max(round(minutes), 1):,} min"
        items = "–" if task.items is None else f"{task.items:,}"
        mark = "* " if task.is_default else "  "
        judge = " Needs a judge." if task.needs_judge else ""
        say(f"{task.harness.value:<11}{mark + task.text:<20}{items:>7}{took:>14}  {task.what}{judge}")
    say(f"\n* default set. Minutes: {table.how_estimated}")


def print_checks(checks: Sequence[Check]) -> None:
    """Prints checks, each with its mark and next step."""
    for check in checks:
        say(f"{MARKS[check.level]} {safe(redact(check.sentence), 600)}")
        if check.next_step:
            say(f"  {safe(redact(check.next_step), 600)}")


def print_plan(checked: Checked, as_json: bool) -> None:
    """Prints what would be run, its checks, and what it costs."""
    plan = checked.plan
    if as_json:
        print_json(plan_as_json(checked))
        return
    say(f"{plan.harness.value} on {plan.place.title}, {'run ' + plan.run.id if plan.run else 'without a run'}\n")
    print_checks(checked.checks)
    if plan.place.pays:
        minutes = checked.minutes
        say(f"\nCosts at most {usd(checked.most_usd)}; {_estimate(minutes)}")
    for item in plan.items:
        say(f"\n{item.role}:\n{safe(item.shown, None)}")


def _estimate(minutes: float | None) -> str:
    return "no estimate of the time" if minutes is None else f"estimated time {as_time(minutes * 60)}"


def plan_as_json(checked: Checked) -> dict[str, Any]:
    """A plan with its checks, for `--json`."""
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


class Progress:
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


def results_as_json(results: Sequence[BenchmarkResult]) -> dict[str, Any]:
    """Results and their tables, for `--json`."""
    return {
        "results": [result.as_json() for result in results],
        "tables": [
            {
                "setting": table.setting,
                "is_rehearsal": table.is_rehearsal,
                "models": list(table.models),
                "note": table.note or None,
                "rows": [row._asdict() for row in table.rows],
            }
            for table in tables(results)
        ],
    }


def print_tables(results: Sequence[BenchmarkResult], as_json: bool) -> None:
    """Prints results side by side, one table per setting."""
    if as_json:
        print_json(results_as_json(results))
        return
    for table in tables(results):
        _print_table(table)
    say(f"\n{EXPLAINED}")
    for problem in dict.fromkeys(_not_finite(results)):
        print_warning(problem, "A model whose weights are NaN gives this: see the run's curves.", as_json)


def _print_table(table: Table) -> None:
    say(f"\n{safe_line(redact(table.setting), 300)}")
    for model in table.models:
        say(safe_line(redact(model), 300))
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
