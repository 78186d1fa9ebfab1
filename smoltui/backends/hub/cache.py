"""The Hub's cache on this machine, read without the network. Everything here blocks."""

from __future__ import annotations

import re
from pathlib import Path

from smoltui.backends.hub.client import setup

COMMIT = re.compile(r"[0-9a-f]{40}")


def folder() -> Path:
    """Where the Hub's files are cached (HF_HUB_CACHE)."""
    setup()
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub."""
    setup()
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def repo_folder(repo: str) -> Path:
    """The cached files of a model repository."""
    return folder() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str, revision: str | None = None) -> Path | None:
    """The cached files of a revision (None: the main branch) as of the last download; None without any."""
    place, wanted = repo_folder(repo), revision or "main"
    if not COMMIT.fullmatch(wanted):
        try:
            wanted = (place / "refs" / wanted).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        if not COMMIT.fullmatch(wanted):
            return None
    found = place / "snapshots" / wanted
    return found if found.is_dir() else None


def has_file(repo: str, commit: str, name: str, blob: str | None) -> bool:
    """Whether a file of a commit needs no download: it is there, or another commit's has the same content."""
    place = repo_folder(repo)
    if (place / "snapshots" / commit / name).is_file():
        return True
    return blob is not None and Path(blob).name == blob and (place / "blobs" / blob).is_file()
