"""Every way in which Slurm ends a job, as it was seen on a cluster: the right stage, a sentence, and a next step."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smoltui.backends.local.log import RunLog
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.queue import Queue, Seen, Word
from smoltui.backends.slurm.records import Part, Records
from smoltui.backends.slurm.state import present
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.verdict import verdict_of
from smoltui.core.slurm.answers import Row

ERROR, CANCELED, COMPLETED, RUNNING, WAITING = (
    Stage.ERROR, Stage.CANCELED, Stage.COMPLETED, Stage.RUNNING, Stage.SCHEDULING,
)  # fmt: skip
STEP_2 = '{"event": "progress", "v": 1, "step": 2}'
PAUSED = '{"event": "finished", "v": 1, "step": 2, "max_steps": 6, "seconds": 1.0}'
WHOLE = '{"event": "finished", "v": 1, "step": 6, "max_steps": 6, "seconds": 1.0}'


@dataclass
class Case:
    """What Slurm said (`state reason code:signal`), what the script wrote (None: not even its start), and the log."""

    slurm: str
    stage: Stage
    words: str
    hint: str = ""
    script: dict[str, Any] | None = field(default_factory=dict)
    log: tuple[str, ...] = (STEP_2,)
    asked: str = ""


def ended(code: int, why: str, **more: Any) -> dict[str, Any]:
    return {"finished_at": time.time() - 30, "exit_code": code, "why": why, **more}


CASES = {
    "exit 0, trained": Case("COMPLETED None 0:0", COMPLETED, "", script=ended(0, "finished"), log=(WHOLE,)),
    "exit 0, nothing trained": Case("COMPLETED None 0:0", ERROR, "without training to its last step", "log"),
    "exit 0 in a part": Case(
        "COMPLETED None 0:0", ERROR, "without reaching the planned step", "log", ended(0, "failed")
    ),
    "exit 7": Case("FAILED NonZeroExitCode 7:0", ERROR, "exit code 7", "log", ended(7, "failed")),
    "exit 7, no script": Case("FAILED NonZeroExitCode 7:0", ERROR, "exit code 7", "log"),
    "batch script killed": Case("FAILED JobLaunchFailure 0:9", ERROR, "SIGKILL", "slurm.mem"),
    "batch script killed, 24.11": Case("FAILED RaisedSignal:9(Killed) 0:9", ERROR, "SIGKILL", "slurm.mem"),
    "batch script terminated": Case("FAILED JobLaunchFailure 0:15", ERROR, "signal 15", "log"),
    "scancel, running": Case("CANCELLED None 0:15", CANCELED, "while it was running, not by smoltui", "again"),
    "scancel by me": Case("CANCELLED None 0:15", CANCELED, "Stopped on request", "again", asked="cancel"),
    "scancel, ended by itself": Case("CANCELLED None 0:0", CANCELED, "not by smoltui", "again", ended(143, "stopped")),
    "scancel, pending": Case(
        "CANCELLED JobHeldUser 0:0", CANCELED, "before it started, not by smoltui", "again", None, ()
    ),
    "time limit": Case("TIMEOUT TimeLimit 0:0", ERROR, "time limit ended the run before a checkpoint", "slurm.time"),
    "time limit, killed": Case("TIMEOUT TimeLimit 0:9", ERROR, "time limit", "slurm.time", ended(137, "stopped")),
    "paused, script ended 0": Case(
        "COMPLETED None 0:0", CANCELED, "Paused at step 2", script=ended(0, "paused"), log=(PAUSED,)
    ),
    "paused, script unheard": Case("COMPLETED None 0:0", CANCELED, "Paused at step 2", log=(PAUSED,)),
    "paused at the limit": Case("TIMEOUT TimeLimit 0:0", CANCELED, "Paused at step 2", log=(PAUSED,)),
    "requeue refused": Case(
        "COMPLETED None 0:0",
        CANCELED,
        "Paused at step 2: Slurm refused to requeue it (disabled)",
        "",
        log=(PAUSED,),
        script=ended(0, "paused", error="Slurm refused to requeue it (disabled)"),
    ),
    "no folder for the log": Case(
        "FAILED JobLaunchFailure 0:53", ERROR, "could not write the log", "SMOLTUI_HOME", None, ()
    ),
    "no working folder": Case(
        "COMPLETED None 0:0",
        ERROR,
        "without training to its last step",
        "log",
        None,
        ("slurmstepd: error: couldn't chdir to `/runs/r': No such file or directory: going to /tmp instead",),
    ),
    "dependency never": Case("PENDING DependencyNeverSatisfied 0:0", WAITING, "never starts", script=None, log=()),
    "dependency never, ended by Slurm": Case(
        "CANCELLED DependencyNeverSatisfied 0:0", CANCELED, "before it started", "again", None, ()
    ),
    "OverMemoryKill": Case(
        "FAILED JobLaunchFailure 0:9",
        ERROR,
        "more memory than it asked for",
        "slurm.mem",
        log=(
            STEP_2,
            "slurmstepd: error: StepId=1.0 exceeded memory limit (237289472 > 104857600), being killed",
            "slurmstepd-n1: error: Exceeded job memory limit",
            "srun: error: n1: task 0: Killed",
        ),
    ),
    "OverMemoryKill, of a step": Case(
        "FAILED JobLaunchFailure 0:9",
        ERROR,
        "more memory than it asked for",
        "slurm.mem",
        log=(STEP_2, "slurmstepd: error: StepId=1.0 exceeded memory limit (237289472 > 104857600), being killed"),
    ),
    "out of memory, batch": Case(
        "OUT_OF_MEMORY OutOfMemory 0:125", ERROR, "more memory than it asked for", "slurm.mem"
    ),
    "out of memory, step": Case(
        "FAILED NonZeroExitCode 9:0",
        ERROR,
        "more memory than it asked for",
        "slurm.mem",
        ended(137, "failed"),
        (STEP_2, "srun: error: n1: task 0: Out Of Memory"),
    ),
    "out of memory, step, COMPLETED": Case(
        "COMPLETED None 0:0",
        ERROR,
        "more memory than it asked for",
        "slurm.mem",
        log=(STEP_2, "srun: error: n1: task 0: Out Of Memory"),
    ),
    "out of memory, setup": Case(
        "OUT_OF_MEMORY OutOfMemory 0:125",
        ERROR,
        "more memory than it asked for",
        "slurm.mem",
        ended(78, "setup", error="A line of slurm.setup failed (exit code 137)"),
        ("slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=4.batch.",),
    ),
    "setup": Case(
        "FAILED NonZeroExitCode 78:0",
        ERROR,
        "A line of slurm.setup failed",
        "names the line",
        ended(78, "setup", error="A line of slurm.setup failed (exit code 1)"),
        ("slurm.setup failed with code 1: module load no",),
    ),
    "node down": Case("NODE_FAIL NodeDown 0:0", ERROR, "A node of the job failed: n1", "again"),
    "boot failure": Case("BOOT_FAIL None 0:0", ERROR, "A node of the job failed", "again", None, ()),
    "deadline": Case("DEADLINE None 0:0", ERROR, "time limit", "slurm.time"),
    "requeued": Case(
        "PENDING BeginTime 0:0",
        WAITING,
        "continues from step 2",
        script=ended(0, "requeued"),
        log=(PAUSED,),
    ),
    "requeued by an admin": Case("PENDING BeginTime 0:0", WAITING, "continues from step 2"),
    "requeued and held": Case("REQUEUE_HOLD JobHoldMaxRequeue 0:0", WAITING, "held: Slurm requeued the job too often"),
    "held by me": Case("PENDING JobHeldUser 0:0", WAITING, "scontrol release 7", script=None, log=()),
    "held by an admin": Case("PENDING JobHeldAdmin 0:0", WAITING, "administrators", script=None, log=()),
    "preempted, ending": Case("COMPLETING Preempted 0:0", RUNNING, "the job is ending"),
    "preempted for good": Case("PREEMPTED Preempted 0:0", ERROR, "took the nodes", "again"),
    "a folder unseen": Case(
        "FAILED NonZeroExitCode 78:0",
        ERROR,
        "The node n1 does not see this folder: /scratch/out",
        "slurm.output_root",
        ended(78, "folder", error="The node n1 does not see this folder: /scratch/out"),
        (),
    ),
    "disk full": Case(
        "FAILED NonZeroExitCode 1:0",
        ERROR,
        "disk with the run's log is full",
        "SMOLTUI_HOME",
        ended(1, "failed", disk_full=True),
    ),
    "quota": Case(
        "FAILED NonZeroExitCode 1:0",
        ERROR,
        "The disk quota is used up at step 2",
        "free space",
        ended(1, "failed"),
        (STEP_2, "OSError: [Errno 122] Disk quota exceeded: '/scratch/out/checkpoint-2'"),
    ),
    "no TRL": Case(
        "FAILED NonZeroExitCode 1:0",
        ERROR,
        "A Python package is missing: trl",
        "",
        ended(1, "failed"),
        ("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'trl'"),
    ),
    "suspended": Case("SUSPENDED None 0:0", RUNNING, "suspended for another job"),
    "stopped": Case("STOPPED None 0:0", RUNNING, "scancel --signal=CONT 7"),
    "a newer state": Case("EXPEDITING None 0:0", cast("Stage", "EXPEDITING"), "", script=None, log=()),
}


@pytest.mark.parametrize("name", CASES)
def test_an_end(name: str, tmp_path: Path, own_machine: Path) -> None:
    case = CASES[name]
    state, reason, code = case.slurm.split()
    folder = store.runs_folder() / "r"
    folder.mkdir(parents=True)
    (folder / "log").write_text("".join(f"{line}\n" for line in case.log))
    begun = time.time() - 60
    status = None
    if case.script is not None:
        status = {"part": 1, "job": "7", "started_at": begun, "offset": 0, "restart": 0, "requeues": 0, **case.script}
    if case.asked:
        store.ask(folder, case.asked)
    exit_code, number = (int(one) for one in code.split(":"))
    row = Row("7", state, "" if reason == "None" else reason, nodes="n1", comment="smoltui-run=l",
              exit_code=exit_code, signal=number)  # fmt: skip
    queue = cast(
        "Queue",
        SimpleNamespace(seen=Seen({"7": row}, time.time()), word=lambda job: Word(row), remembered=lambda job: Word()),
    )
    spec = {"name": "n", "output_dir": str(tmp_path / "out"), "log_key": "k", "created_at": begun}
    records = Records(folder, spec, (Part(1, "l", begun, "7"),), {}, status)
    log = RunLog(folder / "log", Run(id="r", engine="slurm", name="n", stage=Stage.SCHEDULING, created_at=begun,
                                     output_dir=str(tmp_path / "out")), "k")  # fmt: skip
    log.read()
    run = present(log, records, queue)
    assert run.stage == case.stage and case.words in (run.message or ""), (run.stage, run.message)
    if (verdict := verdict_of(run)) is not None:
        assert case.hint in verdict.next and bool(verdict.next) == (run.stage != COMPLETED), verdict
    assert json.dumps(run.summary())


@pytest.mark.parametrize(("seconds", "words"), [(5.0, "ended by signal 15"), (-5000.0, "Slurm no longer knows job 7")])
def test_an_accounted_job(seconds: float, words: str, own_machine: Path) -> None:
    """Slurm reuses ids, and the accounting has no comments: a job that is older than the run is not its own."""
    folder = store.runs_folder() / "r"
    folder.mkdir(parents=True)
    (folder / "log").write_text(f"{STEP_2}\n")
    begun = time.time() - 3600
    row = Row("7", "FAILED", submitted_at=begun + seconds, exit_code=0, signal=15)
    queue = SimpleNamespace(seen=Seen({}, time.time()), word=lambda job: Word(), remembered=lambda job: Word(row))
    status = {"part": 1, "job": "7", "started_at": begun, "offset": 0, "restart": 0, "requeues": 0}
    spec = {"name": "n", "output_dir": str(folder), "log_key": "k", "created_at": begun}
    records = Records(folder, spec, (Part(1, "l", begun, "7"),), {}, status)
    log = RunLog(folder / "log", Run(id="r", engine="slurm", name="n", stage=Stage.SCHEDULING), "k")
    run = present(log, records, cast("Queue", queue))
    assert run.stage == ERROR and words in (run.message or "")
