"""Requirements of training on this machine, and its output folder."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from smoltui.errors import MissingExtraError

MODEL_FILES = ("config.json", "adapter_config.json", "model.safetensors", "model.safetensors.index.json")


def holds_model(folder: Path) -> bool:
    """Whether `folder` contains a model or adapter."""
    return any((folder / name).is_file() for name in MODEL_FILES)


def free_output_dir(folder: Path) -> Path:
    """`folder`, or the first of `folder-2`, `folder-3`, … that has no model yet."""
    number, candidate = 1, folder
    while holds_model(candidate):
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def require_train_extra() -> None:
    """Raises MissingExtraError if the training packages are not installed."""
    missing = [
        name
        for name in ("torch", "transformers", "trl", "datasets", "accelerate")
        if not importlib.util.find_spec(name)
    ]
    if missing:
        raise MissingExtraError(
            f"Training on this machine needs packages that are not installed: {', '.join(missing)}",
            "Install them: pip install 'smoltui[train]'",
        )


def training_env() -> dict[str, str]:
    """The environment of a local training: the current one, one core reserved for the terminal, no telemetry, and no
    imports from the current folder (`PYTHONSAFEPATH`, which child processes inherit)."""
    cores = os.cpu_count() or 1
    defaults = {
        "OMP_NUM_THREADS": str(max(1, cores - 1)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **os.environ, "PYTHONSAFEPATH": "1"}
