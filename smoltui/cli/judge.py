"""A judge on the command line: what it will cost, its replies, and what they show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.judge import Judging, kept, open_judging
from smoltui.backends.evaluation.judge_setup import Setup, judge_setup, other_judge
from smoltui.backends.evaluation.loading import fetch, load_plan
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.runs.store import run_dir
from smoltui.cli.confirming import confirm_judge
from smoltui.cli.evaluate import tell_step
from smoltui.cli.output import note, print_json, print_warning, progress, say, say_data
from smoltui.cli.votes import run_with
from smoltui.core.evaluation.judge_figures import JudgeFigures
from smoltui.core.evaluation.judge_plan import Plan, calls_on, cost_usd
from smoltui.core.evaluation.judge_words import (
    ballot_words,
    judge_name,
    judge_words,
    length_rows,
    plan_words,
    reply_rows,
    spent_words,
)
from smoltui.core.evaluation.loading import LoadPlan
from smoltui.core.evaluation.sheet import sheet_from_json
from smoltui.core.evaluation.vote_sheet import answers_of
from smoltui.core.runs.run import Run
from smoltui.core.settings.judge_settings import JudgeSettings
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say; None: as in smoltui.toml."""

    run_id: str | None
    endpoint: str | None
    model: str | None
    key_env: str | None
    most: int | None


def run_judge(project: Project, asked: Asked, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Asks the judge for what is missing, and prints what it says; with `dry_run`, only what would be asked."""
    from smoltui.cli.runs import run_async

    run = run_async(run_with(project, asked.run_id, voted=False))
    settings = other_judge(project.settings().judge, asked.endpoint, asked.model, asked.key_env)
    if not settings.endpoint and not dry_run and (found := kept(run_dir(run.id))):
        _print_kept(run, found, as_json)
        return
    setup, judging = _opened(project, settings, run)
    if judging.unreadable:
        print_warning(judging.unreadable, "", as_json)
    plan = judging.plan(setup.settings, asked.most)
    report: dict[str, Any] = {
        "run": run.id,
        "judge": {name: value for name, value in setup.judge.as_json().items() if name != "template"},
        "plan": plan.as_json(),
        "left_out": {"identical": judging.ballot.identical, "incomplete": judging.ballot.incomplete},
    }
    if dry_run:
        _print_dry_run(report, setup, judging, plan, as_json)
        return
    if not as_json:
        say(f"run {safe_line(run.id, 60)} · judge {judge_name(setup.judge.endpoint, setup.judge.model)}")
        for words in (*plan_words(plan, setup.settings), *ballot_words(judging.ballot), *setup.warnings):
            say(words)
    if plan.calls:
        loading = run_async(load_plan([setup.column], project.folder)) if setup.column is not None else LoadPlan(())
        if loading.problem is not None:
            raise InputError(*loading.problem)
        if setup.column is not None and not as_json:
            note("\n".join(safe_line(words, 400) for words in loading.words))
        if not yes:
            confirm_judge(_question(setup, plan), as_json)
        run_async(_ask(project, setup, judging, plan, loading, asked.most, as_json))
    _print_result(report, setup, judging, as_json)


def _print_result(report: dict[str, Any], setup: Setup, judging: Judging, as_json: bool) -> None:
    """What the replies show."""
    figures = judging.figures()
    if not as_json:
        say()
        _print_figures(figures, setup.settings)
        return
    report["figures"] = figures.as_json()
    report["words"] = judge_words(figures)
    report["cost_usd"] = cost_usd(figures.tokens_in, figures.tokens_out, setup.settings)
    report["kept"] = str(judging.path)
    print_json(report)


def _print_kept(run: Run, found: Sequence[JudgeFigures], as_json: bool) -> None:
    """What the judges said that were asked before, when none is chosen now."""
    if as_json:
        print_json({"run": run.id, "judges": [{**one.as_json(), "words": judge_words(one)} for one in found]})
        return
    say(f"run {safe_line(run.id, 60)} · judges asked before; none is chosen now (smoltui docs judge)")
    for one in found:
        say(f"\njudge {judge_name(one.judge.endpoint, one.judge.model)}")
        _print_figures(one, JudgeSettings())


def _opened(project: Project, settings: JudgeSettings, run: Run) -> tuple[Setup, Judging]:
    """Raises: InputError: the run has no answers, or as `judge_setup` and `open_judging`."""
    data = answers.last_answers(run_dir(run.id))
    if data is None:
        raise InputError(f"This run has no answers to judge: {run.id}", "Generate answers first: smoltui ask FOLDER")
    sheet = sheet_from_json(data)
    setup = judge_setup(project, settings, sheet.columns)
    return setup, open_judging(run_dir(run.id), answers_of(sheet), setup.judge)


def _question(setup: Setup, plan: Plan) -> str:
    if setup.column is not None:
        return f"Make {plan.calls_words} to this model?"
    where = judge_name(setup.judge.endpoint, setup.judge.model)
    return f"Send the prompts and answers in {plan.calls_words} to {where}?"


async def _ask(
    project: Project,
    setup: Setup,
    judging: Judging,
    plan: Plan,
    loading: LoadPlan,
    most: int | None,
    as_json: bool,
) -> None:
    """Raises as `fetch` and `Judging.ask`."""
    total = len(plan.calls)

    def told(done: int) -> None:
        if not as_json:
            progress(f"{done} of {total} replies", done=done == total)

    def tell(words: str) -> None:
        if not as_json:
            note(words)

    async with aclosing(fetch(loading, project.folder)) as fetching:
        async for event in fetching:
            if not as_json:
                tell_step(event)
    async with ResidentModels(project.folder) as models:
        asker = setup.asker(models, most=most, tell=tell)
        try:
            await judging.ask(asker, plan, told)
        except asyncio.CancelledError:
            tell(f"\nStopped. Replies kept: {judging.replies:,}. The same command continues.")
            raise


def _print_dry_run(report: dict[str, Any], setup: Setup, judging: Judging, plan: Plan, as_json: bool) -> None:
    """What would be asked: the prompt as the first call sends it, or the template if there is nothing to ask."""
    matchups = judging.ballot.matchups
    first = plan.calls[0].text if plan.calls else calls_on(matchups[0], setup.judge)[0].text if matchups else ""
    if as_json:
        prompt = {"from": setup.prompt, "template": setup.judge.template, "first": first or None}
        print_json({**report, "prompt": prompt}, as_is=("prompt",))
        return
    say(f"judge {judge_name(setup.judge.endpoint, setup.judge.model)}")
    for words in (*plan_words(plan, setup.settings), *ballot_words(judging.ballot), *setup.warnings):
        say(words)
    say(f"\nPrompt: {safe_line(setup.prompt, 300)}\n")
    say_data(first or setup.judge.template)


def _print_figures(figures: JudgeFigures, settings: JudgeSettings) -> None:
    for sentence in judge_words(figures):
        say(sentence)
    say(f"\n{'the longer answer won':<30}{'':>14}{'share (95 %)':>18}")
    for who, count, share in length_rows(figures):
        say(f"{who:<30}{count:>14}{share:>18}")
    say("\nreplies")
    for words, number in reply_rows(figures):
        say(f"{words:<30}{number:>14}")
    if spent := spent_words(figures, settings):
        say(f"\n{spent}")
