"""Labelling on the command line: sampling, files of choices, and export as pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import labels
from smoltui.backends.evaluation.columns import column_of_place
from smoltui.backends.evaluation.loading import load_plan, loaded
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.threads import in_thread
from smoltui.cli.choices import Pairs, export_json, lines_in, print_export
from smoltui.cli.confirming import confirm_loading
from smoltui.cli.evaluate import choose, tell_step, typed_place
from smoltui.cli.output import note, print_json, print_warning, progress, say
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.label_set import Task
from smoltui.core.evaluation.label_words import label_words
from smoltui.core.evaluation.vote_ballot import turns_json
from smoltui.core.evaluation.vote_choices import label_choice
from smoltui.core.runs.events import Answered, AnswerLeftOut, Downloading
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project


async def sample_labels(
    project: Project, asked: labels.Asked, models: Sequence[str], run_id: str | None, *, yes: bool, quiet: bool
) -> str:
    """Samples what the set still misses, and returns its name.

    Raises:
        as `cli.evaluate.choose`, `labels.plan_of` and `labels.sample`.
    """
    columns = await _columns(project, models, run_id)
    plan = await in_thread(lambda: labels.plan_of(project, asked, columns))
    total, done = len(dict.fromkeys(plan.prompts)) * plan.n * len(columns), 0
    require_train_extra()
    loading = await load_plan(columns, project.folder)
    confirm_loading(loading, yes=yes, as_json=quiet)
    async with aclosing(loaded(loading, project.folder, labels.sample(project, plan, columns))) as events:
        async for event in events:
            if isinstance(event, Downloading) and not quiet:
                tell_step(event)
            elif isinstance(event, Answered):
                done += 1
                if not quiet:
                    progress(f"{done} of at most {total} answers", done=done == total)
            elif isinstance(event, AnswerLeftOut) and not quiet:
                note(safe_line(redact(f"{event.model} gives no answer: {event.reason}"), 400))
    return plan.name


async def _columns(project: Project, models: Sequence[str], run_id: str | None) -> list[Column]:
    """The models to sample from; without names, the one that was trained."""
    comparison, _ = await choose(project, run_id)
    return await in_thread(lambda: _named_columns(project, comparison.models, models)) or comparison.models[-1:]


def _named_columns(project: Project, known: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Of these names, the known columns, and the models at a folder or on the Hub."""
    by_name = {column.name: column for column in known}
    columns: list[Column] = []
    for name in dict.fromkeys(names):
        if name in by_name:
            columns.append(by_name[name])
        else:
            columns.append(column_of_place(project, typed_place(name), columns))
    return columns


def run_label(
    project: Project,
    *,
    asked: labels.Asked,
    models: Sequence[str],
    run_id: str | None,
    choices: str | None,
    pairs: Pairs,
    yes: bool,
    as_json: bool,
) -> None:
    """Samples answers, records choices, exports pairs, as asked, and prints how far the set is."""
    from smoltui.cli.runs import run_async

    options = pairs.options
    if asked.prompts is not None and (here := Path.cwd() / expanded(asked.prompts)).is_file():
        asked = replace(asked, prompts=str(here))  # otherwise it is a file of the project
    if choices is None and pairs.out is None:
        name = run_async(sample_labels(project, asked, models, run_id, yes=yes, quiet=as_json))
    else:
        name = _only_set(project, asked.name)
    labelling = labels.open_labelling(project, name)
    report: dict[str, Any] = {"set": name, "folder": str(labels.set_folder(project, name))}
    if choices is not None:
        found = label_choice(lines_in(Path(choices)), labelling.progress)
        for one, choice, best, worst in found:
            labelling.choose(choice, best, worst, one)
        report["recorded"] = len(found)
    progressed, plan = labelling.progress, labelling.found.plan
    report |= {
        "prompts": len(progressed.items),
        "labelled": len(progressed.cast),
        "sampling": dict(plan.sampling) if plan is not None else {},
        "models": dict(plan.models) if plan is not None else {},
        "n": plan.n if plan is not None else 0,
        "same": labelling.tasks.same,
        "incomplete": labelling.tasks.incomplete,
        "words": label_words(labelling.found, labelling.tasks, progressed),
        "tasks": [_task_json(number, task) for number, task in enumerate(progressed.items, 1)],
    }
    if pairs.out is not None:
        report["export"] = export_json(labels.export_labels(labelling, pairs.folder, **options))
    print_json(report, as_is=("tasks",)) if as_json else _print_labels(report, labelling, project)
    if words := labelling.unreadable:
        print_warning(words, "", as_json)


def _only_set(project: Project, name: str | None) -> str:
    """The set with this name; without one, the newest. Raises InputError if there is none."""
    names = labels.set_names(project)
    if name is None and not names:
        raise InputError(f"This project has no labels yet: {project.folder}", "Sample answers: smoltui label FOLDER")
    return name or names[0]


def _task_json(number: int, task: Task) -> dict[str, Any]:
    texts = [candidate.answer.text for candidate in task.candidates]
    return {"number": number, "id": task.id, "prompt": turns_json(task.prompt), "answers": texts}


def _print_labels(report: Mapping[str, Any], labelling: labels.Labelling, project: Project) -> None:
    say(f"labels of {safe_line(report['set'], 60)}, in {safe_line(report['folder'], 300)}")
    for sentence in report["words"]:
        say(f"  {sentence}")
    if "recorded" in report:
        say(f"{report['recorded']} choices recorded")
    elif labelling.progress.current is not None and "export" not in report:
        note("Choose best and worst in the app: Evaluate, then L. A command cannot choose; --choices takes a file.")
    print_export(report, project)
