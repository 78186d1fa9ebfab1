"""What the app looked like: kept between starts, bounded, tolerant of damage, shared by two apps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from smoltui.backends.system import data_folder, ui_state
from smoltui.backends.system.ui_state import MOST_NAMES, MOST_TEXT, Remembered


def opened(folder: Path) -> Remembered:
    remembered = Remembered(folder)
    remembered.read()
    return remembered


def ui() -> Path:
    return data_folder.home() / "ui"


def test_it_comes_back(tmp_path: Path) -> None:
    """The theme everywhere, the room in its project, whatever path leads there."""
    first = opened(tmp_path)
    assert first.project.put("room", "runs") and first.app.put("theme", "nord")
    assert first.project.put("list.hidden", True) and first.project.put("pairs.row", 12)
    assert not first.project.put("room", "runs"), "nothing new"
    first.write()
    assert not first.is_changed
    again = opened(tmp_path / "." / ".." / tmp_path.name)
    assert (again.app.get("theme", ""), again.project.get("room", "")) == ("nord", "runs")
    assert again.project.get("list.hidden", False) is True and again.project.get("pairs.row", 0) == 12
    other = opened(tmp_path / "other")
    assert other.app.get("theme", "") == "nord" and not other.project.knows("room")
    assert all(path.stat().st_mode & 0o077 == 0 for path in ui().iterdir())


def test_nothing_is_known_until_it_is_read(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.project.put("room", "runs")
    first.write()
    assert Remembered(tmp_path).project.get("room", "home") == "home"
    reading = Remembered.reading(tmp_path)
    assert reading.is_read.wait(10) and reading.project.get("room", "home") == "runs"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00" * 100,
        b"[1, 2]",
        b'{"room": ',
        b'{"room": ["runs"]}',
        b'{"room": 3}',
        b'{"room": "%s"}' % (b"x" * 70_000),
    ],
)
def test_damage(tmp_path: Path, damage: bytes) -> None:
    """It counts as nothing, and is replaced by what comes next."""
    first = opened(tmp_path)
    first.project.put("room", "runs")
    first.write()
    path = next(ui().glob("project-*"))
    path.write_bytes(damage)
    again = opened(tmp_path)
    assert again.project.get("room", "home") == "home"
    again.project.put("row", 3)
    again.write()
    assert json.loads(path.read_bytes())["row"] == 3


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is not waited for; a folder in its place is no error."""
    first = opened(tmp_path)
    ui().mkdir(parents=True)
    os.mkfifo(ui() / "app.json")
    ui_state._path_of(tmp_path).mkdir()
    again = opened(tmp_path)
    again.project.put("room", "runs")
    again.write()
    assert again.project.get("room", "") == "runs"
    assert not first.app.knows("theme")


def test_two_apps(tmp_path: Path) -> None:
    """Each writes what it changed, and keeps what the other did."""
    one, two = opened(tmp_path), opened(tmp_path)
    one.project.put("pairs.row", 5)
    two.project.put("recipe.field", "beta")
    two.project.put("pairs.row", 9)
    one.write()
    two.write()
    again = opened(tmp_path)
    assert again.project.get("pairs.row", 0) == 9 and again.project.get("recipe.field", "") == "beta"


def test_it_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = opened(tmp_path)
    assert not remembered.project.put("long", "x" * (MOST_TEXT + 1))
    for number in range(3 * MOST_NAMES):
        remembered.project.put(f"name {number}", number)
    remembered.write()
    again = opened(tmp_path)
    assert again.project.get(f"name {3 * MOST_NAMES - 1}", 0) and not again.project.knows("name 0")
    monkeypatch.setattr(ui_state, "MOST_PROJECTS", 3)
    for number in range(6):
        other = opened(tmp_path / str(number))
        other.project.put("room", "runs")
        other.write()
        os.utime(ui_state._path_of(tmp_path / str(number)), (number + 1, number + 1))
    other.project.put("row", 1)
    other.write()
    assert len(list(ui().glob("project-*"))) == 3 and opened(tmp_path / "5").project.knows("room")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_data_folder(tmp_path: Path) -> None:
    data_folder.home().mkdir(parents=True)
    data_folder.home().chmod(0o500)
    remembered = opened(tmp_path)
    remembered.project.put("room", "runs")
    remembered.write()
    assert remembered.project.get("room", "") == "runs"
