"""Columns of a comparison: runs, checkpoints, folders, adapters and Hub ids."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation.columns import candidates, column_of_place, column_of_run, compare_run
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.column import Column
from smoltui.errors import InputError
from tests.backends.evaluation.project import make_project, trained


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def checkpoint(folder: Path, step: int) -> Path:
    """A folder that looks like a checkpoint without the optimizer, as with save_only_model."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def test_folders_and_hub_ids(project: Project) -> None:
    """Relative to the project, with a revision, and never two columns of one name."""
    model = column_of_place(project, "model")
    assert model == Column("model", str(project.folder / "model"))
    assert column_of_place(project, "model", [model]).name == "model-2"
    assert column_of_place(project, "me/m@v1.0") == Column("me/m@v1.0", "me/m", "v1.0")


def test_an_adapter_shares_its_base(project: Project) -> None:
    adapter = project.folder / "lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "model"}')
    assert column_of_place(project, "lora") == Column("lora", str(project.folder / "model"), adapter=str(adapter))
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "me/base"}')
    assert column_of_place(project, "lora").path == "me/base"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "neither a folder nor a model"),
        ("./gone/model", "neither a folder nor a model"),
        ("me/my model", "neither a folder nor a model"),
        ("a/b/c", "neither a folder nor a model"),
        ("pairs", "no model in this folder"),
        ("lost", "names no base model"),
    ],
)
def test_what_is_no_model(project: Project, place: str, said: str) -> None:
    (project.folder / "lost").mkdir()
    (project.folder / "lost" / "adapter_config.json").write_text("{")
    with pytest.raises(InputError, match=said):
        column_of_place(project, place)


def test_candidates_are_runs_and_their_own_checkpoints(project: Project) -> None:
    """The newest checkpoint first; the run whose model is compared already keeps its column."""
    run = replace(trained(project), created_at=1.0, output_dir=str(project.folder / "out"))
    for step in (20, 40):
        checkpoint(project.folder / "out", step)
    (project.folder / "out" / "checkpoint-60").mkdir()  # not complete
    comparison = compare_run(project, run)
    found = [one.column.name for one in candidates(project, comparison, [run], {HERE.name})]
    assert found == ["reference", "aligned", f"{run.id}@40", f"{run.id}@20"]
    assert column_of_run(project, run) == replace(comparison.aligned or Column(""), name=run.id)


def test_a_run_that_was_deleted_is_no_candidate(project: Project) -> None:
    run = trained(project)
    comparison = compare_run(project, run)
    for path in (project.folder / "out").iterdir():
        path.unlink()
    assert [one.column.name for one in candidates(project, comparison, [run], {HERE.name})] == ["reference"]
