"""[slurm] of smoltui.toml: what a run asks of a Slurm cluster, and how it finds its Python there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_NODES, MOST_GPUS, MOST_CORES, MOST_RESTARTS = 1024, 64, 1024, 1000


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """Empty texts and zeros: what the cluster does by default."""

    partition: str = ""
    """Partition (queue)."""
    account: str = ""
    """Account that the hours are charged to."""
    qos: str = ""
    """Quality of service."""
    constraint: str = ""
    """Features that the nodes must have."""
    nodes: int = 1
    """Nodes of one run."""
    gpus: int = 1
    """GPUs per node; one training process for each. 0 trains on processors."""
    gpu_type: str = ""
    """Type of GPU, as `sinfo -o %G` lists it, such as a100."""
    cpus: int = 0
    """Cores per training process."""
    mem: str = ""
    """Memory per node, such as 64G."""
    time: str = ""
    """Time limit: 90m, 12h, or as Slurm writes it, 1-00:00:00. A longer run is requeued and continues."""
    exclusive: bool = False
    """Take whole nodes."""
    extra: tuple[str, ...] = ()
    """Further options of sbatch, each as --name=value."""
    setup: tuple[str, ...] = ()
    """Shell lines before the training, such as `module load cuda`; one that fails ends the run."""
    python: str = ""
    """Python of the training on the nodes; empty for smoltui's own, or `python` in a container."""
    container: str = ""
    """Command in front of Python, such as `apptainer exec --nv image.sif`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the training. No secrets."""
    offline: bool = False
    """The nodes have no internet: the model and pairs are downloaded before, and the model is pushed afterwards."""
    hf_home: str = ""
    """HF_HOME of the nodes, on a disk that they share."""
    output_root: str = ""
    """Folder for models and checkpoints, such as one on scratch; empty: the project folder."""
    strategy: str = "ddp"
    """How processes share the training, one of `core.runs.accelerate.STRATEGIES`."""
    restarts: int = 20
    """How often a run is requeued at its time limit before it stays paused."""


SLURM_RANGES: Mapping[str, tuple[float, float]] = {
    "slurm.nodes": (1, MOST_NODES),
    "slurm.gpus": (0, MOST_GPUS),
    "slurm.cpus": (0, MOST_CORES),
    "slurm.restarts": (0, MOST_RESTARTS),
}
"""Key → its smallest and largest value."""

OURS = (
    "parsable", "job-name", "comment", "output", "error", "open-mode", "requeue", "no-requeue", "signal", "chdir",
    "export", "export-file", "get-user-env", "nodes", "ntasks", "ntasks-per-node", "ntasks-per-gpu", "gres", "gpus",
    "gpus-per-node", "gpus-per-task", "gpus-per-socket", "cpus-per-task", "cpus-per-gpu", "mem", "mem-per-cpu",
    "mem-per-gpu", "time", "partition", "account", "qos", "constraint", "exclusive", "wrap", "wait", "array", "input",
    "test-only", "clusters", "help", "usage", "version", "quiet", "kill-on-invalid-dep", "uid", "gid",
)  # fmt: skip
"""Options of sbatch that smoltui sets itself, or that would break what it expects of a job."""
SHORT = "JoeDNnGcptAqCWaiMhVQ"
"""Their short forms."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEMORY = re.compile(r"\d+(?:[KMGT]B?)?", re.IGNORECASE)
_SECRET = re.compile(r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|CREDENTIALS?)(?:_|$)", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name probably has a secret."""
    return _SECRET.search(name) is not None


def slurm_problem(settings: SlurmSettings, strategies: Sequence[str]) -> tuple[str, str, str] | None:
    """Key, what is wrong with its value, and what to write; None if nothing is."""
    from smoltui.core.runs.time_limits import asked_seconds

    if settings.strategy not in strategies:
        return "strategy", f"must be one of {', '.join(strategies)}: {settings.strategy}", ""
    if settings.time:
        try:
            asked_seconds(settings.time)
        except (ValueError, OverflowError) as error:
            return "time", f"is not a time limit: {settings.time}", str(error)
    if settings.mem and not _MEMORY.fullmatch(settings.mem):
        return "mem", f"is not an amount of memory: {settings.mem}", "Write a number with its unit, such as 64G."
    for name in ("partition", "account", "qos", "constraint", "gpu_type"):
        value = getattr(settings, name)
        if value.startswith("-") or any(not sign.isprintable() or sign.isspace() for sign in value):
            return name, f"is not a name: {value}", "Write the name alone, without option or blanks."
    return _extra_problem(settings.extra) or _env_problem(settings.env)


def _extra_problem(extra: Sequence[str]) -> tuple[str, str, str] | None:
    for option in extra:
        name = option.partition("=")[0]
        if not option.startswith("-") or option.strip("-") == "" or "\n" in option:
            return "extra", f"has something that is not an option: {option}", "Write each one as --name=value."
        long = name[2:] if name.startswith("--") else ""
        # sbatch accepts the beginning of an option, too.
        taken = any(known.startswith(long) for known in OURS) if long else option[1] in SHORT
        if taken and long != "gpu-bind":
            return "extra", f"has an option that smoltui sets itself: {name}", "Use the key of [slurm] for it."
    return None


def _env_problem(env: Mapping[str, str]) -> tuple[str, str, str] | None:
    for name, value in env.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            return "env", f"has a name that no variable can have: {name}", "Use letters, digits and _."
        if name.startswith(("SLURM_", "SBATCH_")):
            return "env", f"has a variable that Slurm sets: {name}", "Use the key of [slurm] for it."
        if is_secret_name(name):
            return "env", f"has {name}, which looks like a secret", "Log in on this machine: hf auth login"
    return None
