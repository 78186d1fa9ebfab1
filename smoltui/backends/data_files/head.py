"""The first rows of a set of any size: only the start of its files is read, locally or on the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.data_files.source import UNFOLDED, Found, PairsSpec, find_set, open_spec, schema_of_rows
from smoltui.backends.data_files.splits import split_asked, wanted_rows
from smoltui.backends.data_files.tables import head_of
from smoltui.backends.data_files.text import Broken, EmptyFileError
from smoltui.backends.data_files.text import Head as FileHead
from smoltui.core.pairs.mapping import mapped, pairs_in
from smoltui.errors import PairsError


@dataclass(frozen=True, slots=True)
class Head:
    """What the start of a set shows."""

    name: str
    split: str
    splits: tuple[str, ...]
    schema: str
    """Key of `pair_shapes.SCHEMAS`."""
    columns: tuple[str, ...]
    rows: list[object]
    """Decoded rows, or `Broken`; at least one. Fewer than requested if rows are long."""
    whole: bool
    """These are all the rows."""
    spec: PairsSpec
    """As in the result of `open_spec`."""
    notes: tuple[str, ...] = ()
    """What was done to read it, and what was left aside, one sentence each."""


def open_head(spec: PairsSpec, base: Path | None, rows: int = 64) -> Head:
    """The first rows of what `open_spec` would open.

    Blocking. The exception to reading only the start: a split counted from its end or in percent
    (`train[90%:]`), or one that starts beyond what is read, is opened as a whole.

    Raises:
        PairsError, ServiceError: as `open_spec`, as far as the start shows.
    """
    start = raw_head(spec, base, rows)
    if start.head is None:
        return _opened(start.found.spec, base, rows)
    return _head(start.found.spec, start.found.name, start.split, tuple(start.found.splits), start.head)


@dataclass(frozen=True, slots=True)
class RawHead:
    """The start of a set as it is in its files."""

    found: Found
    split: str
    head: FileHead | None
    """None if the rows of this split can only be found by opening the whole set."""


def first_rows(spec: PairsSpec, base: Path | None, rows: int = 64) -> list[object]:
    """The first rows as in the file, whatever `spec` says about how they are read. Raises as `open_head`."""
    start = raw_head(spec, base, rows)
    if start.head is not None:
        return start.head.rows
    source = open_spec(start.found.spec, base)
    return list(source.raw.rows(0, min(rows, len(source.raw))))


def raw_head(spec: PairsSpec, base: Path | None, rows: int) -> RawHead:
    """The first `rows` rows of the split that `spec` names. Raises as `open_head`."""
    found = find_set(spec, base)
    asked, names = split_asked(found.spec.split, found.splits, found.name, lone_file=found.lone_file)
    wanted = wanted_rows(asked)
    first, end = (0, None) if wanted is None else wanted.plain or (None, None)
    if first is None:
        return RawHead(found, asked, None)
    head = _beginning(found, names, first + rows)
    if len(head.rows) <= first and not head.whole:
        return RawHead(found, asked, None)
    last = min(len(head.rows), len(head.rows) if end is None else end, first + rows)
    taken = head.rows[first:last]
    if not taken:
        raise PairsError(f"This split has no rows: {asked}", f"The whole split has {len(head.rows):,}.")
    whole = last == end or (head.whole and last == len(head.rows))
    return RawHead(found, asked, FileHead(head.columns, taken, whole, (*head.notes, *found.notes)))


def _head(spec: PairsSpec, name: str, split: str, splits: tuple[str, ...], head: FileHead) -> Head:
    schema = schema_of_rows(head.rows, head.columns, name, spec)
    rows = head.rows
    if columns := spec.columns:
        rows = [row if isinstance(row, Broken) else mapped(row, columns, spec.how) for row in rows]
    if schema in UNFOLDED:
        rows = [pair for row in rows for pair in pairs_in(row, spec.how)]
    return Head(name, split, splits, schema, head.columns, rows, head.whole, spec, head.notes)


def _opened(spec: PairsSpec, base: Path | None, rows: int) -> Head:
    source = open_spec(spec, base)
    first = list(source.rows(0, rows))
    return Head(
        source.name,
        source.split,
        source.splits,
        source.schema,
        source.columns,
        first,
        len(first) == len(source),
        source.spec,
        source.notes,
    )


def _beginning(found: Found, names: Sequence[str], rows: int) -> FileHead:
    """The first rows of the files, one after the other."""
    columns: tuple[str, ...] = ()
    first: list[object] = []
    notes: tuple[str, ...] = ()
    empty: EmptyFileError | None = None
    for place, name in enumerate(names, 1):
        try:
            head = _of_file(found, name, rows - len(first))
        except EmptyFileError as error:  # a shard may be empty
            empty = empty or error
            continue
        columns = columns or head.columns
        first += head.rows
        notes += head.notes
        if not head.whole or (len(first) >= rows and place < len(names)):
            return FileHead(columns, first, False, notes)
    if empty is not None and not first:
        raise empty
    return FileHead(columns, first, True, notes)


def _of_file(found: Found, name: str, rows: int) -> FileHead:
    if found.repo is None:
        return head_of(Path(name), rows)
    from smoltui.backends.data_files.hub import hub_head

    return hub_head(found.repo, name, found.revision, rows)
