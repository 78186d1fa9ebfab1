"""What the Benchmarks view says below its tasks: the checks, the command, the results."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.text import Text

from smoltui.core.evaluation.benchmark_table import EXPLAINED, Row, Table
from smoltui.core.evaluation.benchmark_tasks import Task, TaskTable
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.safe_text import redact, safe, safe_line

MARKS = {Level.PASS: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.STOP: ("✗", "bold red")}
WIDE = 96
"""Cells from which the figures of a metric are in one line."""


def task_text(task: Task | str | None, table: TaskTable) -> Text:
    """What the task under the cursor really does."""
    if task is None:
        return Text()
    if isinstance(task, str):
        return Text(f"{safe_line(task, 60)}: your own task, or one that isn't in smoltui's table.", "dim")
    text = Text(task.what)
    source = f" Questions: {task.items:,} ({task.items_source})." if task.items is not None else ""
    text.append(f"{source} Metrics: {', '.join(task.metrics)}.", "dim")
    if task.needs_judge:
        text.append(" Another model judges the answers: it needs access to it and costs extra.", "yellow")
    return text


def checks_text(checks: Sequence[Check], width: int, *, unfolded: bool) -> Text:
    """What has to be fixed or known, in lines of `width` cells; passed checks in one line unless `unfolded`."""
    text, passed = Text(), [check for check in checks if check.level is Level.PASS]
    for check in checks:
        if check.level is Level.PASS and not unfolded:
            continue
        mark, style = MARKS[check.level]
        text.append(f"{mark} ", style).append(f"{_hanging(check.sentence, width)}\n")
        if check.next_step:
            text.append(f"  {_hanging(check.next_step, width)}\n", "dim")
    if passed and not unfolded:
        number = f"{len(passed)} {'check' if len(passed) == 1 else 'checks'} passed"
        text.append("✓ ", "green").append(f"{number}: {', '.join(check.name for check in passed)}\n")
    return text


def _hanging(sentence: str, width: int) -> str:
    """A sentence that begins after a mark, its further lines below its first word."""
    return "\n  ".join(wrap(safe(redact(sentence), 600), max(width - 2, 20)))


def results_text(tables: Sequence[Table], width: int) -> Text:
    """All tables, the newest first. Each has figures of one harness with one set of versions."""
    text = Text()
    if not tables:
        return text.append("No results yet.", "dim")
    for table in tables:
        text.append(f"{safe_line(redact(table.setting), 300)}\n", "bold yellow" if table.is_rehearsal else "bold")
        if table.is_rehearsal:
            text.append("A rehearsal: these figures can't be submitted.\n", "yellow")
        for model in table.models:
            text.append(f"{safe_line(redact(model), 300)}\n", "dim")
        if table.note:
            text.append(f"! {safe(table.note, 300)}\n", "yellow")
        if width >= WIDE:
            text.append(f"{'task':<24}{'metric':<26}{'reference':>15}{'aligned':>15}  difference\n", "dim")
        for row in table.rows:
            text.append_text(_row(row, width))
        text.append("\n")
    return text.append(EXPLAINED, "dim")


def _row(row: Row, width: int) -> Text:
    text = Text()
    task, metric = safe_line(row.task, 60), safe_line(row.metric, 60)
    if width >= WIDE:
        text.append(f"{safe_line(task, 22):<24}{safe_line(metric, 24):<26}", "dim")
        return text.append(f"{row.reference:>15}{row.aligned:>15}", "bold").append(f"  {row.difference}\n")
    text.append(f"{task} · {metric}\n", "dim").append(f"  reference {row.reference}   aligned {row.aligned}\n", "bold")
    return text.append(f"  difference {row.difference}\n")


def section(title: str, body: Text) -> Text:
    """A titled part of the page; empty without a body."""
    if not body.plain.strip():
        return Text()
    return Text().append(f"{title}\n", "bold cyan").append_text(body).append("\n")
