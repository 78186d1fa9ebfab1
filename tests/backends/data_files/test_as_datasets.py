"""Whether `datasets` reads a set as the room does: where it says so, it is true; elsewhere training gets an export."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smoltui.backends.data_files.as_datasets import read_alike
from smoltui.backends.data_files.source import PairsSpec, open_pairs
from smoltui.backends.local.place import HERE
from smoltui.backends.pairs.curated import curate, curated_spec
from smoltui.backends.project.project import Project
from smoltui.backends.runs.plan import make_plan
from smoltui.core.recipe.values import file_kind
from tests.backends.data_files.test_tables import LINES, READ, ROWS, table, write
from tests.backends.runs.specs import make_spec
from tests.marks import needs_training

MORE: dict[str, tuple[str, bytes]] = {
    "plain lines": ("a.jsonl", LINES.encode()),
    "lines with a mark": ("a.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
    "lines that are called JSON": ("a.json", LINES.encode()),
    "a list": ("a.json", json.dumps(ROWS).encode()),
    "a list over several lines": ("a.json", json.dumps(ROWS, indent=1).encode()),
    "gzip": ("a.jsonl.gz", gzip.compress(LINES.encode())),
    "commas": ("a.csv", table(",").encode()),
}
FORMS = {**MORE, **READ}
ALIKE = {*MORE, "xz", "xz in two streams"} - {"commas"}


def project_of(folder: Path, file: str, data: bytes) -> Project:
    write(folder, {file: data})
    kind = file_kind(file)
    recipe = f"datasets:\n- {{path: {kind}, data_files: {file}, split: train}}\n"
    (folder / "recipe.yaml").write_text(f"model_name_or_path: m\noutput_dir: out\n{recipe}")
    return Project(folder)


@pytest.mark.parametrize("name", FORMS)
def test_which_files_are_read_alike(name: str, tmp_path: Path) -> None:
    write(tmp_path, {FORMS[name][0]: FORMS[name][1]})
    assert read_alike(PairsSpec(FORMS[name][0]), tmp_path) is (name in ALIKE)


@needs_training
@pytest.mark.parametrize("name", sorted(ALIKE))
def test_where_it_says_so_datasets_gives_the_same_rows(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    from datasets import load_dataset

    monkeypatch.chdir(tmp_path)
    write(tmp_path, {FORMS[name][0]: FORMS[name][1]})
    loaded = load_dataset("json", data_files=FORMS[name][0], split="train", cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ROWS == list(open_pairs(FORMS[name][0], base=tmp_path).rows(0, 9))


@pytest.mark.parametrize("name", sorted(set(FORMS) - ALIKE))
async def test_elsewhere_a_run_is_given_our_export(name: str, tmp_path: Path) -> None:
    """The rows that the room shows are those that are trained on, in their order."""
    project = project_of(tmp_path / "p", *FORMS[name])
    plan = await make_plan(project, HERE)
    assert plan.pairs.problem is None and plan.pairs.rows == 3
    spec = plan.spec
    assert spec.pairs_hash is not None and "exported as smoltui reads them" in (spec.pairs_from or "")
    found = curate(project, plan.values)
    assert found is not None
    trained = [json.loads(line) for line in (found.exported.folder / "train.jsonl").read_text("utf-8").splitlines()]
    assert trained == ROWS
    assert f"dataset_name: {found.exported.folder}" in spec.recipe and "datasets:" not in spec.recipe
    assert curated_spec(make_spec(project, HERE)).pairs_hash == spec.pairs_hash  # a run that is started again


async def test_what_datasets_reads_is_named_as_before(tmp_path: Path) -> None:
    project = project_of(tmp_path / "p", "a.jsonl", LINES.encode())
    assert curate(project, {"datasets": [{"path": "json", "data_files": "a.jsonl", "split": "train"}]}) is None
    assert (await make_plan(project, HERE)).spec.pairs_hash is None


def test_folders_and_names(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "train.parquet")
    assert read_alike(PairsSpec(str(tmp_path)), tmp_path)
    write(tmp_path, {"README.md": b"# Pairs"})
    assert read_alike(PairsSpec(str(tmp_path)), tmp_path)
    write(tmp_path, {"notes.txt": b"x"})
    assert not read_alike(PairsSpec(str(tmp_path)), tmp_path)
    (tmp_path / "notes.txt").unlink()
    write(tmp_path, {"test.jsonl": LINES.encode()})
    assert not read_alike(PairsSpec(str(tmp_path)), tmp_path)
    assert read_alike(PairsSpec("owner/name"), tmp_path)
    assert not read_alike(PairsSpec("hf://datasets/owner/name"), tmp_path)
    assert not read_alike(PairsSpec("owner/name@v1"), tmp_path)
