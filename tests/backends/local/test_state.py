"""A local run is alive as long as its supervisor holds the lock, whatever the clock says, and has its folder alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from smoltui.backends.local import starting as local_starting
from smoltui.backends.local import supervisor
from smoltui.backends.local import tickets as local_queue
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.locks import LockHeldError
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING
Wait = Callable[..., Awaitable[None]]
DAY = 86_400.0


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(SCRIPT)


def spec(folder: Path, **changes: object) -> RunSpec:
    values = {
        "name": "try",
        "project": str(folder),
        "recipe": "steps: 1\nend: hang",
        "output_dir": str(folder / "aligned"),
        "label": "l1",
    }
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
async def running(engine: LocalEngine, tmp_path: Path) -> AsyncIterator[Run]:
    """A run that hangs until it is stopped."""
    run = await engine.submit(spec(tmp_path))
    assert run.stage == Stage.RUNNING
    yield run
    await engine.cancel(run.id)


def status(run: Run) -> dict[str, int]:
    return data_folder.read_json(run_store.run_dir(run.id) / "status.json") or {}


def open_files(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(path.readlink()))
    return found


def set_clock(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    """The clock is set, seconds to the future; only what `time.time` says changes."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + by)


@pytest.mark.parametrize("by", [-2 * DAY, 2 * DAY])
async def test_a_clock_that_is_set_kills_no_run(
    running: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    """The clock is set by two days while it trains: it is alive, it took seconds, and its folder is taken."""
    before = psutil.Process.create_time
    # What psutil says moves with the clock: it adds the ticks since the start of the machine to when that was.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: before(self) + by)
    set_clock(monkeypatch, by)
    other = LocalEngine(SCRIPT)
    run = await other.get(running.id)
    assert run.stage == Stage.RUNNING
    if supervisor.uptime() is not None:
        assert 0 <= (run.duration(time.time()) or 0) < 60
    with pytest.raises(InputError, match=running.id):
        await other.submit(spec(tmp_path, label="l2", overwrite=True, side_by_side=True))


async def test_a_run_that_waits_for_its_turn_outlives_a_clock_that_is_set(
    running: Run, engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = await engine.submit(spec(tmp_path, label="l2", output_dir=str(tmp_path / "two")))
    set_clock(monkeypatch, DAY)
    assert (await LocalEngine(SCRIPT).get(two.id)).stage == Stage.SCHEDULING
    await engine.cancel(two.id)
    assert not (tmp_path / "two").exists(), "made for it, and in vain"


def test_the_times_of_a_run_are_those_of_the_clock_as_it_is_at_its_end(tmp_path: Path) -> None:
    """The clock was wrong by years when it started: it took the seconds that it took."""
    data_folder.write_json(tmp_path / "launch.json", {"argv": [sys.executable, "-c", ""], "cwd": str(tmp_path)})
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import supervisor\n"
        "now = time.time; times = iter([1e9, 1e9]); time.time = lambda: next(times, None) or now()\n"
        "supervisor.supervise(Path(sys.argv[1]), [])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(Path(supervisor.__file__).parent)], check=True)
    said = data_folder.read_json(tmp_path / "status.json") or {}
    assert said["exit_code"] == 0 and 0 <= said["finished_at"] - said["started_at"] < 60
    assert said["finished_at"] > 1.7e9


async def test_the_lock_ends_with_the_supervisor_and_no_child_has_it(running: Run, wait_until: Wait) -> None:
    """The training has none of the supervisor's locks open, so a run cannot look alive without its supervisor."""
    folder = run_store.run_dir(running.id)
    lock, said = folder / "lock", status(running)
    assert locks.held(lock) and locks.holder(lock) == said["supervisor_pid"]
    if sys.platform == "linux":
        opened = open_files(said["child_pid"])
        assert str(folder / "log") in opened and str(lock) not in opened
        assert not any("_smoltui.lock" in name or str(local_queue.folder()) in name for name in opened)
    os.kill(said["supervisor_pid"], signal.SIGKILL)
    await wait_until(lambda: locks.held(lock) is False)


async def test_a_second_supervisor_leaves_the_run_alone(running: Run) -> None:
    """Somebody starts the supervisor of a run by hand: nothing about it changes."""
    folder = run_store.run_dir(running.id)
    before = (folder / "status.json").read_bytes()
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, supervisor.__file__, str(folder)], capture_output=True, check=False
    )
    assert done.returncode and b"BlockingIOError" in done.stderr
    assert (folder / "status.json").read_bytes() == before


@pytest.mark.parametrize("way", ["link", "dots", "below a link"])
async def test_another_data_folder_does_not_train_into_it_either(
    running: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Another app, with a data folder of its own, is given the same folder by another name: it reads who has it."""
    monkeypatch.setattr(local_starting, "OUTPUT_SECONDS", 0.1)
    home = str(data_folder.home())
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path / "other"))
    (tmp_path / "link").symlink_to(tmp_path / "aligned")
    (tmp_path / "parent").symlink_to(tmp_path)
    names = {"link": "link", "dots": "x/../aligned", "below a link": "parent/aligned"}
    folder = tmp_path / names[way]
    (tmp_path / "x").mkdir()
    other = LocalEngine(SCRIPT)
    wanted = spec(tmp_path, label="l2", output_dir=str(folder), overwrite=True, side_by_side=True)
    with pytest.raises(LockHeldError) as error:
        await other.submit(wanted)
    has_it = locks.holder(tmp_path / "aligned" / "_smoltui.lock")
    assert f"process {has_it}" in error.value.message and "--output-dir" in error.value.hint
    assert await other.list_runs() == []
    monkeypatch.setenv("SMOLTUI_HOME", home)


async def test_two_apps_with_two_data_folders_at_once(tmp_path: Path) -> None:
    """Both are started in the same moment: one trains."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from smoltui.backends.local.engine import LocalEngine; from smoltui.core.runs.run import RunSpec\n"
        "from smoltui.errors import InputError\n"
        "async def main():\n"
        f"    engine = LocalEngine(Path({str(SCRIPT)!r}))\n"
        f"    spec = RunSpec(name='n', project={str(tmp_path)!r}, recipe='steps: 1\\nend: hang',\n"
        f"                   output_dir={str(tmp_path / 'out')!r}, label='l')\n"
        "    try:\n"
        "        run = await engine.submit(spec)\n"
        "    except InputError:\n"
        "        print('refused', flush=True)\n"
        "        return\n"
        "    print('started', flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.read)\n"
        "    await engine.cancel(run.id)\n"
        "asyncio.run(main())\n"
    )
    apps = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "SMOLTUI_HOME": str(tmp_path / name)},
        )
        for name in ("a", "b")
    ]
    said = [await app.stdout.readline() for app in apps if app.stdout is not None]
    await asyncio.gather(*(app.communicate(b"") for app in apps))
    assert sorted(said) == [b"refused\n", b"started\n"]


async def test_a_lock_in_the_output_folder_is_no_link_of_somebody_else(engine: LocalEngine, tmp_path: Path) -> None:
    """Others can write to the output folder, and one has put a link there: its target is not touched."""
    (tmp_path / "aligned").mkdir()
    (tmp_path / "aligned" / "_smoltui.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="output folder is not writable") as error:
        await engine.submit(spec(tmp_path))
    assert "_smoltui.lock" in error.value.hint
    assert not (tmp_path / "victim").exists() and await engine.list_runs() == []


async def test_a_run_leaves_no_lock_in_its_output_folder(engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """What is in the folder of my model is my model; a killed supervisor's lock goes with the next look at its run."""
    run = await engine.submit(spec(tmp_path, recipe="steps: 1"))
    await wait_until(lambda: (tmp_path / "aligned" / "config.json").exists())
    await wait_until(lambda: [path.name for path in (tmp_path / "aligned").iterdir()] == ["config.json"])
    run = await engine.submit(spec(tmp_path, label="l2", output_dir=str(tmp_path / "two")))
    os.kill(status(run)["supervisor_pid"], signal.SIGKILL)
    await wait_until(lambda: locks.held(run_store.run_dir(run.id) / "lock") is False)
    assert (tmp_path / "two" / "_smoltui.lock").exists() and list(local_queue.folder().iterdir())
    assert (await engine.get(run.id)).stage == Stage.ERROR
    assert not list((tmp_path / "two").iterdir()) and not list(local_queue.folder().iterdir())


WORKERS = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("worker", worker.pid, flush=True)
time.sleep(600)
"""


async def test_the_workers_of_a_killed_supervisor_s_training_do_not_stay(tmp_path: Path, wait_until: Wait) -> None:
    """The training had started workers, which the kernel does not end with the supervisor: the next look does."""
    script = tmp_path / "train.py"
    script.write_text(WORKERS)
    engine = LocalEngine(script)
    run = await engine.submit(spec(tmp_path))
    log = run_store.run_dir(run.id) / "log"
    await wait_until(lambda: b"worker" in log.read_bytes())
    worker = int(log.read_text().split()[1])
    os.kill(status(run)["supervisor_pid"], signal.SIGKILL)
    async with asyncio.timeout(60):
        while not (run := await engine.get(run.id)).is_final:
            await asyncio.sleep(0.02)
    await wait_until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie", 10)


async def test_a_start_that_was_killed_is_known_at_once(engine: LocalEngine, tmp_path: Path) -> None:
    """The app was killed before the supervisor was there: the run never started, and I read that immediately."""
    folder, descriptor = run_store.new_run_dir()
    data_folder.write_json(folder / "spec.json", {"name": "n", "project": str(tmp_path), "created_at": time.time()})
    assert (await engine.get(folder.name)).stage == Stage.SCHEDULING
    os.close(descriptor)
    run = await engine.get(folder.name)
    assert (run.stage, run.message) == (Stage.ERROR, "The run never started")


async def test_a_signal_goes_to_nobody_but_who_has_the_lock(engine: LocalEngine, running: Run) -> None:
    """The records name a process that is another one now: it gets no signal."""
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
    folder = run_store.run_dir(running.id)
    before = (folder / "status.json").read_bytes()
    data_folder.write_json(folder / "status.json", {**status(running), "supervisor_pid": bystander.pid})
    await engine._signal(await engine.get(running.id), signal.SIGTERM)
    (folder / "status.json").write_bytes(before)
    await asyncio.sleep(0.1)
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


async def test_an_older_version_s_run_is_alive_by_its_process(engine: LocalEngine, running: Run) -> None:
    """I updated smoltui during a run: its supervisor has no lock, and is recognized by its id and start."""
    (run_store.run_dir(running.id) / "lock").rename(run_store.run_dir(running.id) / "kept")
    assert (await LocalEngine(SCRIPT).get(running.id)).stage == Stage.RUNNING
    (run_store.run_dir(running.id) / "kept").rename(run_store.run_dir(running.id) / "lock")
