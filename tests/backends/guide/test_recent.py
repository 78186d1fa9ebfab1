"""Recent projects: bounded, shared by several apps, and never in the way."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from smoltui.backends.guide.recent import MOST_KEPT, recent_projects, remember
from smoltui.backends.system import data_folder


def project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("beta: 0.1\n")
    return folder


def names() -> list[str]:
    return [one.folder.name for one in recent_projects()]


def test_the_newest_first_and_not_too_many(tmp_path: Path) -> None:
    """Opening one again puts it first; the oldest are forgotten; one that is gone is not offered."""
    folders = [project(tmp_path / f"p{number:02}") for number in range(MOST_KEPT + 3)]
    for folder in folders:
        remember(folder)
    remember(folders[5])
    assert names()[:2] == ["p05", f"p{MOST_KEPT + 2:02}"] and len(names()) == MOST_KEPT
    (folders[5] / "recipe.yaml").unlink()
    assert "p05" not in names()
    assert next(one.folder for one in recent_projects(but=folders[-1])) == folders[-2]
    assert (data_folder.home() / "recent.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"projects": {}}',
        b'{"projects": [1, null, {"folder": 3}, {"folder": "rel"}, {"folder": "/a\\u0000b"}]}',
        b'{"projects": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: bytes) -> None:
    """Whatever is in the file, it counts as empty, and the next project is remembered."""
    data_folder.private_folder(data_folder.home())
    (data_folder.home() / "recent.json").write_bytes(damage)
    assert names() == []
    remember(project(tmp_path / "mine"))
    assert names() == ["mine"]


def test_several_apps_at_once(tmp_path: Path) -> None:
    """Ten apps that start together: none of their projects is lost, and the file is whole."""
    folders = [project(tmp_path / f"p{number}") for number in range(10)]
    threads = [threading.Thread(target=remember, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names()) == sorted(folder.name for folder in folders)
    assert json.loads((data_folder.home() / "recent.json").read_text())


def test_a_data_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, and nothing fails."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path / "file" / "below"))
    remember(project(tmp_path / "mine"))
    assert names() == []
