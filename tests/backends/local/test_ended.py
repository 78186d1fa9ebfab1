"""A run that has ended is listed from one small file, unless something about it has changed."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from smoltui.backends.local import ended
from smoltui.backends.local import log as run_log
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run

PLAN = events.Planned(max_steps=4, train_pairs=8, device="cpu", beta=0.1)
HEALTH = events.HealthChanged(rule="rising", level="broken", word="rising", sentence="The loss rose", act="Stop")
SAID = [PLAN, events.Metrics(step=4, values={"loss": 0.25, "grad_norm": float("nan")}), HEALTH]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that failed, with a checkpoint from which it can be resumed."""
    path, descriptor = run_store.new_run_dir()
    os.close(descriptor)
    kept = tmp_path / "out" / "checkpoint-2"
    spec = {"name": "n", "project": "/p", "recipe": "beta: 0.1", "output_dir": str(kept.parent), "labels": {"a": "b"}}
    data_folder.write_json(path / "spec.json", {**spec, "label": "l", "created_at": 1.7e9})
    data_folder.write_json(path / "launch.json", {"attempt": 1})
    status = {"attempt": 1, "started_at": 1.7e9, "finished_at": 1.7e9 + 60, "exit_code": 1}
    data_folder.write_json(path / "status.json", status)
    (path / "log").write_text("".join(f"{events.dump(event)}\n" for event in SAID) + "Traceback: boom\n")
    return path


def listed() -> Run:
    (run,) = LocalEngine()._list()
    return run


def shown(run: Run) -> dict[str, object]:
    kept = {item.name: getattr(run, item.name) for item in fields(Run) if item.name not in ("history", "raw")}
    lasts = {key: str(run.history.last(key)) for key in ("loss", "grad_norm")}
    return {**kept, "lasts": lasts, "spec": dict(run.raw["spec"]), "status": dict(run.raw["status"])}


def test_what_was_saved_is_what_was_found_and_no_log_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = listed()
    assert (folder / ended.NAME).exists()
    monkeypatch.delattr(run_log.RunLog, "read")
    again = listed()
    assert shown(again) == shown(first) and again.health is not None and again.health.sentence == "The loss rose"
    assert again.history.series["loss"] == [(4, 0.25)] and not again.resumable


@pytest.mark.parametrize("name", ["spec.json", "launch.json", "status.json", "log"])
def test_a_change_is_noticed(folder: Path, name: str) -> None:
    listed()
    with (folder / name).open("a") as file:
        file.write("\n")
    assert ended.load(folder) is None
    assert listed().stage == "ERROR"


@pytest.mark.parametrize("data", ["", "[]", "{", '{"version": 1}', "[" * 100_000, "x" * 300_000])
def test_a_broken_one_is_ignored(folder: Path, data: str) -> None:
    before = shown(listed())
    (folder / ended.NAME).write_text(data)
    assert ended.load(folder) is None
    assert shown(listed()) == before


def test_values_of_the_wrong_type_are_ignored(folder: Path) -> None:
    listed()
    saved = data_folder.read_json(folder / ended.NAME)
    assert saved is not None
    for name, value in {"step": "4", "labels": [1], "stage": "RUNNING", "lasts": 5, "resumable": True}.items():
        data_folder.write_json(folder / ended.NAME, {**saved, name: value})
        assert ended.load(folder) is None, name
