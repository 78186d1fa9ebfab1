"""Why sbatch refused a job, in a sentence, with the setting to change."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KNOWN: Sequence[tuple[str, str, str]] = (
    (r"invalid partition", "There is no such partition", "Set slurm.partition; list partitions: sinfo -s"),
    (
        r"invalid account or account/partition|invalid account",
        "This account is unknown, or may not use this partition",
        "Set slurm.account; list yours: sacctmgr show user -s $USER format=account%30",
    ),
    (r"invalid qos", "This QOS is unknown, or your account may not use it", "Set slurm.qos, or remove it."),
    (
        r"requested node configuration is not available",
        "No node has what the run asks for",
        "Compare slurm.gpus, gpu_type, cpus, mem and constraint with the nodes: sinfo -N -l",
    ),
    (
        r"memory specification can not be satisfied",
        "No node has that much memory",
        "Lower slurm.mem; see what nodes have: sinfo -N -l",
    ),
    (
        r"invalid feature",
        "No node has the feature that slurm.constraint names",
        "Set slurm.constraint; list features: sinfo -o '%P %f'",
    ),
    (r"invalid --time|invalid time", "Slurm cannot read the time limit", "Set slurm.time, such as 90m or 1-00:00:00."),
    (
        r"requested time limit is invalid|time limit exceed",
        "The time limit is longer than the partition allows",
        "Lower slurm.time; see the limits: sinfo -s",
    ),
    (
        r"invalid generic resource|invalid gres",
        "The cluster has no such GPU type",
        "Set slurm.gpu_type; list types: sinfo -o '%P %G'",
    ),
    (
        r"node count specification invalid|more nodes? than|invalid node count",
        "The partition does not have that many nodes",
        "Lower slurm.nodes; see the partitions: sinfo -s",
    ),
    (
        r"violates accounting/qos policy",
        "Your account or QOS does not allow this job (number of jobs, size or time)",
        "Lower slurm.nodes, gpus or time, or wait until your other jobs have ended.",
    ),
    (r"disk quota exceeded", "Your disk quota is used up", "Delete what you no longer need, then start again."),
    (r"no space left", "The disk is full", "Free some space, then start again."),
    (
        r"unrecognized option|invalid option|ambiguous",
        "sbatch does not know an option of slurm.extra",
        "Correct slurm.extra; options: man sbatch",
    ),
    (
        r"access/permission denied|user not found",
        "Slurm does not let you submit jobs here",
        "Ask the cluster's administrators for access.",
    ),
)
"""Pattern of the last line, sentence, and next step."""


def refusal(said: str) -> tuple[str, str]:
    """Sentence and next step for the last line that sbatch said; unknown lines are quoted."""
    for pattern, sentence, fix in _KNOWN:
        if re.search(pattern, said, re.IGNORECASE):
            return f"{sentence} (Slurm: {said})", fix
    return f"Slurm refused the job: {said or 'it gave no reason'}", "Change [slurm] in smoltui.toml, then start again."
