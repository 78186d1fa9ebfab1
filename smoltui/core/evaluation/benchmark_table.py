"""Results side by side: the aligned model beside the reference, one table per harness and setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from smoltui.core.evaluation.benchmark_result import BenchmarkResult, Metric
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE

UNKNOWN = "–"
"""In place of what was not measured."""
NORMAL_95 = 1.96
"""Standard errors on each side of a 95 % interval of a normal distribution."""


class Row(NamedTuple):
    """One metric of one task."""

    task: str
    metric: str
    reference: str
    aligned: str
    difference: str
    """Aligned minus reference in words; – unless both were measured."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that may be compared with each other."""

    setting: str
    """`BenchmarkResult.setting`, the same for all figures."""
    is_rehearsal: bool
    rows: tuple[Row, ...]
    models: tuple[str, ...] = ()
    """Each model with its role: `aligned: ada/aligned`."""
    note: str = ""
    """What makes its figures less comparable than they look; empty if nothing does."""


def tables(results: Sequence[BenchmarkResult]) -> list[Table]:
    """One table per setting, the newest first; of a figure that was measured twice, the newer one counts."""
    ordered = sorted(results, key=lambda result: result.at or 0.0)
    by_setting: dict[str, list[BenchmarkResult]] = {}
    for result in ordered:
        by_setting.setdefault(result.setting, []).append(result)
    newest_first = sorted(by_setting.items(), key=lambda item: -(item[1][-1].at or 0.0))
    return [
        Table(setting, group[0].is_rehearsal, tuple(_rows(group)), _models(group), _dates(group))
        for setting, group in newest_first
    ]


def _models(group: Sequence[BenchmarkResult]) -> tuple[str, ...]:
    named = (f"{one.role}: {one.model}{f' with {one.adapter}' if one.adapter else ''}" for one in group)
    return tuple(sorted(dict.fromkeys(named), reverse=True))


def _dates(group: Sequence[BenchmarkResult]) -> str:
    """That the models were asked on different days; empty if they were not, or if that is unknown."""
    dates = sorted({result.date for result in group if result.date is not None})
    if len(dates) < 2:
        return ""
    return f"Asked on different days ({', '.join(dates)}): SmolLM3's template writes the date into every prompt."


def _rows(group: Sequence[BenchmarkResult]) -> list[Row]:
    figures: dict[tuple[str, int | None, str], dict[str, Metric]] = {}
    for result in group:
        for task in result.tasks:
            for metric in task.metrics:
                figures.setdefault((task.task, task.shots, metric.name), {})[result.role] = metric
    names = {(task, shots) for task, shots, _ in figures}
    twice = {task for task, _ in names if sum(other == task for other, _ in names) > 1}
    rows = []
    for (task_name, shots, name), models in figures.items():
        reference, aligned = models.get(REFERENCE), models.get(ALIGNED)
        label = f"{task_name} ({shots} shots)" if task_name in twice else task_name
        rows.append(Row(label, name, figure(reference), figure(aligned), difference(reference, aligned)))
    return rows


def figure(metric: Metric | None) -> str:
    """A figure with its standard error: `0.412 ± 0.014`; NaN if it is not finite, – if it was not measured."""
    if metric is None:
        return UNKNOWN
    if metric.value is None:
        return "NaN"
    return f"{metric.value:.3f}" if metric.stderr is None else f"{metric.value:.3f} ± {metric.stderr:.3f}"


def difference(reference: Metric | None, aligned: Metric | None) -> str:
    """Aligned minus reference, with what can be said about it.

    The standard error of the difference is √(a² + r²), as for two independent samples. Both models answer the same
    questions, which makes the true one smaller in most cases: "no difference shown" may be too careful. Without both
    standard errors, only the difference is said.
    """
    if reference is None or aligned is None or reference.value is None or aligned.value is None:
        return UNKNOWN
    gap = aligned.value - reference.value
    if not reference.stderr or not aligned.stderr:  # 0 if all questions went the same way, which proves little
        return f"{gap:+.3f}"
    error = math.hypot(reference.stderr, aligned.stderr)
    better = (gap > 0) == (aligned.higher_is_better and reference.higher_is_better)
    words = ("better" if better else "worse") if abs(gap) > NORMAL_95 * error else "no difference shown"
    return f"{gap:+.3f} ± {error:.3f} {words}"


EXPLAINED = (
    "± is the standard error over the questions. A difference counts as shown beyond 1.96 standard errors "
    "(√(a² + r²)); both models answer the same questions, so this is careful."
)
"""What the figures of a table mean."""
