"""What loading models takes, stated before anything is loaded or downloaded: sizes, memory, time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.evaluation.memory_words import size
from smoltui.core.runs.pace import as_time

SMALL = 1 << 30
"""Bytes of memory up to which models on this disk are loaded without a question: SmolLM2-135M takes half of it."""
WORKING = 768 << 20
"""Bytes beside the weights: torch, a batch's keys and values, its logits. Rough: the script counts exactly."""

Key = tuple[str, str | None]
"""Place and revision: what two loads must share to be one."""


@dataclass(frozen=True, slots=True)
class Load:
    """One set of weights: a model, or an adapter."""

    place: str
    """Folder or Hub id."""
    revision: str | None = None
    columns: tuple[str, ...] = ()
    """Names of the columns that need it."""
    stored: int | None = None
    """Bytes of its files, on this disk or on the Hub; None if the Hub does not say."""
    download: int | None = 0
    """Bytes that are not on this disk yet; None if there are some, and nobody knows how many."""
    files: tuple[str, ...] = ()
    """Names of the files to download; empty if none is missing."""
    memory: int | None = None
    """Bytes of its weights once loaded; None if unknown."""

    @property
    def key(self) -> Key:
        return self.place, self.revision

    @property
    def words(self) -> str:
        """Its sizes, for a line that begins with its name."""
        stored = "size unknown" if self.stored is None else size(self.stored)
        if self.download is None:
            where = f"{stored}, to download"
        elif not self.download:
            where = f"{stored} on this disk"
        elif self.download == self.stored:
            where = f"{stored} to download"
        else:
            where = f"{size(self.download)} of {stored} to download"
        return where if self.memory is None else f"{where} · {size(self.memory)} in memory"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What is loaded together, and what this machine has."""

    loads: tuple[Load, ...]
    free: int | None = None
    """Bytes free on the accelerator, or in main memory; None if unknown."""
    disk_free: int | None = None
    """Bytes free where downloads go; None if unknown."""
    disk_folder: str = ""
    speed: float | None = None
    """Bytes per second of earlier downloads; None before the first one."""
    loading_speed: float | None = None
    """Bytes of weights that earlier loads read per second; None before the first one."""

    @property
    def to_fetch(self) -> list[Load]:
        """What has to be downloaded."""
        return [load for load in self.loads if load.files]

    @property
    def download(self) -> int | None:
        """Bytes to download; None if there are some, and nobody knows how many."""
        sizes = [load.download for load in self.loads]
        return None if None in sizes else sum(one or 0 for one in sizes)

    @property
    def memory(self) -> int | None:
        """Bytes that all of it takes in memory at once; None if unknown."""
        sizes = [load.memory for load in self.loads]
        return None if None in sizes else sum(one or 0 for one in sizes) + WORKING

    @property
    def least(self) -> int:
        """Bytes that the largest of them takes at the least, as far as it is known."""
        return max((load.memory or 0 for load in self.loads), default=0)

    def asks(self, agreed: Collection[Key] = ()) -> bool:
        """Whether a person is asked first: something is downloaded, is large, or of unknown size.

        `agreed`: what was agreed to before, which is asked about again only if it has to be downloaded.
        """
        if self.download != 0:
            return True
        weights = [load.memory if load.memory is not None else load.stored for load in self.loads]
        if all(load.key in agreed for load in self.loads):
            return False
        return None in weights or sum(one or 0 for one in weights) > SMALL

    @property
    def problem(self) -> tuple[str, str] | None:
        """Why it cannot work, as a sentence and the next step; None if it can."""
        download, largest = self.download, max(self.loads, key=lambda load: load.memory or 0, default=None)
        if download and self.disk_free is not None and download > self.disk_free:
            return (
                f"There is no room for {size(download)} to download: {size(self.disk_free)} free in {self.disk_folder}",
                "Free some space there, or set HF_HOME to another disk.",
            )
        if largest is not None and self.free is not None and self.least > self.free:
            return (
                f"{largest.place} needs {size(self.least)} of memory, {size(self.free)} is free",
                "Close other programs, choose a smaller model, or compare on a machine with more memory.",
            )
        return None

    @property
    def words(self) -> list[str]:
        """Sentences: each set of weights, then what they take together."""
        lines = [f"{' and '.join(load.columns) or 'base'}: {load.place}, {load.words}" for load in self.loads]
        if (download := self.download) != 0:
            lines.append(self._download_words(download))
        lines.append(self._memory_words())
        if self.loading_speed and (stored := sum(load.stored or 0 for load in self.loads)):
            lines.append(f"Loading: about {as_time(stored / self.loading_speed)}, as fast as last time.")
        elif not download:
            lines.append("Loading time: unknown before the first large model was loaded here.")
        return lines

    def _download_words(self, download: int | None) -> str:
        room = f" {size(self.disk_free)} free on the disk." if self.disk_free is not None else ""
        if download is None:
            return f"Download: size unknown.{room}"
        if self.speed:
            return f"Download: {size(download)}, about {as_time(download / self.speed)} as fast as last time.{room}"
        return f"Download: {size(download)}, time unknown (no earlier download to go by).{room}"

    def _memory_words(self) -> str:
        free = "free memory unknown" if self.free is None else f"{size(self.free)} is free"
        if (memory := self.memory) is None:
            return f"Memory: unknown; {free}."
        if self.free is not None and memory > self.free:
            return f"Memory: about {size(memory)} together, but only {free}: one model is loaded after the other."
        return f"Memory: about {size(memory)}; {free}."

    def as_json(self) -> dict[str, Any]:
        """As commands print it; bytes, None for unknown."""
        return {
            "models": [
                {
                    "place": load.place,
                    "revision": load.revision,
                    "columns": list(load.columns),
                    "bytes": load.stored,
                    "download_bytes": load.download,
                    "memory_bytes": load.memory,
                }
                for load in self.loads
            ],
            "download_bytes": self.download,
            "memory_bytes": self.memory,
            "free_bytes": self.free,
            "download_seconds": round(self.download / self.speed) if self.download and self.speed else None,
        }


def merged(loads: Sequence[Load]) -> tuple[Load, ...]:
    """Each set of weights once, with the columns that need it."""
    found: dict[Key, Load] = {}
    for load in loads:
        known = found.get(load.key)
        columns = tuple(dict.fromkeys((*(known.columns if known else ()), *load.columns)))
        found[load.key] = Load(load.place, load.revision, columns, load.stored, load.download, load.files, load.memory)
    return tuple(found.values())
