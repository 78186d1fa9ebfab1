"""What `smoltui SOMETHING` means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.guide.opening import Kind, find_target
from smoltui.backends.runs import store
from smoltui.backends.system import data_folder
from smoltui.errors import InputError


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a file of pairs, a project below it, and a run and a Job of that project."""
    (tmp_path / "my_pairs.jsonl").write_text("{}\n")
    (tmp_path / "notes.md").write_text("x")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "recipe.yaml").write_text("beta: 0.1\n")
    (inner / "more.csv").write_text("a,b\n")
    spec = {"name": "first", "label": "abcdef0123456789", "project": str(inner)}
    data_folder.private_folder(store.runs_folder() / "0a1b2c3d")
    (store.runs_folder() / "0a1b2c3d" / "spec.json").write_text(json.dumps(spec))
    data_folder.private_folder(data_folder.home() / "jobs")
    job = {"id": "6871c0ffee", "spec": {**spec, "name": "second", "label": "x"}}
    (data_folder.home() / "jobs" / "6871c0ffee.json").write_text(json.dumps(job))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "kind", "folder", "what"),
    [
        (".", Kind.PROJECT, "", ""),
        ("inner", Kind.PROJECT, "inner", ""),
        ("inner/recipe.yaml", Kind.PROJECT, "inner", ""),
        ("my_pairs.jsonl", Kind.PAIRS, "", "my_pairs.jsonl"),
        ("inner/more.csv", Kind.PAIRS, "inner", "inner/more.csv"),
        ("*.jsonl", Kind.PAIRS, "", "*.jsonl"),
        ("0a1b2c3d", Kind.RUN, "inner", "0a1b2c3d"),
        ("first", Kind.RUN, "inner", "0a1b2c3d"),
        ("abcdef0123456789", Kind.RUN, "inner", "0a1b2c3d"),
        ("6871c0ffee", Kind.RUN, "inner", "6871c0ffee"),
        ("ada/pairs", Kind.HUB, "", "ada/pairs"),
        ("https://huggingface.co/datasets/ada/pairs", Kind.HUB, "", "https://huggingface.co/datasets/ada/pairs"),
    ],
)
def test_each_thing_is_recognized(here: Path, typed: str, kind: Kind, folder: str, what: str) -> None:
    """Folders, files, patterns, runs by id, name and label, and names on the Hub; each with its project."""
    found = find_target(typed, here)
    assert (found.kind, found.folder) == (kind, here / folder if folder else here)
    assert (found.source.removeprefix(f"{here}/") or found.run_id) == what


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("my_pair.jsonl", "Did you mean my_pairs.jsonl?"),
        ("./innr", "Did you mean inner?"),
        ("trian", "Did you mean train?"),
        ("/nowhere/at/all", "No such file or folder: /nowhere/at/all."),
        ("notes.md", "cannot be read as pairs"),
        ("a b", "No such file, folder, run or command: a b."),
    ],
)
def test_what_does_not_exist(here: Path, typed: str, said: str) -> None:
    """One sentence, with the nearest match if there is one."""
    with pytest.raises(InputError) as error:
        find_target(typed, here, words=["train", "pairs"])
    assert said in error.value.message and error.value.hint


def test_inside_a_running_app_the_project_stays(here: Path) -> None:
    """Pairs that I open while I am in a project are opened there, wherever they are."""
    found = find_target(str(here / "my_pairs.jsonl"), here / "inner", here / "inner")
    assert (found.kind, found.folder) == (Kind.PAIRS, here / "inner")
