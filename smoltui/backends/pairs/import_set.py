"""Imports a set of pairs into the cache, as a process: `python -m smoltui.backends.pairs.import_set FOLDER`.

FOLDER contains `request.json`, which `opened_set.py` writes. Prints JSON lines: `{"rows", "total"}` as progress, and
finally `{"done": rows}` or `{"error", "hint"}`. If the process is killed, complete parts are kept, and the next import
continues after them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.data_files.source import PairSource, PairsSpec, files_stamp, open_spec
from smoltui.backends.data_files.text import Broken
from smoltui.backends.pairs.cache_upkeep import import_lock, prune, remove_halves
from smoltui.backends.pairs.child_output import Line, Progress, run_child
from smoltui.backends.pairs.store import (
    BATCH_ROWS,
    FACTS,
    FACTS_FIELDS,
    PART_ROWS,
    TEXT,
    TEXT_FIELDS,
    Meta,
    PartFile,
    read_meta,
    schema_for,
    write_meta,
)
from smoltui.core.pairs.facts import Columns, broken_facts, row_facts, sound
from smoltui.errors import InputError, PairsError
from smoltui.scripts.pair_answers import AS_IT_IS, How
from smoltui.scripts.pair_columns import own_columns

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BATCH_CHARS = 48 << 20
"""Limit of the text in `BATCH_ROWS` rows, which are in memory together: 200,000 characters per row."""
SMALL_CHARS, FOLDED = 256 << 20, 100
"""A set with more text than `SMALL_CHARS` may contain at most `FOLDED` characters per byte of its files."""
MAX_MEMORY_BYTES = 2 << 30
"""Limit of the child process, as a last resort. Arrow reserves a gigabyte that it does not use."""
_LONG = ("prompt", "chosen", "rejected", "raw", "extra")
"""Columns whose texts may be long."""

RowsDone = Callable[[int, int | None], object]
"""Called with the imported rows and the rows of the whole set (None if unknown)."""
Batch = dict[str, list[object]]
"""Column → values of some rows."""


def spec_as_json(spec: PairsSpec) -> dict[str, object]:
    data = asdict(spec)
    return data if spec.how != AS_IT_IS else {name: value for name, value in data.items() if name != "how"}


def spec_from_json(data: dict[str, Any]) -> PairsSpec:
    files, how = data.get("files"), data.get("how")
    return PairsSpec(
        **{
            **data,
            "files": {name: tuple(paths) for name, paths in files.items()} if files else None,
            "how": How(**{**how, "answers": tuple(how["answers"])}) if how else AS_IT_IS,
        }
    )


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    limit_memory()

    def unwritable(error: OSError) -> InputError:
        return InputError(
            f"The set cannot be cached ({error.strerror or error}): {folder.parent}",
            "Free some space there, or set SMOLTUI_HOME to another disk; then press r to reload.",
        )

    return run_child(lambda: _imported(folder), unwritable)


def _imported(folder: Path) -> Line:
    progress = Progress()
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    rows = import_alone(
        folder,
        spec_from_json(request["spec"]),
        Path(request["base"]),
        request["stamp"],
        progress=lambda rows, total: progress({"rows": rows, "total": total}),
    )
    return {"done": rows}


def limit_memory() -> None:
    """Makes requests for far more memory than an import needs fail, before the machine runs out of it."""
    import resource

    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def import_alone(folder: Path, spec: PairsSpec, base: Path, stamp: object, *, progress: RowsDone) -> int:
    """`import_set`, by one process at a time: another one that imports the same set is waited for.

    Raises:
        PairsError, ServiceError, OSError: as `import_set`; or there is not enough memory.
        LockHeldError: as `import_lock`.
    """
    try:
        with import_lock(folder):
            prune(folder)
            remove_halves(folder)
            return import_set(folder, spec, base, stamp, progress=progress)
    except MemoryError as error:
        raise PairsError("Not enough memory to read the set.", "Split or shorten its longest rows.") from error


def import_set(folder: Path, spec: PairsSpec, base: Path, stamp: object, *, progress: RowsDone) -> int:
    """Imports the rows that are not imported yet. Returns the number of rows of the whole set.

    `stamp`: the `files_stamp` of the set when `folder` was chosen.

    Raises:
        PairsError, ServiceError: as `open_spec`; or the files changed while they were read.
        OSError: the cache cannot be written.
    """
    meta = _meta_so_far(folder)
    if meta is not None and meta.complete:
        return meta.rows
    source = open_spec(spec, base)
    if meta is None:
        meta = _first_meta(source)
        write_meta(folder, meta)
    batches = _batches(source, meta)
    while (rows := _import_part(folder, meta.rows // PART_ROWS, batches)) > 0:
        meta.rows += rows
        write_meta(folder, meta)
        progress(meta.rows, meta.total)
    if _plain(files_stamp(spec, base)) != _plain(stamp):
        shutil.rmtree(folder, ignore_errors=True)
        raise PairsError("The set changed while being read.", "When it is complete, press r to reload.")
    meta.complete, meta.total = True, meta.rows
    write_meta(folder, meta)
    return meta.rows


def _meta_so_far(folder: Path) -> Meta | None:
    """What is imported already; None if nothing is."""
    try:
        return read_meta(folder)
    except PairsError:
        return None


def _first_meta(source: PairSource) -> Meta:
    return Meta(
        source.name,
        source.split,
        list(source.splits),
        source.schema,
        list(source.columns),
        total=source.known_length,
        thinking_off=source.is_converted,
        made=source.made,
    )


def _plain(stamp: object) -> object:
    """As read back from JSON, where tuples are lists."""
    return json.loads(json.dumps(stamp))


def _import_part(folder: Path, part: int, batches: Iterator[Batch]) -> int:
    """Writes the next part. Returns its number of rows, 0 if there are no more."""
    columns = next(batches, None)
    if columns is None:
        return 0
    rows = 0
    with (
        PartFile(folder, TEXT, part, schema_for(TEXT_FIELDS)) as texts,
        PartFile(folder, FACTS, part, schema_for(FACTS_FIELDS)) as facts,
    ):
        while columns is not None:
            texts.write(_table(columns, TEXT_FIELDS))
            facts.write(_table(columns, FACTS_FIELDS))
            rows += len(columns["hash"])
            columns = next(batches, None) if rows < PART_ROWS else None
    return rows


def _batches(source: PairSource, meta: Meta) -> Iterator[Batch]:
    """The rows after `meta.rows`, as columns of up to `BATCH_ROWS` rows; each batch is only valid until the next one.

    Notes broken rows and further columns in `meta`.

    Raises:
        PairsError: the rows contain far more text than a set of pairs does.
    """
    batch, whole, most = _Batch(), 0, max(SMALL_CHARS, FOLDED * source.file_bytes)
    for index, row in enumerate(source.rows(meta.rows), meta.rows):
        whole += batch.add(_facts_of(index, row, meta))
        if batch.chars > MAX_BATCH_CHARS:
            raise PairsError(
                f"{BATCH_ROWS} rows contain more than {MAX_BATCH_CHARS >> 20} MB of text, at row {index + 1}",
                "No pair needs that much; shorten or remove the longest.",
            )
        if whole > most:
            raise PairsError(
                f"The set unpacks to more than {FOLDED} times the size of its files, at row {index + 1}",
                "Its rows repeat the same long texts. Save the set without the repetition.",
            )
        if len(batch) == BATCH_ROWS:
            yield batch.columns
            batch.clear()
    if len(batch):
        yield batch.columns


class _Batch:
    """Columns of rows that are written together."""

    def __init__(self) -> None:
        self.columns: Batch = {name: [] for name in dict.fromkeys((*TEXT_FIELDS, *FACTS_FIELDS))}
        self.chars = 0
        """Characters of the long texts."""
        self._appenders = [(name, column.append) for name, column in self.columns.items()]

    def __len__(self) -> int:
        return len(self.columns["hash"])

    def add(self, row: Columns) -> int:
        """Adds one row; returns the characters of its long texts."""
        for name, append in self._appenders:
            append(row[name])
        chars = sum(len(row[name] or "") for name in _LONG)
        self.chars += chars
        return chars

    def clear(self) -> None:
        self.chars = 0
        for column in self.columns.values():
            column.clear()


def _facts_of(index: int, row: object, meta: Meta) -> Columns:
    """The stored columns of one row; what it says about the set is noted in `meta`."""
    if isinstance(row, Broken):
        meta.broken_rows += 1
        meta.broken = meta.broken or row.problem
        return broken_facts(row.problem, row.text)
    if isinstance(row, dict):
        _note_extras(row, meta.extras)
    return row_facts(index, row)


def _note_extras(row: Mapping[str, object], kinds: dict[str, str]) -> None:
    """Notes the kinds of the row's further columns: text if they differ between rows, json if one is not a scalar."""
    own = own_columns(tuple(row))
    for column, value in row.items():
        if column in own or value is None:
            continue
        name, kind = sound(str(column)), _kind(value)
        known = kinds.setdefault(name, kind)
        if known != kind:
            kinds[name] = "json" if "json" in (known, kind) else "text"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "yes/no"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "json"


def _table(columns: Batch, fields: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    schema = schema_for(fields)
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
