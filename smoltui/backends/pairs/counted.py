"""Number of pairs that a recipe trains on, from the imported set if it is current, or else counted in the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.errors import InputError, PairsError

if TYPE_CHECKING:
    from smoltui.backends.data_files.source import PairSource, PairsSpec
    from smoltui.backends.pairs.curation_file import CurationFile
    from smoltui.backends.pairs.pair_sizes import Looked
    from smoltui.backends.pairs.store import Meta
    from smoltui.backends.project.project import Project
    from smoltui.core.pairs.curation import Curation
    from smoltui.core.pairs.sizes import PairSizes
    from smoltui.core.settings.settings import Settings

LOOKED_AT = 20_000
"""Rows that are read and judged, if the set is not imported."""

MEASURED_BY = ("model_name_or_path", "model_revision", "max_length")
"""Keys of a recipe on which the sizes of pairs depend."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One split of a set on this machine."""

    rows: int
    split: str
    """As requested: train, or train[:1000]."""
    broken: str | None = None
    """Problem of the first row that cannot be decoded; None if there is none, or it was not checked."""
    judged: int = 0
    """Rows that were judged: all of them, or the first `LOOKED_AT`; 0 if none were."""
    unusable: Mapping[str, int] = field(default_factory=dict)
    """Of those, the rows that are not usable pairs, by reason."""
    looked: Looked | None = field(default=None, repr=False, compare=False)
    """What was seen of the usable pairs; None if they were not judged."""

    @property
    def usable(self) -> int:
        """Rows that training uses, as far as known."""
        return self.rows - sum(self.unusable.values())

    @property
    def problem(self) -> str:
        """Why nothing can be trained on, one sentence; empty if something can."""
        if not self.judged or sum(self.unusable.values()) < self.judged:
            return ""
        all_of = "None of the" if self.judged == self.rows else "None of the first"
        return f"{all_of} {self.judged:,} rows is a usable pair: {self._reasons()}"

    @property
    def warning(self) -> str:
        """How many rows are not trained on, one sentence; empty if there are none."""
        if not self.unusable or self.problem:
            return ""
        left_out = sum(self.unusable.values())
        judged = f"{'' if self.judged == self.rows else 'the first '}{self.judged:,} rows"
        verb = "is" if left_out == 1 else "are"
        return f"{left_out:,} of {judged} {verb} not trained on: {self._reasons()}"

    def _reasons(self) -> str:
        most = sorted(self.unusable.items(), key=lambda item: -item[1])[:3]
        return ", ".join(f"{reason.replace('_', ' ')} ({count:,})" for reason, count in most)


class PairCounts:
    """Counts sets, and caches the last count from a source until its files change.

    Blocking: a set of 100 MB that is not imported is read as a whole. Thread-safe.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], Counted] | None = None
        self._measured: tuple[Looked, tuple[object, ...], PairSizes | None] | None = None
        self.measurements = 0
        """How often sizes were measured, by which a change of `known_sizes` is noticed."""

    def count(self, wanted: PairsSpec, folder: Path, settings: Settings, *, judge: bool = False) -> Counted:
        """The rows of a set of the recipe in `folder`; `judge` also looks for rows that are not usable pairs.

        Raises:
            PairsError: as `open_spec`.
        """
        from smoltui.backends.data_files.source import files_stamp, open_spec

        stamp = files_stamp(wanted, folder)
        key, last = (folder, wanted, stamp, judge), self._last
        if last is not None and last[0][:3] == key[:3] and (last[0] == key or not judge):
            return last[1]  # one that was judged has all that one has that was not
        if found := imported(wanted, folder, stamp, settings):
            return _of_store(*found) if judge else Counted(found[1].rows, found[1].split, found[1].broken)
        source = open_spec(wanted, folder)
        counted = _judged(source) if judge else Counted(len(source), source.split)
        self._last, self._measured = (key, counted), None
        return counted

    def last_read(self, wanted: PairsSpec, folder: Path, settings: Settings) -> Counted | None:
        """A set on the Hub as it was when the Pairs room read all of it; the Hub may have another version by now.

        None if it never was, or is no longer in the cache.
        """
        if (found := imported(wanted, folder, [], settings)) is None:
            return None
        place, meta = found
        key, last = (folder, wanted, place, True), self._last
        if last is not None and last[0] == key and last[1].rows == meta.rows:
            return last[1]
        try:
            counted = _of_store(place, meta)
        except (FileNotFoundError, PairsError):  # the cache was deleted meanwhile
            return None
        self._last, self._measured = (key, counted), None
        return counted

    def sizes(self, project: Project, values: Mapping[str, object], counted: Counted) -> PairSizes | None:
        """The sizes of a judged set (`sizes_of`); the last are kept until the pairs, the model or the limit change.

        None if nothing was judged.
        """
        from smoltui.backends.pairs.pair_sizes import sizes_of

        looked, last = counted.looked, self._measured
        if looked is None:
            return None
        key = _measured_by(project, values)
        if last is None or last[0] is not looked or last[1] != key:
            last = self._measured = (looked, key, sizes_of(project, values, looked))
            self.measurements += 1
        return last[2]

    def known_sizes(self, project: Project, values: Mapping[str, object]) -> PairSizes | None:
        """The sizes that were measured last, if they are those of this recipe; None otherwise. Measures nothing."""
        last = self._measured
        return last[2] if last is not None and last[1] == _measured_by(project, values) else None

    def measured(self, project: Project, values: Mapping[str, object], settings: Settings) -> PairSizes | None:
        """The sizes of the recipe's pairs; None if they are one of several sets, cannot be read, or are on the Hub and
        were never read as a whole.
        """
        counted = self.of_recipe(project, values, settings, judge=True)
        return None if counted is None else self.sizes(project, values, counted)

    def rows(self, project: Project, values: Mapping[str, object], settings: Settings) -> int | None:
        """Rows of the recipe's set; None as for `measured`."""
        counted = self.of_recipe(project, values, settings)
        return None if counted is None else counted.rows

    def of_recipe(
        self, project: Project, values: Mapping[str, object], settings: Settings, *, judge: bool = False
    ) -> Counted | None:
        """The recipe's set, counted; None as for `measured`."""
        from smoltui.backends.data_files.source import is_local, pairs_of
        from smoltui.backends.pairs.curated import reading_of

        try:
            wanted = pairs_of(values)
            if wanted is None or wanted.others:
                return None
            columns, how = reading_of(project, wanted, settings)
            wanted = replace(wanted, columns=columns, how=how)
            if is_local(wanted, project.folder):
                return self.count(wanted, project.folder, settings, judge=judge)
            return self.last_read(wanted, project.folder, settings)
        except InputError:
            return None


def _measured_by(project: Project, values: Mapping[str, object]) -> tuple[object, ...]:
    """What the sizes of the pairs of a recipe depend on, besides the pairs."""
    return project.folder, *(repr(values.get(key)) for key in MEASURED_BY)


@lru_cache(maxsize=4)
def curated_pairs(folder: Path, content: str) -> Counted:
    """The training pairs of a curated set, which are all usable. `content` is its hash, by which it is read only once.

    Raises:
        PairsError: as `open_spec`.
    """
    from smoltui.backends.data_files.source import PairsSpec, open_spec

    return _judged(open_spec(PairsSpec(str(folder), split="train"), folder))


def _judged(source: PairSource) -> Counted:
    return judged(source.rows(0, LOOKED_AT), len(source), source.split)


def judged(first: Iterable[object], rows: int, split: str) -> Counted:
    """A set of `rows` rows with its `first` ones judged, as training judges them."""
    from smoltui.backends.data_files.text import Broken
    from smoltui.backends.pairs.pair_sizes import Looking
    from smoltui.core.pairs.preference import pair_of

    unusable, broken, count, looking = Counter[str](), None, 0, Looking(rows)
    for index, row in enumerate(first):
        count += 1
        if isinstance(row, Broken):
            unusable["broken"] += 1
            broken = broken or row.problem
            continue
        pair = pair_of(index, row)
        if pair.reason is None:
            looking.see(pair)
        else:
            unusable[pair.reason] += 1
    return Counted(rows, split, broken, count, unusable, looking.looked())


def _of_store(folder: Path, meta: Meta) -> Counted:
    from smoltui.backends.pairs.pair_sizes import looked_at_store
    from smoltui.backends.pairs.store import FACTS, PairStore

    store, unusable = PairStore(folder), Counter[str]()
    for part in range(store.parts):
        unusable.update(filter(None, store.table(FACTS, part, ["reason"]).column("reason").to_pylist()))
    return Counted(meta.rows, meta.split, meta.broken, meta.rows, unusable, looked_at_store(store))


def imported(
    wanted: PairsSpec, folder: Path, stamp: list[tuple[str, int, int]], settings: Settings
) -> tuple[Path, Meta] | None:
    """Folder and meta of the set in the cache, if it is complete and matches the current files; otherwise None.

    The Pairs room may have opened it as named in the recipe, as named in smoltui.toml, or without naming the split.
    `stamp` is empty for a set on the Hub, of which the cache has what was there when it was read.
    """
    from smoltui.backends.data_files.source import PairsSpec, is_local
    from smoltui.backends.pairs.curated import set_name
    from smoltui.backends.pairs.opened_set import store_folder
    from smoltui.backends.pairs.store import read_meta

    if not stamp and is_local(wanted, folder):
        return None  # its files are gone
    ways = [wanted]
    if settings.pairs and set_name(named := PairsSpec(settings.pairs), folder) == set_name(wanted, folder):
        ways.append(replace(named, columns=wanted.columns, how=wanted.how))
    for way in (*ways, replace(wanted, split=None)):
        try:
            place = store_folder(way, folder, stamp)
            meta = read_meta(place)
        except PairsError:
            continue
        if meta.complete and meta.split == (wanted.split or meta.split):
            return place, meta
    return None


def trained_on(folder: Path, decisions: Curation, label: str) -> int:
    """Pairs of an imported set that training uses: usable, not excluded, and not held out by a decision about `label`.

    `folder`: of the set in the cache. Raises: PairsError: it was deleted meanwhile.
    """
    from smoltui.backends.pairs.store import FACTS, PairStore, gone
    from smoltui.core.pairs.curation import held_out

    held, names = decisions.hold_out(label), ["reason", "hash", "prompt_hash"]
    try:
        columns = PairStore(folder).tables(FACTS, names)
    except FileNotFoundError as error:
        raise gone(folder) from error
    return sum(
        reason is None
        and content.hex() not in decisions.excluded
        and not (held is not None and held_out(prompt, held.seed, held.share))
        for reason, content, prompt in zip(*(columns.column(name).to_pylist() for name in names), strict=True)
    )


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
