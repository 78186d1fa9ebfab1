"""Whether results of LightEval can be submitted: they name the model, and are complete and finite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.benchmark_tasks import Harness, bare_name, task_table
from smoltui.core.preflight.check import Check
from smoltui.core.publish.submission import passed, shown, stop, warn

_FILE = re.compile(r"(?:.*/)?results_(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?)\.json")


def course_tasks() -> tuple[str, ...]:
    """Tasks of the course's evaluation (units/en/unit2/4.md), by LightEval's names."""
    return tuple(task.name for task in task_table().tasks if task.harness is Harness.LIGHTEVAL and task.is_default)


def newest(paths: Iterable[str]) -> str | None:
    """The newest results file of a repository by the time in its name; None without one."""
    found = [(match[1], path) for path in paths if (match := _FILE.fullmatch(path))]
    return max(found)[1] if found else None


def result_checks(results: BenchmarkResult, model_id: str, file: str, tasks: Sequence[str]) -> list[Check]:
    """Problems of the newest results for an entry about `model_id`; one passed check if there is none.

    `tasks`: names of those that an entry needs.
    """
    found = [*_subject(results, model_id, file), *_extent(results, file, tasks), *_figures(results, file)]
    return found or [passed("results", f"The newest results are complete and finite: {shown(file)}")]


def _subject(results: BenchmarkResult, model_id: str, file: str) -> list[Check]:
    """Results of another model."""
    if results.model.strip().casefold() == model_id.casefold():
        return []
    said = f"The newest results are about another model ({shown(results.model)}): {shown(file)}"
    return [stop("results", said, f"Run the benchmarks with model_name={shown(model_id)}.")]


def _extent(results: BenchmarkResult, file: str, tasks: Sequence[str]) -> list[Check]:
    """Too few questions, or too few tasks."""
    found = []
    if results.is_rehearsal:
        said = f"The newest results are a rehearsal, with {results.max_samples} items per task: {shown(file)}"
        found.append(stop("results", said, "Run the benchmarks without --max-samples."))
    measured = {bare_name(results.harness, task.task) for task in results.tasks}
    if missing := [task for task in tasks if task not in measured]:
        said = f"The newest results lack {', '.join(missing)}: {shown(file)}"
        found.append(stop("results", said, "Run all tasks of the chapter in one evaluation."))
    return found


def _figures(results: BenchmarkResult, file: str) -> list[Check]:
    """Figures that are missing, not finite, or all 0."""
    found = []
    wrong = [task.task for task in results.tasks if not task.metrics or any(one.value is None for one in task.metrics)]
    if wrong:
        said = f"The newest results are not finite ({', '.join(map(shown, wrong[:4]))}): {shown(file)}"
        found.append(stop("results", said, "Look for NaN in the held-out figures, then measure again."))
    zero = [task.task for task in results.tasks if task.metrics and all(one.value == 0 for one in task.metrics)]
    if zero:
        said = f"All figures are 0 for {', '.join(map(shown, zero[:4]))}"
        found.append(warn("results", said, "A model that starts with <think> scores 0: measure with /no_think."))
    return found
