"""Starting a script on several GPUs: the config file of `accelerate launch`, and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

STRATEGIES: Mapping[str, str] = {
    "ddp": "each GPU holds the whole model (DistributedDataParallel)",
    "fsdp": "weights, gradients and optimizer states are sharded over the GPUs (PyTorch FSDP2)",
    "zero3": "the same, with DeepSpeed ZeRO-3",
}
"""Allowed values of `local.strategy` and what each means."""
MOST_PROCESSES = 64
"""More GPUs than any machine has; a larger number is a typo."""
CONFIG_NAME = "accelerate.yaml"
"""Name of the file: next to the run on this machine, next to the script in a Job."""
LAUNCHER = ("-P", "-m", "accelerate.commands.launch")
"""`accelerate launch` for a given Python: the command on the PATH may belong to another Python.

-P: nothing is imported from the current folder."""
DEEPSPEED = "deepspeed>=0.18.6"
"""What ZeRO-3 needs in addition to the script's packages; the bound is from TRL 1.16's extra `deepspeed`."""


_DISTRIBUTED: Mapping[str, dict[str, Any]] = {
    "ddp": {"distributed_type": "MULTI_GPU"},
    "fsdp": {
        "distributed_type": "FSDP",
        "fsdp_config": {
            "fsdp_activation_checkpointing": False,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_cpu_ram_efficient_loading": True,
            "fsdp_offload_params": False,
            "fsdp_reshard_after_forward": True,
            "fsdp_state_dict_type": "FULL_STATE_DICT",
            "fsdp_version": 2,
        },
    },
    "zero3": {
        "distributed_type": "DEEPSPEED",
        "deepspeed_config": {
            "deepspeed_multinode_launcher": "standard",
            "offload_optimizer_device": "none",
            "offload_param_device": "none",
            "zero3_init_flag": True,
            "zero3_save_16bit_model": True,
            "zero_stage": 3,
        },
    },
}
"""Strategy → what its file of TRL has of its own."""


def accelerate_config(
    processes: int, strategy: str, mixed_precision: str = "no", *, use_cpu: bool = False
) -> dict[str, Any]:
    """The content of the file for `accelerate launch --config_file`.

    `mixed_precision` is no, fp16 or bf16 (`mixed_precision_of`). The values are those of TRL's own files
    (`trl/accelerate_configs/multi_gpu.yaml`, `fsdp2.yaml`, `zero3.yaml`, 1.16), with a free port, so that two runs can
    work in parallel.

    Raises:
        ValueError: another strategy, or fewer than two processes.
    """
    if processes < 2:
        raise ValueError(f"accelerate is needed from 2 processes on, not for {processes}")
    if strategy not in _DISTRIBUTED:
        raise ValueError(f"a strategy is one of {', '.join(STRATEGIES)}, not: {strategy}")
    return {
        "compute_environment": "LOCAL_MACHINE",
        "debug": False,
        **deepcopy(_DISTRIBUTED[strategy]),
        "machine_rank": 0,
        "main_process_port": 0,
        "main_training_function": "main",
        "mixed_precision": mixed_precision,
        "num_machines": 1,
        "num_processes": processes,
        "rdzv_backend": "static",
        "same_network": True,
        "use_cpu": use_cpu,
    }


def as_yaml(config: Mapping[str, Any]) -> str:
    """The text of the file: each value is written as JSON, which is also YAML."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {name}: {json.dumps(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def mixed_precision_of(recipe: Mapping[str, Any]) -> str:
    """What TRL will train in: DPOConfig turns on bf16 unless bf16 or fp16 is set (`trl/trainer/base_config.py`)."""
    if recipe.get("fp16"):
        return "fp16"
    return "no" if recipe.get("bf16") is False else "bf16"


def command_for(
    script: str,
    arguments: Sequence[str] = (),
    *,
    processes: int = 1,
    config_file: str = CONFIG_NAME,
    python: Sequence[str] = ("python",),
) -> list[str]:
    """The command that trains with this many processes, one per GPU: the script, or `accelerate launch` around it.

    `config_file` is used only with two or more processes.
    """
    if processes < 2:
        return [*python, script, *arguments]
    return [*python, *LAUNCHER, "--config_file", config_file, script, *arguments]


def job_command_for(
    script: str,
    arguments: Sequence[str] = (),
    *,
    processes: int = 1,
    strategy: str = "ddp",
    config_file: str = CONFIG_NAME,
    packages: Sequence[str] = (),
) -> list[str]:
    """The same in a Job: uv creates the environment declared in the script's header (PEP 723), and adds `packages`.

    `uv run SCRIPT` starts one process; around a launcher the header is read with `--with-requirements`
    (https://docs.astral.sh/uv/reference/cli/#uv-run--with-requirements).
    """
    if processes < 2:
        return command_for(script, arguments, python=("uv", "run", *_with(packages)))
    more = _with([*packages, *([DEEPSPEED] if strategy == "zero3" else [])])
    python = ("uv", "run", "--no-project", "--with-requirements", script, *more, "python")
    return command_for(script, arguments, processes=processes, config_file=config_file, python=python)


def _with(packages: Sequence[str]) -> list[str]:
    return [word for package in packages for word in ("--with", package)]
