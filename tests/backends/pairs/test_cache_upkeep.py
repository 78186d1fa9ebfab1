"""One process imports a set at a time, and nobody waits for ever for one that is stuck."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import cache_upkeep
from smoltui.backends.pairs.cache_upkeep import LOCK, import_lock, prune
from smoltui.backends.pairs.opened_set import imported, open_set
from smoltui.backends.system import locks
from smoltui.errors import InputError

ROW = '{"prompt": "Is the mill far?", "chosen": "It is a mile.", "rejected": "No."}\n'


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[PairsSpec]:
    """A set that another process imports and never finishes: the lock of its folder is held."""
    path = tmp_path / "one.jsonl"
    path.write_text(ROW)
    spec = PairsSpec(str(path))
    folder = open_set(spec, tmp_path).folder
    folder.mkdir(parents=True)
    descriptor = locks.take(folder / LOCK, "held")
    yield spec
    os.close(descriptor)


def test_an_import_that_is_stuck_is_not_waited_for(
    stuck: PairsSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I read which process it is and what to do; with the process gone, the set is imported."""
    monkeypatch.setattr(cache_upkeep, "LOCK_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(InputError, match="already being imported by process") as caught:
        imported(stuck, tmp_path)
    assert 0.2 <= time.monotonic() - began < 8
    assert f"process {os.getpid()}, which has added no rows for 0.2 s" in caught.value.message
    assert f"kill {os.getpid()}" in caught.value.hint


def test_an_import_that_adds_rows_is_waited_for(tmp_path: Path) -> None:
    """Another process takes longer than the limit, but its rows keep coming: I get the set once it is done."""
    descriptor = locks.take(tmp_path / LOCK, "held")
    (tmp_path / "meta.json").write_text("{}")

    def keep_importing() -> None:
        for moment in range(1, 13):
            time.sleep(0.1)
            os.utime(tmp_path / "meta.json", ns=(moment, moment))
        os.close(descriptor)

    other = threading.Thread(target=keep_importing)
    other.start()
    began = time.monotonic()
    with import_lock(tmp_path, seconds=0.5):
        waited = time.monotonic() - began
    other.join()
    assert waited > 1.0


def test_a_set_that_is_being_imported_stays(tmp_path: Path) -> None:
    """Old sets are deleted to make room, but none that another process is writing."""
    for name in ("keep", "old", "busy"):
        (tmp_path / name).mkdir()
    descriptor = locks.take(tmp_path / "busy" / LOCK, "held")
    for name in ("old", "busy"):
        os.utime(tmp_path / name, (1, 1))
    try:
        prune(tmp_path / "keep")
    finally:
        os.close(descriptor)
    assert {path.name for path in tmp_path.iterdir()} == {"keep", "busy"}
