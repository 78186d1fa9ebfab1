"""sbatch refuses a job: what that means, and which setting to change. Lines as Slurm 22.05 printed them."""

from __future__ import annotations

import pytest

from smoltui.core.slurm.refusals import refusal

FAILED = "Batch job submission failed: "


@pytest.mark.parametrize(
    ("said", "sentence", "fix"),
    [
        ("invalid partition specified: x", "no such partition", "slurm.partition"),
        (FAILED + "Invalid partition name specified", "no such partition", "slurm.partition"),
        (FAILED + "Invalid account or account/partition combination specified", "account", "slurm.account"),
        (FAILED + "Invalid qos specification", "QOS", "slurm.qos"),
        (FAILED + "Requested node configuration is not available", "No node", "slurm.gpus"),
        (FAILED + "Memory specification can not be satisfied", "memory", "slurm.mem"),
        (FAILED + "Invalid feature specification", "slurm.constraint", "sinfo"),
        ("Invalid --time specification", "time limit", "slurm.time"),
        (FAILED + "Invalid generic resource (gres) specification", "GPU type", "slurm.gpu_type"),
        (FAILED + "Node count specification invalid", "that many nodes", "slurm.nodes"),
        (
            FAILED + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "does not allow this job",
            "slurm.nodes",
        ),
        (FAILED + "Disk quota exceeded", "quota", "Delete"),
        ("unrecognized option '--nonesuch=1'", "slurm.extra", "man sbatch"),
        ("something new", "refused the job: something new", "[slurm]"),
        ("", "no reason", "[slurm]"),
    ],
)
def test_a_refusal(said: str, sentence: str, fix: str) -> None:
    found, hint = refusal(said)
    assert sentence in found and fix in hint
