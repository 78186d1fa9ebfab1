"""The layout of the Hub's cache on this machine, read without the network and without huggingface_hub. It blocks."""

from __future__ import annotations

import re
from pathlib import Path

from smoltui.backends.system.paths import hub_cache
from smoltui.backends.system.small_file import read_small_text

COMMIT = re.compile(r"[0-9a-f]{40}")


def model_folder(repo: str, cache: Path | None = None) -> Path:
    """The cached files of a model repository; they need not exist. `cache`: another cache than the usual one."""
    return (cache or hub_cache()) / f"models--{repo.replace('/', '--')}"


def reference(repo: str, revision: str, cache: Path | None = None) -> Path:
    """The file that holds the commit of a branch or tag, as of the last download; it need not exist."""
    return model_folder(repo, cache) / "refs" / revision


def commit(repo: str, revision: str, cache: Path | None = None) -> str | None:
    """The commit of a revision as of the last download; None if it was not downloaded. A commit is its own."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        found = read_small_text(reference(repo, revision, cache), 200).strip()
    except (OSError, ValueError):
        return None
    return found if COMMIT.fullmatch(found) else None


def snapshot(repo: str, revision: str, cache: Path | None = None) -> Path | None:
    """The files of a revision as of the last download; None without any."""
    found = commit(repo, revision, cache)
    folder = None if found is None else model_folder(repo, cache) / "snapshots" / found
    return folder if folder is not None and folder.is_dir() else None
