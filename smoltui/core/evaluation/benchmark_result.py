"""What a harness measured of one model, as it is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smoltui.core.evaluation.benchmark_tasks import Harness
from smoltui.core.foreign.server_values import finite


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of one task."""

    name: str
    """As the harness names it, such as acc_norm, or exact_match,strict-match."""
    value: float | None
    """None: not finite, which a model with NaN weights gives."""
    stderr: float | None
    """Standard error over the questions; None if the harness gives none."""
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The figures of one task."""

    task: str
    """As the harness names it in its results, such as truthfulqa:mc|0 or gsm8k."""
    shots: int | None
    items: int | None
    """Questions that were asked; None if the harness does not say."""
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """The results of one run of a harness on one model."""

    harness: Harness
    pins: tuple[str, ...]
    """Versions that it ran with, such as lm_eval==0.4.13; empty if unknown."""
    role: str
    """reference or aligned."""
    model: str
    """As the results name it: Hub id or folder."""
    revision: str | None
    """Commit, branch or tag; None if the results don't say."""
    adapter: str | None
    """LoRA adapter on `model`; None for a full model."""
    thinking: bool | None
    """Whether SmolLM3 was told to think; None if unknown."""
    date: str | None
    """What the chat template took for today, such as 2026-11-29; None if unknown."""
    max_samples: int | None
    """Only the first questions of each task; None: all."""
    at: float | None
    """When it ran, seconds since the epoch: lm_eval records the start, LightEval the end; None if unknown."""
    seconds: float | None
    """How long it took; None if unknown."""
    source: str
    """File or dataset that it was read from."""
    job: str | None
    """Id of the Job that ran it; None on this machine, or if unknown."""
    tasks: tuple[TaskResult, ...]

    @property
    def is_rehearsal(self) -> bool:
        """Whether only some questions were asked, so that the figures can't be submitted."""
        return self.max_samples is not None

    @property
    def is_finite(self) -> bool:
        """Whether every figure is a number."""
        return all(metric.value is not None for task in self.tasks for metric in task.metrics)

    @property
    def setting(self) -> str:
        """What must be equal for figures to be compared, in words: harness, versions, thinking, rehearsal."""
        thinking = {None: "thinking unknown", False: "thinking off", True: "thinking on"}[self.thinking]
        versions = ", ".join(self.pins) or f"{self.harness.value}, versions unknown"
        parts = [versions, thinking]
        if self.is_rehearsal:
            parts.append(f"REHEARSAL: first {self.max_samples} questions")
        return " · ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """What `result_from_json` reads, and whether it is a rehearsal."""
        return {**asdict(self), "is_rehearsal": self.is_rehearsal}


def result_from_json(data: Mapping[str, Any]) -> BenchmarkResult:
    """The result that `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    tasks = tuple(
        TaskResult(
            str(task["task"]),
            _int(task["shots"]),
            _int(task["items"]),
            tuple(
                Metric(str(one["name"]), finite(one["value"]), finite(one["stderr"]), bool(one["higher_is_better"]))
                for one in task["metrics"]
            ),
        )
        for task in data["tasks"]
    )
    texts = {name: _text(data[name]) for name in ("revision", "adapter", "date", "job")}
    thinking = data["thinking"]
    return BenchmarkResult(
        harness=Harness(data["harness"]),
        pins=tuple(map(str, data["pins"])),
        role=str(data["role"]),
        model=str(data["model"]),
        thinking=thinking if isinstance(thinking, bool) else None,
        max_samples=_int(data["max_samples"]),
        at=finite(data["at"]),
        seconds=finite(data["seconds"]),
        source=str(data["source"]),
        tasks=tasks,
        **texts,
    )


def with_new(kept: Sequence[BenchmarkResult], new: Sequence[BenchmarkResult]) -> list[BenchmarkResult]:
    """What is kept, with new results that could not be kept at the end."""
    sources = {one.source for one in kept}
    return [*kept, *(one for one in new if one.source not in sources)]


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
