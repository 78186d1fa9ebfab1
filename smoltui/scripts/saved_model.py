"""Whether a folder contains a saved model, and whether it is whole: one definition for smoltui and its scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

MODEL_FILES = ("config.json", "adapter_config.json", "model*.safetensors", "adapter_model*.safetensors")
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "adapter_model*.bin", "*.gguf")
"""Files of weights; a trainer leaves others beside them, such as training_args.bin."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.*", "*.tiktoken")
"""Files of which a tokenizer has at least one."""
MOST_HEADER_BYTES = 100_000_000
"""Limit of the safetensors format."""


def holds_model(folder: Path) -> bool:
    """Whether `folder` contains a model or adapter."""
    return any(path.is_file() for pattern in MODEL_FILES for path in folder.glob(pattern))


def config_problem(folder: Path) -> str | None:
    """Why the configuration of the model or adapter in `folder` cannot be read, for the end of a sentence.

    None if nothing is wrong with it at a glance. Raises OSError.
    """
    names = [name for name in ("config.json", "adapter_config.json") if (folder / name).is_file()]
    if not names:
        return "its folder has no config.json"
    try:
        found = json.loads((folder / names[0]).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return f"{names[0]} is damaged"
    return None if isinstance(found, dict) else f"{names[0]} is damaged"


def has_tokenizer(folder: Path) -> bool:
    """Whether `folder` contains a tokenizer."""
    return any(path.is_file() for pattern in TOKENIZER_FILES for path in folder.glob(pattern))


def weights_problem(folder: Path) -> str | None:
    """Why the weights in `folder` cannot be loaded, for the end of a sentence: missing or half-written ones.

    None if nothing is wrong with them at a glance: headers and sizes are read, no weights. Raises OSError.
    """
    files = [path for pattern in WEIGHT_FILES for path in folder.glob(pattern) if path.is_file()]
    if not files:
        return "its folder has no weights"
    for index in folder.glob("*.safetensors.index.json"):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{index.name} is damaged"
        for name in sorted(map(str, shards)):
            if not (folder / name).is_file():
                return f"{name} is missing"
    return next(_broken(files), None)


def _broken(files: list[Path]) -> Iterator[str]:
    for path in sorted(files):
        size = path.stat().st_size
        if not size:
            yield f"{path.name} is empty"
        elif path.suffix == ".safetensors":
            length = _length(path)
            if length is None:
                yield f"{path.name} is damaged"
            elif size < length:
                yield f"{path.name} is only partly written: {size:,} of {length:,} bytes"


def _length(path: Path) -> int | None:
    """Bytes that a safetensors file should have by its header; None if that is damaged."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= MOST_HEADER_BYTES else b""
    try:
        tensors = json.loads(header)
        ends = [int(entry["data_offsets"][1]) for name, entry in tensors.items() if name != "__metadata__"]
        return 8 + size + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
