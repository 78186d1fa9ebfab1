"""Searches an imported set for a text, a regular expression or an SQL condition.

Searches work part by part: memory use stays low, they can be stopped at any time, and one that starts during the import
continues with the rows that are imported meanwhile. Arrow and DuckDB work outside Python's lock.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from smoltui.backends.pairs.condition import Condition
from smoltui.backends.pairs.set_columns import FACTS_AT_ONCE, Marks, columns_of
from smoltui.backends.pairs.store import PART_ROWS, TEXT, PairStore, gone
from smoltui.core.pairs.columns import COLUMNS, TEXTS
from smoltui.core.pairs.further import further_name
from smoltui.core.pairs.query import PairQuery, named_columns
from smoltui.errors import InputError
from smoltui.safe_text import safe

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_COLUMNS = ("prompt", "chosen", "rejected", "raw")
SEARCH_THREADS = 2
STATEMENT_SECONDS, SEARCH_SECONDS = 10.0, 120.0
"""Time limits of a condition for one statement and for the whole set. A statement takes milliseconds, unless it joins
the set with itself."""


def load_engines() -> None:
    """Imports DuckDB, Arrow's functions, and what Arrow imports on first use: half a second the first time."""
    import duckdb  # noqa: F401
    from pyarrow import compute as pc

    # Arrow imports pandas, if installed, when it first converts a Python value: 0.3 s.
    pc.match_substring("a", "a", ignore_case=True)


class Search:
    """A search in a store that may still grow; `run` continues where it stopped."""

    def __init__(
        self,
        store: PairStore,
        query: PairQuery,
        *,
        tokens: str | None = None,
        marks: Marks | None = None,
        statement_seconds: float = STATEMENT_SECONDS,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        self.store, self.query = store, query
        self.hits: array[int] = array("Q")
        """Matching rows so far, in order."""
        self.looked_at = 0
        """Number of rows searched so far."""
        self._tokens, self._marks = tokens, marks
        self._statement_seconds, self._seconds_left = statement_seconds, search_seconds

    @property
    def complete(self) -> bool:
        """Whether the whole set is imported and was searched."""
        return self.store.meta.complete and self.looked_at >= len(self.store)

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Searches the rows that were not searched yet. Blocking; `hits` and `looked_at` grow meanwhile.

        Raises:
            InputError: the expression or the condition is invalid, with the message of Arrow or DuckDB; or it takes too
                long.
            PairsError: the cache was deleted meanwhile.
        """
        try:
            if self.query.kind == "where":
                self._run_where(stopped)
            else:
                self._run_text(stopped)
        except FileNotFoundError as error:
            raise gone(self.store.folder) from error

    def _left(self) -> range:
        """Complete parts that were not searched yet; the last one counts only once the import has ended."""
        store = self.store
        whole = store.parts if store.meta.complete else store.meta.rows // PART_ROWS
        return range(self.looked_at // PART_ROWS, whole)

    def _run_text(self, stopped: Callable[[], bool]) -> None:
        # Two parts at a time: Arrow reads and matches outside Python's lock, and each part is freed immediately.
        with ThreadPoolExecutor(SEARCH_THREADS, "smoltui-search") as pool:
            parts = self._left()
            asked: deque[Future[tuple[int, pa.Array]]] = deque()
            try:
                for part in parts:
                    if len(asked) > SEARCH_THREADS:
                        self._looked(*asked.popleft().result())
                    if stopped():
                        return
                    asked.append(pool.submit(self._hits_of, part))
                while asked and not stopped():
                    self._looked(*asked.popleft().result())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _hits_of(self, part: int) -> tuple[int, pa.Array]:
        """The first row after a part, and the matching rows in it."""
        import pyarrow as pa
        from pyarrow import compute as pc

        query = self.query
        match = pc.match_substring if query.kind == "text" else pc.match_substring_regex
        table = self.store.table(TEXT, part, TEXT_COLUMNS)
        found = pa.nulls(len(table), pa.bool_())
        try:
            for column in table.columns:
                if column.null_count < len(column):
                    found = pc.or_kleene(found, match(column, query.words, ignore_case=query.ignores_case))
        except pa.ArrowInvalid as error:
            said = str(error).split("Invalid regular expression: ")[-1]
            raise InputError(
                f"Not a valid regular expression (RE2): {safe(query.words, 200)}",
                f"{safe(said, 200)}. To search for plain text, leave out the slashes.",
            ) from error
        first = part * PART_ROWS
        return first + len(table), pc.add(pc.indices_nonzero(found), first)

    def _looked(self, until: int, rows: pa.Array) -> None:
        self.hits.extend(rows.to_pylist())
        self.looked_at = until

    def _run_where(self, stopped: Callable[[], bool]) -> None:
        import pyarrow as pa

        ours, others = named_columns(self.query.words, self.store.meta.extras)
        texts = bool(ours & set(TEXTS)) or bool(others)
        names = [*map(further_name, self.store.meta.extras), *COLUMNS]
        with Condition(self.query.words, others, names) as database:
            whole: pa.Table | None = None
            if "pairs" in self.query.words.lower():  # the condition refers to the whole set
                whole = pa.concat_tables(
                    columns_of(self.store, part, ours - set(TEXTS), self._tokens, self._marks)
                    for part in range(self.store.parts)
                )
            left = self._left()
            step = 1 if texts else FACTS_AT_ONCE
            for begin in range(left.start, left.stop, step):
                if stopped():
                    return
                parts = range(begin, min(begin + step, left.stop))
                tables = [
                    columns_of(self.store, part, ours, self._tokens, self._marks, extra=bool(others)) for part in parts
                ]
                table = pa.concat_tables(tables) if len(tables) > 1 else tables[0]
                seconds = min(self._statement_seconds, self._seconds_left)
                began = time.monotonic()
                found = database.rows(table, whole, seconds, stopped)
                self._seconds_left -= time.monotonic() - began
                if found is None:
                    return
                self.hits.extend(found)
                self.looked_at = begin * PART_ROWS + len(table)
