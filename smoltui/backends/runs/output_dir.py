"""Where a run on this machine writes its model, so that none is replaced by accident, and whether it is whole."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.scripts.saved_model import holds_model, weights_problem

__all__ = ["broken_weights", "free_output_dir", "holds_model", "refuse_model_in", "same_folder"]


def broken_weights(folder: Path) -> str | None:
    """Why the weights in a model's folder can't be used, one sentence; None if nothing is wrong at a glance."""
    if not folder.is_dir():
        return f"The model's folder no longer exists: {folder}"
    try:
        problem = weights_problem(folder)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    return f"The model's weights can't be loaded, {problem}: {folder}" if problem else None


def free_output_dir(folder: Path, *, taken: Collection[str | None] = (), overwrite: bool = False) -> Path:
    """`folder`, or the first of `folder-2`, `folder-3`, … that is not `taken` and has no model.

    With `overwrite`, it may have one.
    """
    number, candidate = 1, folder
    while str(candidate) in taken or (holds_model(candidate) and not overwrite):
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def refuse_model_in(spec: RunSpec) -> None:
    """Raises InputError if a run would replace a model, unless it may."""
    if holds_model(Path(spec.output_dir)) and not spec.overwrite:
        free = free_output_dir(Path(spec.output_dir))
        raise InputError(
            f"The output folder already contains a model: {spec.output_dir}",
            f"Use another folder: --output-dir {free.name}; or replace the model: --overwrite",
        )


def same_folder(one: object, other: str) -> bool:
    """Whether two paths lead to the same folder."""
    return isinstance(one, str) and (one == other or _real(one) == _real(other))


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # not a valid path
        return path
