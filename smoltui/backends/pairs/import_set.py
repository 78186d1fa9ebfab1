"""Imports a set of pairs into the cache, in a process of its own: `python -m smoltui.backends.pairs.import_set FOLDER`.

FOLDER holds `request.json` (`pair_set.py` writes it). Prints JSON lines: `{"rows", "total"}` while it goes on, and at
the end `{"done": rows}` or `{"error", "hint"}`. What whole parts hold stays when it is ended; the next one goes on
behind them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from smoltui.backends.data_files.source import PairSource, PairsSpec, files_stamp, open_spec
from smoltui.backends.data_files.tables import Broken
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.pairs.store import BATCH_ROWS, FACTS, PART_ROWS, TEXT, Meta, PartFile, write_meta
from smoltui.core.pairs.facts import broken_facts, row_facts, sound
from smoltui.errors import PairsError, SmoltuiError
from smoltui.scripts.pair_columns import own_columns

TELL_SECONDS = 0.2
CACHE_BYTES = 20 << 30
"""All imported sets together; beyond, those that were not used for longest are deleted."""
MAX_BATCH_CHARS = 48 << 20
"""Of the text in `BATCH_ROWS` rows, which are in memory together: 200,000 characters a row."""
SMALL_CHARS, FOLDED = 256 << 20, 100
"""A set with more text than that must not hold more than so many times the bytes of its files."""
MAX_MEMORY_BYTES = 2 << 30
"""Of the child: a backstop. Arrow reserves a gigabyte that it does not use."""
_LONG = ("prompt", "chosen", "rejected", "raw", "extra")
KEPT_SECONDS = 60 * 86400.0
"""A set that was not opened for two months is deleted."""


def spec_as_json(spec: PairsSpec) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(spec)


def spec_from_json(data: dict[str, Any]) -> PairsSpec:
    files = data.get("files")
    return PairsSpec(**{**data, "files": {name: tuple(paths) for name, paths in files.items()} if files else None})


def out_of_memory() -> PairsError:
    """What a set is refused with whose rows do not find room."""
    return PairsError("Not enough memory to read the set.", "Split or shorten its longest rows.")


def limit_memory() -> None:
    """From now on asking for much more memory than a set takes to read fails, before the machine has none left."""
    import resource

    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    limit_memory()
    with suppress(OSError):
        os.nice(5)  # keys come first
    try:
        request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
        with (folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another app imports the same set: what it made is taken
            prune(folder)
            remove_halves(folder)
            rows = import_set(
                folder, spec_from_json(request["spec"]), Path(request["base"]), request["stamp"], progress=_Teller()
            )
    except SmoltuiError as error:
        _tell({"error": error.message, "hint": error.hint})
        return 2
    except MemoryError:
        told = out_of_memory()
        _tell({"error": told.message, "hint": told.hint})
        return 2
    except OSError as error:
        _tell(
            {
                "error": f"The set cannot be cached ({error.strerror or error}): {folder.parent}",
                "hint": "Free some space there, or set SMOLTUI_HOME to another disk; then press r to reload.",
            }
        )
        return 2
    _tell({"done": rows})
    return 0


class _Teller:
    """Says how far it is, a few times a second."""

    _told = 0.0

    def __call__(self, rows: int, total: int | None) -> None:
        if (now := time.monotonic()) - self._told > TELL_SECONDS:
            self._told = now
            _tell({"rows": rows, "total": total})


def import_set(
    folder: Path, spec: PairsSpec, base: Path, stamp: Any, *, progress: Callable[[int, int | None], object]
) -> int:
    """Imports what is not imported yet; gives the rows of the whole set. `progress` gets the rows done and all of them.

    Raises:
        PairsError, ServiceError: as `open_spec`; the files changed while they were read.
        OSError: the cache cannot be written.
    """
    try:
        meta = pair_store.PairStore(folder).meta
        if meta.complete:
            return meta.rows
    except PairsError:
        meta = None
    source = open_spec(spec, base)
    if meta is None:
        meta = Meta(
            source.name,
            source.split,
            list(source.splits),
            source.schema,
            list(source.columns),
            total=len(source),
            thinking_off=source.schema not in ("standard", "conversational"),
        )
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


def _plain(stamp: Any) -> Any:
    return json.loads(json.dumps(stamp))


def _import_part(folder: Path, part: int, batches: Iterator[dict[str, list[Any]]]) -> int:
    """Writes the next part; gives its rows, 0 when there are no more."""
    columns = next(batches, None)
    if columns is None:
        return 0
    rows = 0
    with (
        PartFile(folder, TEXT, part, pair_store.schema_for(pair_store.TEXT_FIELDS)) as texts,
        PartFile(folder, FACTS, part, pair_store.schema_for(pair_store.FACTS_FIELDS)) as facts,
    ):
        while columns is not None:
            texts.write(_table(columns, pair_store.TEXT_FIELDS))
            facts.write(_table(columns, pair_store.FACTS_FIELDS))
            rows += len(columns["hash"])
            columns = next(batches, None) if rows < PART_ROWS else None
    return rows


def _batches(source: PairSource, meta: Meta) -> Iterator[dict[str, list[Any]]]:
    """The rows behind `meta.rows`, in columns of `BATCH_ROWS` rows; what `meta` tells of them is kept up to date.

    Raises:
        PairsError: the rows hold much more text than a set of pairs does.
    """
    names = (*pair_store.TEXT_FIELDS, *(name for name in pair_store.FACTS_FIELDS if name != "reason"))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    adders = [(name, column.append) for name, column in columns.items()]
    batch, whole, most = 0, 0, max(SMALL_CHARS, FOLDED * source.file_bytes)
    for index, row in enumerate(source.rows(meta.rows, len(source)), meta.rows):
        if isinstance(row, Broken):
            meta.broken_rows += 1
            meta.broken = meta.broken or row.problem
            kept = broken_facts(row.problem, row.text)
        else:
            kept = row_facts(index, row)
            _note_extras(row, meta.extras)
        for name, add in adders:
            add(kept[name])
        size = sum(len(kept[name] or "") for name in _LONG)
        batch, whole = batch + size, whole + size
        if batch > MAX_BATCH_CHARS:
            raise PairsError(
                f"{BATCH_ROWS} rows contain more than {MAX_BATCH_CHARS >> 20} MB of text, at row {index + 1}",
                "No pair needs that much; shorten or remove the longest.",
            )
        if whole > most:
            raise PairsError(
                f"The set unpacks to more than {FOLDED} times the size of its files, at row {index + 1}",
                "Its rows repeat the same long texts. Save the set without the repetition.",
            )
        if len(columns["hash"]) == BATCH_ROWS:
            yield columns
            batch = 0
            for column in columns.values():
                column.clear()
    if columns["hash"]:
        yield columns


def _note_extras(row: Any, kinds: dict[str, str]) -> None:
    if not isinstance(row, dict):
        return
    own = own_columns(tuple(row))
    for name, value in row.items():
        if name in own or value is None:
            continue
        kind = "yes/no" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
        if not isinstance(value, bool | int | float | str):
            kind = "json"
        name = sound(str(name))  # as `extra` has it
        known = kinds.setdefault(name, kind)
        if known != kind:
            kinds[name] = "json" if "json" in (known, kind) else "text"


def _table(columns: dict[str, list[Any]], fields: Any) -> Any:
    import pyarrow as pa

    schema = pair_store.schema_for(fields)
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def prune(keep: Path) -> None:
    """Deletes imported sets that were not used for long, and the least used ones where all take too much space."""
    folders = []
    for folder in keep.parent.iterdir():
        if folder == keep or not folder.is_dir():
            continue
        with suppress(OSError):
            size = sum(path.stat().st_size for path in folder.iterdir())
            folders.append((folder.stat().st_mtime, size, folder))
    total, now = sum(size for _, size, _ in folders), time.time()
    for used, size, folder in sorted(folders):
        if total > CACHE_BYTES or now - used > KEPT_SECONDS:
            with suppress(OSError), (folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not one that is being imported
                shutil.rmtree(folder)
                total -= size


def remove_halves(folder: Path) -> None:
    """Deletes what imports that were killed had begun to write (`store.PartFile`)."""
    for path in folder.glob(".part-*"):
        writer = path.name.rpartition(".")[2]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):
            path.unlink(missing_ok=True)


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=True), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
