"""An opened set of pairs: its first rows immediately, the rest as it is imported into the cache and read from there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.head import Head, open_head
from smoltui.backends.data_files.source import PairsSpec, files_stamp, is_local, pair_of_row
from smoltui.backends.data_files.text import Broken
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.pairs.curated import set_name
from smoltui.backends.pairs.import_set import RowsDone, import_alone, note_extras, spec_as_json
from smoltui.backends.pairs.store import Meta, PairStore, make_private, pairs_cache
from smoltui.backends.system import data_folder
from smoltui.backends.system.child import exit_in_words, leashed, running
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError, PairsError, RunFailedError
from smoltui.safe_text import redact, safe_line
from smoltui.scripts.pair_columns import own_columns
from smoltui.scripts.pair_format import content_hash

FileStamps = list[tuple[str, int, int]]
"""As `files_stamp` returns it."""


class PairSet:
    """One split of one set: `head` until the store has at least as many rows. Thread-safe."""

    def __init__(self, spec: PairsSpec, base: Path, stamp: FileStamps, folder: Path) -> None:
        self.spec, self.base, self.stamp = spec, base, stamp
        self.folder = folder
        """Of the store, which may not exist yet."""
        self._local = is_local(spec, base)
        self.store: PairStore | None = None
        self.head: Head | None = None
        self._head_kinds: dict[str, str] | None = None

    @property
    def _facts(self) -> Meta | Head:
        if self.store is not None:
            return self.store.meta
        if self.head is not None:
            return self.head
        raise ValueError("neither the store nor the first rows of the set are open")

    @property
    def name(self) -> str:
        return self._facts.name

    @property
    def split(self) -> str:
        return self._facts.split

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._facts.splits)

    @property
    def schema(self) -> str:
        """Key of `pair_shapes.SCHEMAS`."""
        return self._facts.schema

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._facts.columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to read it, and what was left aside, one sentence each."""
        return tuple(self._facts.notes)

    @cached_property  # asks the disk, and is needed with each pair
    def label(self) -> str:
        """Name of the set in decisions about all of it."""
        return set_name(self.spec, self.base)

    def __len__(self) -> int:
        """Rows that can be read now."""
        stored = len(self.store) if self.store is not None else 0
        return max(stored, len(self.head.rows) if self.head is not None else 0)

    @property
    def total(self) -> int | None:
        """Rows of the whole set; None if unknown."""
        if self.store is not None:
            return self.store.meta.rows if self.store.meta.complete else self.store.meta.total
        return len(self.head.rows) if self.head is not None and self.head.whole else None

    @property
    def complete(self) -> bool:
        """Whether all of it is in the store."""
        return self.store is not None and self.store.meta.complete

    def pair(self, index: int) -> Pair:
        """One pair; fast enough for the UI thread (a batch of the store is read in about a millisecond).

        Raises:
            IndexError: no such row, or not imported yet.
            PairsError: the cache was deleted meanwhile.
        """
        if self.store is not None and index < len(self.store):
            return self.store.pair(index)
        return pair_of_row(index, self._head_row(index), self.schema)

    def hash(self, index: int) -> str:
        """The content hash of one pair. Raises as `pair`."""
        if self.store is not None and index < len(self.store):
            return self.store.hash(index)
        row = self._head_row(index)
        return content_hash(row.text if isinstance(row, Broken) else row)

    def further(self, index: int) -> dict[str, object]:
        """The further columns of one row. Raises as `pair`."""
        if self.store is not None and index < len(self.store):
            return self.store.extra(index)
        row = self._head_row(index)
        return further_of(row) if isinstance(row, Mapping) else {}

    @property
    def further_columns(self) -> Mapping[str, str]:
        """The further columns of the rows that can be read now → number, text, yes/no or json."""
        if self.store is not None and len(self.store):
            return self.store.meta.extras
        if self._head_kinds is None and self.head is not None:
            self._head_kinds = {}
            for row in self.head.rows:
                if isinstance(row, Mapping):
                    note_extras(row, self._head_kinds)
        return self._head_kinds or {}

    def _head_row(self, index: int) -> object:
        if self.head is None or not 0 <= index < len(self.head.rows):
            raise IndexError(index)
        return self.head.rows[index]

    def refresh(self) -> bool:
        """Reads what has been imported meanwhile. Returns whether there is more than before."""
        if self.store is not None:
            return self.store.refresh()
        with suppress(PairsError):
            self.store = PairStore(self.folder)
        return self.store is not None

    def changed(self) -> str | None:
        """A sentence if the files have changed since they were read, otherwise None. Reads from disk."""
        if not self._local:
            return None
        now = files_stamp(self.spec, self.base)
        if now == self.stamp:
            return None
        return f"{self.name} {'has changed' if now else 'no longer exists'}; the version read before is shown"


def further_of(row: Mapping[Any, object]) -> dict[str, object]:
    """The columns of a row beside its pair."""
    own = own_columns(tuple(row))
    return {str(name): value for name, value in row.items() if name not in own}


def store_folder(spec: PairsSpec, base: Path, stamp: FileStamps) -> Path:
    """The folder in the cache for this set in this state of its files (`files_stamp`); one for all bases on the Hub."""
    return pairs_cache() / pair_store.store_key([spec_as_json(spec), str(base) if stamp else "", stamp])


def open_set(spec: PairsSpec, base: Path, *, again: bool = False) -> PairSet:
    """The set from the cache, or else its first rows. Blocking, well under half a second for local files.

    `again`: ignores the cache, because the set will be imported again.

    Raises:
        PairsError, ServiceError: as `open_spec`.
    """
    stamp = files_stamp(spec, base)
    opened = PairSet(spec, base, stamp, store_folder(spec, base, stamp))
    if not again:
        with suppress(PairsError):
            opened.store = PairStore(opened.folder)
    if not opened.complete:
        opened.head = open_head(spec, base)
    return opened


def request_import(opened: PairSet, *, again: bool = False) -> None:
    """Writes the request that `import_set` reads; `again` first drops what is in the cache.

    Raises:
        InputError: the cache cannot be written.
    """
    try:
        make_private(opened.folder)
        if again:
            (opened.folder / "meta.json").unlink(missing_ok=True)
        request = {"spec": spec_as_json(opened.spec), "base": str(opened.base), "stamp": opened.stamp}
        data_folder.write_json(opened.folder / "request.json", request)
    except OSError as error:
        raise InputError(
            f"The set cannot be cached ({error.strerror}): {opened.folder.parent}",
            "Free some space there, or set SMOLTUI_HOME to another disk. The first pairs can still be read.",
        ) from error


async def import_in_child(opened: PairSet, *, again: bool = False) -> AsyncGenerator[int, None]:
    """Imports the set in a child process; yields the number of imported rows now and then.

    Raises:
        InputError, PairsError: as reported by the child.
        RunFailedError: the child ended without reporting an error.
    """
    request_import(opened, again=again)
    async for line in ask_child("smoltui.backends.pairs.import_set", [str(opened.folder)]):
        opened.refresh()
        yield int(line.get("rows", line.get("done", 0)))


async def ask_child(module: str, arguments: list[str]) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON lines printed by one of our modules in a child process, which ends when the generator is closed.

    Raises:
        PairsError: the child reported {"error", "hint"}.
        RunFailedError: it ended with an exit code other than 0 without reporting an error.
    """
    last = ""
    """The last line that is not JSON, such as the end of a traceback."""
    async with running(leashed("-m", module, *arguments), cwd=Path("/")) as child:
        async for text in child.lines():
            try:
                line = json.loads(text)
            except ValueError:
                last = text.strip() or last
                continue
            if "error" in line:
                raise PairsError(line["error"], line.get("hint", ""))
            yield line
        if child.exit_code:
            words = f": {safe_line(redact(last), 200)}" if last else ""
            raise RunFailedError(
                f"Reading the pairs was interrupted ({exit_in_words(child.exit_code)}){words}",
                "Press r to reload the set.",
            )


def imported(spec: PairsSpec, base: Path, *, progress: RowsDone = lambda rows, total: None) -> PairSet:
    """The whole set in the cache, imported in this process if necessary: for commands, not for the app.

    Raises:
        PairsError, ServiceError: as `open_spec`.
        InputError: the cache cannot be written, or another process that imports the set does not finish.
    """
    opened = open_set(spec, base)
    if opened.complete:
        return opened
    request_import(opened)
    try:
        import_alone(opened.folder, spec, base, opened.stamp, progress=progress)
    except OSError as error:
        raise InputError(
            f"The set cannot be cached ({error.strerror or error}): {opened.folder.parent}",
            "Free some space there, or set SMOLTUI_HOME to another disk.",
        ) from error
    opened.refresh()
    return opened


def typed_spec(text: str, folder: Path, given: PairsSpec | None = None) -> tuple[PairsSpec, Path]:
    """The set that a person typed, and the base of its path: `folder`, or the folder smoltui was started in.

    `given`: further options, such as the split.
    """
    path = expanded(text)
    base = Path.cwd() if exists(Path.cwd() / path) and not exists(folder / path) else folder
    return replace(given or PairsSpec(""), source=text), base
