"""The commands of the Submit room: card, submit, leaderboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends import services
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.cli.main import run
from smoltui.core.runs.run import Run
from tests.backends.publish.published import DETAILS, MODEL, OLD, board_bytes, make_published, seed
from tests.hub.repos import Repo
from tests.hub.server import LocalHub, local_hub

Output = pytest.CaptureFixture[str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def space(server: LocalHub) -> Repo:
    return seed(server)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, Engine, Run]:
    found = make_published(tmp_path / "project")
    monkeypatch.setattr(services, "ENGINES", [(HERE, lambda: found[1])])
    return found


@pytest.fixture
def folder(made: tuple[Project, Engine, Run]) -> str:
    return str(made[0].folder)


def result(capsys: Output, *args: str) -> tuple[int, Any, str]:
    """Exit code, decoded stdout (None if empty) and stderr of a command."""
    code = run(list(args))
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def test_card_prints_the_card(folder: str, space: Repo, capsys: Output, tmp_path: Path) -> None:
    """On stdout, so that it can be piped; with -o in a file; with --json as one object."""
    assert run(["card", folder]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('---\nbase_model: "HuggingFaceTB/SmolLM3-3B"') and "## Held-out pairs" in printed
    file = tmp_path / "README.md"
    code, report, _ = result(capsys, "card", folder, "-o", str(file), "--json")
    assert code == 0 and file.read_text() == report["card"] and report["repo"] == MODEL
    assert report["weights"] == "model" and report["run"] == "0a1b2c3d" and not report["edited"]
    assert run(["card", folder, "-o", str(tmp_path / "no" / "where")]) == 2


def test_card_push_needs_a_yes(folder: str, space: Repo, server: LocalHub, capsys: Output) -> None:
    """Without a terminal nobody can be asked: --yes publishes, and lists every file."""
    code, report, told = result(capsys, "card", folder, "--push", "--json")
    assert (code, report) == (2, None) and "--yes" in json.loads(told)["hint"]
    assert "curves.png" not in server.repos.all["model", MODEL].files
    code, report, _ = result(capsys, "card", folder, "--push", "--upload", "card", "--yes", "--json")
    repo = server.repos.all["model", MODEL]
    assert code == 0 and report["commit"] == repo.refs["main"] and report["exists"] and not report["private"]
    assert {file["path"] for file in report["files"]} == {"README.md", "curves.png"} == set(repo.files)
    assert run(["card", folder, "--push", "--yes"]) == 0
    told = capsys.readouterr().err
    assert "model.safetensors" in told and "Published:" in told and "an existing repository, public" in told
    assert run(["card", folder, "--push", "--yes"]) == 0
    assert "Nothing has changed" in capsys.readouterr().err


def test_submit_dry_run_shows_everything(folder: str, space: Repo, server: LocalHub, capsys: Output) -> None:
    """Entry, checks, change and text; nothing is sent, also where something stops it."""
    code, report, told = result(capsys, "submit", folder, "--dry-run", "--json")
    assert code == 0 and report["may_submit"] and report["pull_request"] is None and not told
    assert report["entry"]["results-dataset"] == DETAILS and report["parent"] == space.refs["main"]
    assert any(line.startswith("+") for line in report["diff"]) and "trl dpo" in report["text"]
    assert {check["level"] for check in report["checks"]} == {"pass"}
    server.repos.all["dataset", DETAILS].private = True
    code, report, _ = result(capsys, "submit", folder, "--dry-run", "--json")
    assert code == 0 and not report["may_submit"]
    assert run(["submit", folder, "--dry-run"]) == 0
    assert "✗ The results dataset is not public" in capsys.readouterr().err and not space.pulls


def test_submit_opens_one_pull_request(folder: str, space: Repo, server: LocalHub, capsys: Output) -> None:
    """After --yes; a second submit exits with 2 and opens none."""
    code, report, told = result(capsys, "submit", folder, "--json")
    assert (code, report) == (2, None) and "--yes" in json.loads(told)["hint"] and not space.pulls
    code, report, _ = result(capsys, "submit", folder, "--yes", "--json")
    assert code == 0 and report["pull_request"]["number"] == 1 and len(space.pulls) == 1
    code, report, told = result(capsys, "submit", folder, "--yes", "--json")
    assert code == 2 and not report["may_submit"] and "#1 with this entry is open" in json.loads(told)["error"]
    assert report["pull_requests"][0]["state"] == "open" and len(space.pulls) == 1


def test_reopen(folder: str, space: Repo, capsys: Output) -> None:
    """Only for a conflict, and only after --yes."""
    assert result(capsys, "submit", folder, "--yes", "--json")[0] == 0
    code, _, told = result(capsys, "submit", folder, "--reopen", "--yes", "--json")
    assert code == 2 and "in conflict" in json.loads(told.splitlines()[-1])["error"]
    space.change({"submissions.json": board_bytes([*OLD, {"username": "dave"}])})
    code, _, told = result(capsys, "submit", folder, "--yes", "--json")
    assert code == 2 and "conflicts" in json.loads(told)["error"]
    assert result(capsys, "submit", folder, "--reopen", "--json")[0] == 2 and space.pulls[0].status == "open"
    code, report, _ = result(capsys, "submit", folder, "--reopen", "--yes", "--json")
    assert code == 0 and report["pull_request"]["number"] == 2 and space.pulls[0].status == "closed"


def test_what_cannot_be_sent_is_saved(folder: str, space: Repo, server: LocalHub, capsys: Output) -> None:
    """No permission at the last moment: exit code 3, and where the files are."""
    server.repos.faults = ["403"]
    code, _, told = result(capsys, "submit", folder, "--yes", "--json")
    assert code == 3 and "entry.json goes to" in json.loads(told)["hint"]
    assert (Path(folder) / "submission" / "entry.json").is_file()
    space.discussions = "disabled"
    code, report, told = result(capsys, "submit", folder, "--dry-run", "--json")
    assert code == 0 and "submissions.json at" in report["saved"] and "saved" not in json.loads(told).get("error", "")


def test_leaderboard(folder: str, space: Repo, capsys: Output) -> None:
    """The entries of my chapter, or all of them; mine are marked."""
    rows = [{"username": "Ada", "model_name": "m", "chapter": "3", "method": "DPO", "submission_date": "2026-11-01"}]
    space.change({"submissions.json": board_bytes([*OLD, *rows])})
    space.open_pull("Mine", "ada")
    code, report, _ = result(capsys, "leaderboard", folder, "--json")
    assert code == 0 and report["account"] == "ada" and report["commit"] == space.refs["main"]
    assert [(row["number"], row["mine"]) for row in report["entries"]] == [(2, True)]
    assert report["pull_requests"] == [
        {"number": 1, "title": "Mine", "url": report["pull_requests"][0]["url"], "state": "open"}
    ]
    assert run(["leaderboard", folder, "--all"]) == 0
    printed = capsys.readouterr().out
    assert "SmolLM3-Carol" in printed and "▸" in printed and "Yours: 2 of 2 entries" in printed


def test_leaderboard_without_a_login(folder: str, space: Repo, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody can read it; a board that is not JSON, and one that does not exist, are one sentence each."""
    monkeypatch.delenv("HF_TOKEN")
    code, report, _ = result(capsys, "leaderboard", folder, "--json")
    assert code == 0 and report["account"] is None and report["pull_requests"] == []
    space.change({"submissions.json": b"[1, 2"})
    code, report, told = result(capsys, "leaderboard", folder, "--json")
    assert (code, report) == (2, None) and "is not JSON" in json.loads(told)["error"]
    assert result(capsys, "leaderboard", folder, "--space", "no/where", "--json")[0] == 3


def test_nothing_to_publish(tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the command that trains."""
    _, engine, _ = make_published(tmp_path / "project")
    monkeypatch.setattr(services, "ENGINES", [(HERE, lambda: engine)])
    (tmp_path / "other").mkdir()
    for command in ("card", "submit"):
        code, report, told = result(capsys, command, str(tmp_path / "other"), "--json")
        assert (code, report) == (2, None) and "smoltui train" in json.loads(told)["hint"]
