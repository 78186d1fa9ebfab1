"""Known runs: ids and names from the records of this machine, whatever else is in its folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from smoltui.backends.runs.known import KnownRun, known_runs


def record(path: Path, data: object, age: float) -> None:
    """A record, last changed `age` seconds ago; text that is not JSON as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    at = path.stat().st_mtime - age
    os.utime(path, (at, at))


def test_runs_and_jobs_newest_first(own_machine: Path) -> None:
    home = own_machine / "smoltui"
    assert known_runs() == []
    record(home / "runs" / "aaaa1111" / "spec.json", {"name": "first"}, 0)
    record(home / "runs" / "bbbb2222" / "spec.json", "{broken", 0)
    record(home / "jobs" / "old.json", {"id": "old", "spec": {"name": "a Job"}}, 60)
    record(home / "jobs" / "new.json", {"id": "new", "spec": {"name": ["no text"]}}, 0)
    found = known_runs()
    assert set(found[:2]) == {KnownRun("aaaa1111", "first"), KnownRun("bbbb2222", "")}
    assert found[2:] == [KnownRun("new", ""), KnownRun("old", "a Job")]


@pytest.mark.parametrize("name", ["$(touch x)", "a b", "*", "-"])
def test_a_name_that_a_shell_would_expand_is_no_id(own_machine: Path, name: str) -> None:
    record(own_machine / "smoltui" / "runs" / name / "spec.json", {"name": "hostile"}, 0)
    assert [run.id for run in known_runs()] == ([name] if name == "-" else [])
