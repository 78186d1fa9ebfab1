"""The curated pairs of a recipe: its pairs after the project's decisions, written once and named by their hash.

Without decisions about the recipe's pairs, a project trains on exactly what its recipe says. Otherwise, the curated set
is in `<data folder>/pairs/<pairs hash>/`, and the run's own copy of the recipe refers to that folder; the recipe of the
project is never changed. Everything here is blocking: a large set takes seconds to open, read and write.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from smoltui import __version__
from smoltui.backends.data_files.as_datasets import read_alike
from smoltui.backends.data_files.source import (
    PairsSpec,
    files_stamp,
    find_set,
    is_local,
    named_on_hub,
    open_spec,
    pairs_of,
)
from smoltui.backends.data_files.splits import split_asked
from smoltui.backends.data_files.text import Broken
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.export import FORMAT, Exported, Row, export_pairs, read_export
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.system.data_folder import home, make_writable, private_folder, read_json, write_json
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.pairs.curation import DEFAULT_SEED, Curation, HoldOut
from smoltui.core.pairs.preference import Pair, pair_from_reading
from smoltui.core.recipe.pair_keys import PAIR_KEYS
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError, PairsError, RecipeError
from smoltui.scripts.pair_format import content_hash, examine, hash_of, is_trl_form
from smoltui.scripts.pair_how import AS_IT_IS, How
from smoltui.scripts.pair_turns import NotAPairError

LEFTOVER_SECONDS = 86400.0
"""An incomplete set of this age belongs to a process that was killed."""


Identity = list[Any]
"""Identifies a set on this machine in its current state, as JSON values. None for a set on the Hub, whose state is
unknown."""


@dataclass(frozen=True, slots=True)
class PairSet:
    """One set of pairs, opened."""

    name: str
    """File, folder or Hub id, and split."""
    schema: str
    """Key of `pair_shapes.SCHEMAS`."""
    thinking_off: bool
    """Its rows are converted for training, which turns thinking off (see `scripts/dpo.py`)."""
    size: Callable[[], int]
    """Counts its rows, which may read all of them."""
    pairs: Callable[[], Iterator[Judged]]
    """Yields all of them in order; can be called repeatedly."""
    made: str = ""
    """How pairs are made of its rows, in words."""
    identity: Identity | None = None


Judged = tuple[Pair, str, bool]
"""A pair, its content hash, and whether TRL takes its row as it is."""


class _ConvertedRowError(Exception):
    """A row that TRL does not take as it is, in a set that was to be written as it is."""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set that is opened only if necessary: a large one takes a second, and its curated pairs may be known."""

    name: str
    identity: Identity | None
    open: Callable[[], PairSet]
    """Raises as `open_source`."""


@dataclass(frozen=True, slots=True)
class Curated:
    """The set that is trained on instead of the recipe's own."""

    exported: Exported
    source: str
    """Name of the source, to show."""
    evaluates: bool
    """The recipe evaluates on held-out pairs, so the folder has some."""

    @property
    def pairs_hash(self) -> str:
        """What the script will say it trains on."""
        return self.exported.hash if self.evaluates else self.exported.train_hash

    @property
    def sentence(self) -> str:
        """What is trained on, in words with the counts."""
        made = self.exported
        parts = [
            f"{_count(number)} {word}"
            for number, word in (
                (made.excluded, "excluded"),
                (made.swapped, "swapped"),
                (sum(made.left_out.values()), "unusable"),
                (made.test, "held out"),
            )
            if number
        ]
        how = f"curated: {', '.join(parts)}" if parts else "exported as smoltui reads them"
        rows = f"; made from its rows: {made.pairs_made}" if made.pairs_made else ""
        return f"{_count(made.train)} pairs of {self.source}, {how}{rows}"


def _count(number: int) -> str:
    return f"{number:,}"


# ------------------------------------------------------------------------------------------------------------- opening


def set_name(spec: PairsSpec, folder: Path) -> str:
    """The name of a set and split in `curation.jsonl` (`hold_out(of)`), without opening it.

    It consists of `PairSource.name` (file, folder or Hub id) and the split, so it is the same in every clone.
    """
    split = spec.split or "train"
    if spec.files:
        return f"{', '.join(Path(path).name for paths in spec.files.values() for path in paths)} {split}"
    path = folder.absolute() / expanded(spec.source)
    if exists(path):
        return f"{path.name} {split}"
    named = named_on_hub(spec.source)
    return f"{spec.source if named is None else named.shown(spec.source)} {split}"


def named_set(spec: PairsSpec, folder: Path) -> NamedSet:
    """The set of a recipe in `folder`. Only a set on the Hub is opened, because its name is not known otherwise.

    Raises:
        PairsError, ServiceError: as `open_spec`.
    """
    if not is_local(spec, folder):
        opened = open_source(spec, folder)
        return NamedSet(opened.name, opened.identity, lambda: opened)
    found = find_set(spec, folder)
    split, _ = split_asked(found.spec.split, found.splits, found.name, lone_file=found.lone_file)
    return NamedSet(f"{found.name}, {split}", _identity(found.spec, folder), lambda: open_source(spec, folder))


def _identity(spec: PairsSpec, folder: Path) -> Identity | None:
    """Identity of a set on this machine; `spec` has absolute paths."""
    if not is_local(spec, folder):
        return None
    identity: Identity = json.loads(json.dumps([asdict(spec), files_stamp(spec, folder)], default=str))
    return identity


def open_source(spec: PairsSpec, folder: Path) -> PairSet:
    """The set as it is in its files.

    Raises:
        PairsError, ServiceError: as `open_spec`.
    """
    source = open_spec(spec, folder)
    identity = _identity(source.spec, folder)

    def pairs() -> Iterator[Judged]:
        for index, row in enumerate(source.rows(0)):
            if isinstance(row, Broken):
                yield Pair(index, problem=row.problem, reason="broken", raw=row.text), content_hash(row.text), True
                continue
            try:
                reading = examine(row)
            except NotAPairError as error:
                yield Pair(index, problem=str(error), reason=error.reason), hash_of(None, row), True
            else:
                own = not source.is_converted and isinstance(row, Mapping) and is_trl_form(reading, row)
                yield pair_from_reading(index, reading, row), hash_of(reading, row), own

    name = f"{source.name}, {source.split}"
    return PairSet(name, source.schema, source.is_converted, lambda: len(source), pairs, source.made, identity)


# ------------------------------------------------------------------------------------------------------------- curating


def curate(
    project: Project,
    values: Mapping[str, object],
    *,
    settings: Settings | None = None,
    curation: Curation | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Curated | None:
    """The curated set of the recipe with these `values`, written if it does not exist yet.

    `settings` and `curation` are the project's; None to read them. Returns None if stopped, or if the recipe's own
    pairs are trained on: no decision concerns them, smoltui.toml does not say how they are read, and `datasets` reads
    their files as smoltui does.

    Raises:
        PairsError, ServiceError: the recipe's pairs cannot be read, or none are left.
        RecipeError: the recipe lacks a held-out split that it needs, or names its pairs in an unknown way; or
            smoltui.toml is invalid.
        InputError: `curation.jsonl` cannot be read, or the data folder cannot be written.
    """
    curation = CurationFile(project.folder).load() if curation is None else curation
    asked = _asked(project, values, project.settings() if settings is None else settings, curation)
    if asked is None:
        return None
    key = asked.key
    known, made = _recall(key) if key else (False, None)
    if not known:
        exported = _written(asked, stopped)
        if exported is None:
            return None
        made = _kept(exported, asked)
        if key:
            _remember(key, made)
    if made is None:
        return None
    if asked.evaluates and made.test == 0:
        raise PairsError(
            "The recipe measures on held-out pairs, but none are left",
            'Split off a larger test set in the Pairs room, or set eval_strategy: "no".',
        )
    return Curated(made, asked.source, asked.evaluates)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Sets to curate, and how."""

    sets: list[NamedSet]
    entries: object
    """`datasets` of the recipe."""
    own_test: NamedSet | None
    """The held-out split that the recipe names; None if it does not evaluate, or a share is split off."""
    hold_out: HoldOut | None
    curation: Curation
    evaluates: bool
    needed: bool
    """Whether a curated set is written even if no decision concerns a pair."""

    @property
    def source(self) -> str:
        """Name of the source, to show."""
        more = f" and {len(self.sets) - 1} more sets" if len(self.sets) > 1 else ""
        return self.sets[0].name + more

    @property
    def key(self) -> str | None:
        """Hash of everything the result depends on, 32 hexadecimal digits; None if it is unknown."""
        named = [*self.sets, *([self.own_test] if self.own_test else [])]
        if any(one.identity is None for one in named):
            return None
        parts = [
            FORMAT,
            __version__,
            [one.identity for one in named],
            self.hold_out,
            self.entries,
            sorted(self.curation.excluded),
            sorted(self.curation.swapped),
            sorted(self.curation.reasons.items()),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _asked(project: Project, values: Mapping[str, object], settings: Settings, curation: Curation) -> _Asked | None:
    """The recipe's pairs with the decisions and smoltui.toml; None if these do not concern them."""
    wanted = pairs_of(values)
    if wanted is None:
        return None
    hold_out = curation.hold_out(set_name(wanted, project.folder))
    columns, how = reading_of(project, wanted, settings)
    entries = values.get("datasets")
    specs = _specs(wanted, entries)
    told = bool(columns) or how != AS_IT_IS
    needed = told or hold_out is not None or not all(read_alike(spec, project.folder) for spec in specs)
    if not (curation.excluded or curation.swapped or needed):
        return None
    sets = [named_set(replace(spec, columns=columns, how=how), project.folder) for spec in specs]
    if entries and hold_out is None:
        hold_out = _drawn_by_trl(values)
    evaluates = str(values.get("eval_strategy") or "no") != "no"
    own_test = None
    if evaluates and hold_out is None:
        test_spec = replace(_test_spec(wanted, values, project), columns=columns, how=how)
        own_test = named_set(test_spec, project.folder)
    return _Asked(sets, entries, own_test, hold_out, curation, evaluates, needed)


def _specs(wanted: PairsSpec, entries: object) -> list[PairsSpec]:
    """All sets that the recipe mixes, of which `wanted` is the first."""
    if not isinstance(entries, list) or len(entries) < 2:
        return [wanted]
    return [spec for entry in entries if (spec := pairs_of({"datasets": [entry]})) is not None]


def _drawn_by_trl(values: Mapping[str, object]) -> HoldOut | None:
    """The share that TRL would draw at random in every run: here, a share of the same size is split off by prompt."""
    size, seed = values.get("test_split_size"), values.get("seed")
    if not isinstance(size, int | float) or not 0 < size < 1:
        return None
    return HoldOut(float(size), seed if isinstance(seed, int) else DEFAULT_SEED)


def _written(asked: _Asked, stopped: Callable[[], bool]) -> Exported | None:
    """Writes the curated set into a new folder; None if stopped."""
    sets = [one.open() for one in asked.sets]
    own_test = asked.own_test.open() if asked.own_test else None
    rows = _mixture(sets, asked.entries if len(sets) > 1 else None)
    _delete_leftovers()
    with suppress(OSError):  # the export reports the error
        private_folder(folder())
    first = sets[0]

    def write(as_it_is: bool) -> Exported | None:
        return export_pairs(
            _used(rows(), asked.curation, as_it_is),
            asked.curation,
            out=folder() / f"new-{os.getpid()}-{time.monotonic_ns()}",
            name=asked.source,
            schema=first.schema,
            thinking_off=not as_it_is,
            texts=as_it_is and first.schema == "standard",
            pairs_made=first.made,
            hold_out=asked.hold_out,
            test=_used(own_test.pairs(), asked.curation, as_it_is) if own_test else None,
            test_of=own_test.name if own_test else "",
            stopped=stopped,
        )

    try:
        return write(not first.thinking_off)
    except _ConvertedRowError:  # training converts all rows if one has to be converted (`scripts/dpo.py`)
        return write(False)


def _used(rows: Iterable[Judged], curation: Curation, as_it_is: bool) -> Iterator[Row]:
    """The rows for the export. Raises _ConvertedRowError, if `as_it_is`, for a used one that has to be converted."""
    for pair, digest, own in rows:
        if as_it_is and not own and pair.problem is None and digest not in curation.excluded:
            raise _ConvertedRowError
        yield pair, digest


def _kept(made: Exported, asked: _Asked) -> Exported | None:
    """The set moved into place; None, and deleted, if it has the same pairs as the recipe."""
    if asked.needed or made.touched:
        return _keep(made)
    shutil.rmtree(made.folder, ignore_errors=True)
    return None


def curated_spec(spec: RunSpec) -> RunSpec:
    """`spec` with the curated pairs in its copy of the recipe; unchanged if nothing is curated.

    For a specification without a plan, such as one from a record. One that has curated pairs already is unchanged.

    Raises as `curate`.
    """
    if spec.pairs_hash is not None:
        return spec
    project = Project(Path(spec.project))
    settings = project.settings()
    recipe = RecipeFile(project.folder / RECIPE_NAME, spec.recipe, "")
    found = curate(project, recipe.values, settings=settings)
    return spec if found is None else with_curated(spec, recipe, found)


def with_curated(spec: RunSpec, recipe: RecipeFile, found: Curated) -> RunSpec:
    """`spec` with a curated set as its pairs. `recipe` has the text of `spec.recipe`, and is changed.

    Raises:
        RecipeError: single values of the recipe cannot be edited.
    """
    named = json.dumps({key: recipe.values[key] for key in PAIR_KEYS if key in recipe.values}, default=str)
    for key in ("datasets", "test_split_size", "dataset_config"):
        recipe.remove(key)
    recipe.set("dataset_name", str(found.exported.folder))
    recipe.set("dataset_train_split", "train")
    if found.evaluates:
        recipe.set("dataset_test_split", "test")
    return replace(spec, recipe=recipe.text, pairs_hash=found.pairs_hash, pairs_from=found.sentence, pairs_named=named)


def own_pairs(spec: RunSpec, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` of a run's recipe, naming the set that its curated one was made of; unchanged for a run without one."""
    try:
        named = json.loads(spec.pairs_named or "")
    except ValueError:
        return values
    if not isinstance(named, dict):
        return values
    return {**{key: value for key, value in values.items() if key not in PAIR_KEYS}, **named}


def folder() -> Path:
    """Folder of the curated sets, each in a folder named by its hash."""
    return home() / "pairs"


def reading_of(project: Project, wanted: PairsSpec, settings: Settings) -> tuple[Mapping[str, str] | None, How]:
    """How smoltui.toml says the recipe's pairs are read: columns (None: detected) and how pairs are made.

    What it says about another set, which it names, does not count.
    """
    if settings.pairs:
        named = replace(wanted, source=settings.pairs, files=None)
        if set_name(named, project.folder) != set_name(wanted, project.folder):
            return None, AS_IT_IS
    return settings.pair_columns or None, settings.pair_how


def _test_spec(wanted: PairsSpec, values: Mapping[str, object], project: Project) -> PairsSpec:
    """The held-out split that the recipe itself names.

    Raises:
        RecipeError: there is none.
    """
    split = str(values.get("dataset_test_split") or "test")
    one_file = bool(wanted.files) or (project.folder / expanded(wanted.source)).is_file()
    if values.get("datasets") or one_file:
        raise RecipeError(
            f"The recipe measures on held-out pairs, but {wanted.shown} has none",
            'Split off a test set in the Pairs room, or set eval_strategy: "no".',
        )
    return replace(wanted, split=split)


def _mixture(sets: list[PairSet], entries: object) -> Callable[[], Iterator[Judged]]:
    """Yields the rows of all sets, one after the other; with `fraction`, as many of each as in `trl.get_dataset`.

    Raises:
        RecipeError: only some sets have a fraction.
    """
    fractions = [entry.get("fraction") for entry in entries] if isinstance(entries, list) else []
    if not any(fraction is not None for fraction in fractions):
        return lambda: chain.from_iterable(one.pairs() for one in sets)
    if any(fraction is None for fraction in fractions):
        raise RecipeError(
            "fraction is set for some of the datasets but not for others", "Set it for all of them or for none."
        )
    weights = [float(fraction) / sum(fractions) for fraction in fractions]
    total = min(one.size() / weight for one, weight in zip(sets, weights, strict=True) if weight > 0)
    taken = [round(weight * total) for weight in weights]
    return lambda: chain.from_iterable(islice(one.pairs(), count) for one, count in zip(sets, taken, strict=True))


# ------------------------------------------------------------------------------------------------------------ the cache


def _known(key: str) -> Path:
    return folder() / ".known" / f"{key}.json"


def _recall(key: str) -> tuple[bool, Exported | None]:
    """Whether the result is known, and the result: a complete set, or None if nothing is curated."""
    data = read_json(_known(key))
    if data is None:
        return False, None
    if not data:
        return True, None
    try:
        made = Exported(**{**data, "folder": folder() / str(data["folder"])})
    except (KeyError, TypeError):
        return False, None
    return (True, made) if read_export(made.folder) is not None else (False, None)


def _remember(key: str, made: Exported | None) -> None:
    with suppress(OSError):  # the set is written again next time
        private_folder(_known(key).parent)
        write_json(_known(key), {**asdict(made), "folder": made.folder.name} if made else {})


def _keep(made: Exported) -> Exported:
    """Moves the set to a folder named by its hash, unless the same set is there already.

    The same pairs in another format (plain texts, other `chat_template_kwargs`) have the same hash; a number
    distinguishes them.
    """
    number = 1
    while True:
        place = folder() / (made.hash if number == 1 else f"{made.hash}-{number}")
        if _same_data(made.folder, place):
            shutil.rmtree(made.folder, ignore_errors=True)
            return replace(made, folder=place)
        if read_export(place) is not None:
            number += 1
            continue
        try:
            if place.exists():  # some of its files were deleted or truncated
                shutil.rmtree(place)
            made.folder.rename(place)
        except OSError as error:
            if read_export(place) is not None:  # another process was faster
                continue
            shutil.rmtree(made.folder, ignore_errors=True)
            raise InputError(
                f"The curated pairs cannot be stored ({error.strerror or error}): {place}",
                make_writable(error),
            ) from error
        return replace(made, folder=place)


def _same_data(one: Path, other: Path) -> bool:
    """Whether two exports hold the same pairs, byte for byte."""
    if read_export(other) is None:
        return False
    names = [{path.name for path in place.glob("*.jsonl")} for place in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def _delete_leftovers() -> None:
    """Deletes incomplete sets of processes that were killed."""
    with suppress(OSError):
        for path in folder().iterdir():
            if path.name.startswith((".new-", "new-")) and time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
