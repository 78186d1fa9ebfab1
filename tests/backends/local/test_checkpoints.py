"""Pause and resume: one run, one log and one curve, whatever ended its first part."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.local.checkpoints import find_checkpoints, newest_complete
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.backends.local.pausing_training import save
from tests.marks import needs_training
from tests.paths import DEMO, PAUSING_TRAINING

SCRIPT = PAUSING_TRAINING
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(SCRIPT)


def spec(folder: Path, recipe: str, **changes: object) -> RunSpec:
    values = {"name": "try", "project": str(folder), "recipe": recipe, "output_dir": str(folder / "out"), "label": "l1"}
    return RunSpec(**{**values, **changes})  # type: ignore[arg-type]


async def reached(engine: LocalEngine, run: Run, enough: Callable[[Run], bool], seconds: float = 60) -> Run:
    async with asyncio.timeout(seconds):
        while not enough(run := await engine.get(run.id)):
            await asyncio.sleep(0.02)
    return run


async def held(engine: LocalEngine, run: Run, step: int) -> None:
    """Returns when the training waits at this step (`hold_at`) to be told to pause.

    If it were told before, its next part would wait there.
    """
    mark = run_store.run_dir(run.id) / f"once-{step}"
    await reached(engine, run, lambda now: mark.exists())


async def ended(engine: LocalEngine, run: Run, seconds: float = 60) -> Run:
    return await reached(engine, run, lambda now: now.is_final, seconds)


def losses(run: Run) -> list[tuple[int, float]]:
    return run.history.series["loss"]


async def unbroken(engine: LocalEngine, folder: Path, steps: int) -> list[tuple[int, float]]:
    run = await engine.submit(spec(folder, f"steps: {steps}", output_dir=str(folder / "whole"), label="whole"))
    return losses(await ended(engine, run))


async def test_i_pause_a_run_and_go_on(engine: LocalEngine, tmp_path: Path) -> None:
    """I pause a run that saves no checkpoints by itself; it saves one, and resumes as the same run with one curve."""
    run = await engine.submit(spec(tmp_path, "steps: 30\nhold_at: 10"))
    await held(engine, run, 10)
    paused = await engine.pause(run.id)
    assert paused.stage == Stage.CANCELED and paused.message == f"Paused at step {paused.step}" and paused.resumable
    assert 3 <= paused.step < 30 and f"smoltui resume {run.id}" in (paused.hint or "")
    assert (await LocalEngine(SCRIPT).get(run.id)).kept_step == paused.step
    going = await engine.resume(run.id)
    assert going.id == run.id and going.stage in (Stage.RUNNING, Stage.SCHEDULING) and not going.resumable
    done = await ended(engine, run)
    assert done.stage == Stage.COMPLETED and done.step == 30 and done.message is None and done.hint is None
    assert done.seconds_before == paused.duration(0.0) and (done.duration(0.0) or 0) > done.seconds_before
    assert done.trained_seconds is None
    assert losses(done) == await unbroken(engine, tmp_path, 30)
    assert [one.id for one in await engine.list_runs()].count(run.id) == 1
    kept = (await engine.inspect(run.id))["checkpoints"]
    assert [(one["step"], one["complete"]) for one in kept] == [(paused.step, True)]


async def test_another_app_sees_that_it_goes_on(engine: LocalEngine, tmp_path: Path) -> None:
    """I resume in one terminal: the other one, which saw it paused, shows it running and then complete."""
    other = LocalEngine(SCRIPT)
    run = await engine.submit(spec(tmp_path, "steps: 12\nhold_at: 5"))
    await held(engine, run, 5)
    await engine.pause(run.id)
    assert (await other.get(run.id)).resumable
    await engine.resume(run.id)
    assert (await ended(other, run)).stage == Stage.COMPLETED
    assert len(losses(await other.get(run.id))) == 12


async def test_a_killed_training_goes_on_from_its_newest_checkpoint(engine: LocalEngine, tmp_path: Path) -> None:
    """kill -9 at step 11, checkpoints at 4 and 8: it resumes from 8, and steps 9 to 11 are those of the second part."""
    run = await engine.submit(spec(tmp_path, "steps: 14\nsave_steps: 4\ndie_at: 11"))
    killed = await ended(engine, run)
    assert killed.stage == Stage.ERROR and killed.resumable and "signal 9" in (killed.message or "")
    assert "step 8" in (killed.hint or "")
    assert [step for step, _ in losses(killed)] == list(range(1, 12))
    await engine.resume(run.id)
    done = await ended(engine, run)
    assert done.stage == Stage.COMPLETED and losses(done) == await unbroken(engine, tmp_path, 14)
    async with aclosing(engine.follow(run.id)) as stream:
        seen = [event async for event in stream]
    told = [event.message for event in seen if isinstance(event, events.StageChanged)]
    assert "Resumed from step 8" in told
    assert [event.step for event in seen if isinstance(event, events.Metrics)] == [*range(1, 12), *range(9, 15)]


async def test_a_killed_supervisor_is_no_loss_either(engine: LocalEngine, tmp_path: Path) -> None:
    """The supervisor is killed, and the training with it: the run resumes from its checkpoint."""
    run = await engine.submit(spec(tmp_path, "steps: 20\nsave_steps: 2\nhold_at: 7"))
    await held(engine, run, 7)
    status = data_folder.read_json(run_store.run_dir(run.id) / "status.json") or {}
    os.kill(status["supervisor_pid"], signal.SIGKILL)
    gone = await ended(engine, run)
    assert gone.stage == Stage.ERROR and gone.resumable
    await engine.resume(run.id)
    done = await ended(engine, run)
    assert done.stage == Stage.COMPLETED and losses(done) == await unbroken(engine, tmp_path, 20)


async def test_a_disk_that_was_full_while_saving(engine: LocalEngine, tmp_path: Path) -> None:
    """The disk fills up at checkpoint 9: it resumes from 6, the newest complete one."""
    run = await engine.submit(spec(tmp_path, "steps: 12\nsave_steps: 3\nfull_at: 9"))
    failed = await ended(engine, run)
    assert (failed.stage, failed.message, failed.resumable) == (Stage.ERROR, "The disk is full", True)
    assert "Free some space" in (failed.hint or "") and "step 6" in (failed.hint or "")
    found = (await engine.inspect(run.id))["checkpoints"]
    assert [(one["step"], one["complete"]) for one in found] == [(3, True), (6, True), (9, False)]
    await engine.resume(run.id)
    done = await ended(engine, run)
    assert done.stage == Stage.COMPLETED and losses(done) == await unbroken(engine, tmp_path, 12)
    assert done.message is None, "what failed before is over"


async def test_it_pauses_twice(engine: LocalEngine, tmp_path: Path) -> None:
    """I pause, resume, pause again and resume: still one curve, and each part is known."""
    run = await engine.submit(spec(tmp_path, "steps: 24\nhold_at: 4 11"))
    for step in (4, 11):
        await held(engine, run, step)
        assert (await engine.pause(run.id)).resumable
        await engine.resume(run.id)
    done = await ended(engine, run)
    assert losses(done) == await unbroken(engine, tmp_path, 24)
    launch = (await engine.inspect(run.id))["launch"]
    assert launch["attempt"] == 3 and len(launch["earlier"]) == 2


async def test_what_cannot_be_paused_or_resumed_is_said(engine: LocalEngine, tmp_path: Path) -> None:
    """A complete run, one that is running and one without a checkpoint: a sentence and a next step each."""
    run = await engine.submit(spec(tmp_path, "steps: 2"))
    await ended(engine, run)
    for act, words in ((engine.resume, "has reached its last step"), (engine.pause, "cannot be paused")):
        with pytest.raises(InputError, match=words):
            await act(run.id)
    more = spec(tmp_path, "steps: 400\npause: 0.05", label="l2", output_dir=str(tmp_path / "two"))
    two = await engine.submit(more)
    with pytest.raises(InputError, match="has not ended"):
        await engine.resume(two.id)
    stopped = await engine.cancel(two.id)
    assert not stopped.resumable and stopped.hint is None
    with pytest.raises(InputError, match="saved no checkpoint") as error:
        await engine.resume(two.id)
    assert "save_steps" in error.value.hint and "rerun" in error.value.hint
    save(tmp_path / "two" / "checkpoint-7", 7)
    with pytest.raises(InputError, match=r"in checkpoint-7, trainer_state.json, which is written last, is missing"):
        await engine.resume(two.id)


async def test_checkpoints_of_others_are_left_alone(engine: LocalEngine, tmp_path: Path) -> None:
    """A folder holds checkpoints of an older training, with a higher step: mine resumes from its own."""
    old = tmp_path / "out" / "checkpoint-900"
    save(old, 900, until="")
    os.utime(old / "trainer_state.json", (1e9, 1e9))
    run = await engine.submit(spec(tmp_path, "steps: 12\nsave_steps: 3\ndie_at: 8"))
    await ended(engine, run)
    await engine.resume(run.id)
    done = await ended(engine, run)
    assert done.stage == Stage.COMPLETED
    assert (await engine.inspect(run.id))["launch"]["resumed"] == "Resumed from step 6"


async def test_a_folder_that_another_run_took_over(engine: LocalEngine, tmp_path: Path) -> None:
    """I stopped one run and trained another into the same folder: the first cannot resume in it, and I read why."""
    first = await engine.submit(spec(tmp_path, "steps: 200\npause: 0.05\nsave_steps: 1"))
    await reached(engine, first, lambda now: now.step >= 2)
    assert (await engine.cancel(first.id)).resumable
    second = await engine.submit(spec(tmp_path, "steps: 3\nsave_steps: 1\ndie_at: 2", label="l2"))
    await ended(engine, second)
    with pytest.raises(InputError, match=f"Run {second.id} has since trained into the same folder"):
        await engine.resume(first.id)


async def test_pausing_before_it_trains_is_refused(engine: LocalEngine, tmp_path: Path) -> None:
    """It still loads the model: there is nothing to save, so it is not ended by a pause."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        'import time\nprint(\'{"event": "phase", "v": 1, "phase": "load_model"}\', flush=True)\ntime.sleep(99)'
    )
    engine = LocalEngine(slow)
    run = await engine.submit(spec(tmp_path, "x: 1"))
    await reached(engine, run, lambda now: now.phase == "load_model")
    with pytest.raises(InputError, match="Training has not started"):
        await engine.pause(run.id)
    assert (await engine.cancel(run.id)).stage == Stage.CANCELED


class TestCheckpoints:
    """Which checkpoints count as complete."""

    @pytest.mark.parametrize(
        "missing", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
    )
    def test_a_missing_file_is_named(self, tmp_path: Path, missing: str) -> None:
        save(tmp_path / "checkpoint-4", 4, until="")
        (tmp_path / "checkpoint-4" / missing).unlink()
        (found,) = find_checkpoints(tmp_path)
        assert found.step == 4 and not found.complete and found.problem
        assert missing in found.problem or "weights" in found.problem or "optimizer" in found.problem

    @pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth"])
    def test_a_file_that_is_cut_off_is_named(self, tmp_path: Path, name: str) -> None:
        save(tmp_path / "checkpoint-4", 4, until="")
        file = tmp_path / "checkpoint-4" / name
        file.write_bytes(file.read_bytes()[:-5])
        (found,) = find_checkpoints(tmp_path)
        assert found.problem == f"a file is truncated: {name}"

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"global_step": "4"}', '{"global_step": true}'])
    def test_a_state_that_says_nothing(self, tmp_path: Path, text: str) -> None:
        save(tmp_path / "checkpoint-4", 4, until="")
        (tmp_path / "checkpoint-4" / "trainer_state.json").write_text(text)
        (found,) = find_checkpoints(tmp_path)
        assert "trainer_state.json" in (found.problem or "")

    def test_the_newest_is_not_simply_the_highest_number(self, tmp_path: Path) -> None:
        for step in (4, 8, 12):
            save(tmp_path / f"checkpoint-{step}", step, until="" if step < 12 else "trainer_state.json")
        save(tmp_path / "checkpoint-best", 99, until="")
        found = find_checkpoints(tmp_path)
        assert [one.step for one in found] == [4, 8, 12]
        kept = newest_complete(found)
        assert kept is not None and kept.step == 8
        assert newest_complete(found, since=kept.written_at + 1) is None
        told = newest_complete(found, since=kept.written_at + 1, told={str(tmp_path / "checkpoint-4")})
        assert told is not None and told.step == 4
        assert find_checkpoints(tmp_path / "nowhere") == []


def recipe(steps: int, *more: str) -> str:
    """The demo's recipe for a few steps of small batches; it keeps `save_strategy: "no"`."""
    lines = [
        line
        for line in (DEMO / "recipe.yaml").read_text("utf-8").splitlines()
        if not line.startswith(("per_device_train", "eval_strategy", "num_train_epochs", "warmup"))
    ]
    return "\n".join([*lines, f"max_steps: {steps}", "per_device_train_batch_size: 2", 'eval_strategy: "no"', *more])


@needs_training
async def test_the_demo_resumes_to_the_same_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real script and dropout: paused without a save setting, then killed, it has the losses of an unbroken
    run at every step, and the same of every other metric."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    demo = Path(shutil.copytree(DEMO, tmp_path / "demo"))
    lora = ("use_peft: true", "lora_target_modules: all-linear", "lora_r: 2", "lora_dropout: 0.2")
    text = recipe(20, *lora, "disable_dropout: false")  # else TRL turns dropout off, and the random state is not tested
    engine = LocalEngine()
    run = await engine.submit(spec(demo, text, output_dir=str(demo / "out")))
    beside = spec(demo, text, output_dir=str(demo / "whole"), label="whole", side_by_side=True)
    whole = await engine.submit(beside)
    await reached(engine, run, lambda now: now.step >= 2, 90)
    await engine.pause(run.id)
    paused = await ended(engine, run, 120)  # on a busy machine, saving takes longer than is waited for
    assert paused.message == f"Paused at step {paused.step}" and 2 <= paused.step < 20, paused
    assert "train_loss" not in paused.history.series
    await engine.resume(run.id)
    one, other = await ended(engine, run, 120), await ended(engine, whole, 120)
    assert one.stage == other.stage == Stage.COMPLETED, (one.message, other.message)
    for name, points in other.history.series.items():
        if name.startswith(("loss", "grad", "rewards", "logps", "logits", "learning", "num_tokens", "entropy", "mean")):
            assert one.history.series[name] == points, name
    assert [step for step, _ in losses(one)] == list(range(1, 21))
    state = json.loads((demo / "out" / f"checkpoint-{paused.step}" / "trainer_state.json").read_text())
    assert state["global_step"] == paused.step and replace(one, id="") != replace(other, id="")
