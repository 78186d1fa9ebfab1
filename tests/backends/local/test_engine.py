"""Local runs: they outlive whoever started them, and always end in a word."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.output_dir import free_output_dir
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(SCRIPT)


def spec(folder: Path, recipe: str = "steps: 3", **changes: object) -> RunSpec:
    values = {
        "name": "try",
        "project": str(folder),
        "recipe": recipe,
        "output_dir": str(folder / "aligned"),
        "label": "l1",
    }
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


async def ended(engine: LocalEngine, run: Run, seconds: float = 60) -> Run:
    async with asyncio.timeout(seconds):
        while not (run := await engine.get(run.id)).is_final:
            await asyncio.sleep(0.02)
    return run


async def test_a_run_completes_with_its_curve(engine: LocalEngine, tmp_path: Path) -> None:
    """I start a run and find its stage, steps, model and every point of its curve."""
    run = await ended(engine, await engine.submit(spec(tmp_path)))
    assert (run.stage, run.step, run.max_steps, run.moved) == (Stage.COMPLETED, 3, 3, 1.0)
    assert run.model_path == str(tmp_path / "aligned")
    assert [row["step"] for row in run.history.rows()] == [1, 2, 3]
    assert [one.id for one in await engine.list_runs()] == [run.id]


async def test_another_process_sees_the_same_run(engine: LocalEngine, tmp_path: Path) -> None:
    """I close the app and open it again: the run is there, whole."""
    run = await ended(engine, await engine.submit(spec(tmp_path)))
    again = await LocalEngine(SCRIPT).get(run.id)
    assert again == run and again.history.rows() == run.history.rows()


async def test_following_gives_each_line_once_and_ends_with_the_stage(engine: LocalEngine, tmp_path: Path) -> None:
    """I follow a run from its start: phases, metrics and log text come in order, and the last word is its stage."""
    run = await engine.submit(spec(tmp_path, "steps: 20\npause: 0.02"))
    async with aclosing(engine.follow(run.id)) as stream:
        seen = [event async for event in stream]
    assert [event.step for event in seen if isinstance(event, events.Metrics)] == list(range(1, 21))
    assert [event.text for event in seen if isinstance(event, events.LogLine)] == ["a warning of a library\x1b[31m"]
    assert isinstance(seen[-1], events.StageChanged) and seen[-1].stage == Stage.COMPLETED


@pytest.mark.parametrize(
    ("end", "stage", "words"),
    [
        ("fail", Stage.ERROR, "Not enough memory"),
        ("crash", Stage.ERROR, "RuntimeError: no event says why"),
        ("kill", Stage.ERROR, "signal 9"),
        ("early", Stage.ERROR, "without reaching the planned step"),
    ],
)
async def test_a_failed_run_says_why(engine: LocalEngine, tmp_path: Path, end: str, stage: str, words: str) -> None:
    """A run that fails, crashes, is killed or stops early is in stage ERROR with the cause."""
    run = await ended(engine, await engine.submit(spec(tmp_path, f"steps: 3\nend: {end}")))
    assert run.stage == stage and words in (run.message or "")


async def test_cancel_stops_it_and_leaves_no_process(engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """I cancel a run that hangs: it is CANCELED and none of its processes is left."""
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang"))
    status = data_folder.read_json(run_store.run_dir(run.id) / "status.json")
    assert status is not None
    family = [status["supervisor_pid"], status["child_pid"]]
    run = await engine.cancel(run.id)
    assert run.stage == Stage.CANCELED
    await wait_until(lambda: not any(_lives(pid) for pid in family))
    assert (await engine.cancel(run.id)).stage == Stage.CANCELED, "cancelling again changes nothing"


async def test_a_dead_supervisor_is_an_error_and_takes_the_child_along(
    engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """The supervisor is killed: the run is not RUNNING forever, and no training continues unseen."""
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang"))
    status = data_folder.read_json(run_store.run_dir(run.id) / "status.json")
    assert status is not None
    os.kill(status["supervisor_pid"], signal.SIGKILL)
    run = await ended(engine, run)
    assert run.stage == Stage.ERROR and "supervisor and the run are gone" in (run.message or "")
    await wait_until(lambda: not _lives(status["child_pid"]))


async def test_the_same_label_is_never_started_twice(engine: LocalEngine, tmp_path: Path) -> None:
    """I press start twice: one run exists."""
    first = await engine.submit(spec(tmp_path))
    second = await engine.submit(spec(tmp_path))
    assert first.id == second.id and len(await engine.list_runs()) == 1


async def test_a_model_is_not_overwritten(engine: LocalEngine, tmp_path: Path) -> None:
    """The output folder holds a model: I am told, with the next free name, and nothing starts."""
    (tmp_path / "aligned").mkdir()
    (tmp_path / "aligned" / "config.json").write_text("{}")
    with pytest.raises(InputError) as error:
        await engine.submit(spec(tmp_path))
    assert "already contains a model" in error.value.message and "aligned-2" in error.value.hint
    assert await engine.list_runs() == []
    assert free_output_dir(tmp_path / "aligned") == tmp_path / "aligned-2"
    run = await ended(engine, await engine.submit(spec(tmp_path, overwrite=True)))
    assert run.stage == Stage.COMPLETED


async def test_a_missing_run_is_named(engine: LocalEngine) -> None:
    for wrong in ("nothere", "../etc", ""):
        with pytest.raises(InputError):
            await engine.get(wrong)


async def test_the_log_may_hold_anything(engine: LocalEngine, tmp_path: Path) -> None:
    """Progress bars, half lines and bytes that are no UTF-8 do not stop the reader, and a token is not shown."""
    run = await ended(engine, await engine.submit(spec(tmp_path)))
    log = run_store.run_dir(run.id) / "log"
    with log.open("ab") as file:
        file.write(b"\xff\xfe\n\r 10%\r 20%\rdone\nHF_TOKEN=hf_abcdefghijklmnop\nlast without newline")
    async with aclosing(engine.follow(run.id)) as stream:
        texts = [event.text async for event in stream if isinstance(event, events.LogLine)]
    assert texts[-3:] == ["done", "HF_TOKEN=***", "last without newline"]
    assert "hf_abcdefghijklmnop" not in "".join(texts)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_starting_is_quick(engine: LocalEngine, tmp_path: Path) -> None:
    """Submitting returns the run before the training has even loaded its packages."""
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang"))
    assert run.stage in (Stage.RUNNING, Stage.SCHEDULING)
    await engine.cancel(run.id)


async def test_a_killed_child_is_told_with_its_step_and_a_next_step(engine: LocalEngine, tmp_path: Path) -> None:
    """The kernel kills my training: I read at which step and what to do, and no warning of a library as the reason."""
    run = await ended(engine, await engine.submit(spec(tmp_path, "steps: 3\nend: kill\nwarn: yes")))
    assert "signal 9" in (run.message or "") and "at step 3" in (run.message or "")
    assert "warnings.warn" not in (run.message or "") and "FutureWarning" not in (run.message or "")
    assert "max_length" in (run.hint or "")


async def test_the_tail_is_the_last_lines(engine: LocalEngine, tmp_path: Path) -> None:
    """I ask for the last three lines and get three, not every metric of the run."""
    run = await ended(engine, await engine.submit(spec(tmp_path, "steps: 9")))
    async with aclosing(engine.follow(run.id, follow=False, tail=3)) as stream:
        seen = [event async for event in stream]
    assert [event.name for event in seen] == ["moved", "saved", "finished", "stage"]
    async with aclosing(engine.follow(run.id, follow=False, tail=0)) as stream:
        assert [event.name async for event in stream] == ["stage"]


async def test_two_runs_do_not_write_to_one_folder(engine: LocalEngine, tmp_path: Path) -> None:
    """I start a second training during the first: neither model is lost, whoever started it."""
    first = await engine.submit(spec(tmp_path, "steps: 1\nend: hang"))
    with pytest.raises(InputError) as error:
        await LocalEngine(SCRIPT).submit(spec(tmp_path, label="l2", overwrite=True))
    assert first.id in error.value.message and "--output-dir aligned-2" in error.value.hint
    await engine.cancel(first.id)
    second = await ended(engine, await engine.submit(spec(tmp_path, label="l2")))
    assert second.stage == Stage.COMPLETED


async def test_two_that_start_at_once_are_not_both_started(tmp_path: Path) -> None:
    """I press enter in two terminals at the same moment: one of them trains."""
    twice = [LocalEngine(SCRIPT).submit(spec(tmp_path, "steps: 1\nend: hang", label=label)) for label in ("a", "b")]
    done = await asyncio.gather(*twice, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["InputError", "Run"]
    (run,) = [one for one in done if isinstance(one, Run)]
    await LocalEngine(SCRIPT).cancel(run.id)


async def test_a_full_disk_starts_nothing(engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for the log of a run: I am told, and no half run is left."""
    full = shutil._ntuple_diskusage(10**9, 10**9, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(InputError) as error:
        await engine.submit(spec(tmp_path))
    assert "No space left" in error.value.message and "SMOLTUI_HOME" in error.value.hint
    assert await engine.list_runs() == []


async def test_a_disk_that_fills_up_is_the_cause(engine: LocalEngine, tmp_path: Path) -> None:
    """The disk filled while it trained, so the script could not say it: its supervisor did."""
    run = await ended(engine, await engine.submit(spec(tmp_path, "steps: 1\nend: kill")))
    status = run_store.run_dir(run.id) / "status.json"
    data_folder.write_json(status, {**(data_folder.read_json(status) or {}), "exit_code": 1, "disk_full": True})
    run = await LocalEngine(SCRIPT).get(run.id)
    assert "disk with the run's log is full" in (run.message or "") and "SMOLTUI_HOME" in (run.hint or "")


async def test_a_data_folder_that_is_none_is_named(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMOLTUI_HOME names a file: one sentence, whatever I wanted."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="SMOLTUI_HOME"):
        await engine.list_runs()
    with pytest.raises(InputError, match="SMOLTUI_HOME"):
        await engine.submit(spec(tmp_path))


async def test_many_old_runs_do_not_hold_the_screen_up(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading hundreds of old runs takes a second, and I can type meanwhile."""
    await ended(engine, await engine.submit(spec(tmp_path)))
    ids, typed = run_store.run_ids, threading.Event()
    monkeypatch.setattr(run_store, "run_ids", lambda: ids() if typed.wait(60) else [])
    listing = asyncio.create_task(engine.list_runs())
    await asyncio.sleep(0.01)
    typed.set()
    assert len(await listing) == 1
