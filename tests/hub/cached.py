"""Models in the Hub's cache on this machine, as a download leaves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from smoltui.backends.hub import cache
from smoltui.backends.system.hub_files import model_folder


def weights(count: int = 4, dtype: str = "F32") -> bytes:
    """A safetensors file with this many weights."""
    width = {"F32": 4, "BF16": 2}[dtype]
    header = json.dumps({"w": {"dtype": dtype, "shape": [count], "data_offsets": [0, count * width]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(count * width)


def cache_model(repo: str, files: Mapping[str, bytes] | None = None, revision: str = "main") -> Path:
    """Puts a model into the cache, and returns its folder."""
    commit = hashlib.sha1(f"{repo}@{revision}".encode()).hexdigest()
    place = model_folder(repo, cache.folder())
    folder = place / "snapshots" / commit
    folder.mkdir(parents=True, exist_ok=True)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / revision).write_text(commit)
    for name, data in (files or {"config.json": b"{}", "model.safetensors": weights()}).items():
        (folder / name).write_bytes(data)
    return folder
