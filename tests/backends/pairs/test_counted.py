"""Pairs are counted once, and not at all where the imported set knows how many there are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.data_files import source
from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.counted import Counted, PairCounts, pairs_decided
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.project.project import Project
from smoltui.core.pairs.curation import Decision
from smoltui.core.settings.settings import Settings
from smoltui.errors import PairsError

SPEC = PairsSpec("pairs.jsonl", split="train")
NOTHING = Settings()


def write(folder: Path, rows: int, broken: str = "") -> None:
    lines = [json.dumps({"prompt": f"p{row}", "chosen": "a", "rejected": "b"}) for row in range(rows)]
    (folder / "pairs.jsonl").write_text("\n".join([*lines, broken]) + "\n")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[PairsSpec]:
    """The sets whose source was opened."""
    found: list[PairsSpec] = []
    real = source.open_spec

    def open_spec(spec: PairsSpec, base: Path | None) -> source.PairSource:
        found.append(spec)
        return real(spec, base)

    monkeypatch.setattr(source, "open_spec", open_spec)
    return found


def test_a_count_is_kept_while_the_file_stays(tmp_path: Path, opened: list[PairsSpec]) -> None:
    write(tmp_path, 3)
    counts = PairCounts()
    for _ in range(2):
        assert counts.count(SPEC, tmp_path, NOTHING) == Counted(3, "train")
    assert len(opened) == 1
    write(tmp_path, 4)
    assert counts.count(SPEC, tmp_path, NOTHING).rows == 4
    assert PairCounts().count(SPEC, tmp_path, NOTHING).rows == 4 and len(opened) == 3


@pytest.mark.parametrize(
    ("opened_as", "settings"),
    [(SPEC, NOTHING), (PairsSpec("pairs.jsonl"), Settings(pairs="pairs.jsonl"))],
    ids=["by the recipe", "by smoltui.toml"],
)
def test_the_imported_set_knows(
    tmp_path: Path, opened: list[PairsSpec], opened_as: PairsSpec, settings: Settings
) -> None:
    """Rows, and the broken line that a look at the first rows may not reach; until the file changes."""
    write(tmp_path, 5, broken='{"torn')
    counted = PairCounts().count(SPEC, tmp_path, settings, judge=True)
    imported(opened_as, tmp_path)
    opened.clear()
    assert PairCounts().count(SPEC, tmp_path, settings, judge=True) == counted and opened == []
    assert counted.rows == 6 and counted.broken is not None
    write(tmp_path, 7)
    assert PairCounts().count(SPEC, tmp_path, settings).rows == 7 and len(opened) == 1


def test_another_split_of_an_imported_set_is_not_this_one(tmp_path: Path, opened: list[PairsSpec]) -> None:
    write(tmp_path, 5)
    imported(PairsSpec("pairs.jsonl"), tmp_path)
    opened.clear()
    some = replace(SPEC, split="train[:2]")
    assert PairCounts().count(some, tmp_path, Settings(pairs="pairs.jsonl")) == Counted(2, "train[:2]")
    assert len(opened) == 1


def test_rows_that_are_not_known(tmp_path: Path) -> None:
    """No set, one on the Hub, several, one that is none: no number, and no crash of the Recipe room."""
    counts, project = PairCounts(), Project(tmp_path)
    (tmp_path / "none.jsonl").write_text('{"a": 1}\n')
    write(tmp_path, 2)
    known = {"path": "json", "data_files": "pairs.jsonl"}
    for values in (
        {},
        {"dataset_name": "owner/name"},
        {"datasets": [known, known]},
        {"dataset_name": "none.jsonl"},
        {"datasets": "no list"},
    ):
        assert counts.rows(project, values, NOTHING) is None
    assert counts.rows(project, {"datasets": [known]}, NOTHING) == 2
    with pytest.raises(PairsError):
        counts.count(PairsSpec("none.jsonl"), tmp_path, NOTHING)


def test_fewer_are_trained_on_than_the_file_holds(tmp_path: Path) -> None:
    project, values, decisions = Project(tmp_path), {"dataset_name": "owner/name"}, CurationFile(tmp_path)
    assert not pairs_decided(project, values, decisions)
    other = CurationFile(tmp_path)
    other.append([Decision("hold_out", of="owner/other train", share=0.1, seed=1)])
    assert not pairs_decided(project, values, decisions)
    other.append([Decision("hold_out", of="owner/name train", share=0.1, seed=1)])
    assert pairs_decided(project, values, decisions) and not pairs_decided(project, {}, decisions)
    other.append([Decision("exclude", "0" * 32)])
    assert pairs_decided(project, {}, decisions)
