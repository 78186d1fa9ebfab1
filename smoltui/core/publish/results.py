"""A results file of LightEval, and whether it can be submitted: it names the model, and is complete and finite."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.foreign.server_values import mapping_in
from smoltui.core.preflight.preflight import Check
from smoltui.core.publish.submission import passed, shown, stop, warn

COURSE_TASKS = ("truthfulqa:mc", "hellaswag", "arc:challenge", "gsm8k")
"""Tasks of the course's evaluation (units/en/unit2/4.md), by the names that LightEval 0.13 knows."""
_FILE = re.compile(r"(?:.*/)?results_(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?)\.json")
AVERAGE = "all"
"""LightEval's row with the means over all tasks."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a results file says."""

    model: str
    """Name of the model that was measured."""
    max_samples: int | None
    """Items per task of a rehearsal; None: all of them."""
    figures: Mapping[str, Mapping[str, float]]
    """Task (`gsm8k|0`) → its own metrics, without their standard errors; NaN where it is not a number."""
    errors: Mapping[str, Mapping[str, float]]
    """Task → metric → standard error, where the file has one."""


def newest(paths: Iterable[str]) -> str | None:
    """The newest results file of a repository by the time in its name; None without one."""
    found = [(match[1], path) for path in paths if (match := _FILE.fullmatch(path))]
    return max(found)[1] if found else None


def results_from_json(data: object) -> Results:
    """What a decoded results file of LightEval 0.13 says.

    It lists every metric under every task, as 0.0 where it is not the task's own; those are left out.

    Raises:
        ValueError: it is not such a file.
    """
    whole = mapping_in(data)
    general, rows = mapping_in(whole.get("config_general")), mapping_in(whole.get("results"))
    model = general.get("model_name") or mapping_in(general.get("model_config")).get("model_name")
    if not isinstance(model, str) or not rows:
        raise ValueError("no model_name or no results")
    limit = general.get("max_samples")
    figures: dict[str, dict[str, float]] = {}
    errors: dict[str, dict[str, float]] = {}
    tasks = mapping_in(whole.get("config_tasks"))
    for task, row in rows.items():
        if task == AVERAGE or not isinstance(row, Mapping):
            continue
        own = _own_metrics(tasks, task)
        names = [name for name in row if not name.endswith("_stderr") and (not own or name in own)]
        figures[task] = {name: _number(row[name]) for name in names}
        errors[task] = {name: _number(row[key]) for name in names if (key := f"{name}_stderr") in row}
    return Results(model, limit if isinstance(limit, int) and not isinstance(limit, bool) else None, figures, errors)


def _own_metrics(tasks: Mapping[str, Any], task: str) -> set[str]:
    """Names of the task's metrics; empty if the file does not say."""
    metrics = mapping_in(tasks.get(task)).get("metrics")
    names = (
        [item.get("metric_name") for item in metrics if isinstance(item, Mapping)] if isinstance(metrics, list) else []
    )
    flat = [name for each in names for name in (each if isinstance(each, list) else [each])]
    return {name for name in flat if isinstance(name, str)}


def _number(value: object) -> float:
    """A number; NaN for anything else, also for the text "NaN"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def base_name(task: str) -> str:
    """A task without suite and number of shots: `gsm8k` of `lighteval|gsm8k|0`."""
    parts = task.split("|")
    return parts[1] if len(parts) > 2 else parts[0]


def result_checks(results: Results, model_id: str, file: str, tasks: Sequence[str] = COURSE_TASKS) -> list[Check]:
    """Problems of the newest results for an entry about `model_id`; passed checks if there is none."""
    found: list[Check] = []
    if results.model.strip().casefold() != model_id.casefold():
        said = (
            f"The newest results are about another model ({shown(results.model)}), not {shown(model_id)}: {shown(file)}"
        )
        found.append(stop("results", said, f"Run the benchmarks with model_name={shown(model_id)}."))
    if results.max_samples is not None:
        said = f"The newest results are a rehearsal, with {results.max_samples} items per task: {shown(file)}"
        found.append(stop("results", said, "Run the benchmarks without --max-samples."))
    if missing := [task for task in tasks if task not in {base_name(name) for name in results.figures}]:
        said = f"The newest results lack {', '.join(missing)}: {shown(file)}"
        found.append(stop("results", said, "Run all tasks of the chapter in one evaluation."))
    if wrong := _not_finite(results):
        said = f"The newest results are not finite ({', '.join(map(shown, wrong[:4]))}): {shown(file)}"
        found.append(
            stop("results", said, "Look for NaN in the weights (held-out figures show it), then measure again.")
        )
    if zero := [name for name, row in results.figures.items() if row and not any(row.values())]:
        said = f"All figures are 0 for {', '.join(map(shown, zero[:4]))}"
        found.append(warn("results", said, "A model that starts with <think> scores 0: measure with /no_think."))
    return found or [passed("results", f"The newest results are complete and finite: {shown(file)}")]


def _not_finite(results: Results) -> list[str]:
    """Tasks with a figure or standard error that is not a finite number, or without any figure."""
    wrong = []
    for name, row in results.figures.items():
        values = [*row.values(), *results.errors.get(name, {}).values()]
        if not row or not all(map(math.isfinite, values)):
            wrong.append(name)
    return wrong
