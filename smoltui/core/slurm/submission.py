"""The options of sbatch for a run. Every one is on the command line, where no SBATCH_ variable can change it."""

from __future__ import annotations

import re

from smoltui.core.runs.time_limits import as_limit, asked_seconds
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.answers import COMMENT

SAVE_SECONDS = 300
"""Shortest time between the signal to save and the time limit."""
SAVE_RATE = 100 << 20
"""Bytes per second at which a checkpoint is written at least: a slow shared file system. Assumed."""
SHARE = 6
"""A run is told to save when at least this part of a short limit is left: 10 minutes of an hour."""
MOST_NAME = 60


def save_seconds(checkpoint: int | None, limit: int | None) -> int:
    """Seconds before the time limit when a run is told to save. Slurm is up to a minute early.

    `checkpoint`: bytes of one; None if unknown. `limit`: seconds; None for that of the partition.
    """
    wanted = max(SAVE_SECONDS, (checkpoint or 0) // SAVE_RATE * 2)
    return wanted if limit is None else max(1, min(wanted, limit // SHARE))


def job_name(name: str) -> str:
    """A name for squeue: sbatch accepts `|` and blanks, which break the columns of other people's scripts."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:MOST_NAME] or "smoltui"


def processes_per_node(settings: SlurmSettings) -> int:
    """Training processes on one node."""
    return max(1, settings.gpus)


def has_launcher(settings: SlurmSettings) -> bool:
    """Whether `accelerate launch` starts the processes of a node: sharding needs the variables that it sets.

    With DistributedDataParallel, srun starts each process itself, so that a pause ends properly.
    """
    return settings.strategy != "ddp" and settings.nodes * processes_per_node(settings) > 1


def resources(settings: SlurmSettings) -> list[str]:
    """The options that say what a job gets."""
    tasks = 1 if has_launcher(settings) else processes_per_node(settings)
    cores = settings.cpus * (processes_per_node(settings) if has_launcher(settings) else 1)
    gpus = f"gpu:{settings.gpu_type}:{settings.gpus}" if settings.gpu_type else f"gpu:{settings.gpus}"
    limit = as_limit(asked_seconds(settings.time)) if settings.time else ""
    wanted = {
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "constraint": settings.constraint,
        "nodes": str(settings.nodes),
        "ntasks-per-node": str(tasks),
        # Not --gpus-per-task: each process would see one GPU, as number 0.
        "gres": gpus if settings.gpus else "",
        "cpus-per-task": str(cores) if cores else "",
        "mem": settings.mem,
        "time": limit,
    }
    options = [f"--{name}={value}" for name, value in wanted.items() if value]
    return [*options, *(["--exclusive"] if settings.exclusive else []), *settings.extra]


def sbatch_options(settings: SlurmSettings, *, name: str, label: str, folder: str, checkpoint: int | None) -> list[str]:
    """All options of sbatch for a run whose folder is `folder`; its log is in it.

    `label` finds the job again if the answer of sbatch was lost. `checkpoint`: bytes of one, None if unknown.
    """
    limit = asked_seconds(settings.time) if settings.time else None
    return [
        "--parsable",
        f"--job-name={job_name(name)}",
        f"--comment={COMMENT}{label}",
        f"--output={_plain(folder)}/log",
        "--open-mode=append",
        "--requeue",
        f"--signal=TERM@{save_seconds(checkpoint, limit)}",
        f"--chdir={folder}",
        "--export=ALL",
        *resources(settings),
    ]


def _plain(path: str) -> str:
    """A path for --output, where % and a backslash have a meaning (sbatch(1), filename pattern)."""
    return path.replace("%", "%%")


def gpu_hours(settings: SlurmSettings, seconds: float) -> float:
    """GPU hours (core hours without GPUs: one core per process is assumed) of a run of this duration."""
    return settings.nodes * (settings.gpus or max(1, settings.cpus)) * seconds / 3600
