"""Benchmarks as Jobs: started as a command, found again by their labels, and their results read from the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smoltui.backends.evaluation.benchmark_files import read_dataset
from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan, Item
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.spec import new_label
from smoltui.core.evaluation.benchmark_command import LightEvalCommand, in_shell
from smoltui.core.evaluation.benchmark_parsing import read_command
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.run import Run, Stage, timeout_seconds
from smoltui.errors import InputError

BENCHMARK_LABEL = "smoltui-benchmark"
"""Label of a Job: the id of the run whose model it measures, or `NO_RUN`."""
NO_RUN = "none"
"""In place of an id, if the model is of no run."""
ROLE_LABEL = "smoltui-model"
"""Label of a Job: reference or aligned."""


def spec_for(plan: BenchmarkPlan, item: Item, label: str | None = None) -> CommandSpec:
    """The Job of one model. `label` is its unique label; None for a new one.

    Raises:
        InputError: it is not a LightEval command, or its timeout is none.
    """
    command = item.command
    if not isinstance(command, LightEvalCommand):
        raise InputError("lm_eval doesn't run as a Job", "Run it on this machine, or use LightEval.")
    try:
        seconds = timeout_seconds(command.timeout or "")
    except ValueError as error:
        raise InputError(f"Not a valid timeout for Jobs: {command.timeout}", str(error)) from error
    return CommandSpec(
        name=f"benchmark-{plan.project.name}",
        project=str(plan.project.folder),
        command=tuple(command.in_container()),
        label=label or new_label(),
        flavor=command.flavor,
        timeout_seconds=seconds,
        namespace=command.namespace,
        labels={BENCHMARK_LABEL: plan.run.id if plan.run is not None else NO_RUN, ROLE_LABEL: item.role},
    )


async def start(engine: Engine, plan: BenchmarkPlan, item: Item, label: str | None = None) -> Run:
    """Starts the Job of one model, which costs money: the caller confirms that first. Raises as `Engine.submit`."""
    return await engine.command(spec_for(plan, item, label))


def benchmarked(job: Run) -> str | None:
    """Id of the run whose model this Job measures; None if it is no benchmark."""
    return job.labels.get(BENCHMARK_LABEL)


def unread(runs: Iterable[Run], run_id: str, kept: Sequence[BenchmarkResult]) -> list[Run]:
    """Completed benchmark Jobs of a run whose results have not been read, the oldest first."""
    read = {result.job for result in kept}
    found = [job for job in runs if benchmarked(job) == run_id and job.stage == Stage.COMPLETED and job.id not in read]
    return sorted(found, key=lambda job: job.created_at or 0.0)


def active(runs: Iterable[Run], run_id: str) -> list[Run]:
    """Benchmark Jobs of a run that have not ended."""
    return [job for job in runs if benchmarked(job) == run_id and not job.is_final]


def read_job(job: Run) -> BenchmarkResult:
    """The results that a completed Job pushed. Blocks.

    Raises:
        InputError: its command is unknown, or it pushed no results of this model.
        ServiceError: the Hub doesn't answer, or doesn't have them.
    """
    words = job.raw.get("command")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"The Hub doesn't say what this Job ran: {job.id}", "Read its results dataset with --read.")
    command = read_command(in_shell(words))
    if command.results_dataset is None:
        raise InputError(f"This Job pushed no results: {job.id}", f"See its log: smoltui logs {job.id}")
    role = REFERENCE if job.labels.get(ROLE_LABEL) == REFERENCE else ALIGNED
    result = read_dataset(
        command.results_dataset, role, pins=command.pins, job=job.id, since=job.started_at or job.created_at
    )
    if result.model != command.model:
        raise InputError(
            f"The newest results of {command.results_dataset} are of another model: {result.model}",
            f"Expected {command.model}; see the Job's log: smoltui logs {job.id}",
        )
    missing = [text for text in command.tasks if not _has(result, text)]
    if missing:
        raise InputError(
            f"The results of this Job lack tasks: {', '.join(missing)}", f"See its log: smoltui logs {job.id}"
        )
    return result


def _has(result: BenchmarkResult, text: str) -> bool:
    """Whether a task was measured; a group such as mmlu is listed by its parts, `mmlu:anatomy`."""
    name = text.split("|")[0]
    return any(task.task.split("|")[0] == name or task.task.startswith(f"{name}:") for task in result.tasks)
