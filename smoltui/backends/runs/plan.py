"""Everything about a run before it starts, made once: the start dialog shows it, preflight checks it, an engine runs
it.

Each file is read once, each text of the recipe parsed once, and the curated set made once. What was shown is what runs,
even if the files change meanwhile. Only the plan's `RunSpec` is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.as_datasets import read_alike
from smoltui.backends.data_files.source import PairsSpec, is_local, pairs_of
from smoltui.backends.pairs.counted import PairCounts, curated_pairs, imported, trained_on
from smoltui.backends.pairs.curated import Curated, curate, reading_of, set_name, with_curated
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.template_tools import ignored_tools
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import RecipeFile, load_project_recipe
from smoltui.backends.runs.output_dir import free_output_dir
from smoltui.backends.runs.spec import Options, make_spec
from smoltui.backends.runs.token_check import leaks
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign.token_stop import Leak
from smoltui.core.machine.duration import Duration, Hardware
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.pairs.curation import Curation
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Problem
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError, PairsError
from smoltui.safe_text import safe_line
from smoltui.scripts.curve_remarks import percent

UNUSABLE_FIX = "See what they are: smoltui pairs. A pair has a prompt, a chosen and a rejected answer."


@dataclass(frozen=True, slots=True)
class PlannedPairs:
    """The pairs that would be trained on."""

    rows: int | None = None
    """None: not counted."""
    sentence: str = ""
    """The pairs in words, with their number; empty without a set, and for a set on the Hub without decisions that was
    never read as a whole."""
    problem: Problem | None = None
    """Why they cannot be trained on; None if they can."""
    doubt: Problem | None = None
    """Why the set may not be the one that is meant; None without a doubt."""
    warning: str = ""
    """How many rows are not trained on; empty if there are none, or nobody knows."""
    sizes: PairSizes | None = None
    """What was measured of them; None if they could not be opened, or are on the Hub and were never read as a whole."""
    tools_warning: str = ""
    """The rows offer tools that the model's chat template ignores, one sentence; empty if not."""
    decided: Curation | None = None
    """Decisions about a set on the Hub, which is opened and curated when the run starts (`settled`); None without
    any."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that was not started yet."""

    project: Project
    place: Place
    """Where it will run."""
    values: Mapping[str, Any]
    """The recipe with the changes for this run; its pairs are still the project's own set."""
    settings: Settings
    shape: ModelShape | None
    """None if only the Hub knows it."""
    pairs: PlannedPairs
    spec: RunSpec
    """What the engine runs; it names the curated set if there is one on this machine."""
    leaks: tuple[Leak, ...] = ()
    """Tokens in the files or options. If there are any, no pairs were read and nothing was written."""
    estimates: list[tuple[Hardware, Duration]] = field(default_factory=list, compare=False)
    """How long it will take, and on what: filled by the checks, of which the last one is kept with the run."""


async def make_plan(
    project: Project,
    place: Place,
    options: Options | None = None,
    *,
    settings: Settings | None = None,
    counts: PairCounts | None = None,
    free_output: bool = False,
) -> Plan:
    """The plan of a run, from the current files of the project; writes the curated set.

    `settings` are the project's, if already read; `counts` is the cache of pair counts. With `free_output`, a local run
    whose output folder has a model writes to a free folder beside it. Takes as long as reading the pairs; cancelling
    stops that.

    Raises:
        RecipeError: recipe.yaml or smoltui.toml cannot be used.
        InputError: an invalid timeout or output folder.
    """
    stop = threading.Event()
    asked, counted = options or Options(), counts or PairCounts()

    def work() -> Plan:
        known = project.settings() if settings is None else settings
        recipe = load_project_recipe(project)
        spec = make_spec(project, place, recipe, known, asked)
        wanted = Path(spec.output_dir)
        if free_output and place.on_disk and (free := free_output_dir(wanted)) != wanted:
            spec = make_spec(project, place, recipe, known, replace(asked, output_dir=_inside(project, free)))
        values = recipe.values
        shape = recipe_shape(project, values)
        plan = Plan(project, place, values, known, shape, PlannedPairs(), spec, tuple(leaks(project, spec, known)))
        return plan if plan.leaks else _with_pairs(plan, recipe, counted, stop.is_set)

    return await in_thread(work, abandon=stop.set)


async def settled(plan: Plan) -> RunSpec:
    """The specification for the engine. A set on the Hub with decisions is curated now.

    Raises:
        PairsError, ServiceError, RecipeError, InputError: as `curate`.
    """
    decided, spec = plan.pairs.decided, _with_estimate(plan)
    if decided is None:
        return spec
    stop = threading.Event()

    def work() -> RunSpec:
        found = curate(plan.project, plan.values, settings=plan.settings, curation=decided, stopped=stop.is_set)
        if found is None:
            return spec
        return with_curated(spec, RecipeFile(plan.project.recipe_path, spec.recipe, ""), found)

    return await in_thread(work, abandon=stop.set)


def _with_estimate(plan: Plan) -> RunSpec:
    if not plan.estimates:
        return plan.spec
    hardware, took = plan.estimates[-1]
    return replace(
        plan.spec,
        hardware=hardware.name,
        expected_low=took.low,
        expected_high=took.high,
        expected_usual=took.usual,
    )


def _with_pairs(plan: Plan, recipe: RecipeFile, counts: PairCounts, stopped: Callable[[], bool]) -> Plan:
    """`plan` with its pairs: counted, curated if there are decisions, or with the reason why they cannot be used."""
    try:
        wanted = pairs_of(plan.values)
        if wanted is None:
            return plan
        curation = CurationFile(plan.project.folder).load()
        if not is_local(wanted, plan.project.folder):
            return replace(plan, pairs=_on_hub(plan, wanted, curation, counts))
        tools = ignored_tools(plan.project, plan.values, wanted)
        if found := curate(plan.project, plan.values, settings=plan.settings, curation=curation, stopped=stopped):
            made = _curated(plan, recipe, found, counts)
        elif stopped():  # the task was cancelled
            return plan
        else:
            made = replace(plan, pairs=_as_named(plan, wanted, counts))
        return replace(made, pairs=replace(made.pairs, tools_warning=tools))
    except InputError as error:
        return replace(plan, pairs=PlannedPairs(problem=Problem(error.message, error.hint)))


def _doubt(wanted: PairsSpec) -> Problem | None:
    """The Hub has a few old datasets whose names have no owner, but a folder of another project is more likely meant.

    Without the Hub, `datasets` trains on whatever it has cached under such a name.
    """
    if "/" in wanted.source:
        return None
    return Problem(
        f"No such file or folder, so these pairs are treated as a Hub id: {safe_line(wanted.source, 200)}",
        "Hub ids look like owner/name.",
    )


def _curated(plan: Plan, recipe: RecipeFile, found: Curated, counts: PairCounts) -> Plan:
    sizes = counts.sizes(plan.project, plan.values, curated_pairs(found.exported.folder, found.exported.hash))
    pairs = PlannedPairs(found.exported.train, found.sentence, sizes=sizes)
    return replace(plan, pairs=pairs, spec=with_curated(plan.spec, recipe, found))


def _as_named(plan: Plan, wanted: PairsSpec, counts: PairCounts) -> PlannedPairs:
    """The recipe's own set on this machine. Raises: PairsError: it cannot be opened."""
    counted = counts.count(wanted, plan.project.folder, plan.settings, judge=True)
    if counted.broken is not None:
        fix = "One such line stops the training. Fix or delete it; list all: smoltui pairs"
        return PlannedPairs(problem=Problem(counted.broken, fix))
    if counted.problem:
        return PlannedPairs(problem=Problem(counted.problem, UNUSABLE_FIX))
    number = f"{counted.usable:,}"
    sizes = counts.sizes(plan.project, plan.values, counted)
    told = f"{number} pairs in {wanted.shown}, {counted.split}"
    if wanted.others:
        more = f"the first of {wanted.others + 1} sets, the others were not opened"
        return PlannedPairs(sentence=f"{told}; {more}", warning=counted.warning, sizes=sizes)
    return PlannedPairs(counted.usable, told, warning=counted.warning, sizes=sizes)


def _on_hub(plan: Plan, wanted: PairsSpec, curation: Curation, counts: PairCounts) -> PlannedPairs:
    """A set on the Hub, which is not opened before the run starts: its number is that of its last reading here."""
    how = _decided(plan, wanted, curation)
    known = PlannedPairs(sentence="", decided=curation if how else None, doubt=_doubt(wanted))
    name, split = safe_line(wanted.shown, 200), safe_line(wanted.split or "train", 60)
    if how:
        known = replace(known, sentence=f"{name}, curated when the run starts: {how}")
    columns, reading = reading_of(plan.project, wanted, plan.settings)
    wanted = replace(wanted, columns=columns, how=reading)
    found = None if wanted.others else imported(wanted, plan.project.folder, [], plan.settings)
    last = None if wanted.others else counts.last_read(wanted, plan.project.folder, plan.settings)
    if found is None or last is None or last.broken or last.problem:
        return known  # nothing is known; or the Hub, which is asked before a start, may have a better version by now
    try:
        rows = trained_on(found[0], curation, set_name(wanted, plan.project.folder))
    except PairsError:  # the cache was deleted meanwhile
        return known
    told = (
        f"{rows:,} pairs of {name}, {split}, as last read here{f'; curated when the run starts: {how}' if how else ''}"
    )
    return replace(
        known, rows=rows, sentence=told, warning=last.warning, sizes=counts.sizes(plan.project, plan.values, last)
    )


def _decided(plan: Plan, wanted: PairsSpec, known: Curation) -> str:
    """The decisions about a set on the Hub in words; empty without any."""
    held = known.hold_out(set_name(wanted, plan.project.folder))
    parts = [
        f"{len(found)} {word}" for found, word in ((known.excluded, "excluded"), (known.swapped, "swapped")) if found
    ]
    parts += [f"{percent(held.share)} of the prompts held out"] if held else []
    if plan.settings.reads_pairs:
        parts.append("read as smoltui.toml says")
    elif not read_alike(wanted, plan.project.folder):
        parts.append("read as smoltui reads it")
    return ", ".join(parts)


def _inside(project: Project, folder: Path) -> str:
    """A folder as written in the recipe: relative if it is inside the project."""
    return str(folder.relative_to(project.folder)) if folder.is_relative_to(project.folder) else str(folder)
