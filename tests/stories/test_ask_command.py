"""`smoltui ask` with prompt sets and several models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import answers, resident
from smoltui.backends.local import engine as local_engine
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.cli.main import run
from smoltui.core.runs.run import Run
from smoltui.errors import InputError
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.hub.cached import cache_model
from tests.stories.test_evaluate_commands import Output, result


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project")


@pytest.fixture
def runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Two trainings, the newer one first."""
    listed = [replace(trained(project, "11111111", "out-2"), created_at=9.0), trained(project)]

    async def list_runs(self: object) -> list[Run]:
        return listed

    async def get(self: object, run_id: str) -> Run:
        for one in listed:
            if one.id == run_id:
                return one
        raise InputError(f"no such run: {run_id}")

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    monkeypatch.setattr(local_engine.LocalEngine, "get", get)
    return listed


def ask(capsys: Output, project: Project, *args: str) -> dict[str, Any]:
    code, report, error = result(capsys, "ask", str(project.folder), *args, "--json")
    assert code == 0, error
    assert isinstance(report, dict)
    return report


def test_three_columns_on_a_set(project: Project, runs: list[Run], capsys: Output) -> None:
    """The recipe's model and two runs, named by their ids; figures of each; stored with the first run."""
    report = ask(capsys, project, "--set", "smoltui", "--run", "0a1b2c3d", "--run", "11111111")
    assert [column["name"] for column in report["columns"]] == ["reference", "0a1b2c3d", "11111111"]
    assert [column.get("run") for column in report["columns"]] == [None, "0a1b2c3d", "11111111"]
    assert len(report["answers"]) == 68 and report["set"] == "smoltui"
    assert report["answers"][0]["11111111"]["text"] == "This is 11111111."
    assert [(one["column"], one["answers"], one["empty"]["value"]) for one in report["figures"]] == [
        (name, 68, 0.0) for name in ("reference", "0a1b2c3d", "11111111")
    ]
    assert report["memory"] == {"needed": 2**30, "free": 2**33, "together": True}
    assert Path(report["kept"]).parent == run_store.run_dir("0a1b2c3d")


def test_other_models_and_no_reference(project: Project, runs: list[Run], capsys: Output) -> None:
    """A folder and a Hub id beside the newest run, or on their own; what is in the cache needs no network."""
    cache_model("me/m", revision="v2")
    report = ask(capsys, project, "Why?", "--run", "11111111", "--model", "model", "--model", "me/m@v2")
    assert [column["name"] for column in report["columns"]] == ["reference", "aligned", "model", "me/m@v2"]
    report = ask(capsys, project, "Why?", "--model", "out", "--no-reference")
    assert [column["name"] for column in report["columns"]] == ["out"] and report["run"] is None


def test_a_file_of_the_current_folder(
    project: Project, runs: list[Run], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--set starts from where I am; what is left out and what is thought are in the report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text('{"prompt": "Please think"}\n{"text": 1}\n')
    report = ask(capsys, project, "--set", "mine.jsonl", "--thinking")
    assert report["left_out"] == "1 left out (1 without a prompt)" and report["sampling"]["thinking"] is True
    assert report["answers"][0]["aligned"]["text"].startswith("<think>")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["Why?", "--set", "smoltui"], "not both"),
        (["--set", "nowhere"], "no such set of prompts"),
        (["--run", "ada/aligned"], "not the id of a run"),
        (["--model", "nowhere"], "neither a folder nor a model"),
        ([*["--model", "out"] * 4], "From 1 to 4 models"),
    ],
)
def test_what_cannot_be_asked_exits_with_two(
    project: Project, runs: list[Run], capsys: Output, args: list[str], said: str
) -> None:
    code, report, error = result(capsys, "ask", str(project.folder), *args, "--json")
    assert (code, report) == (2, None) and said in json.loads(error)["error"]


def test_for_a_person(project: Project, runs: list[Run], capsys: Output) -> None:
    """A large set shows figures only, unless its answers are asked for; memory is told before."""
    assert run(["ask", str(project.folder), "--set", "smoltui"]) == 0
    told = capsys.readouterr()
    assert "Both models stay loaded: 1.0 GiB" in told.err and "length ratio" in told.out
    assert "I am happy to help" not in told.out and "courteous" in told.out
    assert run(["ask", str(project.folder), "--set", "smoltui", "--answers"]) == 0
    assert capsys.readouterr().out.count("I am happy to help") == 68
    assert run(["ask", str(project.folder), "beyond"]) == 0
    assert "no answer: the prompt has 600 tokens" in capsys.readouterr().out
