"""Upkeep of the cache of imported sets: one process imports a set at a time, and old sets and leftovers are deleted."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from smoltui.backends.system import locks

LOCK_SECONDS = 30.0
"""How long another process may keep an import locked without adding rows. Before its first rows it may be downloading
the set, or indexing a file of gigabytes."""
CACHE_BYTES = 20 << 30
"""Limit of all imported sets together; beyond it, the least recently used ones are deleted."""
KEPT_SECONDS = 60 * 86400.0
"""A set that was not opened for this long is deleted."""
LOCK = "lock"
"""File in the folder of a set, locked while the set is being imported."""


@contextmanager
def import_lock(folder: Path, *, seconds: float | None = None) -> Iterator[None]:
    """Keeps other processes from importing the set in `folder`.

    Waits for one that is importing it, as long as it adds rows at least every `seconds` (None: `LOCK_SECONDS`).

    Raises:
        LockHeldError: it has stopped adding rows.
        OSError: the folder cannot be written.
    """
    descriptor = _wait_for_lock(folder, LOCK_SECONDS if seconds is None else seconds)
    try:
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(folder: Path, seconds: float) -> int:
    imported = _imported_at(folder)
    while True:
        try:
            return locks.take(
                folder / LOCK,
                f"This set is already being imported by {{pid}}, which has added no rows for {seconds:g} s",
                "Wait until it has finished, or stop it (kill {pid}); then reload the set (r).",
                seconds=seconds,
            )
        except locks.LockHeldError:
            if (now := _imported_at(folder)) == imported:
                raise
            imported = now


def _imported_at(folder: Path) -> int:
    """Changes with every part that is imported."""
    with suppress(OSError):
        return (folder / "meta.json").stat().st_mtime_ns
    return 0


def prune(keep: Path) -> None:
    """Deletes sets that were not used for `KEPT_SECONDS`, and the least recently used ones beyond `CACHE_BYTES`.

    Neither the set in `keep` nor one that is being imported.
    """
    folders = []
    for folder in keep.parent.iterdir():
        if folder == keep or not folder.is_dir():
            continue
        with suppress(OSError):
            size = sum(path.stat().st_size for path in folder.iterdir())
            folders.append((folder.stat().st_mtime, size, folder))
    total, now = sum(size for _, size, _ in folders), time.time()
    for used, size, folder in sorted(folders):
        if total > CACHE_BYTES or now - used > KEPT_SECONDS:
            with suppress(OSError, locks.LockHeldError), import_lock(folder, seconds=0):
                shutil.rmtree(folder)
                total -= size


def remove_halves(folder: Path) -> None:
    """Deletes unfinished files (`store.PartFile`) of imports that were killed."""
    for path in folder.glob(".part-*"):
        writer = path.name.rpartition(".")[2]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):
            path.unlink(missing_ok=True)
