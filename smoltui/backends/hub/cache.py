"""The Hub's cache on this machine, read without the network. Everything here blocks."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.hub.client import setup
from smoltui.backends.system import hub_files


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


def snapshot(repo: str, revision: str | None = None) -> Path | None:
    """The cached files of a revision (None: the main branch) as of the last download; None without any."""
    return hub_files.snapshot(repo, revision or "main", folder())


def has_file(repo: str, commit: str, name: str, blob: str | None) -> bool:
    """Whether a file of a commit needs no download: it is there, or another commit's has the same content."""
    place = hub_files.model_folder(repo, folder())
    if (place / "snapshots" / commit / name).is_file():
        return True
    return blob is not None and Path(blob).name == blob and (place / "blobs" / blob).is_file()
