"""Several processes on this machine, through `accelerate launch`."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError, MissingExtraError, RecipeError
from tests.marks import needs_training
from tests.paths import DEMO, FAKE_TRAINING
from tests.shadows import left_behind, put_shadows

FAKE = FAKE_TRAINING
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo, to be trained by two processes, among files named like what they import."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = Path(shutil.copytree(DEMO, tmp_path / "demo"))
    (folder / "smoltui.toml").write_text("[local]\nprocesses = 2\n")
    put_shadows(folder)
    return folder


def spec(folder: Path, recipe: str, **changes: object) -> RunSpec:
    values = {"name": "try", "project": str(folder), "recipe": recipe, "output_dir": str(folder / "out"), "label": "l1"}
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


def recipe(steps: int) -> str:
    lines = [
        line
        for line in (DEMO / "recipe.yaml").read_text("utf-8").splitlines()
        if not line.startswith(("per_device_train", "eval_strategy", "num_train_epochs"))
    ]
    return "\n".join([*lines, f"max_steps: {steps}", "per_device_train_batch_size: 2", 'eval_strategy: "no"'])


async def reached(engine: LocalEngine, run: Run, enough: Callable[[Run], bool], seconds: float) -> Run:
    async with asyncio.timeout(seconds):
        while not enough(run := await engine.get(run.id)):
            await asyncio.sleep(0.02)
    return run


def family(run: Run) -> list[psutil.Process]:
    """The training process and all its children."""
    status = data_folder.read_json(run_store.run_dir(run.id) / "status.json") or {}
    child = psutil.Process(status["child_pid"])
    return [child, *child.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@needs_training
async def test_two_processes_train_pause_and_go_on(demo: Path, wait_until: Wait) -> None:
    """smoltui.toml says two processes: one of them speaks, both pause after the same step, and the run is completed."""
    engine = LocalEngine()
    run = await engine.submit(spec(demo, recipe(16)))
    run = await reached(engine, run, lambda now: now.step >= 1 or now.is_final, 180)
    assert run.stage == Stage.RUNNING, run.message
    processes = family(run)
    assert len(processes) >= 3, "the launcher and two that train"
    await engine.pause(run.id)
    paused = await reached(engine, run, lambda now: now.is_final, 60)
    assert paused.message == f"Paused at step {paused.step}" and paused.resumable and paused.step < 16
    await wait_until(lambda: gone(processes))
    found = await engine.inspect(run.id)
    assert [(one["step"], one["complete"]) for one in found["checkpoints"]] == [(paused.step, True)]
    assert "num_processes: 2" in found["accelerate"] and found["accelerate_file"] in found["command"]
    assert "accelerate.commands.launch" in found["command"] and found["spec"]["strategy"] == "ddp"
    await engine.resume(run.id)
    done = await reached(engine, run, lambda now: now.is_final, 180)
    assert done.stage == Stage.COMPLETED, done.message
    assert [step for step, _ in done.history.series["loss"]] == list(range(1, 17))
    assert (demo / "out" / "model.safetensors").is_file()
    assert not left_behind(demo), "modules of the project were imported"
    async with aclosing(engine.follow(run.id)) as stream:
        seen = [event async for event in stream]
    assert len([event for event in seen if isinstance(event, events.Planned)]) == 2, "one a part, not one a process"
    steps = [event.step for event in seen if isinstance(event, events.Metrics) and "loss" in event.values]
    assert steps == list(range(1, 17))


@needs_training
async def test_cancelling_leaves_no_process_of_any_rank(demo: Path, wait_until: Wait) -> None:
    """Each process has a session of its own, so a signal to a group does not reach it: none is left all the same."""
    engine = LocalEngine()
    run = await engine.submit(spec(demo, recipe(400)))
    run = await reached(engine, run, lambda now: now.phase is not None, 180)
    await wait_until(lambda: len(family(run)) >= 3)
    # Python itself starts in less: both run the script.
    await wait_until(lambda: all(sum(one.cpu_times()[:2]) > 0.5 for one in family(run)[1:]))
    processes = family(run)
    assert (await engine.cancel(run.id)).stage == Stage.CANCELED
    await wait_until(lambda: gone(processes))


@needs_training
async def test_fsdp_without_gpus_is_refused(demo: Path) -> None:
    """FSDP on a CPU: accelerate would quietly do something else, so the script says no."""
    (demo / "smoltui.toml").write_text('[local]\nprocesses = 2\nstrategy = "fsdp"\n')
    run = await LocalEngine().submit(spec(demo, recipe(2)))
    run = await reached(LocalEngine(), run, lambda now: now.is_final, 120)
    assert run.stage == Stage.ERROR and "fsdp needs GPUs" in (run.message or "")
    assert "ddp" in (run.hint or "") and not (demo / "out").exists()


async def test_a_wrong_count_or_strategy_starts_nothing(tmp_path: Path) -> None:
    """A slip in smoltui.toml or on the command line: a sentence that names it, and no run."""
    engine = LocalEngine(FAKE)
    (tmp_path / "smoltui.toml").write_text("[local]\nprocesses = 0\n")
    with pytest.raises(RecipeError, match=r"local\.processes"):
        await engine.submit(spec(tmp_path, "steps: 1"))
    (tmp_path / "smoltui.toml").write_text("")
    for changes, words in (
        ({"processes": 65}, "have 1 to 64 processes"),
        ({"strategy": "zero2"}, "Unknown strategy: zero2"),
    ):
        with pytest.raises(InputError, match=words):
            await engine.submit(spec(tmp_path, "steps: 1", **changes))
    if importlib.util.find_spec("deepspeed") is None:
        with pytest.raises(MissingExtraError, match="deepspeed"):
            await engine.submit(spec(tmp_path, "steps: 1", processes=2, strategy="zero3"))
    assert await engine.list_runs() == []


async def test_one_process_is_started_without_a_launcher(tmp_path: Path) -> None:
    engine = LocalEngine(FAKE)
    run = await engine.submit(spec(tmp_path, "steps: 1"))
    found = await engine.inspect(run.id)
    assert found["accelerate"] is None and found["accelerate_file"] is None
    assert "accelerate.commands.launch" not in found["command"]
    assert (found["spec"]["processes"], found["spec"]["strategy"]) == (1, "ddp")
    await reached(engine, run, lambda now: now.is_final, 60)
