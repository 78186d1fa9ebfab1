"""Asks the reference and the aligned model, in a child: answers to prompts, and log-probabilities of held-out pairs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Container, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.evaluation import judge, measurements, reference_cache, votes
from smoltui.backends.evaluation.columns import Comparison as Comparison
from smoltui.backends.evaluation.columns import compare_run as compare_run
from smoltui.backends.evaluation.columns import compared_in
from smoltui.backends.evaluation.columns import has_model as has_model
from smoltui.backends.evaluation.columns import runs_with_models as runs_with_models
from smoltui.backends.evaluation.kept_answers import kept_answers
from smoltui.backends.evaluation.kept_answers import last_answers as last_answers
from smoltui.backends.evaluation.kept_answers import save_answers as save_answers
from smoltui.backends.evaluation.prompt_sets import PROJECT, PromptSet, read_set
from smoltui.backends.evaluation.resident import ResidentModels, specs_of
from smoltui.backends.evaluation.subject import Subject, of_model, of_run, remembered
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.project.project import Project
from smoltui.backends.runs.elsewhere import child_command, work_folder
from smoltui.backends.runs.script_child import script_events
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import MOST_COLUMNS, Column
from smoltui.core.evaluation.figures import COURSE_PROMPTS
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import Sheet, sampling_as_json
from smoltui.core.evaluation.standing import standing
from smoltui.core.pairs.facts import sound
from smoltui.core.runs.events import Event
from smoltui.core.runs.run import Run
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError
from smoltui.scripts import SCRIPTS

GENERATE = SCRIPTS / "generate.py"


@dataclass(slots=True)
class Opening:
    """What the Evaluate room shows before any model is asked."""

    candidates: list[Run]
    """Runs with a usable model, newest first."""
    run: Run | None
    """Run whose model is compared; None if no run of the project has one, or another model was chosen."""
    settings: EvaluationSettings
    comparison: Comparison
    prompt_set: PromptSet
    sheet: Sheet
    """The prompts of the set, with the answers stored with the run."""
    kept_at: float | None
    """When these were stored, seconds since the epoch; None without any."""
    measurement: Measurement | None = None
    """The figures stored with the run."""
    subject: Subject | None = None
    """What answers and figures are kept for; None without an aligned model."""
    standing: list[tuple[str, str]] = field(default_factory=list)
    """What votes and judges have said so far, as `core.evaluation.standing.standing`."""

    @property
    def run_id(self) -> str | None:
        """Id of `run`; None without one."""
        return self.run.id if self.run is not None else None


def open_evaluation(
    project: Project,
    runs: Mapping[str, Run],
    wish: str | None,
    here: Container[str],
    *,
    prompt_set: str = PROJECT,
    columns: Sequence[Column] | None = None,
) -> Opening:
    """Reads project and run folders; blocks. `wish` is the run to compare, None for the newest with a model.

    `here` as in `has_model`. `columns` None: the run's model before and after training, and what was compared with them
    when the answers were stored.

    Raises:
        RecipeError: recipe or settings cannot be used.
        InputError: the prompts cannot be read, or the run's model no longer exists.
    """
    settings = project.settings().evaluation
    candidates = runs_with_models(runs, project, here)
    run = next((run for run in candidates if run.id == wish), candidates[0] if candidates else None)
    comparison = compare_run(project, run, here)
    if columns is None and comparison.aligned is None:
        columns = _last_chosen(project, comparison)
    chosen = compared_in(comparison, columns)
    if chosen is not comparison:  # another model takes the place of the run's
        comparison, run = chosen, None
    subject = subject_of(project, run, comparison)
    asked = read_set(project, settings, prompt_set)
    folder = subject.folder if subject is not None else None
    kept = kept_answers(folder, asked.name, is_project=prompt_set == PROJECT) if folder is not None else None
    if columns is None:
        columns = _with_stored(comparison, kept[0].columns if kept else ())
    sheet, kept_at = Sheet(asked.prompts, columns, prompt_set=asked.name), None
    if kept is not None:
        sheet.take_over(kept[0])
        kept_at = kept[1] if sheet.complete else None
    opening = Opening(candidates, run, settings, comparison, asked, sheet, kept_at, subject=subject)
    if folder is not None:
        opening.measurement = measurements.last(folder)
        opening.standing = _standing(folder)
    return opening


def _standing(folder: Path) -> list[tuple[str, str]]:
    """What votes and judges have said, as stored in a folder."""
    try:
        return standing(votes.kept(folder), judge.kept(folder))
    except InputError as error:
        return [("votes", error.message)]


def subject_of(project: Project, run: Run | None, comparison: Comparison) -> Subject | None:
    """What the results of a comparison are kept for; None without an aligned model."""
    if run is not None:
        return of_run(run)
    return of_model(project, comparison.aligned) if comparison.aligned is not None else None


def _last_chosen(project: Project, comparison: Comparison) -> list[Column] | None:
    """The recipe's model beside the one that was compared last, while no run has a model; None if there was none."""
    for column in remembered(project):
        place = Path(column.adapter or column.path)
        if not place.is_absolute() or place.is_dir():
            return [comparison.reference, column]
    return None


def _with_stored(comparison: Comparison, stored: Sequence[Column]) -> list[Column]:
    """The columns of a comparison, and stored ones beside them whose model is still there."""
    columns = comparison.models
    for column in stored:
        known = any(column.name == one.name or column.weights == one.weights for one in columns)
        place = Path(column.adapter or column.path)
        if not known and column.path and (not place.is_absolute() or place.is_dir()):
            columns.append(column)
    return columns[:MOST_COLUMNS]


# -- what they are asked


def write_prompts_once(path: Path) -> None:
    """Creates the prompts file with those of the course if missing, so that an editor does not open an empty file.

    Raises:
        InputError: it cannot be written.
    """
    if path.exists():
        return
    try:
        path.write_text("# One prompt per line.\n" + "\n".join(COURSE_PROMPTS) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"The prompts cannot be written ({error.strerror}): {path}") from error


# -- asking


async def ask(
    columns: Sequence[Column],
    prompts: Sequence[Prompt],
    settings: EvaluationSettings,
    folder: Path,
) -> AsyncGenerator[Event, None]:
    """The events of the models' answers to `prompts`, streaming; ends after `Finished`. The models are not kept loaded.

    Answers count from 0 in the order of `prompts`. `folder` is the project's.

    Raises:
        as `ResidentModels.ask`.
    """
    async with (
        ResidentModels(folder) as models,
        aclosing(models.ask(columns, prompts, sampling_as_json(settings), date=today())) as events,
    ):
        async for event in events:
            yield event


def today() -> str:
    """The current date on this machine, such as 2026-11-29."""
    return time.strftime("%Y-%m-%d")


async def measure(
    comparison: Comparison,
    pairs: Sequence[Mapping[str, Any]],
    settings: EvaluationSettings,
    folder: Path,
    *,
    date: str | None = None,
    around: Sequence[str] = (),
) -> AsyncGenerator[Event, None]:
    """The events of scoring `pairs` under both models, and of one sampled answer to each of their prompts.

    `date` (2026-11-29) is what templates take for today's; None: today. SmolLM3's writes it into every prompt.
    `around`: the command that starts the models elsewhere (`Engine.around`).

    Raises:
        as `ask`.
    """
    prompts = [pair["prompt"] for pair in pairs]
    kept = reference_cache.folder()
    request = {
        "prompts": prompts,
        "pairs": list(pairs),
        "date": date or today(),
        "reference_values": str(kept) if kept is not None else None,
    }
    async with aclosing(_generate(comparison, request, settings, folder, around)) as events:
        async for event in events:
            yield event


async def _generate(
    comparison: Comparison,
    request: Mapping[str, object],
    settings: EvaluationSettings,
    folder: Path,
    around: Sequence[str],
) -> AsyncGenerator[Event, None]:
    require_train_extra()
    whole = {
        "models": await in_thread(lambda: specs_of(comparison.models)),
        **request,
        **sampling_as_json(settings),
        "batch_size": comparison.batch_size,
        "max_length": comparison.max_length,
        "keep_end": comparison.values.get("truncation_mode") == "keep_end",
        "ld_alpha": alpha if isinstance(alpha := comparison.values.get("ld_alpha"), int | float) else None,
    }

    with work_folder(around) as work:
        path = Path(work) / "request.json"
        path.write_text(sound(json.dumps(whole, ensure_ascii=False)), encoding="utf-8")
        command = child_command((str(GENERATE), "--request", str(path)), around)
        child = script_events(command, folder, "The models stopped answering")
        async with aclosing(child) as events:
            async for event in events:
                yield event
