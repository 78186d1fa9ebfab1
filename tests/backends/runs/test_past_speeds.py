"""What earlier runs took on the same hardware is read from their records."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from smoltui.backends.runs.past_speeds import past_speeds
from smoltui.backends.runs.saved_ends import SavedEnds
from smoltui.backends.system import data_folder

SPEC = {"name": "n", "project": "/p", "recipe": "", "output_dir": "/o", "label": "l", "hardware": "CPU, 2 cores"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data_folder, "home", lambda: tmp_path)
    return tmp_path / "runs"


def ended(folder: Path, age: int, seconds: float, *, step: int = 48, resumed: bool = False, **spec: object) -> None:
    folder.mkdir(parents=True)
    path = folder / "spec.json"
    path.write_text(json.dumps({**SPEC, "expected_usual": 10.0, **spec}))
    os.utime(path, (1e9 - age, 1e9 - age))
    finished = {"event": "finished", "v": 1, "step": step, "max_steps": 48, "seconds": seconds}
    (folder / "summary.json").write_text(json.dumps({"finished": finished}))
    (folder / "launch.json").write_text(json.dumps({"resumed": "{}"} if resumed else {}))


def test_whole_runs_on_this_hardware_count_newest_first(runs: Path) -> None:
    assert past_speeds("CPU, 2 cores") == []
    ended(runs / "a", 2, 20.0)
    ended(runs / "b", 1, 5.0)
    ended(runs / "paused", 0, 1.0, step=3)
    ended(runs / "resumed", 0, 1.0, resumed=True)
    ended(runs / "elsewhere", 0, 1.0, hardware="A100")
    ended(runs / "unknown", 0, 1.0, expected_usual=0.0)
    (runs / "torn").mkdir()
    (runs / "torn" / "spec.json").write_text("{")
    assert past_speeds("CPU, 2 cores") == [(0.5, 10.0), (2.0, 10.0)]
    assert past_speeds("A100") == [(0.1, 10.0)] and past_speeds("") == []
    (runs / "a" / "summary.json").unlink()  # the log of a run that has ended is short
    for seconds, first in ((30.0, 3.0), (None, None), ("x", None)):
        ends = SavedEnds()
        ends.put("a", {"trained_seconds": seconds})
        ends.write()
        assert [run.ratio for run in past_speeds("CPU, 2 cores")] == [0.5, *([first] if first else [])]
    for number in range(9):
        ended(runs / f"more{number}", 3 + number, 10.0)
    assert [run.ratio for run in past_speeds("CPU, 2 cores")] == [0.5, *[1.0] * 9]
