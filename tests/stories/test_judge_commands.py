"""The command judge: what it costs, both orders, biases, failures on the way, and nothing asked twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import judge_endpoint, resident
from smoltui.backends.evaluation.judge import kept
from smoltui.backends.evaluation.votes import open_voting
from smoltui.backends.local import engine as local_engine
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.cli.main import run
from smoltui.core.evaluation.vote_ballot import Answer, Question
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.runs.run import Run
from smoltui.redaction import forget_secrets
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.hub.judge import JudgeServer, judge_server
from tests.stories.test_vote_room import store_answers

Output = pytest.CaptureFixture[str]
KEY = "sk-very-secret-0123456789"
ROWS = [("Short.", f"A longer answer, {number}.") for number in range(8)]
ROWS += [(f"A much longer answer than the other, {number}.", "Brief.") for number in range(2)]
"""Answers of the reference and of the aligned model: the latter's are longer 8 times of 10."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    monkeypatch.setattr(judge_endpoint, "RETRY_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(judge_endpoint, "LIMIT_SECONDS", (0.01, 0.01, 0.01))
    with judge_server() as found:
        yield found
    forget_secrets()


@pytest.fixture
def project(tmp_path: Path, server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path / "project")
    with (made.folder / "smoltui.toml").open("a") as file:
        file.write(f'[judge]\nendpoint = "{server.url}"\nmodel = "wise"\nparallel = 2\n')
    store_answers(made, ROWS)
    found = trained(made)

    async def list_runs(self: object) -> list[Run]:
        return [found]

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    return made


def settings(project: Project, text: str) -> None:
    """Adds lines to the table of the judge, which is the last one."""
    with (project.folder / "smoltui.toml").open("a") as file:
        file.write(f"{text}\n")


def result(capsys: Output, project: Project, *args: str) -> tuple[int, Any, str]:
    """Exit code, decoded stdout (None if empty) and stderr of the command."""
    code = run(["judge", str(project.folder), *args, "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def figures(capsys: Output, project: Project, *args: str) -> Any:
    code, report, err = result(capsys, project, "--yes", *args)
    assert code == 0, err
    return report["figures"]


def folder() -> Path:
    return run_store.run_dir("0a1b2c3d")


def test_calls_and_cost_come_before_anything_is_sent(project: Project, server: JudgeServer, capsys: Output) -> None:
    """A dry run counts and shows the prompt; without a terminal and --yes, nothing is asked."""
    code, report, _ = result(capsys, project, "--dry-run")
    assert code == 0 and report["plan"]["calls"] == 20 and report["plan"]["cost_at_most_usd"] is None
    assert "Question 0?" in report["prompt"]["first"] and "Short." in report["prompt"]["first"]
    assert "{answer_b}" in report["prompt"]["template"]
    code, _, err = result(capsys, project)
    assert code == 2 and "needs confirmation" in err and "--yes" in err
    assert not server.calls and not list(folder().glob("judge-*"))

    settings(project, "usd_per_million_input = 10.0\nusd_per_million_output = 100.0\nmax_tokens = 1000")
    plan = result(capsys, project, "--dry-run")[1]["plan"]
    assert plan["tokens_out_at_most"] == 20_000
    assert plan["cost_at_most_usd"] == pytest.approx((plan["tokens_in_estimated"] * 10 + 20_000 * 100) / 1e6)
    assert run(["judge", str(project.folder), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "20 calls in both orders" in told and "Costs at most about 2." in told and "Question 0?" in told
    assert "the prompt that comes with smoltui" in told


@pytest.mark.parametrize("rule", ["first", "second"])
def test_a_preference_for_a_position_gives_no_win(
    project: Project, server: JudgeServer, capsys: Output, rule: str
) -> None:
    server.rule = rule
    found = figures(capsys, project)
    (duel,) = found["duels"]
    assert (duel["wins"], duel["losses"], duel["ties"], duel["win_rate"]) == (0, 0, 10, 0.5)
    assert found["flipped"]["share"] == 1.0
    assert found["first_preferred"]["share"] == (1.0 if rule == "first" else 0.0)
    assert found["longer_preferred"]["verdicts"]["share"] == 0.5 and found["replies"]["tie"] == 0
    assert run(["judge", str(project.folder)]) == 0, "all is there: nothing to confirm"
    told = capsys.readouterr().out
    assert "The judge shows no difference: none of 10 matchups has the same winner twice." in told
    assert "The winner flipped with the order in 10 of 10 (100 % (72–100)) matchups" in told


@pytest.mark.parametrize(("rule", "wins", "share"), [("longer", 8, 1.0), ("shorter", 2, 0.0)])
def test_a_preference_for_length_is_seen(
    project: Project, server: JudgeServer, capsys: Output, rule: str, wins: int, share: float
) -> None:
    server.rule = rule
    found = figures(capsys, project)
    (duel,) = found["duels"]
    assert (duel["model"], duel["wins"], duel["losses"]) == ("aligned", wins, 10 - wins)
    assert [found["longer_preferred"][row]["share"] for row in ("verdicts", "matchups", "votes")] == [
        share,
        share,
        None,
    ]
    assert found["flipped"]["share"] == 0.0 and found["tokens_in"] == 2000 and found["tokens_out"] == 200
    (again,) = kept(folder())
    assert json.loads(json.dumps(again.as_json())) == found
    run(["judge", str(project.folder)])
    told = " ".join(capsys.readouterr().out.split())
    assert f"judge, each verdict {20 * share:.0f} of 20 {100 * share:.0f} %" in told


def test_it_agrees_with_my_votes(project: Project, server: JudgeServer, capsys: Output) -> None:
    """I vote for the longer answer, except on three prompts; the judge always does."""
    questions = [
        Question((("user", f"Question {number}?"),), {"reference": Answer(one), "aligned": Answer(two)})
        for number, (one, two) in enumerate(ROWS)
    ]
    voting = open_voting(folder(), Answers(tuple(questions), {"reference": "", "aligned": ""}, {"seed": 0}))
    for number, matchup in enumerate(voting.progress.items):
        longer = "a" if len(matchup.a.text) > len(matchup.b.text) else "b"
        shorter = "b" if longer == "a" else "a"
        voting.vote("skip" if number == 9 else "tie" if number == 8 else shorter if number < 2 else longer, matchup.id)  # type: ignore[arg-type]
    found = figures(capsys, project)["agreement"]
    # Prompts 0 and 1: mine reference, the judge's aligned; 2 to 7: both aligned; 8: mine a tie, the judge's reference.
    assert found["votes_by_judge"] == [[6, 0, 0], [2, 0, 0], [0, 1, 0]]
    assert found["items"] == 9 and found["equal"] == 6
    # p_o = 6/9, p_e = (6·8 + 2·1 + 1·0)/81
    assert found["kappa"] == pytest.approx((6 / 9 - 50 / 81) / (1 - 50 / 81))
    run(["judge", str(project.folder)])
    assert "agrees with your votes on 6 of 9: 67 % (35–88); Cohen's kappa 0.13" in capsys.readouterr().out


def test_refusals_nonsense_and_silence_are_no_ties(project: Project, server: JudgeServer, capsys: Output) -> None:
    server.sequence = ["refuse", "nonsense", "empty"]
    found = figures(capsys, project)
    assert [found["replies"][kind] for kind in ("refusal", "nonsense", "empty", "tie")] == [1, 1, 1, 0]
    (duel,) = found["duels"]
    assert duel["ties"] == 0 and 7 <= duel["wins"] + duel["losses"] == 10 - found["without_verdict"] < 9
    run(["judge", str(project.folder)])
    told = capsys.readouterr().out
    assert "1 refused to judge, 1 no clear verdict, 1 empty, of 20 replies" in told and "not counted as ties" in told


def test_a_rate_limit_is_waited_for(project: Project, server: JudgeServer, capsys: Output) -> None:
    server.sequence = ["first", "429", "429"]
    server.retry_after = "1"
    assert run(["judge", str(project.folder), "--yes"]) == 0
    told = capsys.readouterr()
    assert "Rate limit: waiting 1 s" in told.err and len(server.answered) == 20 and not server.twice
    server.rule, server.retry_after = "429", None
    code, _, err = result(capsys, project, "--yes", "--model", "other")
    assert code == 3 and "The rate limit of 127.0.0.1" in err and "Replies so far" not in err


def test_a_limit_of_calls_and_then_the_rest(project: Project, server: JudgeServer, capsys: Output) -> None:
    """Seven calls now, the others the next time, and none twice."""
    found = figures(capsys, project, "--max-calls", "7")
    assert len(server.calls) == 7 and found["missing"] == 7 and sum(found["replies"].values()) == 7
    assert result(capsys, project, "--dry-run")[1]["plan"]["cached"] == 7
    found = figures(capsys, project)
    assert len(server.calls) == 20 and found["missing"] == 0 and not server.twice
    figures(capsys, project, "--max-calls", "0")
    assert len(server.calls) == 20


def test_a_broken_last_line_costs_one_call(project: Project, server: JudgeServer, capsys: Output) -> None:
    figures(capsys, project)
    (path,) = folder().glob("judge-*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    code, report, err = result(capsys, project, "--yes")
    assert code == 0 and "cannot be read; missing replies are asked for again" in err
    assert len(server.calls) == 21 and sum(report["figures"]["replies"].values()) == 20


@pytest.mark.parametrize(
    ("rule", "code", "said"),
    [
        ("401", 3, "wants a key"),
        ("402", 3, "has no credit"),
        ("403", 3, "does not allow this"),
        ("404", 3, "no such model or address"),
        ("422", 2, "rejected the call (status 422)"),
        ("500", 3, "had an internal error (status 500)"),
        ("302", 3, "redirects to another address"),
        ("cut", 3, "was cut in the middle of a reply"),
        ("page", 3, "is not a chat completion"),
        ("deep", 3, "is not a chat completion"),
        ("flood", 3, "is larger than any verdict"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    project: Project, server: JudgeServer, capsys: Output, rule: str, code: int, said: str
) -> None:
    """After five replies the endpoint fails: they are kept, and the same command asks for the rest alone."""
    server.sequence, server.rule = ["longer"] * 5, rule
    found, report, err = result(capsys, project, "--yes")
    assert (found, report) == (code, None) and said in err and "Replies so far are kept (5)" in err
    assert len(server.calls) <= 5 + 2 * 3, "few calls are tried after the first failure"
    server.rule = "longer"
    assert sum(figures(capsys, project)["replies"].values()) == 20 and not server.twice


def test_a_silent_endpoint(project: Project, server: JudgeServer, capsys: Output) -> None:
    settings(project, "timeout = 1.0")
    server.rule = "hang"
    code, _, err = result(capsys, project, "--yes")
    assert code == 3 and "did not answer within 1 s" in err and "judge.timeout" in err and len(server.calls) == 1


def test_the_key_reaches_nothing_but_the_endpoint(
    project: Project, server: JudgeServer, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the screen, not a file, and no other endpoint; also if the server repeats it."""
    settings(project, 'key_env = "JUDGE_KEY"')
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "variable with the judge's key is not set: JUDGE_KEY" in err and not server.calls
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server.key, server.rule, server.sequence = KEY, "400", ["echo", "nonsense"]
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "rejected the call" in err and KEY not in err
    (path,) = folder().glob("judge-*.jsonl")
    assert KEY not in path.read_text() and "0123456789" not in path.read_text()
    server.rule, server.key = "longer", "another"
    code, _, err = result(capsys, project, "--yes")
    assert code == 3 and "does not accept JUDGE_KEY" in err and KEY not in err
    with judge_server() as other:
        assert result(capsys, project, "--yes", "--endpoint", other.url)[0] == 0
        assert other.answered and KEY not in json.dumps(other.calls)
        other.rule = "echo"
        figures(capsys, project, "--endpoint", f"{other.url}/")
    for file in folder().iterdir():
        assert KEY not in file.read_text()


def test_a_key_in_the_settings_is_refused_and_not_shown(project: Project, server: JudgeServer, capsys: Output) -> None:
    settings(project, f'key_env = "{KEY}"')
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "must be the name of an environment variable" in err and KEY not in err
    text = (project.folder / "smoltui.toml").read_text()
    (project.folder / "smoltui.toml").write_text(text.replace(KEY, "JUDGE_KEY"))
    for endpoint, said in (
        ("http://me:hunter2hunter2@127.0.0.1/v1", "contains a password"),
        ("ftp://x", "not a base URL"),
    ):
        code, _, err = result(capsys, project, "--yes", "--endpoint", endpoint)
        assert code == 2 and said in err and "hunter2" not in err
    assert not server.calls


def test_a_prompt_of_my_own(project: Project, server: JudgeServer, capsys: Output) -> None:
    """With an edited prompt, every question is asked again; with the old prompt, its replies are still there."""
    figures(capsys, project)
    mine = project.folder / "judge-prompt.txt"
    mine.write_text("{prompt}\n<answer_a>\n{answer_a}\n</answer_a>\n")
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "lacks {answer_b}" in err and len(server.calls) == 20
    mine.write_text("{prompt}\n<answer_a>\n{answer_a}\n</answer_a>\n<answer_b>\n{answer_b}\n</answer_b>\nWhich?")
    figures(capsys, project)
    assert len(server.calls) == 40 and server.calls[-1]["messages"][0]["content"].startswith("Question")
    assert len(kept(folder())) == 2
    mine.unlink()
    figures(capsys, project)
    assert len(server.calls) == 40


def test_a_local_model_judges(project: Project, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model on this machine, here one of those that are compared, which is said."""
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    found = figures(capsys, project, "--endpoint", "local", "--model", str(project.folder / "model"))
    assert sum(found["replies"].values()) == found["replies"]["cut"] == 20 and found["tokens_in"] is None
    code, _, err = result(capsys, project, "--yes", "--endpoint", "local", "--model", "nowhere at all")
    assert code == 2 and "neither a folder nor a model on the Hub" in err


def test_what_earlier_judges_said_is_shown_without_one(project: Project, server: JudgeServer, capsys: Output) -> None:
    figures(capsys, project, "--model", "one")
    server.rule = "shorter"
    figures(capsys, project, "--model", "two")
    (project.folder / "smoltui.toml").write_text("")
    code, report, _ = result(capsys, project)
    assert code == 0 and [one["duels"][0]["wins"] for one in report["judges"]] == [2, 8], "the newest first"
    assert run(["judge", str(project.folder)]) == 0
    told = capsys.readouterr().out
    assert f"judge two at {server.url}" in told and "aligned won 8 of 10" in told and "aligned won 2 of 10" in told
    assert len(server.calls) == 40


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_confirms(
    project: Project, server: JudgeServer, capsys: Output, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    questions: list[str] = []

    def confirmed(question: str, **options: object) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", confirmed)
    assert run(["judge", str(project.folder)]) == (0 if answer else 130)
    assert questions == [f"Send the prompts and answers in 20 calls to wise at {server.url}?"]
    assert "Cost unknown" in capsys.readouterr().out, "which is said before the question"
    assert len(server.calls) == (20 if answer else 0)


def test_no_judge_or_no_answers(project: Project, capsys: Output) -> None:
    for path in folder().glob("answers-*"):
        path.unlink()
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "has answers to vote on yet" in err
    (project.folder / "smoltui.toml").write_text("")
    store = folder() / "answers-20261130T000000000000Z.json"
    store.write_text('{"v": 1, "answers": []}')
    code, _, err = result(capsys, project, "--yes")
    assert code == 2 and "No judge is chosen: endpoint is missing" in err
