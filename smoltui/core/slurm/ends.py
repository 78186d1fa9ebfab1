"""How a job ended, from Slurm's point of view, for a run whose own record does not say more.

Slurm's word never decides between done, paused and half-done: it calls a training COMPLETED that was stopped halfway
and ended properly. That is what the events of the script are for; these are the other ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from smoltui.core.runs.run import Stage
from smoltui.core.slurm.answers import Row

WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
OVER = frozenset(
    {
        "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "DEADLINE",
        "PREEMPTED", "REVOKED",
    }
)  # fmt: skip
"""States of Slurm (squeue(1), JOB STATE CODES). One that is in none of these is shown as it is."""

RUNNING_WORDS: Mapping[str, str] = {
    "COMPLETING": "the job is ending",
    "SUSPENDED": "suspended for another job, or by an administrator (scontrol resume {job}); it continues later",
    "STOPPED": "stopped with SIGSTOP; continue: scancel --signal=CONT {job}",
}
"""State of a job that runs, but not quite → words."""

MEMORY = re.compile(r"Out Of Memory|exceeded (?:job |step )?memory limit|oom[-_ ]kill", re.IGNORECASE)
"""Slurm's words in the log of a job that was ended for its memory (slurmstepd, srun)."""
NO_LOG = 53
"""Slurm's code in place of a signal if the log of a job cannot be opened (ESLURMD_… of slurm_errno.h)."""
SLURM_OOM = 125
"""Likewise, if the kernel ended it for its memory."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    stage: Stage
    message: str
    hint: str


def end_of(row: Row, *, folder: str, started: bool, asked: bool) -> End:
    """How a run ended whose script did not say so itself.

    `folder`: the run's. `started`: its script wrote a status. `asked`: smoltui was asked to cancel it.
    """
    match row.state:
        case "CANCELLED":
            if asked:
                return End(Stage.CANCELED, "Stopped on request" if started else "Canceled before it started", "")
            when = "while it was running" if started else "before it started"
            return End(Stage.CANCELED, f"Canceled {when}, not by smoltui (scancel, or an administrator)", "")
        case "TIMEOUT" | "DEADLINE":
            return End(
                Stage.ERROR,
                "The time limit ended the run before a checkpoint was saved",
                "Raise slurm.time, or let checkpoints be saved more often (save_steps).",
            )
        case "NODE_FAIL" | "BOOT_FAIL":
            return End(Stage.ERROR, f"A node of the job failed: {row.nodes or 'unknown'}", "Start the run again.")
        case "OUT_OF_MEMORY":
            return no_memory()
        case "PREEMPTED" | "REVOKED":
            return End(
                Stage.ERROR,
                "Another job took the nodes, and Slurm did not requeue this one",
                "Start the run again; a partition without preemption avoids this.",
            )
        case "COMPLETED":
            return End(Stage.ERROR, "The job ended without training to its last step", f"See the log: {folder}/log")
    return _failed(row, folder)


def _failed(row: Row, folder: str) -> End:
    log = f"See the log: {folder}/log"
    if row.signal == NO_LOG:
        return End(
            Stage.ERROR,
            f"The node could not write the log of the run: {folder}",
            "The folder must be on a disk that all nodes see: set SMOLTUI_HOME to a folder there.",
        )
    if row.signal == SLURM_OOM or row.reason == "OutOfMemory":
        return no_memory()
    if row.signal == 9:
        return End(
            Stage.ERROR,
            "The job was killed (SIGKILL), perhaps because it used more memory than it asked for",
            f"Raise slurm.mem. {log}",
        )
    if row.signal:
        return End(Stage.ERROR, f"The job was ended by signal {row.signal}", log)
    if row.reason == "JobLaunchFailure":
        return End(Stage.ERROR, "Slurm could not start the job on its node", log)
    code = "" if row.exit_code is None else f" with exit code {row.exit_code}"
    return End(Stage.ERROR, f"The job failed{code}", log)


def no_memory() -> End:
    """The end of a run that used more memory than its job asked for."""
    return End(
        Stage.ERROR,
        "The job used more memory than it asked for",
        "Raise slurm.mem, or lower per_device_train_batch_size or max_length.",
    )


def gone(job: str, folder: str, *, started: bool) -> End:
    """The end of a run whose job Slurm no longer knows, and whose script left no end. `started`: it wrote a status."""
    if not started:
        return End(
            Stage.ERROR,
            f"Slurm no longer knows job {job}, which never started: it was canceled, or its log not writable",
            f"Start the run again. If that happens again, the nodes may not see {folder}: set SMOLTUI_HOME.",
        )
    return End(
        Stage.ERROR,
        f"Slurm no longer knows job {job}, and the job left no record of its end",
        f"See the log: {folder}/log; then start the run again.",
    )


def never_submitted() -> End:
    """The end of a run whose submission was interrupted and did not arrive."""
    return End(
        Stage.ERROR, "The job was never submitted: smoltui was ended while it called sbatch", "Start the run again."
    )
