"""Preference pairs by number from any file, folder or Hub id.

    source = open_pairs("pairs.jsonl")
    len(source), source.schema, source.splits, source.pair(0)

Blocking, and safe to call from several threads at once; the rooms call it off the UI thread except where `near` says
that a pair is at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.pair_splits import splits_of
from smoltui.backends.pair_tables import READABLE, Broken, JoinedTable, SlicedTable, Table, ending_of, open_table
from smoltui.backends.project import Project, exists, expanded
from smoltui.core.preference import Pair, Survey, pair_of
from smoltui.errors import PairsError, RecipeError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_format import NotAPairError, schema_of

FIRST_ROWS = 20
"""A set is refused when none of its first rows has a known shape; one odd row at the start is shown as what it is."""
BATCH = 500
"""Rows between two looks at whether a search or survey should stop."""
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w./-]+))?")
_SPLIT = re.compile(r"([\w.-]+?)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")
_BUILDERS = ("json", "csv", "parquet", "arrow", "text")
"""Names that `load_dataset` reads as a file format rather than as a dataset, with `data_files`."""


@dataclass(frozen=True, slots=True)
class PairsSpec:
    """Where pairs are, as a recipe or a person says it."""

    source: str
    """Path or Hub id; empty when `files` says it all."""
    config: str | None = None
    split: str | None = None
    """Name, also with rows as in train[:1000]; None for train or else the first."""
    revision: str | None = None
    files: Mapping[str, tuple[str, ...]] | None = None
    """Split → paths, where they are named one by one."""
    others: int = 0
    """Further sets that the recipe mixes in."""

    @property
    def shown(self) -> str:
        return self.source or ", ".join(path for paths in (self.files or {}).values() for path in paths)


class PairSource:
    """One split of a set of pairs, by row from 0."""

    def __init__(self, name: str, split: str, splits: tuple[str, ...], table: Table, spec: PairsSpec) -> None:
        self.name = name
        """File name, folder name or Hub id."""
        self.split = split
        """As asked for: train, or train[:1000]."""
        self.splits = splits
        """Names of all splits, of which this is one."""
        self.spec = spec
        self._table = table
        self.schema = _check_first_rows(table, name)
        """Key of `pair_format.SCHEMAS`, told from the first row that has a known shape."""

    def __len__(self) -> int:
        return len(self._table)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._table.columns

    def near(self, index: int) -> bool:
        """`pair(index)` is quick enough for the UI thread."""
        return self._table.near(index)

    def row(self, index: int) -> Any:
        """The row as it is in the file; a `Broken` when it cannot be decoded."""
        return self._table.row(index)

    def rows(self, start: int, stop: int) -> Iterator[Any]:
        """Rows `start` up to, not including, `stop`, bounded by the set."""
        return self._table.rows(max(start, 0), min(stop, len(self)))

    def pair(self, index: int) -> Pair:
        """The pair of one row; what is not a usable pair comes with its problem.

        Raises:
            IndexError: no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        row = self._table.row(index)
        if isinstance(row, Broken):
            return Pair(index, problem=row.problem, reason="broken", raw=row.text)
        return pair_of(index, row)

    def search(
        self, text: str, start: int, *, backwards: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> int | None:
        """The first row from `start` on (going down or up) that holds `text`, upper and lower case alike.

        None when there is none, or when `stopped` says so (asked every `BATCH` rows).
        """
        wanted = text.casefold()
        blocks = range(start, -1, -BATCH) if backwards else range(start, len(self), BATCH)
        for at in blocks:
            if stopped():
                return None
            first, last = (max(at - BATCH + 1, 0), at + 1) if backwards else (at, min(at + BATCH, len(self)))
            hits = [number for number, row in enumerate(self.rows(first, last), first) if holds(row, wanted)]
            if hits:
                return hits[-1] if backwards else hits[0]
        return None

    def hits(self, text: str, *, stopped: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Every row that holds `text`, in order; each row is read once. Breaks off when `stopped` says so."""
        wanted = text.casefold()
        for at in range(0, len(self), BATCH):
            if stopped():
                return
            for number, row in enumerate(self.rows(at, at + BATCH), at):
                if holds(row, wanted):
                    yield number

    def count(self, text: str, *, stopped: Callable[[], bool] = lambda: False) -> int | None:
        """How many rows hold `text`; None when it was stopped."""
        found = sum(1 for _ in self.hits(text, stopped=stopped))
        return None if stopped() else found

    def survey(
        self, *, progress: Callable[[int], object] = lambda _: None, stopped: Callable[[], bool] = lambda: False
    ) -> Survey | None:
        """Counts over the whole split; `progress` is told the rows done. None when it was stopped."""
        survey = Survey()
        for at in range(0, len(self), BATCH):
            if stopped():
                return None
            for index, row in enumerate(self.rows(at, at + BATCH), at):
                if isinstance(row, Broken):
                    survey.add_broken(index)
                else:
                    survey.add(index, row)
            progress(survey.rows)
        return survey

    def broken_line(self) -> str | None:
        """What is wrong with the first row that cannot be decoded; None when all can."""
        return next((row.problem for row in self.rows(0, len(self)) if isinstance(row, Broken)), None)

    def other_split(self, split: str) -> PairSource:
        """The same set, another split.

        Raises:
            PairsError, ServiceError: as `open_pairs`.
        """
        return open_spec(replace(self.spec, split=split), None)


_PAIR_COLUMNS = (
    "system", "prompt", "instruction", "question", "input", "history", "conversations", "chosen", "rejected",
    "preferred_output", "non_preferred_output",
)  # fmt: skip


def holds(row: Any, wanted: str) -> bool:
    """`wanted` (case folded) stands in a text that a person sees as the pair; of another row, in any text of it."""
    if isinstance(row, Broken):
        return wanted in row.text.casefold()
    columns = [row[name] for name in _PAIR_COLUMNS if name in row] if isinstance(row, Mapping) else []
    return any(wanted in text.casefold() for text in _texts(columns or row))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in ("role", "from", "type"):
                yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


# ------------------------------------------------------------------------------------------------------------- opening


def open_pairs(
    source: str | Path,
    *,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    base: Path | None = None,
) -> PairSource:
    """Opens a file, a folder (data files, or saved by `datasets`) or a Hub id.

    A Hub id may carry configuration and revision: `owner/name:config@revision`. Relative paths start at `base`, else at
    the current folder. `split` may name rows: `train[:1000]`, `test[10%:]`.

    Raises:
        PairsError: no such file, not readable, no preference pairs, no such split; the message names file and line.
        ServiceError: the Hub does not give it.
    """
    return open_spec(PairsSpec(str(source), config, split, revision), base)


def open_spec(spec: PairsSpec, base: Path | None) -> PairSource:
    """As `open_pairs`, for what `recipe_pairs` gave; the source keeps `spec` with absolute paths."""
    base = (base or Path.cwd()).absolute()
    if spec.files:
        files = {name: [base / expanded(path) for path in paths] for name, paths in spec.files.items()}
        spec = replace(spec, files={name: tuple(str(path) for path in paths) for name, paths in files.items()})
        shown = ", ".join(path.name for paths in files.values() for path in paths)
        return _from_splits(shown, files, spec, lambda paths: paths)
    if not spec.source.strip():
        raise PairsError("No pairs are named.", "Name a file, a folder or a Hub id.")
    path = base / expanded(spec.source)
    if exists(path) and path.is_file():
        return _from_splits(
            path.name, {_file_split(path): [path]}, replace(spec, source=str(path)), lambda paths: paths
        )
    if exists(path) and path.is_dir():
        return _from_splits(path.name, _folder_splits(path), replace(spec, source=str(path)), lambda paths: paths)
    named = _HUB_ID.fullmatch(spec.source)
    looks_local = spec.source.startswith((".", "/", "~")) or spec.source.count("/") > 1 or ending_of(spec.source)
    if looks_local or not named:
        raise PairsError(
            f"There is no such file or folder: {safe_line(spec.source, 200)}",
            f"Looked in {base}. A Hub id looks like owner/name.",
        )
    from smoltui.backends.pair_hub import hub_files, hub_splits

    repo, config, revision = named[1], spec.config or named[2], spec.revision or named[3]
    splits = hub_splits(repo, config, revision)
    return _from_splits(spec.source, splits, spec, lambda names: hub_files(repo, names, revision))


def open_typed(text: str, folder: Path) -> PairSource:
    """What a person typed: a path from the project's `folder`, else from where smoltui was started, or a Hub id.

    Raises:
        PairsError, ServiceError: as `open_pairs`.
    """
    path = expanded(text)
    base = Path.cwd() if exists(Path.cwd() / path) and not exists(folder / path) else folder
    return open_spec(PairsSpec(text), base)


def is_local(spec: PairsSpec, folder: Path) -> bool:
    """Whether the set lies on this machine, so that opening it asks no network."""
    return bool(spec.files) or exists(folder / expanded(spec.source))


def files_stamp(spec: PairsSpec, folder: Path) -> object:
    """Size and time of the files a set is read from, to be compared with `==`; the same for ever for the Hub."""
    names = [path for paths in spec.files.values() for path in paths] if spec.files else [spec.source]
    stamps = []
    for name in names:
        path = folder / expanded(name)
        inside = [path, *sorted(path.glob("*"))] if path.is_dir() else [path]
        for file in inside:
            try:
                stat = file.stat()
            except OSError:
                continue
            stamps.append((str(file), stat.st_size, stat.st_mtime_ns))
    return stamps


def _from_splits(
    name: str, splits: Mapping[str, list[Any]], spec: PairsSpec, fetch: Callable[[list[Any]], list[Path]]
) -> PairSource:
    """One split of several; `fetch` turns what stands for its files into paths."""
    asked = spec.split or ("train" if "train" in splits else next(iter(splits)))
    parsed = _SPLIT.fullmatch(asked)
    split = parsed[1] if parsed else asked
    if split not in splits:
        # A lone file is whatever split it is asked for as.
        if len(splits) > 1 or not spec.source or not Path(spec.source).is_file():
            raise PairsError(
                f"{safe_line(name, 80)} has no such split: {safe_line(asked, 60)}", f"It has: {', '.join(splits)}."
            )
        splits = {split: next(iter(splits.values()))}
    tables = [open_table(path) for path in fetch(splits[split])]
    table = tables[0] if len(tables) == 1 else JoinedTable(tables)
    if parsed and (parsed[2] or parsed[3]):
        bounds = [_bound(text, len(table)) for text in (parsed[2], parsed[3])]
        start, stop, _ = slice(*bounds).indices(len(table))
        table = SlicedTable(table, start, stop)
        if len(table) == 0:
            raise PairsError(f"This split holds no rows: {asked}", f"The whole split has {stop:,}.")
    return PairSource(name, asked, tuple(splits), table, spec)


def _bound(text: str | None, rows: int) -> int | None:
    if not text:
        return None
    return round(rows * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def _file_split(path: Path) -> str:
    from smoltui.backends.pair_splits import split_named

    return split_named(path.name) or "train"


def _folder_splits(folder: Path) -> dict[str, list[Path]]:
    """Split → files of a folder: saved by `datasets` (one split or several), or with data files.

    Raises:
        PairsError: nothing in it can be read.
    """
    saved = _saved_files(folder)
    if saved:
        return {"train": saved}
    try:
        names = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
    except (OSError, ValueError, KeyError, TypeError):
        names = []
    found = {str(name): _saved_files(folder / str(name)) for name in names if isinstance(name, str)}
    if any(found.values()):
        return {name: files for name, files in found.items() if files}
    inside = [path.relative_to(folder).as_posix() for path in _walk(folder)]
    top = [name for name in inside if "/" not in name]
    splits = splits_of(top) or splits_of(inside)
    if not splits:
        raise PairsError(
            f"The folder holds no file that can be read as pairs: {safe_line(str(folder), 200)}",
            f"Readable: {READABLE}, and folders saved by datasets.",
        )
    return {split: [folder / name for name in files] for split, files in splits.items()}


def _walk(folder: Path, depth: int = 2) -> Iterator[Path]:
    """Files of the folder and of the folders in it: a home folder given by mistake must not be read whole."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir() and not path.is_symlink():
            yield from _walk(path, depth - 1)


def _saved_files(folder: Path) -> list[Path]:
    """The Arrow files of one split written by `Dataset.save_to_disk`, in order; empty for another folder."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / str(entry["filename"]) for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _check_first_rows(table: Table, name: str) -> str:
    """The set's shape.

    Raises:
        PairsError: none of the first rows is a pair in any known shape.
    """
    problem: tuple[str, str] | None = None
    for number, row in enumerate(table.rows(0, min(FIRST_ROWS, len(table))), 1):
        if isinstance(row, Broken):
            problem = problem or (
                row.problem,
                "Expected one JSON object a line, with chosen and rejected; mend that line.",
            )
            continue
        try:
            return schema_of(row)
        except NotAPairError as error:
            hint = (
                "DPO learns from pairs; an unpaired set is for TRL's KTO trainer."
                if error.reason == "unpaired"
                else "Name the columns prompt, chosen and rejected, or open another set."
            )
            said = f"{safe_line(name, 80)} does not hold preference pairs (row {number}). {safe_line(str(error), 400)}"
            problem = problem or (said, hint)
    assert problem is not None  # a table without rows is refused before
    raise PairsError(*problem)


# ----------------------------------------------------------------------------------------------------- of the project


def project_pairs(project: Project) -> PairsSpec | None:
    """What the Pairs room opens: the source of smoltui.toml, or else the pairs of the recipe; None when neither says.

    Raises:
        RecipeError: one of the two files cannot be read.
    """
    source = project.settings().pairs
    return PairsSpec(source) if source else recipe_pairs(project)


def recipe_pairs(project: Project) -> PairsSpec | None:
    """The pairs that recipe.yaml trains on (the first of several); None without a recipe or without pairs in it.

    Raises:
        RecipeError: the recipe cannot be read, or names its pairs in a way TRL does not know.
    """
    if not project.has_recipe:
        return None
    from smoltui.backends.recipe_file import load_recipe

    return pairs_of(load_recipe(project.recipe_path).values)


def pairs_of(values: Mapping[str, Any]) -> PairsSpec | None:
    """The pairs that the values of a recipe name (the first of several sets); None when they name none.

    Raises:
        RecipeError: they are named in a way TRL does not know.
    """
    mixed = values.get("datasets")
    if mixed:
        if not isinstance(mixed, list) or not isinstance(mixed[0], Mapping) or not mixed[0].get("path"):
            raise RecipeError(
                "datasets in recipe.yaml must be a list of sets with a path each", "See the TRL recipe form."
            )
        first = mixed[0]
        return _spec(
            str(first["path"]), first.get("name"), first.get("split") or "train", first.get("data_files"),
            first.get("data_dir"), len(mixed) - 1,
        )  # fmt: skip
    if name := values.get("dataset_name"):
        return _spec(
            str(name), values.get("dataset_config"), values.get("dataset_train_split") or "train", None, None, 0
        )
    return None


def _spec(path: str, config: Any, split: Any, data_files: Any, data_dir: Any, others: int) -> PairsSpec:
    files: dict[str, tuple[str, ...]] | None = None
    if data_files:
        if not isinstance(data_files, Mapping):
            data_files = {"train": data_files}
        files = {
            str(name): (paths,) if isinstance(paths, str) else tuple(str(item) for item in paths)
            for name, paths in data_files.items()
        }
        if path not in _BUILDERS:  # files inside a folder; on the Hub the names of the set's own splits have to do
            files = {name: tuple(f"{path}/{item}" for item in paths) for name, paths in files.items()}
    if data_dir:
        path, config = (str(data_dir), None) if path in _BUILDERS else (path, config or str(data_dir))
    return PairsSpec(path if not files else "", str(config) if config else None, str(split), None, files, others)
