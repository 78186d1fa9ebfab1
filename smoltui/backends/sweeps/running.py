"""Starting the runs of a sweep on an engine, each exactly once, and continuing a sweep that was interrupted."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from smoltui.backends.evaluation.measurements import last
from smoltui.backends.evaluation.subject import of_run
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.runs import chains, preflight
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan, make_plan, settled
from smoltui.backends.runs.spec import Options, new_label
from smoltui.backends.sweeps import store
from smoltui.backends.system.threads import in_thread
from smoltui.core.recipe import Level, check, is_placeholder, output_dir_of
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.rerun import again
from smoltui.core.runs.run import LABEL as RUN_LABEL
from smoltui.core.runs.run import Run, RunSpec
from smoltui.core.sweeps.sweep import LABEL, Point, Sweep, combinations
from smoltui.core.sweeps.table import missing
from smoltui.errors import InputError, RecipeError, SmoltuiError


def new_sweep(project: Project, engine: Engine, axes: Mapping[str, Sequence[Any]]) -> Sweep:
    """A sweep that was not started yet. Raises InputError: there is nothing to vary, or too much."""
    points = tuple(Point(values, new_label()) for values in combinations(axes))
    return Sweep(secrets.token_hex(3), str(project.folder), engine.name, time.time(), points)


async def plans(project: Project, engine: Engine, sweep: Sweep, options: Options | None = None) -> list[Plan]:
    """The plan of each point that has no run yet; nothing is started.

    Raises:
        RecipeError: the recipe cannot be used with the values of a point; the message names the point.
        InputError, MissingExtraError, ServiceError: the first run could not start (`preflight.check_plan`).
    """
    made: list[Plan] = []
    recipe = (await in_thread(lambda: load_project_recipe(project))).values
    for point in sweep.points:
        if point.run_id:
            continue
        plan = await make_plan(project, engine.place, _options(recipe, sweep, point, options or Options()))
        for finding in check(plan.values, target=engine.place.target):
            if finding.level is Level.STOP:
                raise RecipeError(f"{point.words}: {finding.sentence}", finding.next_step)
        if not made:
            await preflight.check_plan(plan, engine)
        made.append(replace(plan, spec=_labelled(plan.spec, sweep, point)))
    return made


async def start(
    engine: Engine, sweep: Sweep, planned: Sequence[Plan], then: Sequence[str] = ()
) -> AsyncGenerator[tuple[Sweep, Run], None]:
    """Starts the planned runs one after another; yields the sweep as stored after each start.

    `then` are the steps after each run (`core.runs.chain.STEPS`).
    The sweep is stored before the first, with the label of every run: whoever continues it after a crash finds the runs
    that were started.

    Raises:
        SmoltuiError: the engine refused a run; those before it go on.
    """
    await in_thread(partial(store.save, sweep))
    for plan in planned:
        run = await engine.submit(replace(await settled(plan), then=tuple(then)))
        steps = dict.fromkeys((*then, *engine.steps_after(run)))
        if steps:
            chain = Chain(run.id, run.project or "", tuple(_step(engine, run, name) for name in steps))
            await in_thread(partial(chains.save, chain))
        sweep = sweep.with_run(plan.spec.label, run.id)
        await in_thread(partial(store.save, sweep))
        yield sweep, run


def _step(engine: Engine, run: Run, name: str) -> Step:
    return Step(name, around=tuple(engine.around(run, name)))


async def runs_of(engine: Engine, sweep: Sweep) -> tuple[Sweep, dict[str, Run]]:
    """The runs of a sweep by id, with their curves; and the sweep with runs that were started just before a crash.

    Raises:
        ServiceError: the engine could not be asked.
    """
    found: dict[str, Run] = {}
    if any(not point.run_id for point in sweep.points):
        wanted = {point.label for point in sweep.points if not point.run_id}
        for run in await engine.list_runs():
            label = str((run.raw.get("spec") or {}).get("label") or run.labels.get(RUN_LABEL, ""))
            if label in wanted:
                sweep = sweep.with_run(label, run.id)
    for point in sweep.points:
        if not point.run_id:
            continue
        try:
            run = await engine.get(point.run_id)
        except InputError:
            continue  # it was deleted
        await in_thread(run.history.load)
        if not run.history.known and (run.is_final or run.step):
            run = await _with_curve(engine, run)
        found[run.id] = run
    return sweep, found


def length_ratios(runs: Mapping[str, Run]) -> dict[str, float]:
    """Run id → mean tokens of its model's answers, divided by those of the model before, where both were measured.
    Reads the disk."""
    found = {}
    for run in runs.values():
        measurement = last(of_run(run).folder)
        if measurement is not None and measurement.aligned.length_ratio is not None:
            found[run.id] = measurement.aligned.length_ratio
    return found


async def to_continue(engine: Engine, sweep: Sweep, runs: Mapping[str, Run]) -> tuple[Sweep, list[Run]]:
    """The sweep with new labels for runs that have to start over, and the runs that were resumed.

    Runs that left a checkpoint resume from it, where the engine can do that.
    """
    resumed = []
    for point in missing(sweep, runs):
        run = runs.get(point.run_id)
        if run is not None and run.resumable and "resume" in engine.place.can:
            try:
                resumed.append(await engine.resume(run.id))
                continue
            except SmoltuiError:
                pass  # its checkpoint is gone: it starts over
        if point.run_id:
            sweep = sweep.with_label(point.label, new_label())
    return sweep, resumed


async def _with_curve(engine: Engine, run: Run) -> Run:
    """The run with the curve that its log has."""
    stream = engine.follow(run.id, follow=False)
    try:
        async for event in stream:
            run = run.after(event)
    finally:
        await stream.aclose()
    return run


def _options(recipe: Mapping[str, Any], sweep: Sweep, point: Point, options: Options) -> Options:
    """The values of a point, with a folder, a name and a repository of its own."""
    overrides = {**options.overrides, **point.values, "run_name": f"{point.slug}"}
    repository = recipe.get("hub_model_id")
    if recipe.get("push_to_hub") and isinstance(repository, str) and not is_placeholder(repository):
        overrides["hub_model_id"] = f"{repository}-{sweep.id}-{point.slug}"[:96]
    folder = f"{output_dir_of(recipe).rstrip('/')}-sweep-{sweep.id}/{point.slug}"
    return replace(options, overrides=overrides, output_dir=folder, overwrite=True)


def _labelled(spec: RunSpec, sweep: Sweep, point: Point) -> RunSpec:
    made = again(spec, point.label)
    return replace(made, labels={**made.labels, LABEL: sweep.id})
