"""Held-out figures on the command line."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers, measurements
from smoltui.backends.evaluation.columns import compare_place
from smoltui.backends.evaluation.held_out import held_out_pairs
from smoltui.backends.evaluation.loading import load_plan, loaded
from smoltui.backends.evaluation.project_runs import runs_of_project
from smoltui.backends.evaluation.subject import Subject, of_model, of_run
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs.elsewhere import around_of
from smoltui.backends.services import default_services
from smoltui.backends.system.threads import in_thread
from smoltui.cli.confirming import confirm_loading
from smoltui.cli.output import note, print_json, print_warning, progress, say
from smoltui.core.evaluation.figure_rows import figure_rows, rules
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, WELL_FORMED_RULE, Tally, rule_in_words
from smoltui.core.evaluation.group_rows import GROUP_RULE, HEADINGS, group_row, notes
from smoltui.core.evaluation.measurement import Measurement, differences
from smoltui.core.evaluation.memory_words import size
from smoltui.core.evaluation.sheet import sampling_as_json
from smoltui.core.runs.events import Answered, Downloading, Event, PairScored, PhaseChanged
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.wording import PHASES
from smoltui.core.settings.settings import Manner
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project


async def choose(project: Project, run_id: str | None) -> tuple[answers.Comparison, Run | None]:
    """What to compare: the run with this id; without one, the newest run of the project with a model; otherwise the
    model in the recipe's output folder, which may come from `trl dpo`.

    Raises:
        InputError: no such run, or nothing aligned is there.
        RecipeError: the recipe cannot be used.
        ServiceError: the run is a Job and the Hub could not be asked.
    """
    from smoltui.backends.services import default_services
    from smoltui.cli.runs import find

    services = default_services()

    if run_id is not None:
        if "/" in run_id:
            hint = "Name a folder or a model on the Hub with --model."
            raise InputError(f"This is not the id of a run: {run_id}", hint)
        engine, run = await find(run_id)
        run = await engine.settled(run)
        if not answers.has_model(run, services.here):
            raise InputError(f"This run has no model: {run_id}", "List runs: smoltui ps -a")
        return await in_thread(lambda: answers.compare_run(project, run, services.here)), run
    listed = await runs_of_project(services, project)
    if found := await in_thread(lambda: answers.runs_with_models(listed, project, services.here)):
        return await in_thread(lambda: answers.compare_run(project, found[0], services.here)), found[0]
    alone = await in_thread(lambda: answers.compare_run(project, None))
    if alone.aligned is None:
        raise InputError(
            f"This project has no aligned model yet: {project.folder}",
            f"Train a model: smoltui train {shlex.quote(str(project.folder))}",
        )
    return alone, None


Tell = Callable[[Event], None]


def _silent(event: Event) -> None:
    """Reports nothing: with --json, only errors are printed on stderr."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of `evaluate` say."""

    run_id: str | None = None
    """None: the newest run with a model."""
    model: str | None = None
    """Folder or Hub id of the aligned model, in place of a run's."""
    date: str | None = None
    """As for `answers.measure`."""
    yes: bool = False
    """Load and download without a question."""


@dataclass(frozen=True, slots=True)
class _Evaluated:
    report: dict[str, Any]
    measurement: Measurement
    manner: Manner | None


async def _evaluated(project: Project, asked: Asked, tell: Tell, *, as_json: bool) -> _Evaluated:
    """Figures of both models on the held-out pairs, saved with the run or for the model.

    Raises:
        as `choose`; MissingExtraError, RunFailedError: the models could not be asked.
        InputError: loading them needs a confirmation, or the model does not exist.
        PairsError: the held-out pairs cannot be read.
    """
    comparison, subject = await _chosen(project, asked)
    run = subject.run if subject is not None else None
    settings = project.settings().evaluation
    pairs = await in_thread(lambda: held_out_pairs(project, comparison.values, settings.held_out))
    require_train_extra()
    around = around_of(default_services().engines, run, "measure")
    plan = await load_plan(comparison.models, project.folder, here=not around)
    confirm_loading(plan, yes=asked.yes, as_json=as_json)
    tally = Tally(beta=comparison.beta, manner=settings.manner)
    begun, date = time.monotonic(), asked.date or answers.today()
    measuring = answers.measure(comparison, pairs, settings, project.folder, date=date, around=around)
    async with aclosing(loaded(plan, project.folder, measuring)) as events:
        async for event in events:
            tell(event)
            if isinstance(event, PairScored | Answered):
                tally.add(event)
    now = await in_thread(lambda: measurements.measured(tally, pairs, date=date, seed=settings.seed))
    before, problem = None, None
    if subject is not None:
        folder = subject.folder
        try:
            before = await in_thread(lambda: measurements.keep(folder, now))
        except InputError as error:
            problem = error
    report = {
        "run": run.id if run else None,
        "models": comparison.places,
        REFERENCE: now.reference.as_json(),
        ALIGNED: now.aligned.as_json(),
        "groups": [group.as_json() for group in now.groups],
        "reference_at": now.reference_at,
        "dropped": now.dropped,
        "beta": comparison.beta,
        "held_out": len(pairs),
        "manner_rule": rule_in_words(settings.manner) if settings.manner else None,
        "well_formed_rule": WELL_FORMED_RULE,
        "sampling": sampling_as_json(settings),
        "date": date,
        "pairs_hash": now.pairs_hash,
        "versions": dict(now.versions),
        "differs_from_last": differences(before, now) if before else [],
        "not_kept": problem.as_json() if problem else None,
        "seconds": round(time.monotonic() - begun, 2),
    }
    return _Evaluated(report, now, settings.manner)


def tell_step(event: Event) -> None:
    """Reports on stderr what the models are doing, and how far a download is."""
    if isinstance(event, PhaseChanged):
        doing = ": ".join(filter(None, (event.message, PHASES.get(event.phase, event.phase))))
        note(safe_line(redact(doing)))
    elif isinstance(event, Downloading):
        done = event.done >= event.total
        progress(safe_line(redact(f"{event.model}: {size(event.done)} of {size(event.total)}")), done=done)


async def _chosen(project: Project, asked: Asked) -> tuple[answers.Comparison, Subject | None]:
    """What to compare, and what the figures are kept for. Raises as `choose` and `columns.column_of_place`."""
    if asked.model is None:
        comparison, run = await choose(project, asked.run_id)
        return comparison, of_run(run) if run is not None else None
    if asked.run_id is not None:
        raise InputError("Give --run or --model, not both", "smoltui evaluate FOLDER --model owner/name")
    place = asked.model
    comparison = await in_thread(lambda: compare_place(project, typed_place(place)))
    aligned = comparison.models[-1]
    return comparison, await in_thread(lambda: of_model(project, aligned))


def typed_place(model: str) -> str:
    """A path starts from the folder in which it was typed, if there is such a folder."""
    return str(Path(model).absolute()) if Path(model).is_dir() else model


def run_evaluate(project: Project, asked: Asked, *, as_json: bool) -> None:
    """Prints the figures."""
    from smoltui.cli.runs import run_async

    done = run_async(_evaluated(project, asked, _silent if as_json else tell_step, as_json=as_json))
    report, now = done.report, done.measurement
    if as_json:
        print_json(report)
    else:
        for label, left, right in [
            ("", REFERENCE, ALIGNED),
            *figure_rows(now.reference, now.aligned, done.manner, now.date),
        ]:
            say(f"{label:<34}{left:>16}{right:>26}")
        took = as_time(report["seconds"])
        say(f"\nOn {now.aligned.pairs} held-out pairs, {now.aligned.answers} answers per model; {took}.")
        for row in [HEADINGS, *map(group_row, now.groups)]:
            counted = f"{row.pairs:>5} {row.not_finite:<7}" if now.aligned.not_finite else f"{row.pairs:>5}"
            figures = f"{row.accuracy:>9} {row.accuracy_interval:<8}{row.margin:>7} {row.margin_interval}"
            say(f"{row.words:<30}{counted}{figures}".rstrip())
        say("")
        for rule in [*notes(now, measurements.when), GROUP_RULE, *rules(now.beta, done.manner)]:
            say(safe(rule))
        if report["differs_from_last"]:
            said = "; ".join(report["differs_from_last"])
            say(f"Not comparable with the last figures of this run: {safe(said)}.")
    if problem := report["not_kept"]:
        print_warning(problem["error"], problem["hint"], as_json)
