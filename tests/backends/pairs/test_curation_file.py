"""curation.jsonl on the disk: appended to by several apps, torn by crashes, met by full disks, and never lost."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.pairs import curation_file
from smoltui.backends.pairs.curation_file import CurationFile, LockedError
from smoltui.core.pairs.curation import Decision, line_of
from smoltui.errors import InputError

ONE, TWO = "1" * 32, "2" * 32


def test_what_was_decided_is_there_tomorrow(tmp_path: Path) -> None:
    file = CurationFile(tmp_path)
    assert file.load().decisions == 0 and not file.path.exists(), "looking makes no file"
    state = file.append([Decision("exclude", ONE, why="empty"), Decision("note", TWO, note="look again")])
    assert state.excluded == {ONE} and not file.changed()
    again = CurationFile(tmp_path)
    assert again.changed()
    assert again.load().notes == {TWO: "look again"} and not again.changed()
    line = file.path.read_text("utf-8").splitlines()[0]
    assert line.startswith(f'{{"pair": "{ONE}", "act": "exclude", "why": "empty", "at": "2') and line.endswith('Z"}')


def test_what_was_given_before_does_not_change(tmp_path: Path) -> None:
    """The room draws from one state while a worker decides about 10 000 pairs."""
    file = CurationFile(tmp_path)
    before = file.append([Decision("exclude", ONE)])
    after = file.append([Decision("exclude", TWO)])
    assert before.excluded == {ONE} and after.excluded == {ONE, TWO}


def test_what_another_app_decided_meanwhile_is_read_first(tmp_path: Path) -> None:
    mine, theirs = CurationFile(tmp_path), CurationFile(tmp_path)
    mine.append([Decision("exclude", ONE)])
    theirs.append([Decision("swap", TWO)])
    assert mine.changed()
    state = mine.append([Decision("pin", TWO)])
    assert (state.excluded, state.swapped, state.pinned) == ({ONE}, {TWO}, {TWO})


def test_a_file_that_git_replaced_is_read_anew(tmp_path: Path) -> None:
    file = CurationFile(tmp_path)
    file.append([Decision("exclude", ONE)])
    beside = tmp_path / "new"
    beside.write_bytes(line_of(Decision("exclude", TWO)))
    beside.replace(file.path)
    assert file.append([Decision("pin", ONE)]).excluded == {TWO}
    assert file.path.read_bytes().count(b"\n") == 2


def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.core.pairs.curation import Decision
file, first = CurationFile(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 60):
    file.append([Decision("exclude", f"{number:032x}", shows="x" * 50), Decision("note", f"{number:032x}", note="n")])
"""
    apps = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(at)]) for at in (0, 1000, 2000)]
    assert [app.wait(60) for app in apps] == [0, 0, 0]
    state = CurationFile(tmp_path).load()
    assert state.excluded == {f"{at + number:032x}" for at in (0, 1000, 2000) for number in range(60)}
    assert (state.decisions, state.unreadable) == (360, 0)


@given(st.lists(st.tuples(st.binary(max_size=30).filter(lambda data: b"\n" not in data), st.booleans()), max_size=8))
def test_whole_lines_survive_whatever_is_torn_between_them(pieces: list[tuple[bytes, bool]]) -> None:
    """Any app may crash in the middle of its line, at any time: the lines of all others stay readable."""
    with tempfile.TemporaryDirectory() as name:
        folder, wanted = Path(name), set()
        for number, (torn, own) in enumerate(pieces):
            with (folder / "curation.jsonl").open("ab") as file:
                file.write(line_of(Decision("exclude", ONE))[: len(torn)] if own else torn)
            CurationFile(folder).append([Decision("exclude", f"{number:032x}")])
            wanted.add(f"{number:032x}")
        assert CurationFile(folder).load().excluded == wanted


def test_a_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    """I wrote a line by hand, and my editor left the newline out."""
    (tmp_path / "curation.jsonl").write_bytes(line_of(Decision("exclude", ONE)).rstrip())
    file = CurationFile(tmp_path)
    assert file.load().excluded == {ONE}
    assert file.append([Decision("exclude", TWO)]).excluded == {ONE, TWO}
    assert CurationFile(tmp_path).load().excluded == {ONE, TWO}


class TestDisk:
    """What is decided is on the disk, or a sentence says that it is not."""

    @pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "The disk is full"), (errno.EIO, "Input/output error")])
    @pytest.mark.parametrize("where", ["write", "fsync"])
    def test_a_disk_that_takes_no_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str, where: str
    ) -> None:
        """Half a line fits on the disk; afterwards the file is as it was, and so is what I see."""
        file = CurationFile(tmp_path)
        file.append([Decision("exclude", ONE)])
        before = file.path.read_bytes()
        write, calls = os.write, []

        def half(descriptor: int, data: Any) -> int:
            calls.append(1)
            if len(calls) > 1:
                raise OSError(code, os.strerror(code))
            return write(descriptor, bytes(data)[:30])

        def broken(_: int) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patched:
            patched.setattr(os, where, half if where == "write" else broken)
            with pytest.raises(InputError, match=words) as caught:
                file.append([Decision("exclude", TWO), Decision("swap", TWO)])
        assert caught.value.hint
        assert file.path.read_bytes() == before
        assert file.load().excluded == {ONE}
        assert file.append([Decision("swap", TWO)]).swapped == {TWO}, "it goes on once there is space"

    def test_a_folder_that_may_only_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: Any) -> int:  # as root every folder can be written
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "open", denied)
        with pytest.raises(
            InputError, match=r"The decision was not saved .Permission denied.: .*curation\.jsonl"
        ) as found:
            CurationFile(tmp_path).append([Decision("exclude", ONE)])
        assert "project folder" in found.value.hint

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "curation.jsonl").mkdir()
        file = CurationFile(tmp_path)
        with pytest.raises(InputError, match="cannot be read"):
            file.load()
        with pytest.raises(InputError, match="was not saved"):
            file.append([Decision("exclude", ONE)])

    def test_another_app_that_hangs_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(curation_file, "LOCK_SECONDS", 0.1)
        file = CurationFile(tmp_path)
        file.append([Decision("exclude", ONE)])
        with file.path.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            who = rf"\(process {os.getpid()}\)" if Path("/proc/locks").is_file() else "Another program"
            with pytest.raises(LockedError, match=rf"{who} keeps the decisions on pairs locked") as caught:
                file.append([Decision("exclude", TWO)])
        assert "then decide again" in caught.value.hint
        assert file.append([Decision("exclude", TWO)]).excluded == {ONE, TWO}
