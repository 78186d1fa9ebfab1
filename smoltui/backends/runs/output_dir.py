"""Where a run on this machine writes its model, so that none is replaced by accident."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from smoltui.scripts.saved_model import holds_model

__all__ = ["free_output_dir", "holds_model"]


def free_output_dir(folder: Path, *, taken: Collection[str | None] = (), overwrite: bool = False) -> Path:
    """`folder`, or the first of `folder-2`, `folder-3`, … that is not `taken` and has no model.

    With `overwrite`, it may have one.
    """
    number, candidate = 1, folder
    while str(candidate) in taken or (holds_model(candidate) and not overwrite):
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate
