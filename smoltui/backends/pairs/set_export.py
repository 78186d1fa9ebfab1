"""Exports an opened set with the decisions of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smoltui.backends.pairs.export import Exported, export_pairs
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.pairs.opened_set import PairSet
from smoltui.core.pairs.curation import Curation
from smoltui.errors import PairsError


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
    """Writes the curated, converted set into `out`; None if stopped. Blocking.

    Raises:
        InputError: as `export_pairs`.
        PairsError: the set is not imported; nothing is left to train on; or the cache was deleted meanwhile.
    """
    if opened.store is None:
        raise PairsError("The set is not imported, so it cannot be exported.", "Press r to reload it.")
    return export_pairs(
        opened.store.pairs(),
        curation,
        out=out,
        kind=kind,
        name=f"{opened.name} {opened.split}",
        schema=opened.schema,
        thinking_off=opened.store.meta.thinking_off,
        pairs_made=opened.store.meta.made,
        hold_out=curation.hold_out(opened.label),
        overwrite=overwrite,
        progress=progress,
        stopped=stopped,
    )
