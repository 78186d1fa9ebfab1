"""The packages that training on this machine requires."""

from __future__ import annotations

import importlib.util

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
