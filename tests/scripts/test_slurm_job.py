"""The batch script of a Slurm job: what it decides, without a Slurm. `tests/backends/slurm` runs it on one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from smoltui.backends.local import supervisor
from smoltui.backends.local.checkpoints import find_checkpoints, newest_complete
from smoltui.scripts import SCRIPTS, slurm_job
from tests.backends.local.pausing_training import save

BROKEN = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.mark.parametrize("broken", ["", *BROKEN, *(f"cut {name}" for name in BROKEN if name != "trainer_state.json")])
def test_it_finds_the_checkpoint_that_smoltui_finds(tmp_path: Path, broken: str) -> None:
    """It has no smoltui on its node, so it looks itself; both come to the same."""
    save(tmp_path / "checkpoint-2", 2, until="")
    save(tmp_path / "checkpoint-10", 10, until="")
    (tmp_path / "checkpoint-x").mkdir()
    name = broken.removeprefix("cut ")
    if broken.startswith("cut "):
        whole = (tmp_path / "checkpoint-10" / name).read_bytes()
        (tmp_path / "checkpoint-10" / name).write_bytes(whole[: len(whole) // 2])
    elif broken:
        (tmp_path / "checkpoint-10" / name).unlink()
    job = {"output_dir": str(tmp_path), "created_at": 0.0}
    theirs, ours = slurm_job.newest_checkpoint(job, tmp_path / "log"), newest_complete(find_checkpoints(tmp_path))
    assert ours is not None and theirs == (ours.path, ours.step)
    assert ours.step == (2 if broken else 10)


def test_a_checkpoint_of_another_run(tmp_path: Path) -> None:
    """One that is older than the run is not its own, unless its log says so: a file server's clock may be behind."""
    save(tmp_path / "checkpoint-2", 2, until="")
    os.utime(tmp_path / "checkpoint-2" / "trainer_state.json", (1000, 1000))
    job = {"output_dir": str(tmp_path), "created_at": 2000.0}
    log = tmp_path / "log"
    assert slurm_job.newest_checkpoint(job, log) is None
    log.write_text(json.dumps({"event": "checkpoint", "v": 1, "step": 2, "path": str(tmp_path / "checkpoint-2")}))
    assert slurm_job.newest_checkpoint(job, log) == (tmp_path / "checkpoint-2", 2)


def test_what_the_training_said(tmp_path: Path) -> None:
    """Only since the start of its part; text that looks like an event is text."""
    log = tmp_path / "log"
    first = '{"event": "finished", "v": 1, "step": 3, "max_steps": 6}\n'
    log.write_text(f'{first}{{"event": "progress", "v": 1, "step": 4}}\nsays {first}{{"event": "finished", "v": 1\n')
    assert slurm_job.said_since(log, 0) == slurm_job.Said((3, 6), 4)
    assert slurm_job.said_since(log, len(first)) == slurm_job.Said(None, 4)
    assert slurm_job.said_since(tmp_path / "none", 0) == slurm_job.Said(None, 0)


def test_the_tasks_of_a_run() -> None:
    """srun's numbers become those of torch; a launcher is told the number of its node; one process needs nothing."""
    job = {"python": ["apptainer", "exec", "x.sif", "python"], "script": ["dpo.py"], "processes": 4, "use_cpu": True}
    known = {"SLURM_NTASKS": "4", "SLURM_JOB_NUM_NODES": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}
    found = slurm_job.task_environment(job, known)
    assert (found["RANK"], found["LOCAL_RANK"], found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"]) == ("3", "1", "4", "2")
    assert found["ACCELERATE_USE_CPU"] == "true" and "RANK" not in slurm_job.task_environment(job, {})
    assert "OMP_NUM_THREADS" not in slurm_job.task_environment(job, {"OMP_NUM_THREADS": "7"})
    resumed = {"SMOLTUI_CHECKPOINT": "/c"}
    assert slurm_job.task_command(job, resumed)[3:] == ["python", "dpo.py", "--resume_from_checkpoint", "/c"]
    launched = {**job, "python": ["python"], "launcher": ["-m", "launch"]}
    where = {"MASTER_ADDR": "n1", "MASTER_PORT": "20007", "SLURM_NODEID": "1", "SLURM_JOB_NUM_NODES": "2"}
    told = " ".join(slurm_job.task_command(launched, where))
    assert "--machine_rank 1 --main_process_ip n1 --main_process_port 20007 dpo.py" in told
    assert "--num_machines 2 --num_processes 4" in told


def test_the_lines_before_the_training(capfd: pytest.CaptureFixture[str]) -> None:
    """They are one shell, so a later line sees what an earlier one did; the first that fails is named."""
    known = dict(os.environ)
    lines = ["export A='x y'", 'B="$A!"; export B', "f() { echo hi; }", "export -f f"]
    found, problem = slurm_job.set_up(lines, known)
    assert not problem and (found["A"], found["B"]) == ("x y", "x y!") and "smoltui_line" not in found
    found, problem = slurm_job.set_up(["true", "module load no'such", "export C=1"], known)
    assert found == known and problem.startswith("A line of slurm.setup failed")
    assert "module load no'such" in capfd.readouterr().err
    assert slurm_job.set_up([], known) == (known, "")


@pytest.mark.parametrize("module", [slurm_job, supervisor])
def test_a_quota_is_noticed_by_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: types.ModuleType
) -> None:
    """The disk has room for others; only a write, and on a file server only its end, shows that I have none."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    assert not module.is_full(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse)
    assert module.is_full(tmp_path) and not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status has room for its end before the disk is full, and says why the log has no end."""
    path = tmp_path / "status.json"
    slurm_job.write_status(path, {"part": 1})
    size = path.stat().st_size
    slurm_job.write_status(path, {"part": 1, "why": "finished"})
    assert slurm_job.read_json(path) == {"part": 1, "why": "finished"} and path.stat().st_size == size
    monkeypatch.setattr(slurm_job, "is_full", lambda folder: True)
    (tmp_path / "job.json").write_text('{"part": 1}')
    slurm_job.Batch(tmp_path).end(0, "failed")
    assert slurm_job.read_json(path)["disk_full"]


def test_a_signal_is_for_this_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """scancel repeats its call while a job is requeued, and would stop the next start: it ends with the part."""
    (tmp_path / "scancel").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "scancel").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "job.json").write_text('{"part": 1}')
    batch = slurm_job.Batch(tmp_path)
    batch.told.set()
    batch.forward()
    assert batch.forwarding is not None and batch.forwarding.poll() is None
    batch.end(0, "stopped")
    assert batch.forwarding.wait(10) < 0


@pytest.mark.parametrize(
    ("last", "code", "end"),
    [
        ("srun: error: Node failure on n2", 0, (143, "stopped")),
        ("srun: error: Node failure on n2\nslurmstepd: error: *** JOB 4 ON n1 CANCELLED ***", 137, (137, "stopped")),
        ("it says srun: error: Node failure on n2", 1, (1, "failed")),
    ],
)
def test_whether_a_job_that_lost_a_node_starts_again_is_left_to_slurm(
    tmp_path: Path, last: str, code: int, end: tuple[int, str]
) -> None:
    """srun can return before Slurm ends the script, and even without an error."""
    (tmp_path / "job.json").write_text('{"part": 1}')
    (tmp_path / "log").write_text("srun: error: Node failure on n1\n")  # of an earlier part
    batch = slurm_job.Batch(tmp_path)
    with batch.log.open("a") as file:
        file.write(f"a line\n{last}\n")
    assert batch.ended(code, 0) == end[0]
    assert (batch.status["exit_code"], batch.status["why"]) == end


@pytest.mark.parametrize(
    ("scontrol", "why"),
    [("echo disabled; exit 1", "paused"), ("kill -TERM $$", "stopped"), ("exit 0", "requeued")],
)
def test_what_becomes_of_a_part_that_is_to_be_requeued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scontrol: str, why: str
) -> None:
    """A scontrol that was killed says nothing of Slurm's answer: a more important job took the node, and Slurm requeues
    this one itself."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{scontrol}\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm_job, "END_SECONDS", 0)
    (tmp_path / "job.json").write_text('{"part": 1}')
    batch = slurm_job.Batch(tmp_path)
    batch.status["job"] = "12"
    assert batch.requeue(0) == 0
    found = slurm_job.read_json(tmp_path / "status.json")
    assert found["why"] == why and found["requeues"] == (why == "requeued")
    assert found.get("error", "") == ("Slurm refused to requeue it (disabled)" if why == "paused" else "")


def test_it_needs_the_standard_library_alone() -> None:
    """It runs with the system's Python, so it imports nothing else, and no syntax newer than 3.8 is in it."""
    import ast

    source = (SCRIPTS / "slurm_job.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)
    done = subprocess.run([sys.executable, "-I", str(SCRIPTS / "slurm_job.py")], capture_output=True, text=True)
    assert done.returncode and "IndexError" in done.stderr  # it was started without its folder
