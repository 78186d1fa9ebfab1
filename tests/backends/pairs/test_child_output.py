"""Children of the app answer in JSON lines, and no secret of this machine is in them."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import child_output
from smoltui.backends.pairs.child_output import Line, Progress, run_child
from smoltui.backends.pairs.import_set import spec_as_json
from smoltui.errors import InputError

SECRET = "plain-words-99"
"""Recognized by no shape, so it is only redacted if it is registered."""


def request_import(folder: Path) -> list[str]:
    request = {"spec": spec_as_json(PairsSpec(f"./{SECRET}.jsonl")), "base": str(folder), "stamp": []}
    (folder / "request.json").write_text(json.dumps(request))
    return [str(folder)]


def request_audit(folder: Path) -> list[str]:
    request = folder / "request.json"
    asked = {"store": str(folder / SECRET), "max_length": None, "tokens": None, "project": None, "held_out": None}
    request.write_text(json.dumps(asked))
    return [str(request)]


def request_counts(folder: Path) -> list[str]:
    return [str(folder), str(folder / SECRET)]


@pytest.mark.parametrize(
    ("module", "request_of"),
    [("import_set", request_import), ("audit", request_audit), ("count_tokens", request_counts)],
)
@pytest.mark.parametrize("stored", [False, True])
def test_an_error_shows_no_token(
    module: str, request_of: object, stored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """My token is in a path that an error names, from HF_TOKEN or from `hf auth login`: it is redacted."""
    assert callable(request_of)
    if stored:
        (tmp_path / "token").write_text(SECRET)
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    else:
        monkeypatch.setenv("HF_TOKEN", SECRET)
    command = [sys.executable, "-m", f"smoltui.backends.pairs.{module}", *request_of(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == child_output.FAILED, child.stderr
    answer = json.loads(child.stdout)
    assert "***" in answer["error"] + answer["hint"]
    assert SECRET not in child.stdout + child.stderr


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own process must not give way for good, nor lose pandas."""
    monkeypatch.setattr("smoltui.backends.pairs.child_output.os.nice", lambda by: 0)
    monkeypatch.setattr("smoltui.backends.pairs.child_output.block_pandas", lambda: None)


@pytest.mark.usefixtures("in_this_process")
def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> Line:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert run_child(work, lambda error: InputError(f"Not saved: {error.strerror}", "Free some space.")) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "Not saved: No space left on device",
        "hint": "Free some space.",
    }


@pytest.mark.usefixtures("in_this_process")
def test_what_is_done_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_child(lambda: {"done": 5, "name": "\ud800"}, lambda error: InputError("unused")) == 0
    printed = capsys.readouterr().out
    assert printed.isascii() and json.loads(printed) == {"done": 5, "name": "\ud800"}


def test_progress_leaves_out_most_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.1, 10.15, 10.3, 10.4])
    monkeypatch.setattr("smoltui.backends.pairs.child_output.time.monotonic", lambda: next(times))
    progress = Progress()
    for rows in range(5):
        progress({"rows": rows})
    assert [json.loads(line)["rows"] for line in capsys.readouterr().out.splitlines()] == [0, 3]
