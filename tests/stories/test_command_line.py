"""The command line: stable JSON on stdout, one sentence and a next step on stderr, exit codes that scripts can use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends import preflight_facts
from smoltui.backends.local_engine import LocalEngine
from smoltui.backends.services import Services
from smoltui.cli import run
from smoltui.cli import runs as runs_module
from smoltui.core.run import Run
from smoltui.errors import NotLoggedInError
from tests.fake_training import RECIPE_KEYS

SCRIPT = Path(__file__).parents[1] / "fake_training.py"


class NoJobs(LocalEngine):
    name = "hub"

    async def list_runs(self) -> list[Run]:
        raise NotLoggedInError("No token on this machine", "Log in: hf auth login")

    async def get(self, run_id: str) -> Run:
        raise NotLoggedInError("No token on this machine", "Log in: hf auth login")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose training is played by a script without torch."""
    (tmp_path / "recipe.yaml").write_text(
        "model_name_or_path: model\ndataset_name: pairs\noutput_dir: aligned\nsteps: 4\n"
    )
    engines = Services({"local": LocalEngine(SCRIPT), "hub": NoJobs()})
    monkeypatch.setattr(runs_module, "default_services", lambda: engines)

    async def no_checks(*_: object) -> None:
        """The recipe holds keys of the played training that TRL does not know."""

    monkeypatch.setattr(preflight_facts, "check_spec", no_checks)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str]) -> tuple[list[Any], str]:
    """The JSON documents on stdout, one a line, and the text on stderr."""
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_training_speaks_json_to_its_end(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I train in a script: every line of stdout is an event, and the last one says where the model is."""
    assert run(["train", str(project), "--json"]) == 0
    lines, _ = output(capsys)
    assert all("event" in line for line in lines)
    assert [line["step"] for line in lines if line["event"] == "metrics"] == [1, 2, 3, 4]
    end = lines[-1]
    assert (end["event"], end["stage"], end["output_dir"]) == ("end", "COMPLETED", str(project / "aligned"))
    assert run(["ps", "--json"]) == 0
    ((listed,), note) = output(capsys)
    assert [(one["id"], one["engine"], one["stage"]) for one in listed] == [(end["run"], "local", "COMPLETED")]
    assert len(listed[0]["curve"]) == 4
    assert json.loads(note)["hint"] == "Log in: hf auth login"


def test_a_second_training_does_not_overwrite_the_first(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--json"]) == 0
    capsys.readouterr()
    assert run(["train", str(project), "--json"]) == 2
    lines, error = output(capsys)
    assert lines == [] and "already holds a model" in json.loads(error)["error"]
    assert "aligned-2" in json.loads(error)["hint"]
    assert run(["train", str(project), "--json", "--output-dir", "aligned-2"]) == 0


def test_a_failed_run_exits_with_1_and_its_cause(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--set", "end=fail"]) == 1
    error = capsys.readouterr().err
    assert "Not enough memory" in error and "Halve the batch size" in error and "Traceback" not in error


def test_nan_is_a_word_in_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--set", "end=nan", "--json"]) == 0
    lines, _ = output(capsys)
    assert [line["values"]["loss"] for line in lines if line["event"] == "metrics"][2:] == ["NaN", "NaN"]


def test_logs_inspect_and_cancel(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I start a long run, look at it from elsewhere, and stop it."""
    assert run(["train", str(project), "--set", "end=hang", "--detach", "--json"]) == 0
    lines, _ = output(capsys)
    run_id = lines[-1]["run"]
    log = Path(os.environ["SMOLTUI_HOME"], "runs", run_id, "log")
    while '"metrics"' not in log.read_text():
        time.sleep(0.05)
    assert run(["inspect", run_id, "--json"]) == 0
    ((found,), _) = output(capsys)
    assert found["stage"] == "RUNNING" and found["spec"]["project"] == str(project)
    assert run(["cancel", run_id, "--json"]) == 0
    ((stopped,), _) = output(capsys)
    assert stopped["stage"] == "CANCELED"
    assert run(["logs", run_id, "--follow"]) == 130
    assert "a warning of a library" in capsys.readouterr().out


def test_ctrl_c_cancels_a_followed_run(project: Path, tmp_path: Path) -> None:
    """I press ctrl+c in a followed training: it is cancelled and the exit code is 130."""
    code = (
        "import sys; from smoltui.cli import run, runs; from smoltui.backends import preflight_facts\n"
        "from smoltui.backends.services import Services; from smoltui.backends.local_engine import LocalEngine\n"
        "from pathlib import Path\n"
        f"engine = LocalEngine(Path({str(SCRIPT)!r}))\n"
        "runs.default_services = lambda: Services({'local': engine})\n"
        "async def none(*_): pass\n"
        "preflight_facts.check_spec = none\n"
        f"sys.exit(run(['train', {str(project)!r}, '--set', 'end=hang', '--json']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if '"metrics"' in line:
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    runs_folder = Path(os.environ["SMOLTUI_HOME"], "runs")
    (status,) = [json.loads((folder / "status.json").read_text()) for folder in runs_folder.iterdir()]
    assert "cancel_requested_at" in status and "exit_code" in status


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "/nowhere"], 2, "no such project folder"),
        (["logs", "deadbeef"], 3, "No token"),
        (["ps", "--on", "hub"], 3, "No token"),
        (["nonsense"], 2, "neither a project folder nor a command"),
        (["train", ".", "--set", "novalue"], 2, "KEY=VALUE"),
        (["ps", "--nope"], 2, "No such option"),
        (["pairs", "/nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["recipe", "check", "/"], 2, "recipe"),
    ],
)
def test_wrong_use_is_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, words: str,
) -> None:  # fmt: skip
    """Whatever I get wrong, I read one sentence, never a traceback; with --json it is an object."""
    monkeypatch.chdir(project)
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    if arguments == ["nonsense"]:
        return  # it would be the app, which has no --json
    assert run([*arguments, "--json"]) == code
    lines, error = output(capsys)
    assert lines == [] and words in json.loads(error.splitlines()[-1])["error"]


def test_a_timeout_that_jobs_does_not_know_is_told_with_the_right_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(project), "--on", "hub", "--timeout", "1h30m", "--yes", "--json"]) == 2
    assert "90m" in json.loads(capsys.readouterr().err)["hint"]


def test_a_job_is_not_paid_for_without_a_yes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--on", "hub", "--json"]) == 2
    assert "--yes" in json.loads(capsys.readouterr().err)["hint"]


def test_without_a_terminal_the_app_points_to_the_commands(project: Path) -> None:
    """`smoltui > file` does not draw on a screen that is not there."""
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "smoltui", str(project)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 2 and "needs a terminal" in done.stderr and time.monotonic() - before < 10


def test_the_played_training_uses_no_key_of_trl_by_chance() -> None:
    """The keys that steer the played training mean nothing to TRL."""
    from smoltui.core.recipe import snapshot

    assert not RECIPE_KEYS & set(snapshot().keys)
