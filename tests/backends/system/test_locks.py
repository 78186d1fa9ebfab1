"""Locks between processes: nobody waits without end, nobody else's file is trusted, and what is ours is private."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smoltui.backends.jobs import records as job_records
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import crash, data_folder, locks
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('', flush=True); sys.stdin.read()"


@pytest.fixture
def umask() -> Iterator[None]:
    """A person whose new files everybody may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_lock_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert locks.held(path) is None, "no such file"
    descriptor = locks.take(path, "held")
    assert locks.held(path) and locks.holder(path) == os.getpid() and mode(path) == 0o600
    with pytest.raises(locks.LockHeldError) as error:
        locks.take(path, "Somebody has it, {pid}: {braces}", "kill {pid}", seconds=0)
    assert error.value.message == f"Somebody has it, process {os.getpid()}: {{braces}}"
    assert error.value.hint == f"kill {os.getpid()}"
    locks.delete(path)
    assert path.exists(), "somebody has it"
    os.close(descriptor)
    assert locks.held(path) is False
    locks.delete(path)
    assert not path.exists()


def test_a_lock_file_that_was_deleted_meanwhile_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who had it deleted the file as I waited: I have the lock of the file that is there, not of the one that was."""
    path, before = tmp_path / "lock", locks._is_still
    looks = iter((path.unlink, lambda: None))
    monkeypatch.setattr(locks, "_is_still", lambda fd, where: (next(looks)(), before(fd, where))[1])
    descriptor = locks.take(path, "held", seconds=0)
    assert locks.held(path)
    os.close(descriptor)


def test_a_link_or_a_pipe_in_place_of_a_lock_is_not_opened(tmp_path: Path) -> None:
    """Somebody put a link where my lock goes: the file it leads to is not made, and a pipe keeps nobody waiting."""
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError):
            locks.take(tmp_path / name, "held", seconds=0)
        assert not locks.held(tmp_path / name) and locks.holder(tmp_path / name) is None
    assert not (tmp_path / "victim").exists()


async def test_a_start_that_is_kept_waiting_ends_in_a_sentence(tmp_path: Path) -> None:
    """Another process holds the start lock forever: I read which one, and what to do."""
    data_folder.private_folder(data_folder.home())
    path = data_folder.home() / "runs.lock"
    spec = RunSpec(name="x", project=str(tmp_path), recipe="", output_dir=str(tmp_path / "out"), label="x")
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    await other.stdout.readline()
    path.write_text(f"{other.pid}\n")
    with pytest.raises(InputError) as error:
        await LocalEngine(lock_seconds=0.1).submit(spec)
    assert f"process {other.pid}" in error.value.message and "runs.lock" in error.value.message
    assert error.value.hint == f"Try again, or stop it: kill {other.pid}"
    await other.communicate(b"")


def test_a_data_folder_that_anybody_may_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMOLTUI_HOME is a place like /tmp: locks in it would be anybody's."""
    (tmp_path / "theirs").write_text("")  # so it was not made for smoltui
    tmp_path.chmod(0o777)
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path))
    with pytest.raises(InputError, match="Anyone can write") as error, run_store.locked():
        pass
    assert f"chmod 700 {tmp_path}" in error.value.hint


def test_what_is_new_is_private_whatever_the_umask(umask: None) -> None:
    """Folders 0700 and files 0600, from the data folder down."""
    folder, descriptor = run_store.new_run_dir()
    os.close(descriptor)
    data_folder.write_json(folder / "spec.json", {})
    job_records.ready()
    job_records.save({"id": "0123"})
    crash._write(ValueError("x"))
    kept = pair_store.pairs_cache() / "0123"
    pair_store.make_private(kept)
    found = [data_folder.home(), *data_folder.home().rglob("*")]
    assert {folder / "lock", folder / "spec.json", job_records.folder() / "0123.json", kept} < set(found)
    assert {path.name for path in found if path.is_dir() and mode(path) != 0o700} == set()
    assert not [path.name for path in found if path.is_file() and mode(path) != 0o600]


def test_the_folder_of_an_older_version_is_closed_once(umask: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """I update smoltui: what others could read they cannot any more; links are not followed."""
    run = run_store.runs_folder() / "0123"
    run.mkdir(parents=True)
    (run / "log").write_text("")
    outside = data_folder.home().with_name("outside")
    outside.write_text("")
    (run / "link").symlink_to(outside)
    data_folder.tighten()
    assert [mode(path) for path in (data_folder.home(), run, run / "log", outside)] == [0o700, 0o700, 0o600, 0o666]
    (run / "log").chmod(0o644)
    data_folder._tightened.clear()
    data_folder.tighten()
    assert mode(run / "log") == 0o644, "nobody gets there, so it is not looked through again"


def test_a_folder_with_other_things_keeps_its_mode(umask: None) -> None:
    """SMOLTUI_HOME is my home folder: only what is smoltui's in it is closed."""
    home = data_folder.home()
    (home / "runs").mkdir(parents=True)
    (home / "letters").mkdir()
    (home / "letters" / "a.txt").write_text("")
    data_folder.tighten()
    assert mode(home) == 0o777 and mode(home / "letters" / "a.txt") == 0o666
    assert mode(home / "runs") == 0o700


def test_what_killed_starts_left_is_swept(tmp_path: Path) -> None:
    """A start was killed half way: its folder without a run and a half-written record are gone with the next start."""
    half, descriptor = run_store.new_run_dir()
    os.close(descriptor)
    whole, other = run_store.new_run_dir()
    data_folder.write_json(whole / "spec.json", {})
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left, mine = whole / f".launch.json.{int(child.stdout)}-1", whole / f".spec.json.{os.getpid()}-1"
    left.write_text("{")
    mine.write_text("{")
    starting, held = run_store.new_run_dir()
    with run_store.locked():
        pass
    assert not half.exists() and starting.exists() and whole.exists()
    assert not left.exists() and mine.exists()
    os.close(held)
    os.close(other)
