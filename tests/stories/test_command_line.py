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

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import chains, followed, monitor
from smoltui.backends.runs import preflight as preflight_facts
from smoltui.backends.services import Services
from smoltui.cli import runs as runs_module
from smoltui.cli import train as train_module
from smoltui.cli.main import run
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run
from smoltui.errors import NotLoggedInError, RunFailedError
from tests.fake_training import RECIPE_KEYS
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING


class NoJobs(LocalEngine):
    place = JOBS

    async def list_runs(self) -> list[Run]:
        raise NotLoggedInError("No token on this machine", "Log in: hf auth login")

    async def get(self, run_id: str) -> Run:
        raise NotLoggedInError("No token on this machine", "Log in: hf auth login")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose training is simulated by a script without torch."""
    (tmp_path / "recipe.yaml").write_text(
        "model_name_or_path: model\ndataset_name: pairs\noutput_dir: aligned\nsteps: 4\n"
    )
    engines = Services({"local": LocalEngine(SCRIPT), "hub": NoJobs()})
    for module in (runs_module, train_module):
        monkeypatch.setattr(module, "default_services", lambda *_: engines)

    async def no_checks(*_: object, force: bool) -> list[object]:
        """The recipe has keys of the simulated training that TRL does not know."""
        return []

    monkeypatch.setattr(preflight_facts, "check_plan", no_checks)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str]) -> tuple[list[Any], str]:
    """The JSON documents on stdout, one per line, and the text on stderr."""
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
    assert lines == [] and "already contains a model" in json.loads(error)["error"]
    assert "aligned-2" in json.loads(error)["hint"]
    assert run(["train", str(project), "--json", "--output-dir", "aligned-2"]) == 0


def test_a_failed_run_exits_with_1_and_its_cause(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--set", "end=fail"]) == 1
    error = capsys.readouterr().err
    assert "Not enough memory" in error and "Halve the batch size" in error and "Traceback" not in error


def test_a_failed_run_is_an_error_object_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the events end as usual, and stderr has the cause and a hint."""
    assert run(["train", str(project), "--set", "end=fail", "--json"]) == 1
    lines, error = output(capsys)
    assert (lines[-1]["event"], lines[-1]["stage"]) == ("end", "ERROR")
    assert json.loads(error) == {
        "error": "Not enough memory on this machine: 2 GiB more were asked for",
        "hint": "Halve the batch size",
    }


def test_warnings_are_told_before_the_start(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Problems that may spoil my run, but do not stop it, are on stderr with their fix."""

    async def checks(*_: object, force: bool) -> list[Check]:
        return [Check("push_to_hub", Level.WARN, "the model will be lost", "Write push_to_hub: true")]

    monkeypatch.setattr(preflight_facts, "check_plan", checks)
    assert run(["train", str(project), "--json"]) == 0
    lines, error = output(capsys)
    assert all("event" in line for line in lines)
    assert json.loads(error) == {"warning": "the model will be lost", "hint": "Write push_to_hub: true"}
    assert run(["train", str(project), "--overwrite"]) == 0
    assert "Warning: the model will be lost" in capsys.readouterr().err


def test_a_log_is_read_in_words_and_its_tail_is_short(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I read a log: the library's lines and sentences, no JSON; --tail prints only that many lines."""
    assert run(["train", str(project), "--json"]) == 0
    run_id = output(capsys)[0][-1]["run"]
    assert run(["logs", run_id]) == 0
    told = capsys.readouterr().out
    assert "a warning of a library" in told and "step 4/4  loss 0.660" in told and '{"event"' not in told
    assert run(["logs", run_id, "--tail", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert run(["logs", run_id, "--tail", "3", "--json"]) == 0
    assert [line["event"] for line in output(capsys)[0]] == ["moved", "saved", "finished", "stage"]
    assert run(["logs", run_id, "--tail", "-1"]) == 2


def test_a_broken_line_is_named_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line of my pairs is truncated: I read which one at once, not in a library's traceback a minute later."""
    assert run(["demo", str(tmp_path / "d"), "--no-open"]) == 0
    with (tmp_path / "d" / "pairs" / "train.jsonl").open("a") as pairs:
        pairs.write('{"prompt": "cut')
    capsys.readouterr()
    assert run(["train", str(tmp_path / "d"), "--json"]) == 2
    lines, error = output(capsys)
    assert lines == [] and "train.jsonl line 769 is not a JSON object" in json.loads(error)["error"]


def test_a_reader_that_leaves_ends_the_command_quietly(project: Path, tmp_path: Path) -> None:
    """`smoltui recipe show | head -1` reports no broken pipe, and does not fail."""
    command = [sys.executable, "-m", "smoltui", "recipe", "show", str(tmp_path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_output_that_cannot_be_written_is_one_sentence(project: Path, tmp_path: Path) -> None:
    """The disk for my output is full: a sentence and exit code 2, no traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "smoltui", "recipe", "show", str(tmp_path), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2 and "No space left" in json.loads(done.stderr)["error"]


def test_a_home_folder_of_nobody_is_a_folder_that_is_not_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("train", "check", "pairs", "evaluate"):
        assert run([command, "~nobody-at-all/x"]) == 2
        assert "~nobody-at-all/x" in capsys.readouterr().err


def test_a_mistake_of_our_own_is_a_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own_machine: Path
) -> None:
    """No traceback on the screen; it is in a file without tokens, and only the newest files are kept."""

    def broken(self: LocalEngine) -> None:
        raise KeyError(f"hf_{34 * 'a'}")

    monkeypatch.setattr(LocalEngine, "list_runs", broken)
    for number in range(30):
        (own_machine / "smoltui" / "crashes").mkdir(parents=True, exist_ok=True)
        (own_machine / "smoltui" / "crashes" / f"2020{number:02}.txt").touch()
    assert run(["ps", "--json"]) == 70
    lines, errors = output(capsys)
    assert not lines and "Internal error: KeyError" in json.loads(errors)["error"]
    kept = sorted((own_machine / "smoltui" / "crashes").glob("*.txt"))
    assert len(kept) == 20 and "in broken" in kept[-1].read_text() and "hf_aaa" not in kept[-1].read_text()
    monkeypatch.setenv("SMOLTUI_HOME", str(project / "recipe.yaml"))
    assert run(["ps"]) == 70
    assert "could not be written" in output(capsys)[1]


def test_nan_is_a_word_in_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--set", "end=nan", "--json"]) == 0
    lines, _ = output(capsys)
    assert [line["values"]["loss"] for line in lines if line["event"] == "metrics"][2:] == ["NaN", "NaN"]


def test_logs_inspect_and_cancel(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I start a long run, look at it from another terminal, and stop it."""
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
    """I press ctrl+c while following a run: it is cancelled, and the exit code is 130."""
    code = (
        "import sys; from smoltui.cli import train; from smoltui.cli.main import run\n"
        "from smoltui.backends.runs import preflight as preflight_facts\n"
        "from smoltui.backends.services import Services; from smoltui.backends.local.engine import LocalEngine\n"
        "from pathlib import Path\n"
        f"engine = LocalEngine(Path({str(SCRIPT)!r}))\n"
        "train.default_services = lambda: Services({'local': engine})\n"
        "async def none(*_, **__): return []\n"
        "preflight_facts.check_plan = none\n"
        f"sys.exit(run(['train', {str(project)!r}, '--set', 'end=hang', '--json']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test in the background ignores it
    )
    assert process.stdout is not None
    for line in process.stdout:
        if '"metrics"' in line:
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    runs_folder = Path(os.environ["SMOLTUI_HOME"], "runs")
    (status,) = [json.loads((folder / "status.json").read_text()) for folder in runs_folder.iterdir()]
    assert "cancel_requested_at" in status and "exit_code" in status


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "/nowhere"], 2, "No such project folder"),
        (["logs", "deadbeef"], 3, "No token"),
        (["logs", "deadbeef"], 3, "it is not on this machine: deadbeef"),
        (["cancel", ""], 2, "run id is empty"),
        (["ps", "--on", "hub"], 3, "No token"),
        (["nonsense"], 2, "No such file, folder, run or command"),
        (["train", ".", "--set", "novalue"], 2, "KEY=VALUE"),
        (["ps", "--nope"], 2, "No such option"),
        (["pairs", "/nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["recipe", "check", "/"], 2, "recipe"),
    ],
)
def test_wrong_use_is_one_sentence(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    """For any mistake I read one sentence, never a traceback; with --json it is an object."""
    monkeypatch.chdir(project)
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert run([*arguments, "--json"]) == code
    lines, error = output(capsys)
    assert lines == [] and words in json.loads(error.splitlines()[-1])["error"]


def test_a_timeout_that_jobs_does_not_know_is_told_with_the_right_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(project), "--on", "hub", "--timeout", "1h30m", "--yes", "--json"]) == 2
    assert "90m" in json.loads(capsys.readouterr().err)["hint"]


def test_without_a_token_no_job_is_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(project), "--on", "hub", "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["hint"] == "Log in: hf auth login"


def test_without_a_terminal_the_app_points_to_the_commands(project: Path) -> None:
    """`smoltui > file` does not draw without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "smoltui", str(project)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 2 and "needs an interactive terminal" in done.stderr


def test_the_played_training_uses_no_key_of_trl_by_chance() -> None:
    """TRL does not know the keys that control the simulated training."""
    from smoltui.core.recipe import snapshot

    assert not RECIPE_KEYS & set(snapshot().keys)


def test_train_then_ask(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """I start both with one command. stdout is as without it; a step that fails fails the command."""
    asked: list[str] = []

    async def do(step: Step, chain: Chain) -> None:
        asked.append(chain.run_id)
        if len(asked) == 2:
            raise RunFailedError("no prompts")

    monkeypatch.setattr(chains, "do", do)
    assert run(["train", str(project), "--then", "ask", "--json"]) == 0
    lines, error = output(capsys)
    assert asked == [lines[-1]["run"]] and lines[-1]["event"] == "end" and error == ""
    assert [step.stage for step in chains.read_all()[asked[0]].steps] == ["COMPLETED"]
    assert run(["train", str(project), "--then", "ask", "--overwrite"]) == 1
    error = capsys.readouterr().err
    assert "The run completed, but ask failed: no prompts" in error
    assert f"Try again: smoltui ask {project} --run {asked[1]}" in error
    assert run(["train", str(project), "--then", "ask", "--set", "end=fail", "--overwrite"]) == 1
    assert len(asked) == 2 and len(chains.read_all()) == 3


@pytest.mark.slow
def test_what_follows_a_run_needs_no_app(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I start both and log out: the run's supervisor sees to the next step, which finds no prompts here."""
    (project / "prompts.txt").write_text("")
    assert run(["train", str(project), "--then", "ask", "--detach"]) == 0
    assert "even with the app closed" in capsys.readouterr().err
    (run_id,) = chains.read_all()
    until = time.monotonic() + 60
    while (step := chains.read_all()[run_id].steps[0]).finished_at is None and time.monotonic() < until:
        time.sleep(0.1)
    assert step.stage == "ERROR" and (step.message or "").startswith("This file has no prompts")


def test_rules_warn_while_i_follow(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is NaN: I am warned once, on stderr, before the run ends."""
    monkeypatch.setattr(monitor, "RULES_SECONDS", 0.05)
    monkeypatch.setattr(followed, "TELL_SECONDS", 0.0)
    long = ["--set", "end=nan", "--set", "steps=8", "--set", "pause=0.1"]
    assert run(["train", str(project), *long, "--json"]) == 0
    lines, error = output(capsys)
    assert len([line for line in lines if line["event"] == "metrics"]) == 8
    assert "The loss has been NaN or infinite since step 3" in json.loads(error)["warning"]
    (project / "smoltui.toml").write_text("[watch]\nnan = false\n")
    assert run(["train", str(project), *long, "--overwrite"]) == 0
    assert "not a number" not in capsys.readouterr().err
