"""Replies of a judge in the folder of their run: kept, found again, and lost with the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation.judge import Judging, Record, kept, open_judging, path_of, template_of
from smoltui.backends.evaluation.judge_setup import Setup, judge_setup, other_judge
from smoltui.core.evaluation.judge_plan import Call, Judge
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.vote_ballot import Answer, Question
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.settings.judge_settings import JudgeSettings
from smoltui.errors import InputError
from tests.backends.evaluation.project import make_project

JUDGE = Judge("http://h/v1", "wise", "{prompt} {answer_a} {answer_b}")
SETTINGS = JudgeSettings("http://h/v1", "wise")


def answers(count: int, models: Sequence[str] = ("reference", "aligned"), seed: int = 0) -> Answers:
    questions = [
        Question((("user", f"{number}?"),), {name: Answer(f"{name} {number}.") for name in models})
        for number in range(count)
    ]
    return Answers(tuple(questions), {name: name for name in models}, {"seed": seed})


class Scripted:
    """A judge that says the same to everything, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def stop(self) -> None:
        """Never called."""

    async def ask(self, calls: Sequence[Call], record: Record) -> None:
        for call in calls:
            self.calls += 1
            await record(call, Reply("[[A]]"))


def files(folder: Path) -> list[int]:
    """The permissions of each file in a folder."""
    return [path.stat().st_mode & 0o777 for path in folder.iterdir()]


async def ask(judging: Judging, most: int | None = None) -> int:
    """Asks for what is missing, and returns the number of calls."""
    asker = Scripted()
    await judging.ask(asker, judging.plan(SETTINGS, most), lambda done: None)
    return asker.calls


async def test_prompts_that_are_added_or_removed_cost_only_themselves(tmp_path: Path) -> None:
    """Also another seed, by which the answers are shown the other way round: the texts of both calls are the same."""
    assert await ask(open_judging(tmp_path, answers(3), JUDGE)) == 6
    assert await ask(open_judging(tmp_path, answers(5), JUDGE)) == 4
    assert await ask(open_judging(tmp_path, answers(2), JUDGE)) == 0
    assert await ask(open_judging(tmp_path, answers(5, seed=7), JUDGE)) == 0
    (found,) = kept(tmp_path)
    assert found.outcome.matchups == 5 and found.flipped == (5, 5) and found.missing == 0


async def test_each_judge_and_each_group_of_models_has_figures(tmp_path: Path) -> None:
    other = replace(JUDGE, model="other")
    await ask(open_judging(tmp_path, answers(2), JUDGE))
    await ask(open_judging(tmp_path, answers(2), other))
    assert await ask(open_judging(tmp_path, answers(2, ("reference", "aligned", "third")), other)) == 8
    found = kept(tmp_path)
    groups = sorted((one.judge.model, len(one.outcome.models)) for one in found)
    assert groups == [("other", 2), ("other", 3), ("wise", 2)]
    assert found[0].outcome.at >= found[-1].outcome.at and not kept(tmp_path / "none")


async def test_opening_and_planning_writes_nothing(tmp_path: Path) -> None:
    open_judging(tmp_path, answers(2), JUDGE).plan(SETTINGS)
    assert not files(tmp_path)
    await ask(open_judging(tmp_path, answers(2), JUDGE), 1)
    assert files(tmp_path) == [0o600]


async def test_a_deleted_run(tmp_path: Path) -> None:
    judging = open_judging(tmp_path / "gone", answers(2), JUDGE)
    with pytest.raises(InputError, match="The run was deleted"):
        await ask(judging)
    assert not (tmp_path / "gone").exists()


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path_of(tmp_path, JUDGE).mkdir()
    for read in (lambda: open_judging(tmp_path, answers(2), JUDGE), lambda: kept(tmp_path)):
        with pytest.raises(InputError, match="replies of the judge cannot be read"):
            read()


async def test_nothing_of_it_is_ours(tmp_path: Path) -> None:
    """A file of other lines is no replies, and says so."""
    path_of(tmp_path, JUDGE).write_text(json.dumps({"v": 2}) + "\n[]\nhello\n")
    assert not kept(tmp_path)
    judging = open_judging(tmp_path, answers(2), JUDGE)
    assert judging.unreadable.startswith("3 lines of judge-") and len(judging.plan(SETTINGS).calls) == 4


def test_the_template(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    assert template_of(project, SETTINGS)[1] == "the prompt that comes with smoltui"
    mine = project.folder / "judge-prompt.txt"
    mine.write_bytes(b"\xff{prompt}{answer_a}{answer_b}")
    with pytest.raises(InputError, match="not UTF-8"):
        template_of(project, SETTINGS)
    mine.unlink()
    mine.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        template_of(project, SETTINGS)


def test_a_key_belongs_to_its_endpoint() -> None:
    settings = JudgeSettings("http://a/v1", "m", "A_KEY", usd_per_million_input=1.0, usd_per_million_output=1.0)
    assert other_judge(settings) == other_judge(settings, "http://a/v1", "m") == settings
    other = other_judge(settings, "http://b/v1")
    assert (other.key_env, other.usd_per_million_input) == ("", None)
    assert other_judge(settings, "http://b/v1", key_env="B_KEY").key_env == "B_KEY"
    assert other_judge(settings, model="n").key_env == "A_KEY"


def test_a_key_on_an_open_line_is_said(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")

    def setup(endpoint: str) -> Setup:
        return judge_setup(project, JudgeSettings(endpoint, "m", "A_KEY"), ())

    assert "sent unencrypted" in setup("http://far.example/v1").warnings[0]
    assert not setup("https://far.example/v1").warnings and not setup("http://127.0.0.1:8/v1").warnings
