"""Whether a folder contains a saved model: one definition for smoltui and its scripts."""

from __future__ import annotations

from pathlib import Path

MODEL_FILES = ("config.json", "adapter_config.json", "model*.safetensors", "adapter_model*.safetensors")


def holds_model(folder: Path) -> bool:
    """Whether `folder` contains a model or adapter."""
    return any(path.is_file() for pattern in MODEL_FILES for path in folder.glob(pattern))
