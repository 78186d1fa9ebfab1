"""Resource usage of a run on a cluster: what Slurm's accounting measures of its steps (sstat). It knows no GPUs."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from smoltui.backends.slurm import commands
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.sample import Sample
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import ServiceError

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine

SAMPLE_SECONDS = 15.0
"""Seconds between samples: Slurm itself measures only every 30 s by default (JobAcctGatherFrequency)."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


async def stats(engine: Engine, run_id: str, *, follow: bool) -> AsyncGenerator[Sample, None]:
    """As `Engine.stats`.

    Raises:
        ServiceError: the cluster does not measure its jobs. InputError: no such run.
    """
    while not (run := await engine.get(run_id)).is_final:
        if run.stage == Stage.RUNNING and (job := _job(run)) is not None:
            sample = await in_thread(lambda: _measured(job))
            if sample is not None:
                yield sample
        if not follow:
            return
        await asyncio.sleep(SAMPLE_SECONDS)


def _job(run: Run) -> str | None:
    parts = run.raw.get("parts") or []
    job = parts[-1].get("job") if parts else None
    return str(job) if job else None


def _measured(job: str) -> Sample | None:
    """The memory of a job's steps now; None if Slurm has not measured it yet."""
    said = commands.call("sstat", "-a", "-n", "-P", "-j", job, "-o", "JobID,MaxRSS,NTasks")
    if "disabled" in said.err or "accounting" in said.err.lower():
        raise ServiceError(
            "This cluster does not measure its jobs (its accounting is off)",
            "On a node of the run: srun --overlap --jobid JOB nvidia-smi",
        )
    return sample_from(said.out, time.time())


def sample_from(text: str, at: float) -> Sample | None:
    """The sample in the output of `sstat -n -P -o JobID,MaxRSS,NTasks`; None without a measured step."""
    used = 0
    for line in text.splitlines():
        parts = line.strip().split("|")
        size = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", parts[1]) if len(parts) == 3 else None
        if size is not None:
            used += round(float(size[1]) * _UNITS[size[2]]) * (int(parts[2]) if parts[2].isdecimal() else 1)
    return Sample(at=at, memory_used=used) if used else None
