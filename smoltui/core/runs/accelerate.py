"""How a script is started on several GPUs: the file `accelerate launch` reads, and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

STRATEGIES: Mapping[str, str] = {
    "ddp": "each GPU holds the whole model (DistributedDataParallel)",
    "fsdp": "weights, gradients and optimizer are spread over the GPUs (PyTorch FSDP2)",
    "zero3": "the same, by DeepSpeed ZeRO-3",
}
"""What may stand in `local.strategy`, and what it means."""
MOST_PROCESSES = 64
"""More GPUs than one machine has; a larger number is a slip."""
CONFIG_NAME = "accelerate.yaml"
"""The file's name, beside the run here and beside the script in a Job."""
LAUNCHER = ("-P", "-m", "accelerate.commands.launch")
"""`accelerate launch` for a given Python: the command of that name on the PATH may belong to another one.

-P: it imports nothing from the folder it is started in."""
DEEPSPEED = "deepspeed>=0.18.6"
"""What ZeRO-3 needs besides the script's own packages; the bound is that of TRL 1.16's extra `deepspeed`."""


def accelerate_config(
    processes: int, strategy: str, mixed_precision: str = "no", *, use_cpu: bool = False
) -> dict[str, Any]:
    """The content of the file for `accelerate launch --config_file`.

    `mixed_precision` is no, fp16 or bf16 (`mixed_precision_of`). The values are those of TRL's own files
    (`trl/accelerate_configs/multi_gpu.yaml`, `fsdp2.yaml`, `zero3.yaml`, 1.16), with a free port, so that two runs can
    be side by side.

    Raises:
        ValueError: another strategy, or fewer than two processes.
    """
    if processes < 2:
        raise ValueError(f"accelerate is needed from 2 processes on, not for {processes}")
    own: dict[str, Any]
    if strategy == "ddp":
        own = {"distributed_type": "MULTI_GPU"}
    elif strategy == "fsdp":
        own = {
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
        }
    elif strategy == "zero3":
        own = {
            "distributed_type": "DEEPSPEED",
            "deepspeed_config": {
                "deepspeed_multinode_launcher": "standard",
                "offload_optimizer_device": "none",
                "offload_param_device": "none",
                "zero3_init_flag": True,
                "zero3_save_16bit_model": True,
                "zero_stage": 3,
            },
        }
    else:
        raise ValueError(f"a strategy is one of {', '.join(STRATEGIES)}, not: {strategy}")
    return {
        "compute_environment": "LOCAL_MACHINE",
        "debug": False,
        **own,
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
    """The text of the file: each value in JSON's spelling, which YAML reads as the same."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {name}: {json.dumps(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def mixed_precision_of(recipe: Mapping[str, Any]) -> str:
    """What TRL will train in: DPOConfig turns bf16 on unless it or fp16 is named (`trl/trainer/base_config.py`)."""
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
    """What is run to train with so many processes, one a GPU: the script itself, or `accelerate launch` around it.

    `config_file` is read only from two processes on.
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
) -> list[str]:
    """The same in a Job: uv makes the environment that the script's header asks for (PEP 723).

    `uv run SCRIPT` starts one process; around a launcher the header is read with `--with-requirements`
    (https://docs.astral.sh/uv/reference/cli/#uv-run--with-requirements).
    """
    if processes < 2:
        return command_for(script, arguments, python=("uv", "run"))
    more = ("--with", DEEPSPEED) if strategy == "zero3" else ()
    python = ("uv", "run", "--no-project", "--with-requirements", script, *more, "python")
    return command_for(script, arguments, processes=processes, config_file=config_file, python=python)
