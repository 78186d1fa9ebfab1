"""A file that is only appended to: whole lines or nothing, also beside another program."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from smoltui.backends.system import appended_file
from smoltui.backends.system.appended_file import AppendedFile
from smoltui.errors import InputError


def test_lines_are_appended_and_a_truncated_one_is_completed(tmp_path: Path) -> None:
    file = AppendedFile(tmp_path / "votes", "votes")
    assert file.read() == b""
    file.append(b"one\n")
    with file.path.open("ab") as other:
        other.write(b"tw")
    file.append(b"three\n")
    assert file.read() == b"one\ntw\nthree\n"


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_who_may_read_it(tmp_path: Path, private: bool, mode: int) -> None:
    before = os.umask(0o022)
    try:
        AppendedFile(tmp_path / "votes", "votes", private=private).append(b"one\n")
    finally:
        os.umask(before)
    assert (tmp_path / "votes").stat().st_mode & 0o777 == mode


def test_a_full_disk_leaves_it_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AppendedFile(tmp_path / "votes", "votes")
    file.append(b"one\n")
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 3:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data)[: len(data) - 2])

    with (
        monkeypatch.context() as patched,
        pytest.raises(InputError, match="The votes could not be saved \\(the disk is full"),
    ):
        patched.setattr(os, "write", half)
        file.append(b"a longer line\n")
    assert file.read() == b"one\n"


def test_another_program_that_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AppendedFile(tmp_path / "votes", "votes")
    file.append(b"one\n")
    with file.path.open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(appended_file, "LOCK_SECONDS", 0.0)
        with pytest.raises(InputError, match="another program keeps it locked"):
            file.append(b"two\n")
        monkeypatch.setattr(appended_file, "LOCK_SECONDS", 60.0)
        waits = threading.Thread(target=file.append, args=(b"two\n",))
        waits.start()
        assert file.read() == b"one\n"
    waits.join()
    assert file.read() == b"one\ntwo\n"


def test_links_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine\n")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder", "missing/file"):
        with pytest.raises(InputError, match="could not be saved"):
            AppendedFile(tmp_path / name, "votes").append(b"two\n")
    assert (tmp_path / "target").read_text() == "mine\n"
