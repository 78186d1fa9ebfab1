"""The packages of the extras: what training and benchmarks on this machine require."""

from __future__ import annotations

import importlib.util
from importlib import metadata

from smoltui.errors import MissingExtraError


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


def lm_eval_version() -> str | None:
    """The installed version of lm_eval, of the bench extra; None if it is not installed."""
    try:
        return metadata.version("lm_eval")
    except metadata.PackageNotFoundError:
        return None


def require_bench_extra() -> None:
    """Raises MissingExtraError if lm_eval is not installed."""
    if lm_eval_version() is None:
        raise MissingExtraError(
            "lm_eval, which benchmarks models on this machine, isn't installed",
            "Install it: pip install 'smoltui[train,bench]'",
        )
