"""`.eval_results/*.yaml` of a model repository: figures of registered benchmarks, for the Hub to list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smoltui.core.evaluation.benchmark_tasks import Harness, bare_name
from smoltui.core.publish.record import Benchmark

FOLDER = ".eval_results"


@dataclass(frozen=True, slots=True)
class Registered:
    """A task of a benchmark that the Hub knows (a data set with `eval.yaml`)."""

    dataset: str
    """owner/name of the data set."""
    task_id: str
    """As in its `eval.yaml`."""
    metrics: tuple[str, ...]
    """Metrics of the harnesses that are the benchmark's own, the best first."""
    percent: bool
    """Whether its values are 0..100."""


REGISTERED: Mapping[str, Registered] = {
    "gsm8k": Registered("openai/gsm8k", "gsm8k", ("extractive_match", "exact_match,strict-match", "exact_match"), True)
}
"""Task of a harness → the registered benchmark that it measures. Whether it is registered now, the Hub is asked."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure for one file."""

    registered: Registered
    value: float
    date: str
    source: str | None
    """Data set with all results; None if they are on this machine only."""
    notes: str

    @property
    def path(self) -> str:
        """Of the file in the repository."""
        return f"{FOLDER}/{self.registered.task_id}.yaml"

    def as_yaml(self) -> str:
        """The file (hub-docs, model evaluation results): a list with one result. Texts are quoted as JSON."""
        lines = [
            "- dataset:",
            f"    id: {json.dumps(self.registered.dataset)}",
            f"    task_id: {json.dumps(self.registered.task_id)}",
            f"  value: {self.value!r}",
        ]
        if self.date:
            lines.append(f"  date: {json.dumps(self.date)}")
        if self.source:
            lines += ["  source:", f"    url: {json.dumps(f'https://huggingface.co/datasets/{self.source}')}"]
            lines.append('    name: "All results"')
        return "\n".join([*lines, f"  notes: {json.dumps(self.notes, ensure_ascii=False)}", ""])


def results_of(benchmarks: Sequence[Benchmark]) -> list[Result]:
    """The figures of registered benchmarks, of each the newest; rehearsals are left out."""
    found: dict[str, Result] = {}
    for benchmark in sorted(benchmarks, key=lambda each: each.date):
        if benchmark.rehearsal:
            continue
        for row in benchmark.rows:
            registered = REGISTERED.get(bare_name(Harness.LIGHTEVAL, row.task))
            if registered is None or row.metric not in registered.metrics:
                continue
            value = round(row.value * 100, 4) if registered.percent else row.value
            notes = f"{benchmark.harness}, {row.task}, {row.metric}"
            notes += f"; {benchmark.settings}" if benchmark.settings else ""
            result = Result(registered, value, benchmark.date, benchmark.dataset, notes)
            found[registered.task_id] = result
    return list(found.values())
