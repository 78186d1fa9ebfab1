"""Whether a folder can be written to: tried, not looked up."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from smoltui.backends.system.folder_probe import probed


def test_a_folder_that_takes_files(tmp_path: Path) -> None:
    found = probed("data", tmp_path, "SMOLTUI_HOME")
    assert (found.problem, found.there, found.shared) == ("", True, False) and found.free
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_tried_in_its_parent_and_not_made(tmp_path: Path) -> None:
    found = probed("cache", tmp_path / "a" / "b")
    assert (found.problem, found.there) == ("", False) and list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    assert probed("data", tmp_path / "runs" / "x").problem == f"not a folder but a file: {tmp_path / 'runs'}"
    assert probed("data", tmp_path / "runs").problem.startswith("not a folder")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no read-only file system here")
def test_a_read_only_file_system() -> None:
    assert probed("data", Path("/proc/sys/smoltui")).problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert probed("data", tmp_path).problem == "Permission denied"


def test_anyone_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert probed("data", tmp_path).shared and not probed("temporary files", tmp_path).shared


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    assert probed("data", tmp_path).problem == "No space left on device"
