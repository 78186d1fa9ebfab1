"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str) -> Path:
    """`path` with `~` expanded; unchanged if there is no such home folder (`~nobody/x`)."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def exists(path: Path) -> bool:
    """Whether a path exists; False for an invalid one (too long, or with a NUL)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shown_path(path: str | Path) -> str:
    """A path for display, with `~` if it is below the home folder."""
    try:
        inside = Path(path).relative_to(Path.home())
    except (ValueError, RuntimeError):  # not below the home folder, or that is unknown
        return str(path)
    return f"~/{inside}" if str(inside) != "." else "~"


def hub_cache() -> Path:
    """huggingface_hub's cache, found without importing it."""
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
