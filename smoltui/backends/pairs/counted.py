"""How many pairs a recipe trains on: as the imported set has it while it is current, else counted in the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.project.project import Project
from smoltui.errors import InputError, PairsError

if TYPE_CHECKING:
    from smoltui.backends.data_files.source import PairsSpec
    from smoltui.backends.pairs.curation_file import CurationFile
    from smoltui.backends.pairs.store import Meta
    from smoltui.core.settings.settings import Settings

LOOKED_AT = 20_000
"""Rows of a set that is not imported which are decoded to find a broken one."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One split of a set on this machine."""

    rows: int
    split: str
    """As requested: train, or train[:1000]."""
    broken: str | None = None
    """What is wrong with the first row that cannot be decoded; None where none was found or nobody looked."""


class PairCounts:
    """Counts sets, and keeps the last one that was counted in its source for as long as its files stay as they are.

    Blocking: a set of 100 MB that is not imported is read whole. Any thread may call it.
    """

    def __init__(self) -> None:
        self._last: tuple[Any, Counted] | None = None

    def count(self, wanted: PairsSpec, folder: Path, settings: Settings, *, broken: bool = False) -> Counted:
        """The rows of a set that the recipe in `folder` names; with `broken` it is looked for one that is.

        Raises:
            PairsError: as `open_spec`.
        """
        from smoltui.backends.data_files.source import files_stamp, open_spec
        from smoltui.backends.data_files.tables import Broken

        stamp = files_stamp(wanted, folder)
        if meta := _imported(wanted, folder, stamp, settings):
            return Counted(meta.rows, meta.split, meta.broken)
        key, last = (folder, wanted, stamp, broken), self._last
        if last is None or last[0] != key:
            source = open_spec(wanted, folder)
            first = (
                next((row for row in source.rows(0, LOOKED_AT) if isinstance(row, Broken)), None) if broken else None
            )
            last = self._last = (key, Counted(len(source), source.split, first.problem if first else None))
        return last[1]

    def rows(self, project: Project, values: Mapping[str, Any], settings: Settings) -> int | None:
        """Rows of the recipe's set; None for a set on the Hub, for several sets, for none usable."""
        from smoltui.backends.data_files.source import is_local, pairs_of

        try:
            wanted = pairs_of(values)
            if wanted is None or wanted.others or not is_local(wanted, project.folder):
                return None
            return self.count(wanted, project.folder, settings).rows
        except InputError:
            return None


def _imported(wanted: PairsSpec, folder: Path, stamp: Any, settings: Settings) -> Meta | None:
    """What is known of the set in the cache, whole and made of the files as they are now; None where it is not there.

    The Pairs room may have opened it by what the recipe says or by what smoltui.toml says.
    """
    from smoltui.backends.data_files.source import PairsSpec
    from smoltui.backends.pairs.curated import set_name
    from smoltui.backends.pairs.opened_set import store_folder
    from smoltui.backends.pairs.store import read_meta

    if not stamp:
        return None
    ways = [wanted]
    if settings.pairs and set_name(named := PairsSpec(settings.pairs), folder) == set_name(wanted, folder):
        ways.append(named)
    if settings.pair_columns:
        ways += [replace(way, columns=settings.pair_columns) for way in ways]
    for way in ways:
        try:
            meta = read_meta(store_folder(way, folder, stamp))
        except PairsError:
            continue
        if meta.complete and meta.split == (wanted.split or meta.split):
            return meta
    return None


def pairs_decided(project: Project, values: Mapping[str, Any], decisions: CurationFile) -> bool:
    """Pairs were excluded or held out in the Pairs room, so that fewer are trained on than the file holds.

    `decisions` are the project's; they are read again only where they have changed.
    """
    from smoltui.backends.data_files.source import pairs_of
    from smoltui.backends.pairs.curated import set_name

    try:
        known, wanted = decisions.current(), pairs_of(values)
        held = wanted is not None and known.hold_out(set_name(wanted, project.folder)) is not None
    except InputError:
        return False
    return held or bool(known.excluded)
