"""From a project and a run to the commands that benchmark its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.answers import Comparison
from smoltui.backends.evaluation.hub_adapter import base_on_hub
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.core.evaluation.benchmark_command import NO_THINKING, LightEvalCommand, LmEvalCommand, in_shell
from smoltui.core.evaluation.benchmark_tasks import Harness, task_table
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError

YOU = "<you>"
"""In place of the account that gets the results, until it is known."""
BOTH = "both"
MODELS = (ALIGNED, REFERENCE, BOTH)
"""Which models can be benchmarked."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asked for; None for the default or for what smoltui.toml says."""

    tasks: tuple[str, ...] = ()
    """Task strings; empty: those of smoltui.toml, otherwise the default set."""
    models: str | None = None
    """One of `MODELS`; None: both where a run is free, otherwise the aligned one."""
    max_samples: int | None = None
    flavor: str | None = None
    timeout: str | None = None
    namespace: str | None = None
    hub_model: str | None = None
    """Hub id of the aligned model, if the run does not say where it was pushed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One model to benchmark."""

    role: str
    """reference or aligned."""
    command: LightEvalCommand | LmEvalCommand

    @property
    def shown(self) -> str:
        """The command to type, in one line."""
        command = self.command
        return in_shell(command.hf_jobs() if isinstance(command, LightEvalCommand) else command.lm_eval())


@dataclass(frozen=True, slots=True)
class BenchmarkPlan:
    """Everything that a benchmark is decided with."""

    project: Project
    run: Run | None
    """The run whose model is measured; None: the model in the recipe's output folder."""
    place: Place
    harness: Harness
    items: tuple[Item, ...]
    comparison: Comparison

    @property
    def folder(self) -> Path | None:
        """The run's folder, where results are kept; None without a run."""
        return None if self.run is None else run_store.run_dir(self.run.id)


def harness_for(place: Place, wished: Harness | None = None) -> Harness:
    """The harness that runs in a place: lm_eval on this machine, LightEval where a command can be started.

    Raises:
        InputError: the place runs no harness, or not the one that is wished for.
    """
    found = Harness.LM_EVAL if place.here else Harness.LIGHTEVAL if "command" in place.can else None
    if found is None:
        raise InputError(f"{place.subject} can't run a benchmark", "Leave out --on to use this machine.")
    if wished is not None and wished is not found:
        raise InputError(
            f"{wished.value} doesn't run on {place.title}, where {found.value} does",
            "Leave out --harness, or see: smoltui docs harnesses",
        )
    return found


def place_for(harness: Harness | None, places: Sequence[Place]) -> Place:
    """Where a harness runs; this machine if none is named.

    Raises:
        InputError: none of the places can.
    """
    wanted = harness or Harness.LM_EVAL
    for place in places:
        if place.here if wanted is Harness.LM_EVAL else "command" in place.can and not place.here:
            return place
    raise InputError(f"There is no engine here that can run {wanted.value}")


def default_tasks(settings: Settings, harness: Harness) -> tuple[str, ...]:
    """The tasks of smoltui.toml for this machine, otherwise the default set."""
    own = settings.evaluation.benchmarks if harness is Harness.LM_EVAL else ()
    return own or task_table().default(harness)


def make_plan(
    project: Project, run: Run | None, place: Place, wishes: Wishes = Wishes(), harness: Harness | None = None
) -> BenchmarkPlan:
    """The plan for the models of a run. Reads the project's files and the run's folder; blocks.

    Raises:
        RecipeError: recipe or settings can't be used.
        InputError: the run's model no longer exists, or the place can't run the harness.
        ServiceError: the model is only on the Hub, which did not answer.
    """
    harness = harness_for(place, harness)
    settings = project.settings()
    comparison = answers.compare_run(project, run)
    if comparison.aligned is None:
        raise InputError(
            f"This project has no aligned model yet: {project.folder}", f"Train a model: smoltui train {project.folder}"
        )
    models = wishes.models or (ALIGNED if place.pays else BOTH)
    roles = [role for role in (REFERENCE, ALIGNED) if models in (role, BOTH)]
    tasks = wishes.tasks or default_tasks(settings, harness)
    by_role = {REFERENCE: comparison.reference, ALIGNED: comparison.aligned}
    folder = Path("benchmarks") if run is None else run_store.run_dir(run.id) / "benchmarks"

    def item(role: str) -> Item:
        model = by_role[role]
        if harness is Harness.LIGHTEVAL:
            return Item(role, _on_jobs(model, role, run, comparison.values, settings, tasks, wishes))
        return Item(role, _here(model, project, settings, tasks, wishes, folder / role))

    return BenchmarkPlan(project, run, place, harness, tuple(map(item, roles)), comparison)


def _here(
    model: Column, project: Project, settings: Settings, tasks: tuple[str, ...], wishes: Wishes, out: Path
) -> LmEvalCommand:
    own = settings.evaluation.task_folder
    path, revision, adapter = model.path, model.revision, model.adapter
    on_hub = model.name == ALIGNED and adapter is None and not Path(path).is_absolute()
    if on_hub and (base := base_on_hub(path, revision)) is not None:
        path, revision, adapter = base, None, path
    return LmEvalCommand(
        model=path,
        revision=revision,
        adapter=adapter,
        tasks=tasks,
        output_path=str(out),
        thinking=settings.evaluation.thinking,
        task_folder=str(project.resolve(own)) if own else None,
        max_samples=wishes.max_samples,
    )


def _on_jobs(
    model: Column,
    role: str,
    run: Run | None,
    values: Mapping[str, object],
    settings: Settings,
    tasks: tuple[str, ...],
    wishes: Wishes,
) -> LightEvalCommand:
    jobs = settings.jobs
    namespace = wishes.namespace or jobs.namespace or None
    return LightEvalCommand(
        model=(wishes.hub_model or _hub_name(model, run, values)) if role == ALIGNED else model.path,
        tasks=tasks,
        more_model_args=(f"revision={model.revision}",) if role == REFERENCE and model.revision else (),
        system_prompt=None if settings.evaluation.thinking else NO_THINKING,
        results_org=namespace or YOU,
        max_samples=wishes.max_samples,
        on_jobs=True,
        flavor=wishes.flavor or jobs.flavor,
        timeout=wishes.timeout or jobs.timeout,
        namespace=namespace,
    )


def _hub_name(model: Column, run: Run | None, values: Mapping[str, object]) -> str:
    """Where the aligned model was pushed, by the run or else the recipe; its place on this machine if neither says."""
    if run is not None and run.pushed_to:
        return run.pushed_to
    told = values.get("hub_model_id")
    return (told if isinstance(told, str) else "") or model.adapter or model.path
