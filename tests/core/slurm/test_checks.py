"""Checks before a run is submitted: what the cluster would refuse, or accept and never start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.preflight.check import Problem
from smoltui.core.recipe import Level
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.answers import Partition
from smoltui.core.slurm.checks import Asked, device_memory, needed_each, slurm_checks, start_in

NOW = 1795943475.0
GPU = Partition(
    "gpu", is_default=True, limit=86_400, default_limit=3600, nodes=4, usable=3, idle=1, cores=64, memory=512 << 30,
    gpus=4, gpu_types=("a100_80gb", "t4"),
)  # fmt: skip
CPU = Partition("cpu", limit=None, nodes=2, usable=2, memory=4 << 30)
SMOLLM3 = estimate({"dtype": "bfloat16"}, KNOWN["HuggingFaceTB/SmolLM3-3B"])


def told(more: dict[str, Any] | None = None, **options: Any) -> dict[str, tuple[Level, str, str]]:
    """Name → level, sentence and next step, of the checks of a run with these options of [slurm]."""
    asked = replace(Asked(SlurmSettings(**options), [GPU, CPU]), **(more or {}))
    return {check.name: (check.level, check.sentence, check.next_step) for check in slurm_checks(asked, NOW)}


def test_a_run_that_can_start() -> None:
    """Where, how long, when, and what it costs at most."""
    found = told({"start": NOW + 7200}, gpus=4, nodes=2, time="12h", restarts=3)
    assert all(level is not Level.STOP for level, _, _ in found.values())
    assert found["partition"][1] == "Partition gpu: 1 of 4 nodes idle"
    assert found["time"][1] == "Time limit 12 h 00 min; then it is requeued and continues, at most 3 times"
    assert found["hours"][1].startswith("Up to 96 GPU hours (2 × 4 × 12 h 00 min), at most 384 with 3 restarts")
    assert "expects to start it" in found["start"][1]
    assert told({"start": NOW})["start"][1] == "Slurm can start it now"
    assert "(the partition's default)" in told()["time"][1]


@pytest.mark.parametrize(
    ("options", "name", "words", "fix"),
    [
        ({"partition": "gpus"}, "partition", "no such partition: gpus", "gpu, cpu"),
        ({"partition": "cpu"}, "gpus", "have no GPUs: cpu", "slurm.partition"),
        ({"gpu_type": "h100"}, "gpu_type", "no such GPU type: h100", "a100_80gb, t4"),
        ({"gpus": 9}, "gpus", "that many GPUs: 9", "at most 4"),
        ({"nodes": 5}, "nodes", "gpu has 4 nodes, not 5", "at most 4"),
        ({"time": "2d"}, "time", "never start it", "at most 1 d"),
        ({"gpus": 2, "cpus": 48}, "cpus", "has 96 cores (2 × 48); the largest has 64", "at most 32"),
        ({"mem": "2T"}, "mem", "No node of gpu has 2T of memory; the largest has 512.0 GiB", "at most 524288M"),
        ({"gpus": 0, "strategy": "fsdp"}, "strategy", "needs GPUs", "ddp"),
    ],
)
def test_what_would_fail_or_never_start(options: dict[str, Any], name: str, words: str, fix: str) -> None:
    level, sentence, hint = told(**options)[name]
    assert level is Level.STOP and words in sentence and fix in hint
    assert told({"use_cpu": True}, strategy="zero3")["strategy"][1].endswith("but the recipe has use_cpu: true")


def test_what_slurm_says() -> None:
    """A refusal, a cluster without a default, one that does not answer, and nodes that are down."""
    assert told({"refused": Problem("No.", "Do.")})["slurm"][:2] == (Level.STOP, "No.")
    asked = Asked(SlurmSettings(), [GPU, CPU], refused=Problem("No.", "Set slurm.qos, or remove it."))
    (refused,) = [check for check in slurm_checks(asked, NOW) if check.name == "slurm"]
    assert refused.fix is not None and refused.fix.edit == "slurm.qos"
    assert "slurm" not in told({"refused": Problem("No.", "Do.")}, nodes=9)  # the reason is known already
    assert told({"problem": Problem("Silent.", "Wait.")}) == {"slurm": (Level.STOP, "Silent.", "Wait.")}
    assert told({"partitions": [CPU]}, gpus=0)["partition"][0] is Level.WARN
    assert "partition" not in told({"partitions": None})
    assert told(nodes=4)["nodes"][0] is Level.WARN
    assert "down" in told({"partitions": [replace(GPU, up=False)]})["partition"][1]
    assert told({"partitions": [replace(GPU, limit=None, default_limit=None)]})["time"][1] == "No time limit"


def test_memory() -> None:
    """Of the GPUs whose type tells it; sharded over all processes with FSDP."""
    assert SMOLLM3 is not None
    fits = told({"fit": SMOLLM3}, gpu_type="a100_80gb")["memory"]
    assert fits[0] is Level.PASS and "per GPU" in fits[1]
    assert told({"fit": SMOLLM3}, gpu_type="t4")["memory"][0] is Level.STOP
    assert told({"fit": SMOLLM3})["memory"][0] is Level.WARN  # some of the partition's GPUs are too small
    sharded = SlurmSettings(nodes=4, gpus=4, strategy="fsdp")
    assert (
        needed_each(SMOLLM3, sharded) < SMOLLM3.needed / 2 and needed_each(SMOLLM3, SlurmSettings()) == SMOLLM3.needed
    )
    assert "shared by 16 processes" in told({"fit": SMOLLM3}, nodes=4, gpus=4, strategy="fsdp")["memory"][1]
    assert told({"fit": SMOLLM3}, gpus=0, partition="cpu")["memory"][0] is Level.STOP
    assert told({"fit": SMOLLM3}, gpus=0)["memory"][0] is Level.PASS
    assert device_memory("A100-80GB") == 80 * 10**9 and device_memory("a100") is None


def test_folders_and_the_token() -> None:
    found = told({"unshared": [("/tmp/x", "ext4")], "token_here": True})
    assert "/tmp/x" in found["shared folder"][1] and "hf auth login" in found["token"][2]


def test_the_expected_start() -> None:
    assert start_in("sbatch: Job 5 to start at 1795943475 using 2 processors on nodes n1 in partition main") == NOW
    assert start_in("sbatch: error: x") is None
