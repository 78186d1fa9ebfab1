"""Blind votes on the command line: standing figures, ballots in files, and export as pairs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.votes import Voting, export_votes, open_voting, read_logs, unreadable_words
from smoltui.backends.runs.store import run_dir
from smoltui.cli.choices import Pairs, export_json, lines_in, print_export
from smoltui.cli.output import print_json, print_warning, say
from smoltui.core.evaluation.sheet import sheet_from_json
from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import turns_json
from smoltui.core.evaluation.vote_choices import vote_choice
from smoltui.core.evaluation.vote_figures import VoteFigures, figures_of
from smoltui.core.evaluation.vote_log import by_ballot
from smoltui.core.evaluation.vote_sheet import answers_of
from smoltui.core.evaluation.vote_words import vote_words
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.core.runs.run import Run

IN_THE_APP = "Votes are cast in the app: Evaluate, then b."


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
        _print_votes(report, groups, project)
    for words in report["unreadable"]:
        print_warning(words, "", as_json)


def _print_votes(report: Mapping[str, Any], groups: Sequence[VoteFigures], project: Project) -> None:
    say(f"run {safe_line(report['run'], 60)}")
    if not groups:
        say(f"No votes yet. {IN_THE_APP}")
    for figures in groups:
        say()
        asked = f"; prompts: {safe_line(figures.prompt_set, 120)}" if figures.prompt_set else ""
        say(f"{', '.join(safe_line(model, 40) for model in figures.models)}{asked}")
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
        say('Write "a", "b", "tie", "bad" or "skip" into "vote", then record it with --choices.')
    print_export(report, project)


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
    found = vote_choice(lines_in(path), voting.progress)
    for one, choice in found:
        voting.vote(choice, one)
    return len(found)
