"""Number of pairs that a recipe trains on, from the imported set if it is current, or else counted in the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.backends.project.project import Project
from smoltui.errors import InputError, PairsError

if TYPE_CHECKING:
    from smoltui.backends.data_files.source import PairsSpec
    from smoltui.backends.pairs.curation_file import CurationFile
    from smoltui.backends.pairs.store import Meta
    from smoltui.core.settings.settings import Settings

LOOKED_AT = 20_000
"""Rows that are decoded to find a broken one, if the set is not imported."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One split of a set on this machine."""

    rows: int
    split: str
    """As requested: train, or train[:1000]."""
    broken: str | None = None
    """Problem of the first row that cannot be decoded; None if there is none, or it was not checked."""


class PairCounts:
    """Counts sets, and caches the last count from a source until its files change.

    Blocking: a set of 100 MB that is not imported is read as a whole. Thread-safe.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], Counted] | None = None

    def count(self, wanted: PairsSpec, folder: Path, settings: Settings, *, broken: bool = False) -> Counted:
        """The rows of a set of the recipe in `folder`; `broken` also looks for rows that cannot be decoded.

        Raises:
            PairsError: as `open_spec`.
        """
        from smoltui.backends.data_files.source import files_stamp, open_spec
        from smoltui.backends.data_files.text import Broken

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

    def rows(self, project: Project, values: Mapping[str, object], settings: Settings) -> int | None:
        """Rows of the recipe's set; None if it is on the Hub, one of several, missing or unreadable."""
        from smoltui.backends.data_files.source import is_local, pairs_of

        try:
            wanted = pairs_of(values)
            if wanted is None or wanted.others or not is_local(wanted, project.folder):
                return None
            return self.count(wanted, project.folder, settings).rows
        except InputError:
            return None


def _imported(wanted: PairsSpec, folder: Path, stamp: list[tuple[str, int, int]], settings: Settings) -> Meta | None:
    """Meta of the set in the cache, if it is complete and matches the current files; otherwise None.

    The Pairs room may have opened it as named in the recipe, or as named in smoltui.toml.
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


def pairs_decided(project: Project, values: Mapping[str, object], decisions: CurationFile) -> bool:
    """Whether pairs were excluded or held out in the Pairs room, so that fewer are trained on than the file has.

    `decisions` are the project's; they are only read again if the file has changed.
    """
    from smoltui.backends.data_files.source import pairs_of
    from smoltui.backends.pairs.curated import set_name

    try:
        known, wanted = decisions.current(), pairs_of(values)
        held = wanted is not None and known.hold_out(set_name(wanted, project.folder)) is not None
    except InputError:
        return False
    return held or bool(known.excluded)
