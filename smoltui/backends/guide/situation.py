"""Gathers what is known of a project for its checklist (`core/guide/steps.py`), cheap facts first."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from smoltui.backends.guide.found_files import found_files
from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.runs.machine import Machine
from smoltui.backends.services import place_of_setting
from smoltui.core.guide.steps import PairsKnown, ProjectFacts
from smoltui.core.machine.device import GIB, memory_for
from smoltui.core.pairs.curation import FILE_NAME as CURATION
from smoltui.core.pairs.curation import Curation
from smoltui.core.recipe import get, summarise
from smoltui.core.runs.run import Run
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.settings.settings import Settings
from smoltui.errors import SmoltuiError


def read_project(project: Project) -> ProjectFacts:
    """What recipe and settings say, and the pair files beside them. Blocking, about 0.1 s."""
    if not project.has_recipe:
        return ProjectFacts(looked=True, found=found_files(project.folder))
    from smoltui.backends.data_files.source import pairs_of

    facts = ProjectFacts(looked=True, has_recipe=True)
    try:
        settings = project.settings()
        place = place_of_setting(settings.on)
        values = load_project_recipe(project).values
        wanted, but = pairs_of(values), _named(values)
    except SmoltuiError as error:
        return replace(facts, recipe_problem=error.message)
    model = values.get("model_name_or_path")
    return replace(
        facts,
        found=found_files(project.folder, but=but),
        model=model if isinstance(model, str) else "",
        recipe=recipe_words(values),
        names_pairs=wanted is not None,
        here=place.here,
        pays=place.pays,
        where=place.title,
    )


def _named(values: Mapping[str, object]) -> set[str]:
    """The first part of each path in the recipe: neither the pairs nor the output are offered again."""
    from smoltui.backends.data_files.source import pairs_of

    named = [values.get("model_name_or_path"), values.get("output_dir")]
    sources = values.get("datasets")
    for entry in sources if isinstance(sources, list) else [None]:
        spec = pairs_of(values if entry is None else {"datasets": [entry]})
        if spec is not None:
            named += [spec.source, *(path for paths in (spec.files or {}).values() for path in paths)]
    return {name.removeprefix("./").split("/")[0] for name in named if isinstance(name, str)}


def recipe_words(values: Mapping[str, object], rows: int | None = None) -> str:
    """`LoRA · beta 0.5 · 48 steps`; `rows` is the number of training pairs, None if not counted."""
    adapter = "QLoRA" if values.get("load_in_4bit") else "LoRA"
    parts = [adapter] if values.get("use_peft") else []
    beta = get(values, "beta")
    parts.append(f"beta {beta:g}" if isinstance(beta, int | float) else f"beta {beta}")
    steps = summarise(values, rows).steps
    if steps is not None:
        parts.append(f"{steps:,} step{'' if steps == 1 else 's'}")
    return " · ".join(parts)


def count_pairs(project: Project, counts: PairCounts) -> tuple[PairsKnown | None, str]:
    """The pairs of a readable recipe, counted if they were read here; and the recipe in words with that number.

    Blocking: a set of 100 MB that is not imported takes a second. None if the recipe names none.
    """
    from smoltui.backends.data_files.source import is_local, pairs_of
    from smoltui.backends.pairs.curated import reading_of, set_name
    from smoltui.backends.pairs.curation_file import CurationFile

    try:
        settings, values = project.settings(), load_project_recipe(project).values
        wanted = pairs_of(values)
        if wanted is None:
            return None, recipe_words(values)
        known = PairsKnown(wanted.shown)
        columns, how = reading_of(project, wanted, settings)
        wanted = replace(wanted, columns=columns, how=how)
        if is_local(wanted, project.folder):
            counted = counts.count(wanted, project.folder, settings, judge=True)
        elif (on_hub := counts.last_read(wanted, project.folder, settings)) is not None:
            counted = on_hub
        else:
            return known, recipe_words(values)
        known = replace(known, train=counted.usable, problem=counted.broken or counted.problem)
        known = _with_decisions(known, CurationFile(project.folder).load(), set_name(wanted, project.folder))
    except SmoltuiError as error:
        return PairsKnown("", problem=error.message), ""
    known = replace(known, held_out=_held_out(project, values, settings), remarks=_remarks(project, values, settings))
    share = known.held_out_share
    rows = round(counted.usable * (1 - share)) if share else counted.usable
    return known, recipe_words(values, rows)


def _with_decisions(known: PairsKnown, curation: Curation, name: str) -> PairsKnown:
    held = curation.hold_out(name)
    decided = len(curation.excluded) + len(curation.swapped)
    return replace(known, held_out_share=held.share if held is not None else None, decided=decided)


def _held_out(project: Project, values: Mapping[str, object], settings: Settings) -> int | None:
    """Rows of the held-out split that the recipe names; None without one."""
    from smoltui.backends.data_files.source import is_local, pairs_of

    split, wanted = values.get("dataset_test_split"), pairs_of(values)
    if wanted is None or not isinstance(split, str) or str(values.get("eval_strategy") or "no") == "no":
        return None
    other, counts = replace(wanted, split=split), PairCounts()  # not the app's, whose only entry is the training pairs
    try:
        if is_local(wanted, project.folder):
            return counts.count(other, project.folder, settings).rows
        on_hub = counts.last_read(other, project.folder, settings)
    except SmoltuiError:
        return None
    return None if on_hub is None else on_hub.rows


def _remarks(project: Project, values: Mapping[str, object], settings: Settings) -> int | None:
    """Findings of the newest audit that are more than information; None if the set was not audited."""
    from smoltui.backends.data_files.source import files_stamp, pairs_of, project_pairs
    from smoltui.backends.pairs.audit import load_audit
    from smoltui.backends.pairs.opened_set import store_folder

    wanted, shown = pairs_of(values), project_pairs(project, values)
    for spec in (shown, wanted):
        if spec is None:
            continue
        try:
            folder = store_folder(spec, project.folder, files_stamp(spec, project.folder))
            audit = load_audit(folder)
        except (SmoltuiError, KeyError, TypeError):
            continue
        return sum(bool(found.count) and found.severity != "info" for found in audit.findings)
    return None


def with_machine(facts: ProjectFacts, machine: Machine) -> ProjectFacts:
    """Adds what this machine says about the recipe."""
    lacking = tuple(package.name for package in machine.report.lacking if package.installed is None)
    need = machine.need
    if need is None:
        return replace(facts, lacking=lacking, memory="unknown" if machine.has_recipe else None)
    free = memory_for(need, machine.report)
    verdict = need.fit.verdict(free)
    most = "≤ " if need.at_most and verdict == "fits" else ""
    words = f"{most}{need.fit.needed / GIB:.1f} of {free / GIB:.0f} GiB" if free is not None else ""
    return replace(facts, lacking=lacking, memory=verdict, memory_words=words)


def with_runs(facts: ProjectFacts, project: Project, runs: Mapping[str, Run], here: Container[str]) -> ProjectFacts:
    """Adds the runs of the project, of all that are known. Reads the disk: in a thread."""
    from smoltui.backends.evaluation.columns import has_model
    from smoltui.backends.runs.store import runs_folder

    own = [run for run in runs.values() if run.project == str(project.folder)]
    with_model = frozenset(run.id for run in own if has_model(run, here))
    compared = frozenset(id for id in with_model if any((runs_folder() / id).glob("answers-*.json")))
    return replace(facts, runs=own, with_model=with_model, compared=compared)


def files_stamp_of(project: Project) -> list[object]:
    """Changes whenever something that `read_project` or `count_pairs` reads has changed. Blocking."""
    from smoltui.backends.data_files.source import files_stamp, pairs_of

    stamps: list[object] = [str(project.folder)]
    for name in (".", RECIPE_NAME, FILE_NAME, CURATION):
        try:
            found = (project.folder / name).stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size))
    try:
        wanted = pairs_of(load_project_recipe(project).values)
    except SmoltuiError:
        return stamps
    return [*stamps, files_stamp(wanted, project.folder) if wanted is not None else None]
