"""The answers of up to four models on the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.columns import column_of_place, column_of_run
from smoltui.backends.evaluation.loading import load_plan, loaded
from smoltui.backends.evaluation.prompt_sets import NAMED, PROJECT, PromptSet, read_set
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.elsewhere import around_of
from smoltui.backends.services import default_services
from smoltui.backends.system.threads import in_thread
from smoltui.cli.confirming import confirm_loading
from smoltui.cli.evaluate import choose, tell_step, typed_place
from smoltui.cli.output import note, print_json, print_warning, say
from smoltui.core.evaluation.answer_figures import answer_figures, figure_lines
from smoltui.core.evaluation.column import MOST_COLUMNS, Column
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.memory_words import memory_in_words
from smoltui.core.evaluation.prompt import prompts_of
from smoltui.core.evaluation.sheet import Sheet, sampling_as_json, sampling_in_words
from smoltui.core.evaluation.thoughts import split
from smoltui.core.runs.events import Downloading, Event, MemoryMeasured, ModelNotice, PhaseChanged
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.settings.settings import EvaluationSettings, Manner
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project

Tell = Callable[[Event], None]
FEW_PROMPTS = 12
"""Up to this many prompts, a terminal shows the answers before the figures; of a larger set, only with --answers."""


def _silent(event: Event) -> None:
    """Reports nothing: with --json, only errors are printed on stderr."""


@dataclass(frozen=True, slots=True)
class Question:
    """What `ask` is to do."""

    prompts: Sequence[str] = ()
    """Typed prompts; empty: those of `prompt_set`."""
    prompt_set: str = ""
    """Name or path of a set; empty: the project's."""
    runs: Sequence[str] = ()
    """Ids of runs; empty: the project's newest with a model, unless other models are named."""
    models: Sequence[str] = ()
    """Folders and Hub ids."""
    reference: bool = True
    """Whether the recipe's model is the first column."""
    thinking: bool | None = None
    """None: as in smoltui.toml."""
    yes: bool = False
    """Load and download without a question."""


async def columns_of(project: Project, question: Question) -> tuple[list[Column], Run | None]:
    """The models of a question, and the run in whose folder the answers are stored.

    Raises:
        InputError: a run or model is missing, or there are too many.
        RecipeError: a recipe cannot be used.
        ServiceError: a run is a Job and the Hub could not be asked.
    """
    if question.models and not question.runs:
        base = await in_thread(lambda: answers.compare_run(project, None))
        columns, run = [base.reference], None
    else:
        comparison, run = await choose(project, question.runs[0] if question.runs else None)
        columns = comparison.models
        if len(question.runs) > 1:
            columns = [comparison.reference]
            for run_id in question.runs:
                _, found = await choose(project, run_id)
                if found is not None:
                    columns.append(await in_thread(partial(column_of_run, project, found, columns)))
    if not question.reference:
        columns = columns[1:]
    for place in question.models:
        columns.append(await in_thread(partial(column_of_place, project, typed_place(place), columns)))
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise InputError(
            f"From 1 to {MOST_COLUMNS} models can be compared, not {len(columns)}",
            "The recipe's model is one of them; --no-reference leaves it out.",
        )
    return columns, run


@dataclass(frozen=True, slots=True)
class _Asked:
    report: dict[str, Any]
    sheet: Sheet
    manner: Manner | None


async def ask(project: Project, question: Question, tell: Tell = _silent, *, as_json: bool = True) -> _Asked:
    """The answers of all models, which are saved with the run, and their figures.

    `tell` receives every event. If the answers cannot be saved, `not_kept` of the report says why.

    Raises:
        as `columns_of`; MissingExtraError, RunFailedError: the models could not be asked.
        InputError: a prompt is not text, or the set cannot be read; or loading needs a confirmation.
    """
    columns, run = await columns_of(project, question)
    settings = project.settings().evaluation
    sampling = sampling_as_json(settings)
    if question.thinking is not None:
        sampling["thinking"] = question.thinking
    asked = await _prompts(project, settings, question)
    sheet = Sheet(asked.prompts, columns, prompt_set=asked.name)
    sheet.sampling, sheet.date = sampling, answers.today()
    require_train_extra()
    around = around_of(default_services().engines, run, "ask")
    plan = await load_plan(columns, project.folder, here=not around)
    confirm_loading(plan, yes=question.yes, as_json=as_json)
    begun = time.monotonic()
    notices, memory = await _filled(project, sheet, plan, tell, around)
    kept, problem = await _keep(run, sheet, columns)
    figures = await in_thread(lambda: answer_figures(sheet, settings.manner))
    report = {
        "run": run.id if run else None,
        **sheet.as_json({column.name: column.shown for column in columns}),
        "left_out": asked.left_out or None,
        "notices": notices,
        "memory": memory,
        "figures": [one.as_json() for one in figures],
        "seconds": round(time.monotonic() - begun, 2),
        "kept": str(kept) if kept else None,
        "not_kept": problem.as_json() if problem else None,
    }
    return _Asked(report, sheet, settings.manner)


async def _filled(
    project: Project, sheet: Sheet, plan: LoadPlan, tell: Tell, around: Sequence[str]
) -> tuple[list[dict[str, str]], dict[str, Any] | None]:
    """Fills a sheet with answers, and returns what was said about its models and the memory that they need."""
    notices: list[dict[str, str]] = []
    memory: dict[str, Any] | None = None
    indices = list(range(len(sheet.prompts)))
    sampling, date = sheet.sampling or {}, sheet.date or answers.today()
    async with (
        ResidentModels(project.folder, around=around) as models,
        aclosing(loaded(plan, project.folder, models.ask(sheet.columns, sheet.prompts, sampling, date=date))) as events,
    ):
        async for event in events:
            tell(event)
            sheet.take(event, indices)
            if isinstance(event, ModelNotice):
                notices.append({"column": event.model, "kind": event.kind, "text": event.text})
            elif isinstance(event, MemoryMeasured):
                memory = {"needed": event.needed, "free": event.free, "together": event.together}
    return notices, memory


async def _prompts(project: Project, settings: EvaluationSettings, question: Question) -> PromptSet:
    if question.prompts and question.prompt_set:
        raise InputError("Give prompts or --set, not both", "smoltui ask FOLDER --set smoltui")
    if question.prompts:
        return PromptSet("", tuple(prompts_of(question.prompts)))
    return await in_thread(lambda: read_set(project, settings, _set_name(question.prompt_set)))


def _set_name(name: str) -> str:
    """A path starts from the folder in which it was typed, if there is such a file."""
    if name in NAMED or not name or not Path(name).is_file():
        return name or PROJECT
    return str(Path(name).absolute())


async def _keep(run: Run | None, sheet: Sheet, columns: Sequence[Column]) -> tuple[Path | None, InputError | None]:
    if run is None:
        return None, None
    folder, models = run_store.run_dir(run.id), {column.name: column.shown for column in columns}
    try:
        return await in_thread(lambda: answers.save_answers(folder, sheet, models, sheet.sampling or {})), None
    except InputError as error:
        return None, error


def tell_phase(event: Event) -> None:
    """Reports on stderr what the models are doing."""
    if isinstance(event, PhaseChanged | Downloading):
        tell_step(event)
    elif isinstance(event, MemoryMeasured):
        note(memory_in_words(event))
    elif isinstance(event, ModelNotice):
        note(safe_line(redact(f"{event.model} {event.text}."), 400))


def run_ask(project: Project, question: Question, *, show_answers: bool, as_json: bool) -> None:
    """Prints the answers and their figures."""
    from smoltui.cli.runs import run_async

    done = run_async(ask(project, question, _silent if as_json else tell_phase, as_json=as_json))
    if as_json:
        print_json(done.report)
    else:
        _print(done, show_answers)
    if problem := done.report["not_kept"]:
        print_warning(problem["error"], problem["hint"], as_json)


def _print(done: _Asked, show_answers: bool) -> None:
    report, sheet = done.report, done.sheet
    say(sampling_in_words(report["sampling"]))
    if show_answers or len(sheet.prompts) <= FEW_PROMPTS:
        _print_answers(sheet)
    if len(sheet.prompts) > 1:
        _print_figures(done)
    if report["left_out"]:
        say(f"\nOf this set: {safe_line(report['left_out'], 400)}.")
    where = f"; saved in {report['kept']}" if report["kept"] else ""
    say(f"\nIn {as_time(report['seconds'])}{where}")


def _print_answers(sheet: Sheet) -> None:
    for index, prompt in enumerate(sheet.prompts):
        for role, content in prompt.before:
            say(f"\n{role}: {safe(redact(content))}")
        say(f"\n{safe(redact(prompt.text))}")
        for name in sheet.names:
            cell = sheet.cell(name, index)
            if cell is not None and cell.answered is not None:
                cut = "" if cell.answered.ended else " (cut off at the limit)"
                said = split(cell.text)
                text = "(still thinking)" if said.thinking else said.answer.strip() or "(empty answer)"
                say(f"\n  {safe_line(name, 60)}{cut}\n{_indented(text)}")
            elif cell is not None:
                say(f"\n  {safe_line(name, 60)} (no answer: {safe_line(redact(cell.left_out), 300)})")


def _print_figures(done: _Asked) -> None:
    figures = answer_figures(done.sheet, done.manner)
    width = max(22, *(len(name) + 2 for name in done.sheet.names))
    say()
    say(f"{'':<24}" + "".join(f"{safe_line(name, 40):>{width}}" for name in done.sheet.names))
    for label, values in figure_lines(figures, done.manner):
        say(f"{safe_line(label, 22):<24}" + "".join(f"{value:>{width}}" for value in values))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in safe(text, None).splitlines())
