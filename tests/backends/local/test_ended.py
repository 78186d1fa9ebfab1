"""A run that has ended is listed from what was saved of it, unless something about it has changed."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.local import ended
from smoltui.backends.local import log as run_log
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.saved_ends import NAME, SavedEnds
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING

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


def saved(folder: Path) -> dict[str, Any]:
    data = SavedEnds().get(folder.name)
    assert data is not None
    return data


def test_what_was_saved_is_what_was_found_and_no_log_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = listed()
    assert saved(folder)["step"] == 4
    monkeypatch.delattr(run_log.RunLog, "read")
    again = listed()
    assert shown(again) == shown(first) and again.health is not None and again.health.sentence == "The loss rose"
    assert again.history.series["loss"] == [(4, 0.25)] and not again.resumable


def test_a_run_that_is_asked_for_alone_is_saved_too(folder: Path) -> None:
    assert LocalEngine()._get(folder.name).step == saved(folder)["step"] == 4


@pytest.mark.parametrize("name", ["spec.json", "launch.json", "status.json", "log"])
def test_a_change_is_noticed(folder: Path, name: str) -> None:
    listed()
    with (folder / name).open("a") as file:
        file.write("\n")
    assert ended.from_saved(folder, saved(folder)) is None
    assert listed().stage == "ERROR"


def test_values_of_the_wrong_type_are_ignored(folder: Path) -> None:
    listed()
    data = saved(folder)
    assert ended.from_saved(folder, data) is not None
    for name, value in {"step": "4", "labels": [1], "stage": "RUNNING", "lasts": 5, "resumable": True}.items():
        assert ended.from_saved(folder, {**data, name: value}) is None, name


@pytest.mark.parametrize("data", ["", "[]", "{", '{"version": 1}', "[" * 100_000, "x" * 300_000, "\0\t\n\t"])
def test_a_broken_file_is_ignored_and_replaced(folder: Path, data: str) -> None:
    before = shown(listed())
    path = data_folder.home() / NAME
    for broken in (data, f'"{folder.name}"\t{data}\n'):
        path.write_text(broken)
        assert ended.from_saved(folder, SavedEnds().get(folder.name)) is None
        assert shown(listed()) == before
        assert saved(folder)["step"] == 4


def test_where_nothing_can_be_saved_it_is_worked_out_each_time(folder: Path) -> None:
    path = data_folder.home() / NAME
    path.mkdir()
    assert shown(listed()) == shown(listed())
    assert SavedEnds().get(folder.name) is None and path.is_dir()


def test_a_run_whose_folder_was_deleted_is_forgotten(folder: Path) -> None:
    listed()
    shutil.copytree(folder, odd := folder.with_name('odd "name"\t\udcff'))
    assert len(LocalEngine()._list()) == 2 and saved(odd)["name"] == "n"
    shutil.rmtree(folder)
    assert listed().id == odd.name
    assert SavedEnds().get(folder.name) is None and saved(odd)["name"] == "n"


def test_what_another_process_saved_meanwhile_is_kept(folder: Path) -> None:
    mine, theirs = SavedEnds(), SavedEnds()
    assert mine.get("a") is None
    theirs.put("b", {"name": "theirs"})
    theirs.write()
    mine.put("a", {"name": "mine"})
    mine.write()
    assert SavedEnds().get("a") == {"name": "mine"} and SavedEnds().get("b") == {"name": "theirs"}
    assert (data_folder.home() / NAME).stat().st_mode & 0o077 == 0


def test_a_huge_one_is_not_saved(folder: Path) -> None:
    ends = SavedEnds()
    ends.put("huge", {"name": "x" * 300_000})
    ends.put("small", {"name": "\ud800"})
    ends.write()
    assert SavedEnds().get("huge") is None and SavedEnds().get("small") == {"name": "\ud800"}


def test_half_written_files_of_killed_processes_are_deleted(folder: Path) -> None:
    home = data_folder.home()
    half, theirs = home / f".{NAME}.999999999-1", home / ".bashrc.json.999999999-1"
    alive = home / f".{NAME}.{os.getpid()}-1"
    for path in (half, theirs, alive):
        path.touch()
    with run_store.locked():
        pass
    assert not half.exists() and theirs.exists() and alive.exists()


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "a\\b"])
async def test_a_folder_that_can_be_no_run_is_passed_over(folder: Path, name: str, own_machine: Path) -> None:
    """A notebook or a file browser made it: what is there is listed, and the next run starts."""
    (folder.parent / name).mkdir()
    (folder.parent / name / "spec.json").write_text("{}")
    assert listed().id == folder.name
    spec = RunSpec("try", str(own_machine), "steps: 3", str(own_machine / "aligned"), "l1")
    made = await LocalEngine(FAKE_TRAINING).submit(spec)
    assert {run.id for run in LocalEngine()._list()} == {folder.name, made.id}


def test_an_id_that_no_file_can_have_is_none() -> None:
    with pytest.raises(InputError, match="Not a run id"):
        LocalEngine()._get("x" * 300)


def test_a_run_that_had_finished_is_complete_though_its_supervisor_was_killed(folder: Path) -> None:
    """It was killed between the last line of the script and its own record."""
    data = data_folder.read_json(folder / "status.json") or {}
    data_folder.write_json(folder / "status.json", {key: data[key] for key in ("attempt", "started_at")})
    with (folder / "log").open("a") as log:
        log.write(events.dump(events.Finished(step=3, max_steps=4)) + "\n")
    assert listed().stage == "ERROR"
    with (folder / "log").open("a") as log:
        log.write(events.dump(events.Finished(step=4, max_steps=4, seconds=9.0)) + "\n")
    run = listed()
    assert (run.stage, run.message, run.hint) == ("COMPLETED", None, None)
    assert run.finished_at == (folder / "log").stat().st_mtime


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "Free some space there"), (errno.EROFS, "Make it writable")]
)
def test_the_next_step_fits_why_it_cannot_be_written(code: int, words: str) -> None:
    assert data_folder.make_writable(OSError(code, "x")).startswith(f"{words}, or set SMOLTUI_HOME")
