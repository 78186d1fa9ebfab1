"""The commands of blind votes and of labelling: figures, files of choices, pairs, and training on them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import resident
from smoltui.backends.evaluation.labels import set_folder
from smoltui.backends.local import engine as local_engine
from smoltui.backends.pairs.export import read_export
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.cli.main import run
from smoltui.core.runs.run import Run
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.marks import needs_training

Output = pytest.CaptureFixture[str]
KIND, CURT = "I am happy to help you with it.", "Whatever. Go away now."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project", "".join(f"Question {number}?\n" for number in range(20)))


@pytest.fixture
def a_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    found = trained(project)

    async def list_runs(self: object) -> list[Run]:
        return [found]

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    return found


def result(capsys: Output, *args: object) -> tuple[int, Any, str]:
    """Exit code, decoded stdout (None if empty) and stderr of a command."""
    code = run([*map(str, args), "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def fill_in(ballot: Path, wanted: str, *others: str) -> None:
    """Writes a vote into each line: for the answer `wanted`, and `others` for the last ones."""
    lines = [json.loads(line) for line in ballot.read_text().splitlines()]
    for at, line in enumerate(lines):
        left = at - (len(lines) - len(others))
        line["vote"] = others[left] if left >= 0 else "a" if line["a"] == wanted else "b"
    ballot.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_twenty_blind_votes_in_a_file(project: Project, a_run: Run, capsys: Output, tmp_path: Path) -> None:
    """I ask, write a ballot, vote in my editor, record the votes, read the figures, and export pairs."""
    where, ballot = project.folder, tmp_path / "ballot.jsonl"
    assert result(capsys, "vote", where)[0] == 2
    assert result(capsys, "ask", where)[0] == 0
    code, report, _ = result(capsys, "vote", where, "--ballot", ballot)
    assert code == 0 and report["ballot"]["matchups"] == 20 and report["votes"] == []
    text = ballot.read_text()
    assert not [word for word in ("reference", "aligned", "tokens", "model") if word in text]
    assert {json.loads(line)["a"] for line in text.splitlines()} == {KIND, CURT}, "each model is A sometimes"
    assert result(capsys, "vote", where, "--ballot", ballot)[0] == 2, "it is not overwritten"

    fill_in(ballot, KIND, "tie", "bad", "")
    code, report, _ = result(capsys, "vote", where, "--choices", ballot)
    assert code == 0 and report["recorded"] == 19
    (found,) = report["votes"]
    (duel,) = found["duels"]
    assert (duel["model"], duel["wins"], duel["losses"], duel["ties"], duel["both_bad"]) == ("aligned", 17, 0, 1, 1)
    assert found["words"][0] == "These votes prefer aligned to reference (sign test: p < 0.001)."
    assert result(capsys, "vote", where, "--choices", ballot)[1]["recorded"] == 0, "recorded only once"

    code, report, _ = result(capsys, "vote", where, "--export", tmp_path / "pairs", "--hold-out", "0.2")
    assert code == 0 and report["export"]["left_out"] == {"tie": 1, "both bad": 1}
    assert report["export"]["train"] + report["export"]["held_out"] == 17
    assert run(["vote", str(where)]) == 0
    told = capsys.readouterr().out
    assert "These votes prefer aligned to reference" in told and "1 of 20 to go" in told


def test_wrong_votes_are_named(project: Project, a_run: Run, capsys: Output, tmp_path: Path) -> None:
    """Nothing of a file with a wrong line is recorded."""
    where, file = project.folder, tmp_path / "votes.jsonl"
    assert result(capsys, "ask", where)[0] == 0
    result(capsys, "vote", where, "--ballot", file)
    good = file.read_text().splitlines()[0].replace('"vote": ""', '"vote": "a"')
    for wrong, said in (
        (good.replace('"vote": "a"', '"vote": "c"'), "has no vote"),
        ('{"id": "0", "vote": "a"}', "about another prompt or other answers"),
        ("{", "is not JSON"),
    ):
        file.write_text(f"{good}\n{wrong}\n")
        code, _, err = result(capsys, "vote", where, "--choices", file)
        assert code == 2 and "Line 2 of the choices" in err and said in err and "nothing was recorded" in err
    assert not list(run_store.run_dir(a_run.id).glob("votes-*"))
    assert result(capsys, "vote", where, "--choices", tmp_path / "nope")[0] == 2
    assert result(capsys, "vote", where, "--export", tmp_path / "out")[0] == 2
    assert result(capsys, "vote", where, "--hold-out", "2")[0] == 2


def test_label_ten_prompts_without_the_app(project: Project, a_run: Run, capsys: Output, tmp_path: Path) -> None:
    """I sample from both models, choose in a file, and export: a command alone says that it cannot choose."""
    prompts, choices = tmp_path / "ten.txt", tmp_path / "choices.jsonl"
    prompts.write_text("".join(f"Question {number}?\n" for number in range(10)))
    both = ("--n", "1", "--model", "reference", "--model", "aligned")
    assert run(["label", str(project.folder), "--prompts", str(prompts), *both]) == 0
    told = capsys.readouterr()
    assert "A command cannot choose" in told.err and "0 of 10 prompts have a best and a worst answer" in told.out
    asked = ("label", project.folder, "--prompts", prompts, "--temperature", "0.9", "--seed", "5", "--name", "second")
    code, report, _ = result(capsys, *asked, *both)
    assert code == 0 and report["sampling"]["temperature"] == 0.9 and report["sampling"]["seed"] == 5
    assert len(report["tasks"]) == 10 and set(report["tasks"][0]["answers"]) == {KIND, CURT}

    lines = [
        {"number": task["number"], "best": task["answers"].index(KIND) + 1, "worst": task["answers"].index(CURT) + 1}
        for task in report["tasks"][:9]
    ]
    choices.write_text("".join(f"{json.dumps(line)}\n" for line in [*lines, {"number": 10, "choice": "tie"}]))
    named = ("label", project.folder, "--name", "second")
    code, report, _ = result(capsys, *named, "--choices", choices)
    assert code == 0 and report["recorded"] == report["labelled"] == 10
    code, report, _ = result(capsys, *named, "--export", tmp_path / "pairs")
    assert code == 0 and (report["export"]["train"], report["export"]["left_out"]) == (9, {"tie": 1})
    rows = [json.loads(line) for line in (tmp_path / "pairs" / "train.jsonl").read_text().splitlines()]
    assert all((row["chosen"][0]["content"], row["rejected"][0]["content"]) == (KIND, CURT) for row in rows)
    assert set_folder(project, "second").is_dir()


def test_what_cannot_be_labelled(project: Project, a_run: Run, capsys: Output) -> None:
    for options, said in (
        (("--model", "./other"), "other"),
        (("--temperature", "0"), "always gives the same answer"),
        (("--prompts", "nope.txt"), "no such set of prompts"),
        (("--export", "out"), "has no labels yet"),
        (("--choices", "file"), "has no labels yet"),
        (("--name", "../x"), "Not a name"),
    ):
        code, _, err = result(capsys, "label", project.folder, *options)
        assert code == 2 and said in err


@needs_training
def test_training_on_votes(own_machine: Path, capsys: Output) -> None:
    """The pairs of my votes train: the run's pairs hash is the export's."""
    made = create_project(own_machine / "demo", "demo")
    recipe = made.recipe_path.read_text("utf-8")
    recipe, count = re.subn(r"(?m)^num_train_epochs:.*$", "max_steps: 2", recipe)
    assert count == 1
    made.recipe_path.write_text(recipe, "utf-8")
    votes, folder = own_machine / "votes.jsonl", run_store.run_dir("0a1b2c3d")
    prompts = [f"Question {number}?" for number in range(20)]
    rows = [
        {"prompt": prompt, **{name: {"text": text, "ended": True, "tokens": 8} for name, text in sides.items()}}
        for prompt in prompts
        for sides in [{"reference": CURT, "aligned": KIND}]
    ]
    folder.mkdir(parents=True)
    spec = {"name": "demo", "created_at": 1.0, "project": str(made.folder)}
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "status.json").write_text(json.dumps({"started_at": 1.0, "finished_at": 9.0, "exit_code": 0}))
    sheet = {"at": 1.0, "v": 1, "models": {}, "sampling": {"seed": 0}, "answers": rows}
    (folder / "answers-20261130T000000000000Z.json").write_text(json.dumps(sheet))
    assert result(capsys, "vote", made.folder, "--ballot", votes)[0] == 0
    fill_in(votes, KIND, "tie")
    out = made.folder / "votes-pairs"
    assert result(capsys, "vote", made.folder, "--choices", votes, "--export", out)[0] == 0
    shown = result(capsys, "pairs", out)[1]
    assert shown["rows"] == shown["clean"]["count"] == 19
    train = [
        "train",
        str(made.folder),
        "--on",
        "local",
        "--set",
        "dataset_name=votes-pairs",
        "--set",
        "eval_strategy=no",
    ]
    assert run(train) == 0
    capsys.readouterr()
    _, listed, _ = result(capsys, "ps")
    newest = next(one for one in listed if one["id"] != "0a1b2c3d")
    exported = read_export(out)
    assert exported is not None and newest["stage"] == "COMPLETED"
    spec = result(capsys, "inspect", newest["id"])[1]["spec"]
    assert exported.train_hash == spec["pairs_hash"]
