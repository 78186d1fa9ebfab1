"""Sizes of the weights in a folder, read from headers and the disk. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from smoltui.core.foreign import foreign_json
from smoltui.core.foreign.server_values import mapping_in
from smoltui.scripts.hub_files import wanted
from smoltui.scripts.saved_model import MOST_HEADER_BYTES


def stored_files(folder: Path) -> dict[str, int]:
    """Bytes of the files that loading the model in a folder reads, by name; empty without any."""
    sizes: dict[str, int] = {}
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            with suppress(OSError):
                if path.is_file():
                    sizes[path.name] = path.stat().st_size
    return {name: sizes[name] for name in wanted(sizes)}


def parameters_in(folder: Path, weights: Iterable[str]) -> int | None:
    """Number of weights in the safetensors files of a folder; None if there are other files, or a damaged one."""
    total = 0
    for name in weights:
        counted = _parameters(folder / name) if name.endswith(".safetensors") else None
        if counted is None:
            return None
        total += counted
    return total


def _parameters(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MOST_HEADER_BYTES:
                return None
            header = mapping_in(foreign_json.decode(file.read(length)))
    except (OSError, ValueError, RecursionError):
        return None
    count = 0
    for name, tensor in header.items():
        shape = mapping_in(tensor).get("shape")
        if name == "__metadata__":
            continue
        if not isinstance(shape, list) or not all(isinstance(side, int) and side >= 0 for side in shape):
            return None
        one = 1
        for side in shape:
            one *= side
        count += one
    return count
