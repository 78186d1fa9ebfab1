"""Exporting an opened set with the decisions of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smoltui.backends.pairs.export import Exported, Kind, export_pairs
from smoltui.backends.pairs.opened_set import PairSet
from smoltui.core.pairs.curation import Curation


def export_set(
    opened: PairSet,
    curation: Curation,
    out: Path,
    *,
    kind: Kind = "jsonl",
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda rows: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Exported | None:
    """Writes the curated, converted set into `out`; None when it was stopped. Blocking, as fast as the disk.

    Raises:
        InputError: as `export_pairs`.
        PairsError: nothing is left to train on, or the cache was deleted meanwhile.
    """
    assert opened.store is not None, "only a set that was imported whole is exported"
    return export_pairs(
        opened.store.pairs(),
        curation,
        out=out,
        kind=kind,
        name=f"{opened.name} {opened.split}",
        schema=opened.schema,
        thinking_off=opened.store.meta.thinking_off,
        hold_out=curation.hold_out(opened.label),
        overwrite=overwrite,
        progress=progress,
        stopped=stopped,
    )
