"""Votes and labels on the command line: standing figures, files of choices, sampling, and export as pairs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers, labels
from smoltui.backends.evaluation.columns import column_of_place
from smoltui.backends.evaluation.votes import Voting, export_votes, open_voting, read_logs, unreadable_words
from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.runs.store import run_dir
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.threads import in_thread
from smoltui.cli.evaluate import choose
from smoltui.cli.output import note, print_json, print_warning, progress, say
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.label_set import Task
from smoltui.core.evaluation.label_words import label_words
from smoltui.core.evaluation.sheet import sheet_from_json
from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import turns_json
from smoltui.core.evaluation.vote_choices import label_choice, vote_choice
from smoltui.core.evaluation.vote_figures import VoteFigures, figures_of
from smoltui.core.evaluation.vote_log import by_ballot
from smoltui.core.evaluation.vote_sheet import answers_of
from smoltui.core.evaluation.vote_words import vote_words
from smoltui.core.pairs.curation import DEFAULT_SEED, HoldOut
from smoltui.core.runs.events import Answered, AnswerLeftOut
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.core.runs.run import Run

IN_THE_APP = "Votes are cast in the app: Evaluate, then b."
MOST_CHOICE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Pairs:
    """Where pairs are exported to; nowhere without `out`."""

    out: str | None
    hold_out: float | None
    overwrite: bool

    @property
    def folder(self) -> Path:
        return (Path.cwd() / expanded((self.out or "").removesuffix(".parquet"))).absolute()

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the exports.

        Raises:
            InputError: the share is not one.
        """
        if self.hold_out is not None and not 0 <= self.hold_out < 1:
            raise InputError(f"--hold-out takes a share from 0 to 1: {self.hold_out}")
        kind: Kind = "parquet" if (self.out or "").endswith(".parquet") else "jsonl"
        hold_out = HoldOut(self.hold_out, DEFAULT_SEED) if self.hold_out else None
        return {"kind": kind, "hold_out": hold_out, "overwrite": self.overwrite}


# -- votes


async def run_with(project: Project, run_id: str | None, *, voted: bool) -> Run:
    """The run with this id; without one, the newest run of the project with votes (`voted`), or with answers.

    Raises:
        InputError: there is no such run.
        ServiceError: the run is a Job and the Hub could not be asked.
    """
    from smoltui.backends.services import default_services
    from smoltui.cli.runs import find

    if run_id is not None:
        return (await find(run_id))[1]
    services = default_services()
    listed = [run for name in services.here for run in await services.engines[name].list_runs()]
    for run in listed:
        if run.project == str(project.folder):
            folder = run_dir(run.id)
            if read_logs(folder) if voted else answers.last_answers(folder) is not None:
                return run
    what = "votes" if voted else "answers to vote on"
    how = IN_THE_APP if voted else f"Generate answers first: smoltui ask {shlex.quote(str(project.folder))}"
    raise InputError(f"No run of this project has {what} yet: {project.folder}", how)


def voting_of(run: Run) -> Voting:
    """The votes on the newest answers of a run. Raises InputError without answers."""
    data = answers.last_answers(run_dir(run.id))
    if data is None:
        raise InputError(f"This run has no answers to vote on: {run.id}", "Generate answers first: smoltui ask FOLDER")
    return open_voting(run_dir(run.id), answers_of(sheet_from_json(data)))


def run_vote(
    project: Project,
    *,
    run_id: str | None,
    ballot: str | None,
    choices: str | None,
    pairs: Pairs,
    as_json: bool,
) -> None:
    """Prints the figures of the votes; writes a blind ballot, records choices, exports pairs, as asked."""
    from smoltui.cli.runs import run_async

    options = pairs.options
    run = run_async(run_with(project, run_id, voted=not (ballot or choices)))
    folder = run_dir(run.id)
    report: dict[str, Any] = {"run": run.id}
    if choices is not None:
        report["recorded"] = record_votes(voting_of(run), Path(choices))
    if ballot is not None:
        report["ballot"] = write_ballot(voting_of(run), Path(ballot))
    logs = read_logs(folder)
    groups = [figures_of(group) for log in logs.values() for group in by_ballot(log)]
    report["votes"] = [{**figures.as_json(), "words": vote_words(figures)} for figures in groups]
    report["unreadable"] = [words for path, log in logs.items() if (words := unreadable_words(path, log))]
    if pairs.out is not None:
        made = export_votes(folder, pairs.folder, name=f"blind votes on {run.name} {run.id}", **options)
        report["export"] = export_json(made)
    if as_json:
        print_json(report)
    else:
        _print_votes(report, groups)
    for words in report["unreadable"]:
        print_warning(words, "", as_json)


def _print_votes(report: Mapping[str, Any], groups: Sequence[VoteFigures]) -> None:
    say(f"run {safe_line(report['run'], 60)}")
    if not groups:
        say(f"No votes yet. {IN_THE_APP}")
    for figures in groups:
        say()
        say(f"{' : '.join(safe_line(model, 40) for model in figures.models)}   {safe_line(figures.prompt_set, 120)}")
        if figures.ranking is not None:
            for model, strength in figures.ranking.strengths.items():
                low, high = figures.ranking.intervals[model]
                say(f"  {safe_line(model, 40):<40} strength {strength:+.2f} ({low:+.2f} to {high:+.2f})")
        for sentence in vote_words(figures):
            say(f"  {sentence}")
    if "recorded" in report:
        say(f"\n{report['recorded']} votes recorded")
    if "ballot" in report:
        say(f"\n{report['ballot']['matchups']} matchups written to {safe_line(report['ballot']['file'], 300)}")
        say('Write "a", "b", "tie", "bad" or "skip" into "vote", then: smoltui vote FOLDER --choices FILE')
    _print_export(report)


def write_ballot(voting: Voting, path: Path) -> dict[str, Any]:
    """Writes the matchups without a vote to a file, one line each, with nothing that names a model.

    Raises:
        InputError: the file exists or cannot be written.
    """
    open_ones = [item for item in voting.progress.items if item.id not in voting.progress.log.votes]
    lines = [
        {
            "id": each.id,
            "prompt": turns_json(each.prompt),
            "a": split(each.a.text).answer,
            "b": split(each.b.text).answer,
            "vote": "",
        }
        for each in open_ones
    ]
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    except OSError as error:
        raise InputError(
            f"The ballot cannot be written ({error.strerror}): {path}", "Name a file that does not exist yet."
        ) from error
    return {"file": str(path), "matchups": len(lines)}


def record_votes(voting: Voting, path: Path) -> int:
    """Records the votes in a file (`core/evaluation/vote_choices.py`) and returns how many are new.

    Raises:
        InputError: the file cannot be used, and nothing was recorded; a vote cannot be saved.
    """
    found = vote_choice(_lines(path), voting.progress)
    for one, choice in found:
        voting.vote(choice, one)
    return len(found)


def _lines(path: Path) -> bytes:
    try:
        return read_small(path, MOST_CHOICE_BYTES)
    except OSError as error:
        raise InputError(f"The choices cannot be read ({error.strerror or error}): {path}") from error


# -- labels


async def sample_labels(
    project: Project, asked: labels.Asked, models: Sequence[str], run_id: str | None, *, quiet: bool
) -> str:
    """Samples what the set still misses, and returns its name.

    Raises:
        as `cli.evaluate.choose`, `labels.plan_of` and `labels.sample`.
    """
    columns = await _columns(project, models, run_id)
    plan = await in_thread(lambda: labels.plan_of(project, asked, columns))
    total, done = len(dict.fromkeys(plan.prompts)) * plan.n * len(columns), 0
    async with aclosing(labels.sample(project, plan, columns)) as events:
        async for event in events:
            if isinstance(event, Answered):
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
            place = str(Path(name).absolute()) if Path(name).is_dir() else name
            columns.append(column_of_place(project, place, columns))
    return columns


def run_label(
    project: Project,
    *,
    asked: labels.Asked,
    models: Sequence[str],
    run_id: str | None,
    choices: str | None,
    pairs: Pairs,
    as_json: bool,
) -> None:
    """Samples answers, records choices, exports pairs, as asked, and prints how far the set is."""
    from smoltui.cli.runs import run_async

    options = pairs.options
    if asked.prompts is not None and (here := Path.cwd() / expanded(asked.prompts)).is_file():
        asked = replace(asked, prompts=str(here))  # otherwise it is a file of the project
    if choices is None and pairs.out is None:
        name = run_async(sample_labels(project, asked, models, run_id, quiet=as_json))
    else:
        name = _only_set(project, asked.name)
    labelling = labels.open_labelling(project, name)
    report: dict[str, Any] = {"set": name, "folder": str(labels.set_folder(project, name))}
    if choices is not None:
        found = label_choice(_lines(Path(choices)), labelling.progress)
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
    print_json(report, as_is=("tasks",)) if as_json else _print_labels(report, labelling)
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


def _print_labels(report: Mapping[str, Any], labelling: labels.Labelling) -> None:
    say(f"labels of {safe_line(report['set'], 60)}, in {safe_line(report['folder'], 300)}")
    for sentence in report["words"]:
        say(f"  {sentence}")
    if "recorded" in report:
        say(f"{report['recorded']} choices recorded")
    elif labelling.progress.current is not None and "export" not in report:
        note("Choose best and worst in the app: Evaluate, then L. A command cannot choose; --choices takes a file.")
    _print_export(report)


def export_json(made: Exported) -> dict[str, Any]:
    """What was exported, as JSON."""
    return {
        "folder": str(made.folder),
        "hash": made.hash,
        "rows": made.rows,
        "train": made.train,
        "held_out": made.test,
        "left_out": dict(made.left_out),
    }


def _print_export(report: Mapping[str, Any]) -> None:
    if not (made := report.get("export")):
        return
    left = ", ".join(f"{safe(reason)}: {count}" for reason, count in made["left_out"].items())
    gone = f" (left out: {left})" if left else ""
    say(f"\n{made['train']} pairs{gone}, {made['held_out']} held out, in {safe_line(made['folder'], 300)}")
    off = "" if made["held_out"] else " --set eval_strategy=no"
    say(f"Train on them: smoltui train FOLDER --set dataset_name={safe_line(shlex.quote(made['folder']), 300)}{off}")
