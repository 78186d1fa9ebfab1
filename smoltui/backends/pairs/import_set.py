"""Imports a set of pairs into the cache, as a process: `python -m smoltui.backends.pairs.import_set FOLDER`.

FOLDER contains `request.json`, which `opened_set.py` writes. Prints JSON lines: `{"rows", "total"}` as progress, and
finally `{"done": rows}` or `{"error", "hint"}`. If the process is killed, complete parts are kept, and the next import
continues after them.
"""

from __future__ import annotations

import gc
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.data_files.arrow_rows import chars_of
from smoltui.backends.data_files.source import UNFOLDED, PairSource, PairsSpec, files_stamp, open_spec
from smoltui.backends.data_files.text import Broken
from smoltui.backends.pairs.cache_upkeep import import_lock, prune, remove_halves
from smoltui.backends.pairs.child_output import Line, Progress, run_child
from smoltui.backends.pairs.import_helpers import add_up, helpers, parts_of, processes, report_part, wait_for
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
from smoltui.core.pairs.facts_columns import facts_columns
from smoltui.errors import InputError, PairsError
from smoltui.scripts.pair_choices import LeftOut
from smoltui.scripts.pair_columns import own_columns
from smoltui.scripts.pair_how import AS_IT_IS, How

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
STEP_ROWS, STEP_CHARS = 64, 4 << 20
"""Rows that are in memory as they are in the file, and their characters, beyond which there is only one more row."""

RowsDone = Callable[[int, int | None], object]
"""Called with the imported rows and the rows of the whole set (None if unknown)."""
Batch = dict[str, list[Any]]
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

    if len(arguments) > 1:  # started by another import
        return run_child(lambda: _import_share(folder, int(arguments[1]), int(arguments[2])), unwritable)
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
    with _no_collection():
        return _import_rows(folder, spec, base, stamp, meta, progress)


def _import_rows(
    folder: Path, spec: PairsSpec, base: Path, stamp: object, meta: Meta | None, progress: RowsDone
) -> int:
    source = open_spec(spec, base)
    if meta is None:
        meta = _first_meta(source)
        write_meta(folder, meta)
    first = meta.rows // PART_ROWS
    count = 1 if source.known_length is None or source.schema in UNFOLDED else processes(parts_of(len(source)) - first)
    if count > 1:
        _import_together(folder, source, meta, count, progress)
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


def _import_together(folder: Path, source: PairSource, meta: Meta, count: int, progress: RowsDone) -> None:
    """Imports all parts, every `count`-th of them in this process. Raises as `import_set`, and as `Helpers.found`."""
    first, last = meta.rows // PART_ROWS, parts_of(len(source))
    with helpers(folder, first, count - 1) as others:
        for part in range(first, last):
            own = (part - first) % count == 0
            add_up(meta, _alone(folder, source, part) if own else wait_for(part, others), _note_kind)
            write_meta(folder, meta)
            progress(meta.rows, meta.total)


def _import_share(folder: Path, first: int, step: int) -> Line:
    """Imports the parts from `first` on, every `step`-th, for the process that started this one."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    with _no_collection():
        source = open_spec(spec_from_json(request["spec"]), Path(request["base"]))
        for part in range(first, parts_of(len(source)), step):
            report_part(folder, part, _alone(folder, source, part))
    return {"done": first}


def _alone(folder: Path, source: PairSource, part: int) -> Meta:
    """Imports one part; returns what is found in it."""
    found = _first_meta(source)
    start = part * PART_ROWS
    found.rows = _import_part(folder, part, _batches(source, found, start, start + PART_ROWS))
    return found


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for cycles, which rows do not form: that would take a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
        notes=list(source.notes),
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


def _batches(source: PairSource, meta: Meta, start: int | None = None, stop: int | None = None) -> Iterator[Batch]:
    """The rows from `start` (None: after `meta.rows`) to `stop`, as columns of up to `BATCH_ROWS` rows.

    Notes broken rows and further columns in `meta`.

    Raises:
        PairsError: the rows contain far more text than a set of pairs does.
    """
    whole, most = 0, max(SMALL_CHARS, FOLDED * source.file_bytes)
    batch, chars = _no_rows(), 0
    start = meta.rows if start is None else start
    rows = source.rows(start, stop)
    while step := _step(rows, BATCH_ROWS - len(batch["hash"])):
        columns = _columns(start, step, meta)
        for at, size in enumerate(_chars(columns), start + 1):
            chars, whole = chars + size, whole + size
            if chars > MAX_BATCH_CHARS:
                raise PairsError(
                    f"{BATCH_ROWS} rows contain more than {MAX_BATCH_CHARS >> 20} MB of text, at row {at}",
                    "No pair needs that much; shorten or remove the longest.",
                )
            if whole > most:
                raise PairsError(
                    f"The set unpacks to more than {FOLDED} times the size of its files, at row {at}",
                    "Its rows repeat the same long texts. Save the set without the repetition.",
                )
        for name, values in columns.items():
            batch[name] += values
        start += len(step)
        if len(batch["hash"]) == BATCH_ROWS:
            yield batch
            batch, chars = _no_rows(), 0
    if batch["hash"]:
        yield batch


def _step(rows: Iterator[object], most: int) -> list[object]:
    """The next rows: at most `most`, `STEP_ROWS`, and the one with which they have `STEP_CHARS`."""
    step: list[object] = []
    chars = 0
    for row in islice(rows, min(most, STEP_ROWS)):
        step.append(row)
        chars += chars_of(row)
        if chars > STEP_CHARS:
            break
    return step


def _no_rows() -> Batch:
    return {name: [] for name in dict.fromkeys((*TEXT_FIELDS, *FACTS_FIELDS))}


def _chars(columns: Batch) -> list[int]:
    """The characters of the long texts of each row."""
    lengths = [[0 if text is None else len(text) for text in columns[name]] for name in _LONG]
    return list(map(sum, zip(*lengths, strict=True)))


def _columns(start: int, rows: list[object], meta: Meta) -> Batch:
    """The stored columns of rows; what they say about the set is noted in `meta`."""
    if not any(isinstance(row, Broken) for row in rows):
        for row in rows:
            if isinstance(row, dict):
                note_extras(row, meta.extras)
        return facts_columns(start, rows)
    found = [_facts_of(index, row, meta) for index, row in enumerate(rows, start)]
    return {name: [facts[name] for facts in found] for name in found[0]}


def _facts_of(index: int, row: object, meta: Meta) -> Columns:
    """The stored columns of one row; what it says about the set is noted in `meta`."""
    if isinstance(row, Broken):
        meta.broken_rows += 1
        meta.broken = meta.broken or row.problem
        return broken_facts(row.problem, row.text)
    if isinstance(row, dict):
        note_extras(row, meta.extras)
    return row_facts(index, row)


def note_extras(row: Mapping[str, object], kinds: dict[str, str]) -> None:
    """Notes the kinds of the row's further columns: text if they differ between rows, json if one is not a scalar.

    A row of which no pair is made still has the columns of its answers, which are no further columns of the set.
    """
    if isinstance(row, LeftOut):
        return
    own = own_columns(tuple(row))
    if len(own) == len(row):
        return
    for column, value in row.items():
        if column in own or value is None:
            continue
        _note_kind(kinds, sound(str(column)), _kind(value))


def _note_kind(kinds: dict[str, str], name: str, kind: str) -> None:
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
