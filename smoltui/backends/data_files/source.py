"""Preference pairs by number from any file, folder or Hub id.

    source = open_pairs("pairs.jsonl")
    len(source), source.schema, source.splits, source.pair(0)

Blocking and thread-safe; the rooms call it off the UI thread unless `near` says that a pair is available
immediately.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.arrow_rows import first_of
from smoltui.backends.data_files.hub_names import HubName, hub_name
from smoltui.backends.data_files.local import Local, files_of_spec, is_pattern, local_splits
from smoltui.backends.data_files.splits import aside_note, split_asked, wanted_rows
from smoltui.backends.data_files.table_views import JoinedTable, MappedTable, SlicedTable, UnfoldedTable
from smoltui.backends.data_files.tables import Table, ending_of, open_file
from smoltui.backends.data_files.text import Broken, EmptyFileError
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.pairs.column_guess import guess
from smoltui.core.pairs.mapping import how_in_words, mapped
from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.errors import PairsError, RecipeError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_answers import WINNER_OPTION
from smoltui.scripts.pair_format import examine, is_trl_form, schema_of
from smoltui.scripts.pair_how import AS_IT_IS, How
from smoltui.scripts.pair_turns import NotAPairError

UNFOLDED = frozenset({"ranked", "several-rejected"})
"""Shapes whose rows stand for several pairs, or for one that has to be made."""
FIRST_ROWS = 20
"""A set is rejected if none of its first rows has a known shape; a single odd row at the start is shown as such."""
_BUILDERS = ("json", "csv", "parquet", "arrow", "text")
"""Names that `load_dataset` treats as a file format, with `data_files`, not as a dataset."""


@dataclass(frozen=True, slots=True)
class PairsSpec:
    """Location of pairs, as given by a recipe or a person."""

    source: str
    """Path or Hub id; empty if `files` has everything."""
    config: str | None = None
    split: str | None = None
    """Name, optionally with rows as in train[:1000]; None for train, or the first split."""
    revision: str | None = None
    files: Mapping[str, tuple[str, ...]] | None = None
    """Split → paths, if listed individually."""
    others: int = 0
    """Further sets that the recipe mixes in."""
    columns: Mapping[str, str] | None = None
    """Column mapping (`core/pairs/mapping.py`) as a person set it; None: detected from its shape."""
    how: How = AS_IT_IS
    """How pairs are made of answers with a winner, scores or ranks."""

    @property
    def shown(self) -> str:
        return self.source or ", ".join(path for paths in (self.files or {}).values() for path in paths)


class UnknownShapeError(PairsError):
    """The rows may have chosen and rejected under other names: a person can map the columns."""

    def __init__(self, message: str, hint: str, columns: tuple[str, ...], rows: list[Mapping[str, object]]) -> None:
        super().__init__(message, hint)
        self.columns = columns
        """Of the set."""
        self.rows = rows
        """The first ones, decoded."""


class PairSource:
    """One split of a set of pairs, by row from 0."""

    def __init__(self, name: str, split: str, splits: tuple[str, ...], table: Table, spec: PairsSpec) -> None:
        self.name = name
        """File name, folder name or Hub id."""
        self.split = split
        """As requested: train, or train[:1000]."""
        self.splits = splits
        """Names of all splits, of which this is one."""
        self.spec = spec
        self.file_bytes = 0
        """Size of its files on disk; 0 if unknown."""
        self.notes: tuple[str, ...] = ()
        """What was done to read it, and what was left aside, one sentence each."""
        self._table = MappedTable(table, spec.columns, spec.how) if spec.columns else table
        self.raw = table
        """The rows as in the file."""
        first = first_of(table.rows(0, min(FIRST_ROWS, len(table))), FIRST_ROWS)
        self.schema = schema_of_rows(first, table.columns, name, spec)
        """Key of `pair_shapes.SCHEMAS`, from the first row with a known shape."""
        self.is_converted = self.schema in UNFOLDED or bool(spec.columns) or _is_converted(first)
        """Whether training converts its rows (`scripts/dpo.py`), as the first usable one shows."""
        self.made = ""
        """How pairs are made of its rows, in words; empty if each row is one as its columns show."""
        if spec.columns or self.schema in UNFOLDED:
            self.made = how_in_words(spec.columns or {}, guess(first, spec.columns, spec.how).how, self.schema)
        if self.schema in UNFOLDED:
            self._table = UnfoldedTable(self._table, spec.how)

    def __len__(self) -> int:
        """Number of rows; the first call reads all of a set whose rows stand for several pairs."""
        return len(self._table)

    @property
    def known_length(self) -> int | None:
        """Number of rows; None if they had to be read to count them."""
        return self._table.known_length if isinstance(self._table, UnfoldedTable) else len(self._table)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._table.columns

    def near(self, index: int) -> bool:
        """Whether `pair(index)` is fast enough for the UI thread."""
        return self._table.near(index)

    def row(self, index: int) -> object:
        """The row as in the file; a `Broken` if it cannot be decoded."""
        return self._table.row(index)

    def rows(self, start: int, stop: int | None = None) -> Iterator[object]:
        """Rows from `start` to before `stop` (None: to the end), limited by the set."""
        if isinstance(self._table, UnfoldedTable):
            return self._table.rows(max(start, 0), stop)
        return self._table.rows(max(start, 0), len(self) if stop is None else min(stop, len(self)))

    def pair(self, index: int) -> Pair:
        """The pair of one row; an unusable one has its problem.

        Raises:
            IndexError: no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        return pair_of_row(index, self._table.row(index), self.schema)


def _is_converted(rows: Sequence[object]) -> bool:
    for row in rows:
        try:
            reading = examine(row)
        except NotAPairError:
            continue
        if not reading.problems and isinstance(row, Mapping):
            return not is_trl_form(reading, row)
    return True


def pair_of_row(index: int, row: object, schema: str) -> Pair:
    """The pair of a decoded row or of a `Broken` in a set of this shape; an unusable one comes with its problem."""
    if isinstance(row, Broken):
        return Pair(index, problem=row.problem, reason="broken", raw=row.text)
    pair = pair_of(index, row)
    return replace(pair, schema=schema) if schema in UNFOLDED and pair.readable else pair


# ------------------------------------------------------------------------------------------------------------- opening


def open_pairs(
    source: str | Path,
    *,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    base: Path | None = None,
) -> PairSource:
    """Opens a file, several (`data/*.jsonl`), a folder (data files, or saved by `datasets`) or a Hub id.

    A Hub id can include configuration and revision: `owner/name:config@revision`. Relative paths start at `base` or
    the current folder. `split` can select rows: `train[:1000]`, `test[10%:]`.

    Raises:
        PairsError: no such file, not readable, no preference pairs, no such split; the message names file and line.
        ServiceError: the Hub does not provide it.
    """
    return open_spec(PairsSpec(str(source), config, split, revision), base)


def open_spec(spec: PairsSpec, base: Path | None) -> PairSource:
    """As `open_pairs`, for the result of `recipe_pairs`; the source keeps `spec` with absolute paths."""
    found = find_set(spec, base)
    asked, names = split_asked(found.spec.split, found.splits, found.name, lone_file=found.lone_file)
    paths = found.fetch(names)
    tables, notes = _tables_with_rows(paths)
    table = tables[0] if len(tables) == 1 else JoinedTable(tables)
    if (rows := wanted_rows(asked)) is not None:
        start, stop, _ = rows.of(len(table)).indices(len(table))
        table = SlicedTable(table, start, stop)
        if len(table) == 0:
            raise PairsError(f"This split has no rows: {asked}", f"The whole split has {stop:,}.")
    source = PairSource(found.name, asked, tuple(found.splits), table, found.spec)
    source.notes = (*notes, *found.notes)
    with suppress(OSError):
        source.file_bytes = sum(path.stat().st_size for path in paths)
    return source


def _tables_with_rows(paths: Sequence[Path]) -> tuple[list[Table], tuple[str, ...]]:
    """The tables in these files, the shards of a split, of which some may be empty; and notes on reading them.

    Raises:
        EmptyFileError: all of them are empty.
    """
    tables, notes, empty = [], list[str](), list[EmptyFileError]()
    for path in paths:
        try:
            table, said = open_file(path)
            tables.append(table)
            notes += said
        except EmptyFileError as error:
            empty.append(error)
    if empty and not tables:
        raise empty[0]
    return tables, tuple(notes)


@dataclass(frozen=True, slots=True)
class Found:
    """A set whose files are known, before any of them is opened."""

    name: str
    """File name, folder name or Hub id."""
    spec: PairsSpec
    """With absolute paths."""
    splits: Mapping[str, Sequence[str]]
    """Split → its files, paths on this machine or in the repository."""
    lone_file: bool = False
    """It is a single file, which counts as any split."""
    repo: str | None = None
    """On the Hub: the repository…"""
    revision: str | None = None
    """…and its revision; None for the newest."""
    aside: tuple[str, ...] = ()
    """Files of the folder or repository that are not read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left aside, one sentence if there is something."""
        return (aside_note(self.aside),) if self.aside else ()

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """The files on this machine, downloaded if necessary. Raises: ServiceError."""
        if self.repo is None:
            return [Path(name) for name in names]
        from smoltui.backends.data_files.hub import hub_files

        return hub_files(self.repo, list(names), self.revision)


def find_set(spec: PairsSpec, base: Path | None) -> Found:
    """Finds the set of `spec`: locally, else on the Hub.

    Raises:
        PairsError, ServiceError: as `open_pairs`, as far as the file names show.
    """
    base = (base or Path.cwd()).absolute()
    if not spec.files and not spec.source.strip():
        raise PairsError("No pairs given.", "Give a file, a folder or a Hub id.")
    local: Local | None = local_splits(spec.source, spec.files, base)
    if local is not None:
        spec = replace(spec, source=local.source, files=local.files)
        return Found(local.name, spec, local.splits, local.lone_file, aside=local.aside)
    named = named_on_hub(spec.source)
    if named is None:
        raise PairsError(
            f"No such file or folder: {safe_line(spec.source, 200)}",
            f"Looked in {base}. Hub ids look like owner/name.",
        )
    from smoltui.backends.data_files.hub import hub_set

    revision = spec.revision or named.revision
    files = hub_set(named.repo, spec.config or named.config, revision, named.path)
    spec = replace(spec, split=spec.split or named.split)
    return Found(
        named.shown(spec.source),
        spec,
        files.splits,
        lone_file=bool(named.path) and sum(map(len, files.splits.values())) == 1,
        repo=named.repo,
        revision=revision,
        aside=files.aside,
    )


def named_on_hub(source: str) -> HubName | None:
    """The dataset on the Hub that a source names; None if it can only be a path.

    Raises:
        PairsError: an address that is not that of a dataset.
    """
    if source.startswith((".", "/", "~")):
        return None
    named = hub_name(source)
    return None if named is not None and "://" not in source and ending_of(source) and not named.path else named


def is_local(spec: PairsSpec, folder: Path) -> bool:
    """Whether the set is on this machine, so that opening it needs no network."""
    if spec.files or exists(folder / expanded(spec.source)):
        return True
    return "://" not in spec.source and is_pattern(spec.source)


def files_stamp(spec: PairsSpec, folder: Path) -> list[tuple[str, int, int]]:
    """(path, bytes, time of the last change in ns) of every file of the set, for comparison with `==`.

    Empty for a set on the Hub, or one that no longer exists.
    """
    stamps = []
    for path in files_of_spec(spec.source, spec.files, folder.absolute()):
        with suppress(OSError):
            stat = path.stat()
            stamps.append((str(path), stat.st_size, stat.st_mtime_ns))
    return stamps


def schema_of_rows(rows: Sequence[object], columns: tuple[str, ...], name: str, spec: PairsSpec) -> str:
    """The set's shape, detected from the first `FIRST_ROWS` of its `rows`, as in the file.

    It is that of the first row with a known shape, unless one of them stands for several pairs.

    Raises:
        UnknownShapeError: they have columns, but in no known shape.
        PairsError: none of them can be decoded.
    """
    problem: tuple[str, str] | None = None
    reasons, schemas = set(), []
    for number, row in enumerate(rows[:FIRST_ROWS], 1):
        if isinstance(row, Broken):
            problem = problem or (row.problem, "Expected rows with chosen and rejected; fix that row.")
            continue
        try:
            schemas.append(schema_of(mapped(row, spec.columns or {}, spec.how), spec.how))
        except NotAPairError as error:
            reasons.add(error.reason)
            hint = _how_to_map(error)
            said = (
                f"{safe_line(name, 80)} does not contain preference pairs (row {number}). {safe_line(str(error), 400)}"
            )
            problem = problem or (said, hint)
    if schemas:
        return next((schema for schema in schemas if schema in UNFOLDED), schemas[0])
    if problem is None:
        raise PairsError(f"{safe_line(name, 80)} has no rows.", "Expected rows with chosen and rejected.")
    with_columns = [row for row in rows if isinstance(row, Mapping)]
    if with_columns and "unpaired" not in reasons:  # no mapping turns these into pairs
        raise UnknownShapeError(*problem, columns, with_columns)
    raise PairsError(*problem)


def _how_to_map(error: NotAPairError) -> str:
    """The next step for a set whose rows are not pairs as they are."""
    if error.reason == "unpaired":
        return "DPO learns from pairs; unpaired sets are for TRL's KTO trainer."
    option = error.option or f"--columns prompt=…,chosen=…,rejected=…, or --answers COLUMN,COLUMN and {WINNER_OPTION}"
    return f"Map the columns: in the Pairs room, or with smoltui pairs {option}"


# ----------------------------------------------------------------------------------------------------- of the project


def project_pairs(project: Project, values: Mapping[str, object] | None = None) -> PairsSpec | None:
    """The set that the Pairs room opens: the source in smoltui.toml, or the recipe's pairs; None without either.

    `values` are those of the recipe; None to read them.

    Raises:
        RecipeError: one of the two files cannot be read.
    """
    settings = project.settings()
    if settings.pairs:
        spec: PairsSpec | None = PairsSpec(settings.pairs)
    else:
        spec = recipe_pairs(project) if values is None else pairs_of(values)
    return spec if spec is None else replace(spec, columns=settings.pair_columns or None, how=settings.pair_how)


def recipe_pairs(project: Project) -> PairsSpec | None:
    """The pairs that recipe.yaml trains on (the first of several); None without a recipe or without pairs in it.

    Raises:
        RecipeError: the recipe cannot be read, or sets its pairs in a way unknown to TRL.
    """
    if not project.has_recipe:
        return None
    from smoltui.backends.project.recipe_file import load_recipe

    return pairs_of(load_recipe(project.recipe_path).values)


def pairs_of(values: Mapping[str, object]) -> PairsSpec | None:
    """The pairs in the values of a recipe (the first of several sets); None without any.

    Raises:
        RecipeError: they are set in a way unknown to TRL.
    """
    mixed = values.get("datasets")
    if mixed:
        if not isinstance(mixed, list) or not isinstance(mixed[0], Mapping) or not mixed[0].get("path"):
            raise RecipeError(
                "datasets in recipe.yaml must be a list of sets, each with a path", "See TRL's recipe format."
            )
        first = mixed[0]
        return _spec(
            str(first["path"]),
            first.get("name"),
            first.get("split") or "train",
            first.get("data_files"),
            first.get("data_dir"),
            len(mixed) - 1,
        )
    if name := values.get("dataset_name"):
        return _spec(
            str(name), values.get("dataset_config"), values.get("dataset_train_split") or "train", None, None, 0
        )
    return None


def _spec(path: str, config: object, split: object, data_files: object, data_dir: object, others: int) -> PairsSpec:
    """The set of one entry of a recipe, whose values have the meaning of arguments of `load_dataset`."""
    files = _named_files(data_files) if data_files else None
    if files and path not in _BUILDERS:  # files inside a folder; on the Hub, the set's own split names are used
        files = {name: tuple(f"{path}/{item}" for item in paths) for name, paths in files.items()}
    if data_dir:
        path, config = (str(data_dir), None) if path in _BUILDERS else (path, config or str(data_dir))
    return PairsSpec(path if not files else "", str(config) if config else None, str(split), None, files, others)


def _named_files(data_files: object) -> dict[str, tuple[str, ...]]:
    """Split → paths, of a path, a list of paths, or one of these per split."""
    named: Mapping[object, Any] = data_files if isinstance(data_files, Mapping) else {"train": data_files}
    return {
        str(name): (paths,) if isinstance(paths, str) else tuple(str(item) for item in paths)
        for name, paths in named.items()
    }
