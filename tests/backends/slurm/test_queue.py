"""Slurm is asked as seldom as possible, and what it last said is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from smoltui.backends.slurm import queue as slurm_queue
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.backends.slurm.queue import Queue, Word
from smoltui.core.runs.run import RunSpec, Stage
from smoltui.errors import InputError, UnreachableError
from tests.slurm.fake_commands import FakeCommands


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def line(job: int, state: str, label: str, reason: str = "None") -> str:
    return f"{job}|{state}|{reason}|{int(time.time())}|N/A|1:00:00|main||smoltui-run={label}\n"


async def test_commands_of_another_cluster(fake: FakeCommands, tmp_path: Path) -> None:
    """With another SLURM_CONF, Slurm knows no job of a run, which says nothing about it."""
    spec = RunSpec("run", str(tmp_path), "beta: 0.1\n", str(tmp_path / "out"), "label", flavor="main")
    run = await SlurmEngine().submit(spec)
    assert run.flavor is None  # nothing is rented
    path = store.run_dir(run.id) / "parts.json"
    told = json.loads(path.read_text())
    assert told["parts"][0]["cluster"] == "here"
    told["parts"][0]["asked_at"] -= 60
    path.write_text(json.dumps(told))
    fake.says("squeue", line(4711, "RUNNING", "of-somebody-else"))
    fake.says("scontrol", "ClusterName = there")
    elsewhere = await SlurmEngine().get(run.id)
    assert (elsewhere.stage, elsewhere.message) == (
        Stage.SCHEDULING,
        "on the cluster here, but Slurm's commands ask there: check SLURM_CONF",
    )
    with pytest.raises(InputError, match="another job"):
        await SlurmEngine().cancel(run.id)
    fake.says("scontrol", "ClusterName = here")
    assert (await SlurmEngine().get(run.id)).stage == Stage.ERROR


async def test_one_question_for_all_runs(fake: FakeCommands, tmp_path: Path) -> None:
    """Ten runs that are listed and watched by everybody cost one squeue; runs that have ended cost none."""
    engine = SlurmEngine()
    labels = [f"label-{number}" for number in range(10)]
    runs = []
    for number, label in enumerate(labels):
        fake.says("sbatch", f"Welcome!\n{number}\n")
        fake.says("squeue", "".join(line(at, "PENDING", one, "Priority") for at, one in enumerate(labels)))
        output = str(tmp_path / f"aligned-{number}")
        runs.append(await engine.submit(RunSpec(label, str(tmp_path), "beta: 0.1\n", output, label)))
    for _ in range(5):
        listed = await engine.list_runs()
        for run in runs:
            await engine.get(run.id)
    assert len(fake.calls("squeue")) == 1 and len(fake.calls("sbatch")) == 10
    assert {run.stage for run in listed} == {Stage.SCHEDULING}
    for run in runs:
        status = {"part": 1, "job": "1", "started_at": 1.0, "finished_at": 2.0, "exit_code": 0, "why": "paused"}
        (store.run_dir(run.id) / "status.json").write_text(json.dumps(status))
    fresh = SlurmEngine()
    assert {run.is_final for run in await fresh.list_runs()} == {True} and len(fake.calls("squeue")) == 1


async def test_a_job_that_slurm_forgot(fake: FakeCommands, tmp_path: Path) -> None:
    """After MinJobAge the end comes from what the script wrote; without that, from the accounting, if there is one."""
    fake.says("squeue", "")
    fake.says("sacct", err="Slurm accounting storage is disabled", code=1)
    fake.says("scontrol", err="slurm_load_jobs error: Invalid job id specified", code=1)
    spec = RunSpec("n", str(tmp_path), "beta: 0.1\n", str(tmp_path / "aligned"), "label")
    run = await SlurmEngine().submit(spec)
    assert (run.stage, run.message) == (Stage.SCHEDULING, "submitted as job 4711")
    folder, then = store.run_dir(run.id), time.time() - 600
    parts = json.loads((folder / "parts.json").read_text())
    (folder / "parts.json").write_text(json.dumps({**parts, "parts": [{**parts["parts"][0], "asked_at": then}]}))
    gone = await SlurmEngine().get(run.id)
    assert gone.stage == Stage.ERROR and "no longer knows job 4711" in (gone.message or "")
    fake.says("sacct", f"4711|CANCELLED by 0|0:15|{int(then)}|{int(then)}\n")
    canceled = await SlurmEngine().get(run.id)
    assert canceled.stage == Stage.CANCELED and "not by smoltui" in (canceled.message or "")
    (folder / "log").write_text('{"event": "finished", "v": 1, "step": 2, "max_steps": 3, "seconds": 1.0}\n')
    fake.says("sacct", err="Slurm accounting storage is disabled", code=1)
    (folder / "seen.json").unlink()
    stopped = {"part": 1, "job": "4711", "started_at": then, "finished_at": then + 9, "exit_code": 0, "why": "stopped"}
    (folder / "status.json").write_text(json.dumps(stopped))
    run = await SlurmEngine().get(run.id)
    assert run.stage == Stage.CANCELED and "Stopped at step 2 from outside" in (run.message or "")
    (folder / "summary.json").unlink(missing_ok=True)
    (folder / "log").write_text('{"event": "finished", "v": 1, "step": 3, "max_steps": 3, "seconds": 1.0}\n')
    status = {"part": 1, "job": "4711", "started_at": then, "finished_at": then + 9, "exit_code": 0, "why": "finished"}
    (folder / "status.json").write_text(json.dumps(status))
    assert (await SlurmEngine().get(run.id)).stage == Stage.COMPLETED


def test_a_silent_controller(fake: FakeCommands) -> None:
    """The last list stays, with the reason; it is asked again at the next turn."""
    queue = Queue(poll_seconds=0)
    fake.says("squeue", line(1, "RUNNING", "a"))
    assert queue.read().rows["1"].state == "RUNNING"
    fake.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller (connect failure)", code=1)
    seen = queue.read()
    assert seen.rows["1"].state == "RUNNING" and isinstance(seen.error, UnreachableError)
    fake.says("squeue", "")
    assert queue.read().rows == {} and queue.seen.error is None


def test_the_word_about_one_job(fake: FakeCommands) -> None:
    """Asked once in a few seconds; without accounting, sacct is asked once."""
    queue = Queue()
    fake.says("scontrol", "JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=7:0 Comment=smoltui-run=a ")
    assert [queue.word("7").row for _ in range(3)][2] is not None and len(fake.calls("scontrol")) == 1
    fake.says("sacct", err="Slurm accounting storage is disabled", code=1)
    assert [queue.remembered("7") for _ in range(2)] == [Word(), Word()] and len(fake.calls("sacct")) == 1


def test_nobody_waits_for_a_controller_that_is_slow(fake: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a request is pending, readers get the latest list; only the caller that needs its answer waits."""
    monkeypatch.setattr(slurm_queue, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(slurm_queue, "PATIENCE_SECONDS", 0.05)
    queue = Queue(poll_seconds=1)
    fake.says("squeue", line(1, "RUNNING", "a"), seconds=0.6)
    fake.says("scontrol", "JobId=1 JobState=FAILED ExitCode=7:0 Comment=smoltui-run=a ", seconds=0.3)
    assert queue.word("1") == Word(open=True) and queue.word("1").open
    for _ in range(5):
        seen = queue.read()
    assert not seen.rows and "not answered yet" in str(seen.error) and len(fake.calls("squeue")) == 1
    assert queue.fresh(age=60).rows["1"].state == "RUNNING" and queue.seen.error is None
    assert (word := queue.word("1").row) is not None and word.exit_code == 7
    assert (len(fake.calls("squeue")), len(fake.calls("scontrol"))) == (1, 1)
