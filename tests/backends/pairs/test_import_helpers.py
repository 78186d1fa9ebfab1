"""A set that several processes import is the same as one that a single process imports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import import_helpers, import_set
from smoltui.backends.pairs.opened_set import PairSet, imported
from smoltui.backends.pairs.store import FACTS, PART_ROWS, TEXT
from smoltui.errors import PairsError


def write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = {"prompt": f"q {number}", "chosen": f"good {number}", "rejected": f"bad {number}"}
            more = {1: {"odd": "x"}, 2: {"odd": 1}, 3: {"late": True}}.get(number // PART_ROWS, {})
            file.write("{broken\n" if number in (5, rows - 3) else f"{json.dumps(row | more)}\n")


def read(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> PairSet:
    monkeypatch.setenv("SMOLTUI_HOME", str(folder))
    monkeypatch.setattr(import_set, "processes", lambda parts: count)
    return imported(PairsSpec(str(path)), path.parent)


@pytest.mark.slow
def test_several_processes_give_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pairs.jsonl"
    write(path, 4 * PART_ROWS + 17)
    alone, together = (read(path, tmp_path / str(count), monkeypatch, count).store for count in (1, 3))
    assert alone is not None and together is not None
    assert alone.meta == replace(together.meta) and together.meta.broken_rows == 2
    assert together.meta.extras == {"odd": "text", "late": "yes/no"}
    for part in range(alone.parts):
        for kind in (TEXT, FACTS):
            assert alone.table(kind, part).equals(together.table(kind, part))
    assert sorted(one.name for one in alone.folder.iterdir()) == sorted(one.name for one in together.folder.iterdir())


@pytest.mark.slow
def test_the_error_of_a_helper_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pairs.jsonl"
    write(path, 2 * PART_ROWS)
    read(path, tmp_path / "cache", monkeypatch, 1)  # has the request that helpers read
    (folder,) = (tmp_path / "cache" / "cache" / "pairs").iterdir()
    path.unlink()
    with import_helpers.helpers(folder, 0, 1) as others, pytest.raises(PairsError, match="No such file or folder"):
        import_helpers.wait_for(1, others)


def test_every_core_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert [import_helpers.processes(parts) for parts in (1, 16, 1000)] == [1, 2, 5]
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    assert import_helpers.processes(1000) == 1
