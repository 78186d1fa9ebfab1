"""Which files of a model loading reads: one definition for what is stated, downloaded and counted. Standard library."""

from __future__ import annotations

import re
from collections.abc import Iterable

WEIGHTS = (
    re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors"),
    re.compile(r"(pytorch|adapter)_model(-\d+-of-\d+)?\.bin"),
)
"""Names of files with weights, in the order in which transformers and peft prefer them."""
BESIDE = (".json", ".jinja", ".txt", ".model")
"""Endings of configuration, chat templates and tokenizers."""


def is_weights(name: str) -> bool:
    """Whether a file with this name contains weights that can be loaded."""
    return any(pattern.fullmatch(name) for pattern in WEIGHTS)


def wanted(names: Iterable[str]) -> list[str]:
    """Those of a repository's or folder's files that loading its model reads, in their order.

    Files in subfolders (checkpoints, other formats) and those of a trainer are not.
    """
    listed = [name for name in names if "/" not in name]
    weights = next((found for pattern in WEIGHTS if (found := {n for n in listed if pattern.fullmatch(n)})), set())
    bins = any(name.endswith(".bin") for name in weights)
    skipped = ".safetensors.index.json" if bins else ".bin.index.json"
    return [name for name in listed if name in weights or (name.endswith(BESIDE) and not name.endswith(skipped))]
