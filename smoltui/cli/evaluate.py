"""Held-out figures on the command line."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers, measurements
from smoltui.backends.evaluation.held_out import held_out_pairs
from smoltui.backends.runs import store as run_store
from smoltui.backends.system.threads import in_thread
from smoltui.cli.output import note, print_json, print_warning, say
from smoltui.core.evaluation.figure_rows import figure_rows, rules
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, WELL_FORMED_RULE, Tally, rule_in_words
from smoltui.core.evaluation.measurement import Measurement, differences
from smoltui.core.evaluation.sheet import sampling_as_json
from smoltui.core.runs.events import Answered, Event, PairScored, PhaseChanged
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
        _, run = await find(run_id)
        if not answers.has_model(run, services.here):
            raise InputError(f"This run has no model: {run_id}", "List runs: smoltui ps -a")
        return await in_thread(lambda: answers.compare_run(project, run)), run
    listed = {run.id: run for name in services.here for run in await services.engines[name].list_runs()}
    if found := await in_thread(lambda: answers.runs_with_models(listed, project, services.here)):
        return await in_thread(lambda: answers.compare_run(project, found[0])), found[0]
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


async def evaluate(project: Project, *, run_id: str | None = None, date: str | None = None) -> dict[str, Any]:
    """Figures of both models on the held-out pairs, each as `core.evaluation.figures.Figures.as_json`.

    They are saved with the run. `date`: as for `answers.measure`.

    Raises:
        as `choose`; MissingExtraError, RunFailedError: the models could not be asked.
        PairsError: the held-out pairs cannot be read.
    """
    return (await _evaluated(project, run_id, _silent, date)).report


@dataclass(frozen=True, slots=True)
class _Evaluated:
    report: dict[str, Any]
    measurement: Measurement
    manner: Manner | None


async def _evaluated(project: Project, run_id: str | None, tell: Tell, date: str | None = None) -> _Evaluated:
    comparison, run = await choose(project, run_id)
    settings = project.settings().evaluation
    pairs = await in_thread(lambda: held_out_pairs(project, comparison.values, settings.held_out))
    tally = Tally(beta=comparison.beta, manner=settings.manner)
    begun, date = time.monotonic(), date or answers.today()
    async with aclosing(answers.measure(comparison, pairs, settings, project.folder, date=date)) as events:
        async for event in events:
            tell(event)
            if isinstance(event, PairScored | Answered):
                tally.add(event)
    now = await in_thread(lambda: measurements.measured(tally, pairs, date=date, seed=settings.seed))
    before, problem = None, None
    if run is not None:
        folder = run_store.run_dir(run.id)
        try:
            before = await in_thread(lambda: measurements.keep(folder, now))
        except InputError as error:
            problem = error
    report = {
        "run": run.id if run else None,
        "models": comparison.places,
        REFERENCE: now.reference.as_json(),
        ALIGNED: now.aligned.as_json(),
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


def _tell(event: Event) -> None:
    """Reports on stderr what the models are doing."""
    if isinstance(event, PhaseChanged):
        doing = ": ".join(filter(None, (event.message, PHASES.get(event.phase, event.phase))))
        note(safe_line(redact(doing)))


def run_evaluate(project: Project, *, run_id: str | None, date: str | None, as_json: bool) -> None:
    """Prints the figures."""
    from smoltui.cli.runs import run_async

    done = run_async(_evaluated(project, run_id, _silent if as_json else _tell, date))
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
        for rule in rules(now.beta, done.manner):
            say(safe(rule))
        if report["differs_from_last"]:
            said = "; ".join(report["differs_from_last"])
            say(f"Not comparable with the last figures of this run: {safe(said)}.")
    if problem := report["not_kept"]:
        print_warning(problem["error"], problem["hint"], as_json)
