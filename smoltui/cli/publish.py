"""The Submit room on the command line: card, submit, leaderboard."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation.answers import runs_with_models
from smoltui.backends.publish import publication as publishing
from smoltui.backends.publish.hub_reading import page
from smoltui.backends.system.small_file import replace_small
from smoltui.backends.system.threads import in_thread
from smoltui.cli.confirming import confirm_publishing
from smoltui.cli.output import cell, note, print_json, print_warning, say
from smoltui.core.preflight.check import Check
from smoltui.core.publish.leaderboard import place_in_words, rows_of
from smoltui.core.publish.record import WEIGHTS_IN_WORDS, Weights
from smoltui.core.recipe import Level
from smoltui.core.runs.run import Run
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.backends.publish.leaderboard import Prepared
    from smoltui.backends.publish.push import Pushed, PushPlan
    from smoltui.backends.publish.submitting import Submitted
    from smoltui.backends.runs.engine import Engine

MARKS = {Level.PASS: "✓", Level.WARN: "!", Level.STOP: "✗"}


@dataclass(frozen=True, slots=True)
class CardAsked:
    """The options of `smoltui card`."""

    run_id: str | None
    output: str | None
    """File for the card; None: stdout."""
    push: bool
    upload: str | None
    """A value of `Weights`; None: the best one for this run."""
    yes: bool
    as_json: bool


def card(project: Project, asked: CardAsked) -> None:
    """Prints or saves the card; with `push`, publishes it."""
    from smoltui.cli.runs import run_async

    report = run_async(_card(project, asked))
    if asked.as_json:
        print_json(report)


async def _card(project: Project, asked: CardAsked) -> dict[str, Any]:
    found = await _open(project, asked.run_id)
    what = Weights(asked.upload) if asked.upload else found.choices[0]
    text = found.card_for(what)
    report: dict[str, Any] = {
        "run": found.gathered.run.id,
        "repo": found.repo,
        "weights": what.value,
        "edited": found.is_edited,
        "card": text,
    }
    if asked.output:
        path = Path(asked.output)
        await in_thread(lambda: _write(path, text))
        report["output"] = str(path)
        if not asked.as_json:
            note(f"Saved: {safe_line(asked.output, 4096)}")
    if asked.push:
        plan = await publishing.plan_push(found, what, lambda words: None if asked.as_json else note(words))
        report |= _plan_json(plan)
        _show_plan(plan, asked.as_json)
        _stop_at(plan.checks, report, asked.as_json)
        if not asked.yes:
            visible = "private" if plan.private else "public"
            confirm_publishing(f"Publish {len(plan.files)} files to {plan.repo} ({visible})?", asked.as_json)
        made = await publishing.send(found, plan)
        report |= {"commit": made.commit, "url": made.url}
        _say_pushed(made, asked.as_json)
    elif not asked.output and not asked.as_json:
        say(safe(redact(text), None))
    return report


def _write(path: Path, text: str) -> None:
    try:
        replace_small(path, text.encode())
    except OSError as error:
        raise InputError(f"The card cannot be written ({error.strerror}): {path}", "Choose another file.") from error


def _plan_json(plan: PushPlan) -> dict[str, Any]:
    return {
        "private": plan.private,
        "exists": plan.exists,
        "files": [{"path": name, "bytes": size} for name, size in plan.sizes],
        "checks": [check.as_json() for check in plan.checks],
    }


def _show_plan(plan: PushPlan, as_json: bool) -> None:
    if as_json:
        return
    state = "an existing repository" if plan.exists else "a new repository"
    visible = "private" if plan.private else "public"
    note(f"{WEIGHTS_IN_WORDS[plan.weights]} to {page('model', plan.repo)}, {state}, {visible}:")
    for name, size in plan.sizes:
        note(f"  {cell(name, 44)}{size:>16,} bytes")
    _show_checks(plan.checks)


def _show_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        note(f"{MARKS[check.level]} {safe_line(redact(check.sentence), 600)}")
        if check.next_step:
            note(f"  {safe_line(redact(check.next_step), 600)}")


def _stop_at(checks: Sequence[Check], report: dict[str, Any], as_json: bool) -> None:
    """Raises InputError for the first check that stops; with --json, the report is printed before."""
    problem = next((check for check in checks if check.level is Level.STOP), None)
    if problem is not None:
        if as_json:
            print_json(report)
        raise InputError(problem.sentence, problem.next_step)


def _say_pushed(made: Pushed, as_json: bool) -> None:
    if not as_json:
        note(f"Published: {made.url} at {made.commit[:7]}" if made.changed else f"Nothing has changed: {made.url}")


async def _open(project: Project, run_id: str | None) -> publishing.Publication:
    engine, run = await _choose(project, run_id)
    return await publishing.open_publication(project, engine, run)


async def _choose(project: Project, run_id: str | None) -> tuple[Engine, Run]:
    """The run with this id; without one, the project's newest run on this machine with a model.

    Raises:
        InputError: there is none.
        ServiceError: the Hub could not be asked about a Job.
    """
    from smoltui.backends.services import default_services
    from smoltui.cli.runs import find

    if run_id is not None:
        return await find(run_id)
    services = default_services()
    listed = {run.id: run for name in services.here for run in await services.engines[name].list_runs()}
    found = await in_thread(lambda: runs_with_models(listed, project, services.here))
    done = [run for run in found if run.is_final]
    if not done:
        raise InputError(
            f"No finished run of this project has a model: {project.folder}",
            f"Train a model: smoltui train {shlex.quote(str(project.folder))}; or name a Job with --run.",
        )
    return services.engines[done[0].engine], done[0]


@dataclass(frozen=True, slots=True)
class SubmitAsked:
    """The options of `smoltui submit`."""

    run_id: str | None
    dry_run: bool
    reopen: bool
    """Close a conflicting pull request of one's own, and open it again."""
    yes: bool
    as_json: bool


def submit(project: Project, asked: SubmitAsked) -> None:
    """Checks the entry, shows the change, and opens the pull request."""
    from smoltui.cli.runs import run_async

    report = run_async(_submit(project, asked))
    if asked.as_json:
        print_json(report)


async def _submit(project: Project, asked: SubmitAsked) -> dict[str, Any]:
    found = await _open(project, asked.run_id)
    prepared = await publishing.prepare_submission(found)
    text = publishing.description_of(found, prepared.entry)
    report: dict[str, Any] = {
        "run": found.gathered.run.id,
        "space": prepared.space,
        "parent": prepared.board.commit if prepared.board else None,
        "entry": prepared.entry.as_json(),
        "title": prepared.entry.title,
        "text": text,
        "checks": [check.as_json() for check in prepared.checks],
        "diff": prepared.diff,
        "pull_requests": [pull.as_json() for pull in prepared.pulls],
        "may_submit": prepared.may_submit,
        "pull_request": None,
    }
    if not asked.as_json:
        _show_submission(prepared, text)
    if publishing.needs_hand(prepared):
        report["saved"] = await publishing.save_for_hand(found, prepared)
        print_warning(report["saved"], "", asked.as_json)
    if asked.dry_run:
        return report
    if asked.reopen:
        return await _reopen(found, prepared, asked, report)
    _stop_at(prepared.checks, report, asked.as_json)
    if not asked.yes:
        confirm_publishing(f"Open this pull request at {page('space', prepared.space)}?", asked.as_json)
    return _submitted(report, await publishing.submit(found, prepared), asked.as_json)


async def _reopen(
    found: publishing.Publication, prepared: Prepared, asked: SubmitAsked, report: dict[str, Any]
) -> dict[str, Any]:
    old = prepared.conflicting
    if old is None:
        raise InputError("None of your pull requests with this entry is in conflict", "Submit without --reopen.")
    if not asked.yes:
        question = f"Close pull request #{old.number} and open a new one on the file as it is now?"
        confirm_publishing(question, asked.as_json)
    return _submitted(report, await publishing.submit(found, prepared, reopen=True), asked.as_json)


def _submitted(report: dict[str, Any], made: Submitted, as_json: bool) -> dict[str, Any]:
    if not as_json:
        note(f"Pull request #{made.number} is open: {made.url}")
    return {**report, "pull_request": {"number": made.number, "url": made.url}, "parent": made.parent}


def _show_submission(prepared: Prepared, text: str) -> None:
    note(f"{prepared.entry.title}, to {page('space', prepared.space)}")
    _show_checks(prepared.checks)
    if prepared.diff:
        say("\n".join(safe(redact(line), None) for line in prepared.diff))
        say(f"\n{safe(redact(text), None)}")


def leaderboard(project: Project, *, space: str | None, every: bool, as_json: bool) -> None:
    """Prints the board, with one's own entries marked."""
    from smoltui.cli.runs import run_async

    settings = project.settings().submit
    wanted = space or settings.space
    board, pulls, account = run_async(publishing.board_and_pulls(wanted))
    chapter = "" if every else settings.chapter
    rows = rows_of(board.file.entries, account, chapter)
    if as_json:
        print_json(
            {
                "space": wanted,
                "commit": board.commit,
                "chapter": chapter or None,
                "account": account,
                "entries": [row.as_json() for row in rows],
                "pull_requests": [pull.as_json() for pull in pulls],
            }
        )
        return
    say(f"   {'#':>4}  {'USER':<20}{'MODEL':<34}{'CHAPTER':<9}{'METHOD':<8}DATE")
    for row in rows:
        mark = "▸" if row.mine else " "
        say(
            f" {mark} {row.number:>4}  {cell(row.username, 20)}{cell(row.model_name, 34)}{cell(row.chapter, 9)}"
            f"{cell(row.method, 8)}{row.submission_date}".rstrip()
        )
    say(f"\n{place_in_words(rows, pulls, chapter)}.")
    for pull in pulls:
        say(f"  #{pull.number} {pull.state.value:<12}{safe_line(pull.title, 80)}  {pull.url}")
