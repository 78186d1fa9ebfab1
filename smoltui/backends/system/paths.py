"""Paths as a person writes them."""

from __future__ import annotations

from pathlib import Path


def expanded(path: str) -> Path:
    """`path` with `~` as the home folder; as it is written where nobody has such a home (`~nobody/x`)."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def exists(path: Path) -> bool:
    """Whether there is something; also for a name that no file can have, because it is too long or holds a NUL."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shown_path(path: str | Path) -> str:
    """A path as a person would write it: with `~` where it lies below the home folder."""
    try:
        inside = Path(path).relative_to(Path.home())
    except (ValueError, RuntimeError):  # elsewhere, or nobody knows the home folder
        return str(path)
    return f"~/{inside}" if str(inside) != "." else "~"
