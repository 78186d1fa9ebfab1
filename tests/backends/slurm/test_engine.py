"""Runs on a real Slurm: paused, resumed, requeued, preempted, killed, and found again."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from smoltui.backends.slurm import records
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from tests.paths import PAUSING_TRAINING
from tests.slurm.cluster import NEEDS_SLURM, Cluster

pytestmark = list(NEEDS_SLURM)
SECONDS = 20
SESSION = secrets.token_hex(3)
"""Labels differ from those of an earlier session on the same cluster."""


@pytest.fixture
def engine(slurm: Cluster) -> SlurmEngine:
    return SlurmEngine(PAUSING_TRAINING, poll_seconds=0.2, log_seconds=0.1)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., RunSpec]:
    """A run of so many steps, with further keys of its recipe and of [slurm]."""

    def make(recipe: str = "steps: 6", name: str = "run", **options: object) -> RunSpec:
        asked = {"gpus": 0, "mem": "100M", **options}
        return RunSpec(
            name=name,
            project=str(tmp_path),
            recipe=recipe + "\n",
            output_dir=str(tmp_path / f"aligned-{name[:20]}"),
            label=f"{name[:20]}-{SESSION}-{tmp_path.name}",
            options={key: json.dumps(value) for key, value in asked.items()},
        )

    return make


async def until(engine: SlurmEngine, run_id: str, enough: Callable[[Run], bool]) -> Run:
    """The run once `enough` is true for it; Slurm is asked as often as the engine allows."""
    deadline = time.monotonic() + SECONDS
    while True:
        run = next(one for one in await engine.list_runs() if one.id == run_id)
        if enough(run):
            return run
        assert time.monotonic() < deadline, f"{run.stage}: {run.message}"
        await asyncio.sleep(0.1)


def job_of(run: Run) -> str:
    return str(run.raw["parts"][-1]["job"])


def start_soon(slurm: Cluster, run: Run) -> None:
    """Slurm would start a requeued job after two minutes, and can't in the second in which it was ended."""
    slurm.ask("scontrol", "update", f"jobid={job_of(run)}", "starttime=now+2")


def losses(run: Run) -> list[tuple[int, float]]:
    return run.history.series["loss"]


WHOLE = [(step, 0.7 - step / 100) for step in range(1, 7)]


async def pause_and_resume(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """The step in progress is finished and kept, and a second job continues the same log and curve."""
    run = await engine.submit(spec("steps: 6\nhold_at: 3", "paused"))
    await until(engine, run.id, lambda now: now.step == 3)
    paused = await engine.pause(run.id)
    assert (paused.stage, paused.message, paused.resumable) == (Stage.CANCELED, "Paused at step 3", True)
    assert "smoltui resume" in (paused.hint or "")
    with pytest.raises(InputError, match="has ended"):
        await engine.pause(run.id)
    assert (await engine.get(job_of(paused))).id == run.id  # its number in Slurm is a name, too
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch.object(data_folder, "write_json", side_effect=full), pytest.raises(InputError, match="No space left"):
        await engine.resume(run.id)
    again = await engine.resume(run.id)
    assert again.id == run.id and len(again.raw["parts"]) == 2 and job_of(again) != job_of(paused)
    ended = await until(engine, run.id, lambda now: now.is_final)
    assert ended.stage == Stage.COMPLETED and losses(ended) == WHOLE and ended.seconds_before > 0
    with pytest.raises(InputError, match="nothing to resume"):
        await engine.resume(run.id)


async def stopped_before_its_limit(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """Slurm tells the steps to save, as it does before the time limit: nobody has to do anything."""
    run = await engine.submit(spec("steps: 6\nhold_at: 3", "limit"))
    running = await until(engine, run.id, lambda now: now.step == 3)
    slurm.ask("scancel", "--signal=TERM", job_of(running))
    waits = await until(engine, run.id, lambda now: now.stage == Stage.SCHEDULING and "delays" in (now.message or ""))
    assert "continues from step 3" in (waits.message or "")
    start_soon(slurm, run)
    ended = await until(engine, run.id, lambda now: now.is_final)
    assert (ended.stage, ended.message) == (Stage.COMPLETED, "Restarted once")
    assert losses(ended) == WHOLE and len(ended.raw["parts"]) == 1
    async with aclosing(engine.follow(run.id, follow=False)) as stream:
        said = [event async for event in stream]
    assert "Resumed from step 3" in [event.message for event in said if isinstance(event, events.StageChanged)]


async def the_most_restarts(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """A run that may not be restarted stays paused, and says how it continues."""
    run = await engine.submit(spec("steps: 6\nhold_at: 2", "restarts", restarts=0))
    running = await until(engine, run.id, lambda now: now.step == 2)
    slurm.ask("scancel", "--signal=TERM", job_of(running))
    ended = await until(engine, run.id, lambda now: now.is_final)
    assert (ended.stage, ended.resumable) == (Stage.CANCELED, True)
    assert ended.message == "Paused at step 2: no restart is left (slurm.restarts = 0)"


async def ends_in_slurm_s_words(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """Whatever ends a job, the run has the right stage, a sentence, and what to do."""
    held = await engine.submit(spec("steps: 6\nhold_at: 2", "scancelled"))
    batch = await engine.submit(spec("steps: 6\nhold_at: 2", "batch"))
    died = await engine.submit(spec("steps: 6\ndie_at: 2\nsave_steps: 1", "died"))
    setup = await engine.submit(spec("steps: 6", "setup", setup=["export A=1", "nonesuch load cuda"]))
    waiting = await engine.submit(spec("steps: 6", "waiting", nodes=2, extra=["--begin=now+1hour"]))
    python = await engine.submit(spec("steps: 6", "python", python="/nowhere/python"))
    slurm.ask("scancel", job_of(waiting))
    for run in (held, batch):
        running = await until(engine, run.id, lambda now: now.step == 2)
        if run is held:
            slurm.ask("scancel", job_of(running))
        else:
            os.kill(_script_of(run), signal.SIGKILL)
    found = {}
    for run in (held, batch, died, setup, waiting, python):
        found[run.name] = await until(engine, run.id, lambda now: now.is_final)
    told = {name: (run.stage, run.message or "") for name, run in found.items()}
    assert told["scancelled"] == (
        Stage.CANCELED,
        "Canceled while it was running, not by smoltui (scancel, or an administrator)",
    )
    assert told["waiting"][0] == Stage.CANCELED and "before it started" in told["waiting"][1]
    assert told["batch"][0] == Stage.ERROR and "SIGKILL" in told["batch"][1]
    assert told["died"][0] == Stage.ERROR and found["died"].resumable
    assert told["setup"] == (Stage.ERROR, "A line of slurm.setup failed (exit code 127)")
    assert "slurm.setup failed with code 127: nonesuch load cuda" in (_folder(setup) / "log").read_text()
    assert told["python"][0] == Stage.ERROR and told["python"][1].endswith(": /nowhere/python")
    assert found["scancelled"].resumable  # it was told to save, too
    assert all(run.hint for run in found.values() if run.stage == Stage.ERROR)


async def preempted(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """A more important job takes the node: the run saves, waits, and continues on its own."""
    run = await engine.submit(spec("steps: 6\nhold_at: 3", "preempted", partition="low", exclusive=True))
    await until(engine, run.id, lambda now: now.step == 3)
    node = (slurm.ask("squeue", "-h", "-j", job_of(run), "-o", "%N") or "").strip()
    slurm.ask("sbatch", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    waits = await until(engine, run.id, lambda now: now.stage == Stage.SCHEDULING and "delays" in (now.message or ""))
    assert "continues from step 3" in (waits.message or "")
    start_soon(slurm, run)
    ended = await until(engine, run.id, lambda now: now.is_final)
    assert (ended.stage, ended.message) == (Stage.COMPLETED, "Restarted once")
    assert losses(ended) == WHOLE


async def test_side_by_side(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """Stories that mostly wait for Slurm share the nodes, each with runs of its own."""
    stories = (preempted, pause_and_resume, stopped_before_its_limit, the_most_restarts, ends_in_slurm_s_words)
    await asyncio.gather(*(story(engine, slurm, spec) for story in stories))


def _script_of(run: Run) -> int:
    """The process of the batch script."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if any(word.endswith(f"{run.id}/slurm_job.py".encode()) for word in words) and b"--task" not in words:
                    return int(entry.name)
    raise AssertionError("the script does not run")


def _folder(run: Run) -> Path:
    return records.run_dir(run.id)


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_an_answer_that_was_lost(
    engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sbatch took the job and its answer never came, or came after a banner: it is one job, and it is found."""
    real = shutil.which("sbatch", path=slurm.env["PATH"])
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "sbatch"
    monkeypatch.setenv("PATH", f"{fake.parent}:{slurm.env['PATH']}")
    fake.write_text(f'#!/bin/sh\n{real} "$@" >/dev/null\necho "sbatch: error: Socket timed out" >&2\nexit 1\n')
    fake.chmod(0o755)
    run = await engine.submit(spec("steps: 2", "lost"))
    fake.write_text(f'#!/bin/sh\necho "Welcome to the cluster 12"\n{real} "$@"\n')
    second = await engine.submit(spec("steps: 2", "banner"))
    for one in (run, second):
        ended = await until(engine, one.id, lambda now: now.is_final)
        assert ended.stage == Stage.COMPLETED
    assert (await engine.submit(spec("steps: 2", "lost"))).id == run.id
    listed = slurm.ask("squeue", "-h", "-t", "all", "-o", "%k") or ""
    assert listed.count(f"smoltui-run=lost-{SESSION}-{tmp_path.name}") == 1


async def test_hostile_variables_and_names(
    engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person exports for their own use changes nothing; a token stays here; a name is only a name."""
    for name, value in {
        "SQUEUE_FORMAT": "%i",
        "SQUEUE_STATES": "RUNNING",
        "SBATCH_PARTITION": "nowhere",
        "SBATCH_TIMELIMIT": "bad",
        "SLURM_TIME_FORMAT": "%H",
        "HF_TOKEN": "hf_" + "s" * 34,
    }.items():
        monkeypatch.setenv(name, value)
    run = await engine.submit(spec("steps: 2\nhold_at: 1", "zwölf | Läufe " + "x" * 280))
    running = await until(engine, run.id, lambda now: now.step == 1)
    shown = slurm.ask("scontrol", "show", "job", job_of(running)) or ""
    assert "JobName=zw-lf-L-ufe-xxx" in shown and "Partition=main" in shown and "ssssss" not in shown
    assert b"ssssss" not in contents(_folder(run)) + contents(slurm.folder / "state")
    assert (await engine.cancel(run.id)).message == "Stopped on request"


async def test_a_controller_that_is_silent(engine: SlurmEngine, slurm: Cluster, spec: Callable[..., RunSpec]) -> None:
    """Slurm is restarted: no run changes its stage, the log continues, and the reason is shown."""
    run = await engine.submit(spec("steps: 6\nhold_at: 3"))
    waiting = await engine.submit(spec("steps: 6", "waiting", extra=["--begin=now+1hour"]))
    await until(engine, run.id, lambda now: now.step == 3)
    slurm.stop_controller()
    try:
        fresh = SlurmEngine(PAUSING_TRAINING, poll_seconds=0.5)  # another smoltui, which never had an answer
        silent, listed = await asyncio.gather(
            until(engine, waiting.id, lambda now: "has not answered" in (now.message or "")), fresh.list_runs()
        )
        assert silent.stage == Stage.SCHEDULING and engine.connection(run.id)
        assert (await engine.get(run.id)).stage == Stage.RUNNING
        assert {one.stage for one in listed} == {Stage.RUNNING, Stage.SCHEDULING}
    finally:
        slurm.start_controller()
    await until(engine, waiting.id, lambda now: "has not answered" not in (now.message or ""))
    assert (await engine.get(run.id)).stage == Stage.RUNNING
    slurm.ask("scancel", "--signal=KILL", job_of(run), job_of(waiting))
