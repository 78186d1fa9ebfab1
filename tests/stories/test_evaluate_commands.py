"""The commands for Device and Evaluate: check, ask, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import answers, resident
from smoltui.backends.hub import client as hub
from smoltui.backends.local import engine as local_engine
from smoltui.backends.machine import devices
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import locks
from smoltui.cli.main import run
from smoltui.core.machine.account import Account
from smoltui.core.runs.run import Run
from smoltui.errors import NotLoggedInError
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.backends.machine.test_devices import SCRIPT

Output = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project")


@pytest.fixture
def a_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    found = trained(project)

    async def list_runs(self: object) -> list[Run]:
        return [found]

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    return found


def result(capsys: Output, *args: str) -> tuple[int, Any, str]:
    """Exit code, decoded stdout (None if empty) and stderr of a command."""
    code = run(list(args))
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def test_evaluate_gives_both_models_figures(project: Project, a_run: Run, capsys: Output) -> None:
    """I script an evaluation: one JSON object, the reference without reward accuracy, and the rules in words."""
    code, report, _ = result(capsys, "evaluate", str(project.folder), "--json")
    assert code == 0 and report["run"] == a_run.id and report["held_out"] == 4
    assert "reward_accuracy" not in report["reference"] and report["reference"]["margin"] == 0.0
    wanted = {"reward_accuracy": 1.0, "margin": 1.5, "manner_share": 1.0, "well_formed_share": 1.0, "pairs": 4}
    assert wanted.items() <= report["aligned"].items()
    assert report["reference"]["manner_share"] == 0.0 and "happy to" in report["manner_rule"]


def test_evaluate_for_a_person(project: Project, a_run: Run, capsys: Output) -> None:
    """Without --json, the same as a table, followed by the rules."""
    assert run(["evaluate", str(project.folder)]) == 0
    told = capsys.readouterr().out
    rows = {line[:34].strip(): line[34:].split() for line in told.splitlines()}
    assert " ".join(rows["reward margin, nats"]) == "0.000 1.500 (1.500 to 1.500)"
    assert " ".join(rows["reward accuracy"]) == "– 100 % (51–100)"
    assert "Well-formed" in told and "On 4 held-out pairs" in told


def test_ask_gives_answers_and_keeps_them(project: Project, a_run: Run, capsys: Output) -> None:
    """My own prompts or those of the project; answers of both models, and the file they are saved in."""
    code, report, _ = result(capsys, "ask", str(project.folder), "Mine?", "--json")
    assert code == 0 and [row["prompt"] for row in report["answers"]] == ["Mine?"]
    assert report["answers"][0]["aligned"] == {"text": "I am happy to help you with it.", "ended": True, "tokens": 8}
    assert Path(report["kept"]).parent == run_store.run_dir(a_run.id)
    _, report, _ = result(capsys, "ask", str(project.folder), "--json")
    assert len(report["answers"]) == 2
    assert run(["ask", str(project.folder)]) == 0
    assert "Whatever. Go away now." in capsys.readouterr().out


def test_answers_that_cannot_be_kept_are_printed_all_the_same(
    project: Project, a_run: Run, capsys: Output, own_machine: Path
) -> None:
    """My data folder is not writable: I still get the answers I waited for, and a warning."""
    (own_machine / "smoltui").mkdir(parents=True, exist_ok=True)
    (own_machine / "smoltui" / "runs").write_text("in the way")
    assert run(["ask", str(project.folder), "Mine?"]) == 0
    told = capsys.readouterr()
    assert "I am happy to help you" in told.out and "saved in" not in told.out
    assert "Warning: The answers could not be saved" in told.err and "SMOLTUI_HOME" in told.err
    code, report, error = result(capsys, "ask", str(project.folder), "Mine?", "--json")
    assert code == 0 and report["answers"] and report["kept"] is None
    assert "could not be saved" in report["not_kept"]["error"] and json.loads(error)["warning"]


def test_a_full_disk_leaves_no_half_of_the_answers(
    project: Project, a_run: Run, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = locks.write_private

    def full(path: Path, data: bytes) -> None:
        if "answers-" not in path.name:
            return real(path, data)
        real(path, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(locks, "write_private", full)
    code, report, _ = result(capsys, "ask", str(project.folder), "Mine?", "--json")
    assert code == 0 and "No space left" in report["not_kept"]["error"]
    assert not list(run_store.run_dir(a_run.id).glob("*answers*"))


def test_text_that_is_not_unicode(project: Project, a_run: Run, capsys: Output) -> None:
    """A prompt that is not text is refused with a sentence; half a character in a held-out pair is not."""
    code, _, error = result(capsys, "ask", str(project.folder), "\udcff", "--json")
    assert code == 2 and "not UTF-8" in json.loads(error)["error"]
    path = next((project.folder / "pairs").glob("test*"))
    first, *others = path.read_text().splitlines()
    row = json.loads(first)
    row["chosen"] += " \ud83d"
    path.write_text("\n".join([json.dumps(row), *others]))
    code, report, _ = result(capsys, "evaluate", str(project.folder), "--json")
    assert code == 0 and report["held_out"] == 4


def test_answers_in_a_terminal_are_safe(project: Project, a_run: Run, capsys: Output) -> None:
    """Escape codes in an answer do not reach my terminal."""
    assert run(["ask", str(project.folder), "escape \x1b[2J"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(("prompt", "code"), [("fail", 1), ("crash", 1)])
def test_models_that_fail_exit_with_one(project: Project, a_run: Run, capsys: Output, prompt: str, code: int) -> None:
    """Exit code 1 and the reason as JSON on stderr; nothing on stdout."""
    found, report, told = result(capsys, "ask", str(project.folder), prompt, "--json")
    assert (found, report) == (code, None) and json.loads(told)["error"]


def test_nothing_trained_yet(project: Project, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the command that trains."""
    code, report, told = result(capsys, "evaluate", str(project.folder), "--json")
    assert (code, report) == (2, None) and "smoltui train" in json.loads(told)["hint"]


@pytest.fixture
def quick_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "probe.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(devices, "PROBE", script)


def test_check_says_what_the_room_says(
    project: Project, quick_probe: None, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For CI: accelerators, packages, torch, account and verdict as one object; a missing login is not an error."""

    async def nobody() -> Account:
        raise NotLoggedInError("You are not logged in to the Hub", "Run: hf auth login")

    async def ada() -> Account:
        return Account("ada", can_pay=True, token_role="write")

    monkeypatch.setattr(hub, "account", nobody)
    code, report, told = result(capsys, "check", str(project.folder), "--json")
    assert code == 0 and not told
    assert report["account"] == {"error": "You are not logged in to the Hub", "hint": "Run: hf auth login"}
    assert report["torch"]["devices"][0]["name"] == "NVIDIA Test" and report["memory"]["total"] > 0
    assert isinstance(report["accelerators"], list) and len(report["verdict"]) == 4
    textual = next(package for package in report["packages"] if package["name"] == "textual")
    assert textual["fits"] and textual["wanted"] == "==8.2.8"
    monkeypatch.setattr(hub, "account", ada)
    assert run(["check", str(project.folder)]) == 0
    told = capsys.readouterr().out
    assert "ada, unknown plan, token role write, can pay" in told and "Jobs: ready, logged in as ada" in told
