"""Columns of an imported set as Arrow tables: read, compared with our own conditions, and sorted by."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from smoltui.backends.pairs.condition import connected
from smoltui.backends.pairs.store import AUDIT, AUDIT_FIELDS, FACTS, FACTS_FIELDS, PART_ROWS, TEXT, PairStore, gone
from smoltui.core.pairs.columns import CURATED, TEXTS, TOKEN_COLUMNS
from smoltui.core.pairs.query import named_columns

if TYPE_CHECKING:
    import pyarrow as pa

FACTS_AT_ONCE = 64
"""Parts per SQL statement over numbers and flags (262 144 rows): a statement has an overhead of a millisecond."""

Marks = Callable[[Sequence[bytes], Sequence[int | None]], Mapping[str, Sequence[bool]]]
"""Content hashes and prompt hashes of rows → their columns `CURATED` (`core.pairs.curation.marks_of`)."""


def holding(
    store: PairStore, conditions: Mapping[str, str], *, tokens: str | None = None, marks: Marks | None = None
) -> Iterator[tuple[str, pa.Array]]:
    """(name, rows as an int64 array) of each condition with matches, repeatedly, for some parts at a time, in order.

    For our own conditions over numbers and flags; all are evaluated in one pass.

    Raises:
        FileNotFoundError: the cache was deleted meanwhile.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    ours = set().union(*(named_columns(condition, {})[0] for condition in conditions.values()))
    asked = ", ".join(f'COALESCE(({condition}), false) AS "{name}"' for name, condition in conditions.items())
    with connected() as connection:
        for begin in range(0, store.parts, FACTS_AT_ONCE):
            parts = range(begin, min(begin + FACTS_AT_ONCE, store.parts))
            table = pa.concat_tables(columns_of(store, part, ours, tokens, marks) for part in parts)
            connection.register("part", table)
            found = connection.sql(f"SELECT row, {asked} FROM part ORDER BY row").to_arrow_table()
            rows = found.column("row").combine_chunks()
            for name in conditions:
                held = rows.take(pc.indices_nonzero(found.column(name)))
                if len(held):
                    yield name, held


def columns_of(
    store: PairStore,
    part: int,
    names: Iterable[str],
    tokens: str | None = None,
    marks: Marks | None = None,
    *,
    extra: bool = False,
) -> pa.Table:
    """`row` and the columns `names` of one part; `extra` adds the JSON of the further columns.

    `tokens`: kind of the files with token counts. Unknown values (tokens without it, flags before the audit) are null.

    Raises:
        FileNotFoundError: the part was deleted.
    """
    import pyarrow as pa

    wanted = set(names)
    marked = [name for name in CURATED if name in wanted]
    facts = store.table(FACTS, part, _facts_needed(wanted, is_marked=bool(marked)))
    rows, first = len(facts), part * PART_ROWS
    columns = {"row": pa.array(range(first, first + rows), pa.int64()), **_fact_columns(facts, wanted)}
    columns |= _columns_or_null(store, AUDIT, part, [name for name in AUDIT_FIELDS if name in wanted], rows, pa.bool_())
    counted = [name for name in TOKEN_COLUMNS if name in wanted]
    columns |= _columns_or_null(store, tokens, part, counted, rows, pa.int32())
    if marked:
        columns |= _marked_columns(facts, marked, marks)
    texts = [name for name in TEXTS if name in wanted] + ["extra"] * extra
    if texts:
        columns |= dict(zip(texts, store.table(TEXT, part, texts).columns, strict=True))
    return pa.table(columns)


def _fact_columns(facts: pa.Table, wanted: Set[str]) -> dict[str, pa.ChunkedArray]:
    from pyarrow import compute as pc

    columns = {name: facts.column(name) for name in FACTS_FIELDS if name in wanted}
    if "gap" in wanted:
        columns["gap"] = pc.subtract(*(facts.column(name) for name in _GAP))
    return columns


_GAP = ("chosen_chars", "rejected_chars")
"""`gap` is their difference."""


def _facts_needed(wanted: Set[str], *, is_marked: bool) -> list[str]:
    """Columns of the facts to read; always one, which gives the number of rows."""
    names = [name for name in FACTS_FIELDS if name in wanted]
    if "gap" in wanted:
        names += _GAP
    if is_marked:
        names += ["hash", "prompt_hash"]
    return list(dict.fromkeys([*names, "turns"]))


def _columns_or_null(
    store: PairStore, kind: str | None, part: int, names: Sequence[str], rows: int, null: pa.DataType
) -> dict[str, pa.ChunkedArray]:
    """Columns from a file that may be missing, or be of an earlier state of the part: then they are null."""
    import pyarrow as pa

    found = None
    if kind is not None and names:
        with suppress(FileNotFoundError):
            found = store.table(kind, part, names)
    if found is None or len(found) != rows:
        return {name: pa.nulls(rows, null) for name in names}
    return {name: found.column(name) for name in names}


def _marked_columns(facts: pa.Table, names: Sequence[str], marks: Marks | None) -> dict[str, pa.Array]:
    """Columns of decisions; false without `marks`."""
    import pyarrow as pa

    hashes, prompts = (facts.column(name).to_pylist() for name in ("hash", "prompt_hash"))
    known = marks(hashes, prompts) if marks is not None else {}
    return {name: pa.array(known.get(name, [False] * len(facts)), pa.bool_()) for name in names}


def column_values(store: PairStore, name: str, tokens: str | None = None, parts: int | None = None) -> pa.ChunkedArray:
    """A column of numbers over all rows, or those of the first `parts`; null if unknown.

    Raises:
        PairsError: the cache was deleted meanwhile.
    """
    import pyarrow as pa

    try:
        # Copied part by part: a column as read keeps the whole batches in memory.
        count = store.parts if parts is None else parts
        found = [columns_of(store, part, [name], tokens).column(name).combine_chunks() for part in range(count)]
        return pa.chunked_array(found, found[0].type if found else pa.int64())  # a set without usable rows has no part
    except FileNotFoundError as error:
        raise gone(store.folder) from error


def sorted_rows(values: pa.ChunkedArray, rows: Sequence[int] | None, *, descending: bool) -> array[int]:
    """`rows` (None: all) sorted by `values`, a column over all rows; null last, equal values in the set's order."""
    import pyarrow as pa
    from pyarrow import compute as pc

    picked = None
    if rows is not None:
        picked = pa.array(rows, pa.int64())
        values = values.take(picked)
    elif len(values) == 0:
        return array("Q")
    order = pc.sort_indices(
        pa.table({"value": values, "place": pa.array(range(len(values)), pa.int64())}),
        sort_keys=[("value", "descending" if descending else "ascending"), ("place", "ascending")],
    )
    return array("Q", (picked.take(order) if picked is not None else order).to_pylist())
