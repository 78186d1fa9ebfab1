"""A log on disk: every line there once and in its place, no secret in it, nothing left of it afterwards."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.runs.log_spool import BLOCK_LINES, LogSpool
from smoltui.core.runs.log_text import LogLine, collapsed, taken
from smoltui.errors import InputError
from tests.examples import examples

TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUv"
SEPARATORS = "nel\u0085ls\u2028ps\u2029vt\x0bff\x0cfs\x1cnul\x00"


@pytest.fixture
def spool() -> Iterator[LogSpool]:
    spool = LogSpool()
    yield spool
    spool.close()


def texts(spool: LogSpool, first: int = 0, end: int = 1 << 30) -> list[str]:
    return [line.text for line in spool.read(first, end)]


def found(spool: LogSpool, query: str) -> list[int]:
    """Line numbers that a search finds."""
    hits = array("Q")
    spool.search(query).run(lambda first, end, more: hits.extend(more), lambda: False)
    return list(hits)


# -- lines


def test_every_line_is_there_once(spool: LogSpool) -> None:
    """In batches of any size, read in windows anywhere."""
    chance = random.Random(4)
    told: list[str] = []
    while len(told) < 20_000:
        batch = [
            f"line {len(told) + more} {'x' * chance.choice((0, 5, 90, 3000))}" for more in range(chance.randrange(300))
        ]
        spool.extend(batch)
        told += batch
    assert spool.count == len(told)
    for _ in range(300):
        first = chance.randrange(len(told))
        end = first + chance.choice((0, 1, 50, 700))
        assert texts(spool, first, end) == told[first:end]
    assert texts(spool) == told and texts(spool, len(told)) == [] and texts(spool, -5, 1) == told[:1]


@examples(60)
@given(st.lists(st.lists(st.tuples(st.text(), st.none() | st.floats(1, 2e9))), max_size=12))
def test_what_is_read_is_what_was_said(batches: list[list[tuple[str, float | None]]]) -> None:
    """Any text, with its time; as if each batch had been kept in memory."""
    spool, told = LogSpool(), []
    try:
        for batch in batches:
            spool.extend([text for text, _ in batch], [at for _, at in batch])
            told = collapsed([*told, *taken([text for text, _ in batch], [at for _, at in batch])]) if batch else told
        assert spool.read(0, 1 << 30) == told and spool.count == len(told)
    finally:
        spool.close()


def test_a_line_ends_only_where_it_ends(spool: LogSpool) -> None:
    """Other characters that some programs take for a line end are inside it, and so are 200 kB."""
    lines = [SEPARATORS, "x" * 200_000, "[red]no[/red]", "\x1b]52;c;aGk=\x07", "日本語" * 9, ""]
    spool.extend([*lines, "last"])
    assert texts(spool) == [*lines, "last"]
    assert found(spool, "ls\u2028ps") == [0] and found(spool, "x" * 1000) == [1]


def test_times_stay_with_their_lines(spool: LogSpool) -> None:
    """Where nobody said one there is none, also between lines that have one; nonsense is none."""
    spool.extend(["a"] * 100)
    spool.extend(["b", "c", "d", "e"], [1.5, None, float("nan"), 2.5])
    spool.extend(["f"])
    assert [line.at for line in spool.read(99, 106)] == [None, 1.5, None, None, 2.5, None]


def test_a_progress_bar_is_one_living_line(spool: LogSpool) -> None:
    """Over many batches, with its last time; what comes behind is a line of its own."""
    spool.extend(["start"])
    for step in range(1, 201):
        spool.extend([f"{step / 2:3.0f}%|████ | {step}/200 [00:01<00:09,  4.2it/s]"], [float(step)])
        assert spool.count == 2
    assert spool.read(1, 2) == [LogLine("100%|████ | 200/200 [00:01<00:09,  4.2it/s]", 200.0)]
    spool.extend(["  0%|     | 0/200 [00:00<?, ?it/s]", "end"])
    assert spool.count == 4 and texts(spool, 3) == ["end"]


def test_no_token_reaches_the_disk(spool: LogSpool, tmp_path: Path) -> None:
    """Not as plain text, not between colors, not after a carriage return."""
    spool.extend([f"login {TOKEN}", f"\x1b[1mhf_\x1b[0m{TOKEN[3:]}", f"x\r{TOKEN}\r", "fine", "fine"])
    assert spool._files is not None
    held = os.pread(spool._files.text.fileno(), 1 << 20, 0).decode()
    assert held.count("\n") == 4 and TOKEN[3:] not in held
    assert not found(spool, TOKEN[4:12])
    spool.save(tmp_path / "log.txt")
    saved = (tmp_path / "log.txt").read_text()
    assert TOKEN[3:] not in saved and saved.count("***") == 3


def test_the_first_error_is_known(spool: LogSpool) -> None:
    spool.extend(["0 errors"] * 100)
    assert spool.first_error is None
    spool.extend(["fine", "ValueError: no", "KeyError: 'x'"])
    assert spool.first_error == 101


# -- limits


@pytest.mark.slow
def test_a_long_log_takes_no_memory() -> None:
    """What Python holds grows by less than 5 MB, and a window in the middle is right."""
    spool = LogSpool()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for start in range(0, 300_000, 10_000):
            spool.extend([f"line {number} of a long log, loss 0.693" for number in range(start, start + 10_000)])
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - before < 5 << 20 and peak - before < 50 << 20
    assert spool.count == 300_000
    assert texts(spool, 254_321, 254_323) == [
        f"line {number} of a long log, loss 0.693" for number in (254_321, 254_322)
    ]
    assert found(spool, "line 277777 ") == [277_777]
    spool.close()


def test_many_small_batches_have_a_small_index(spool: LogSpool) -> None:
    """A log that comes line by line has a place in the index for many lines, not for each."""
    for number in range(5_000):
        spool.extend([f"line {number}"])
    assert len(spool._starts) <= 5_000 / BLOCK_LINES + 1
    assert texts(spool, 4_321, 4_323) == ["line 4321", "line 4322"]


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_said_once(spool: LogSpool, tmp_path: Path) -> None:
    """What was kept can be read, searched and saved; what comes later is left out in silence."""
    spool.extend([f"line {number}" for number in range(100)])
    with disk_of(3_000):
        with pytest.raises(InputError, match="cannot be stored any further") as caught:
            spool.extend([f"more {number} {'x' * 50}" for number in range(10_000)])
        count = spool.count
        spool.extend(["and more"])
    assert "TMPDIR" in caught.value.hint and tempfile.gettempdir() in spool.stopped
    assert spool.count == count >= 100 and texts(spool)[:100] == [f"line {number}" for number in range(100)]
    assert len(texts(spool)) == count and found(spool, "line 57") == [57]
    assert spool.save(tmp_path / "log.txt") == count


def test_no_folder_for_it(spool: LogSpool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="gone"):
        spool.extend(["a"])
    assert spool.count == 0 and spool.read(0, 9) == []


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    """Neither when it is closed nor when its owner is killed."""
    code = (
        "import os, signal; from smoltui.backends.runs.log_spool import LogSpool; s = LogSpool()\n"
        "s.extend(['x' * 99] * 9999); print(os.listdir(os.environ['TMPDIR']), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True
    )
    assert ended.returncode == -signal.SIGKILL and ended.stdout, ended.stderr
    assert not list(tmp_path.iterdir())


def test_closed_while_others_read(spool: LogSpool) -> None:
    """One who still reads or searches finds it empty, and never another's file."""
    spool.extend([f"line {number}" for number in range(200_000)])
    wrong: list[object] = []
    begun = threading.Event()

    def read() -> None:
        try:
            while spool.count:
                begun.set()
                lines = texts(spool, 1_000, 1_003)
                if lines not in ([], ["line 1000", "line 1001", "line 1002"]):
                    wrong.append(lines)
                found(spool, "line 199")
        except Exception as error:
            wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    spool.close()
    reader.join(20)
    assert not reader.is_alive() and not wrong
    spool.extend(["late"])
    assert spool.count == 0 and found(spool, "line") == []


# -- searching


def test_search_of_a_text_and_of_an_expression(spool: LogSpool) -> None:
    spool.extend(["Loss 0.5", "loss: 0.25", "a (b) [c] \\d+ x_y", "\x1b[31mlo\x1b[0mss 1", "ÉTÉ été", "", "last loss"])
    assert found(spool, "loss") == [0, 1, 3, 6]
    assert found(spool, "été") == [4]
    assert found(spool, "(B) [c] \\D+ X_Y") == [2]
    assert found(spool, "/^loss/") == [1, 3] and found(spool, "/^loss/i") == [0, 1, 3]
    assert found(spool, r"/\d\.\d+$/") == [0, 1] and found(spool, "/^$/") == [5]
    assert found(spool, "0.5\nloss") == []


@pytest.mark.parametrize("query", ["/(/", "/a(?=b)/", "/x{5000}/", "/[/i"])
def test_a_broken_expression(spool: LogSpool, query: str) -> None:
    """Refused with RE2's words, in an empty log too."""
    with pytest.raises(InputError, match="regular expression") as caught:
        found(spool, query)
    assert "leave out the slashes" in caught.value.hint


def test_an_expression_that_would_take_python_for_ever(spool: LogSpool) -> None:
    spool.extend(["a" * 5_000 + "b"])
    assert found(spool, "/(a+)+$/") == []
    assert spool.search("/(a+)+$/").marks(["a" * 5_000 + "b"]) == [[]]


def test_a_search_goes_on_as_the_log_grows(spool: LogSpool) -> None:
    """From where it was, with the last line looked at again since it may have changed."""
    search = spool.search("5/9")
    hits = array("Q")

    def report(first: int, end: int, more: Sequence[int]) -> None:
        while hits and hits[-1] >= first:
            hits.pop()
        hits.extend(more)

    def look() -> list[int]:
        search.run(report, lambda: False)
        return list(hits)

    assert look() == []
    spool.extend(["one 5/9", " 55%|█| 5/9 [00:01<00:01, 1.0it/s]"])
    assert look() == [0, 1] and look() == [0, 1]
    spool.extend([" 66%|█| 6/9 [00:01<00:01, 1.0it/s]"])
    assert look() == [0]
    spool.extend(["other", "again 5/9"])
    assert look() == [0, 3]
    spool.extend([f"line {number}" for number in range(3_000)] + ["5/9"])
    assert look() == [0, 3, 3004]


def test_a_search_can_be_left(spool: LogSpool) -> None:
    """It looks whether it should between pieces, and reports nothing afterwards."""
    spool.extend([f"line {number} {'x' * 90}" for number in range(50_000)])
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 2

    ends: list[int] = []
    spool.search("x").run(lambda first, end, more: ends.append(end), stopped)
    assert len(asked) <= 4 and all(end < 10_000 for end in ends)


def test_marks_stand_on_the_hits(spool: LogSpool) -> None:
    marks = spool.search("Ab").marks(["ab cAB", "", "日本ab", "none"])
    assert marks == [[(0, 2), (4, 6)], [], [(2, 4)], []]
    assert spool.search("/x*/").marks(["axxb"]) == [[(1, 3)]]
    assert spool.search("/(a)|(b)/").marks(["cab"]) == [[(1, 2), (2, 3)]]


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1),
    st.text(st.characters(exclude_categories=("Cc", "Cs"))),
)
def test_any_text_is_found_where_it_stands(needle: str, around: str) -> None:
    spool = LogSpool()
    if needle.strip() and not needle.strip().startswith("/"):
        begins = [begin for begin, _ in spool.search(needle).marks([f"{around}{needle}"])[0]]
        assert begins and begins[0] <= len(around)


# -- saving


def test_it_is_saved_as_plain_text(spool: LogSpool, tmp_path: Path) -> None:
    """Without colours, every line one line, the last one too; a file that was there is replaced, a link stays one."""
    spool.extend(["\x1b[31mred\x1b[0m", SEPARATORS, "\x1b]52;c;aGk=\x07", *["x"] * 9_000, "\u202eend"])
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    assert spool.save(link) == 9_004
    lines = real.read_text().split("\n")
    assert link.is_symlink() and len(lines) == 9_005 and lines[-2:] == ["⟨RLO⟩end", ""]
    assert lines[:3] == ["red", "nel⟨85⟩ls⟨LS⟩ps⟨PS⟩vt␋ff␌fs␜nul␀", "␛]52;c;aGk=␇"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.txt", "real.txt"]


def test_it_cannot_be_saved(spool: LogSpool, tmp_path: Path) -> None:
    """A folder, no folder, no room: a sentence each, and what was there stays."""
    spool.extend(["x" * 90] * 1_000)
    old = tmp_path / "log.txt"
    old.write_text("old")
    for path in (tmp_path, tmp_path / "none" / "log.txt", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot be saved"):
            spool.save(path)
    with disk_of(1_000), pytest.raises(InputError, match="cannot be saved"):
        spool.save(old)
    spool.close()
    with pytest.raises(InputError, match="has been closed"):
        spool.save(old)
    assert old.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["log.txt"]
