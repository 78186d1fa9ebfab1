"""The values of one column of an imported set: how many pairs have each, and how their answers differ in length.

DuckDB counts them in one pass over the parts, which are read one at a time: memory use grows with the number of
different values, and is limited.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from smoltui.backends.pairs.condition import connected, further_sql, interrupted, no_column
from smoltui.backends.pairs.set_columns import Marks, columns_of
from smoltui.backends.pairs.store import PairStore, gone
from smoltui.core.pairs.columns import COLUMNS, TEXTS
from smoltui.core.pairs.facet import MOST_VALUES, VALUE_CHARS, Facet, FacetColumn, FacetValue
from smoltui.core.pairs.further import further_name, number_text, sql_name
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

FACET_SECONDS = 120.0
"""Time limit for a whole set."""


def facet_column(name: str, further: Mapping[str, str]) -> FacetColumn:
    """The column with this name, in any case. `further`: further columns of the rows → kind.

    Raises:
        InputError: there is none; the hint names the nearest.
    """
    columns = {known: FacetColumn(known, further[of], of) for of in further for known in [further_name(of)]}
    columns |= {column: FacetColumn(column, described.kind, None) for column, described in COLUMNS.items()}
    if name in columns:
        return columns[name]
    found = next((column for known, column in columns.items() if known.lower() == name.lower()), None)
    if found is None:
        raise no_column(name, columns)
    return found


def facet_of(
    store: PairStore,
    column: FacetColumn,
    rows: Sequence[int] | None = None,
    *,
    tokens: str | None = None,
    marks: Marks | None = None,
    most: int = MOST_VALUES,
    seconds: float = FACET_SECONDS,
    stopped: Callable[[], bool] = lambda: False,
) -> Facet | None:
    """Counts the values of a column. Blocking; None if `stopped`.

    `rows`: count only these; None: all. `tokens` and `marks` as in `columns_of`.

    Raises:
        InputError: it takes more than `seconds`, or more memory than a condition gets.
        PairsError: the cache was deleted meanwhile.
    """
    import duckdb

    margin, complete = _margin_sql(store.meta.extras), store.meta.complete
    parts = _Parts(store, column, tokens, marks, extra=column.further is not None or margin is not None)
    try:
        with connected() as connection, interrupted(connection, seconds, stopped):
            reader = parts.reader(stopped)
            if reader is None:
                return Facet(column, (), 0, 0, margin is not None, complete)
            connection.register("part", reader)
            found = _counted(connection, column, margin, rows, most)
    except duckdb.Error as error:
        if stopped():
            return None
        if parts.missing is not None:
            raise gone(store.folder) from parts.missing
        raise _too_much(column, error) from error
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    if stopped():  # before the last part was read
        return None
    values = tuple(_value(column, row) for row in found)
    distinct, pairs = (int(found[0][0]), int(found[0][1])) if found else (0, 0)
    return Facet(column, values, distinct, pairs, margin is not None, complete)


class _Parts:
    """The parts of a set as one stream for DuckDB, which reports errors in it without their type."""

    def __init__(
        self, store: PairStore, column: FacetColumn, tokens: str | None, marks: Marks | None, *, extra: bool
    ) -> None:
        names = {"gap"} | (set() if column.further is not None else {column.name})
        self._store, self._names, self._extra = store, names, extra
        self._tokens, self._marks = tokens, marks
        self.missing: FileNotFoundError | None = None
        """Set if the cache was deleted meanwhile."""

    def reader(self, stopped: Callable[[], bool]) -> pa.RecordBatchReader | None:
        """The stream; it ends early if `stopped`. None for a set without parts. Raises FileNotFoundError."""
        import pyarrow as pa

        if not self._store.parts:
            return None
        first = self._table(0)

        def batches() -> Iterator[pa.RecordBatch]:
            yield from first.to_batches()
            for part in range(1, self._store.parts):
                if stopped():
                    return
                try:
                    table = self._table(part)
                except FileNotFoundError as error:
                    self.missing = error
                    raise
                yield from table.to_batches()

        return pa.RecordBatchReader.from_batches(first.schema, batches())

    def _table(self, part: int) -> pa.Table:
        return columns_of(self._store, part, self._names, self._tokens, self._marks, extra=self._extra)


_Row = tuple[int, int, str | None, int | None, float | None, int, int, float | None, float | None]
"""Different values, pairs, and of one value: its text, length, number, hash, pairs, median gap and margin."""


def _counted(
    connection: duckdb.DuckDBPyConnection,
    column: FacetColumn,
    margin: str | None,
    rows: Sequence[int] | None,
    most: int,
) -> list[_Row]:
    """Groups by a hash of the value, so that long values take no more memory than short ones."""
    import pyarrow as pa

    value = further_sql(column.further, column.kind) if column.further is not None else sql_name(column.name)
    number = "value" if column.kind in ("number", "share") else "NULL"
    among = ""
    if rows is not None:
        connection.register("listed", pa.table({"row": pa.array(rows, pa.int64())}))
        among = "WHERE row IN (SELECT row FROM listed)"
    statement = f"""
        SELECT count(*) OVER (), sum(pairs) OVER (), * FROM (
            SELECT any_value(left(text, {VALUE_CHARS})) AS text, any_value(length(text)), any_value(number),
                   hash(text) AS hashed, count(*) AS pairs, median(gap), median(margin)
            FROM (SELECT CAST(value AS VARCHAR) AS text, {number} AS number, gap, margin FROM (
                SELECT {value} AS value, gap, {margin or "NULL"} AS margin FROM part {among}))
            GROUP BY hashed
        ) ORDER BY pairs DESC, text LIMIT {most}
    """
    found: list[_Row] = connection.execute(statement).fetchall()
    return found


def _margin_sql(further: Mapping[str, str]) -> str | None:
    """SQL for the difference of the answers' scores; None if the rows have none."""
    if further.get("margin") == "number":
        return further_sql("margin", "number")
    sides = ("score_chosen", "score_rejected")
    if all(further.get(side) == "number" for side in sides):
        return " - ".join(further_sql(side, "number") for side in sides)
    return None


def _value(column: FacetColumn, row: _Row) -> FacetValue:
    _, _, text, chars, number, hashed, pairs, gap, margin = row
    name = sql_name(column.name)
    if text is None:
        return FacetValue(None, None, 0, pairs, gap, margin, f"{name} IS NULL")
    if number is not None and column.kind in ("number", "share"):
        shown = number_text(number)
        return FacetValue(shown, number, len(shown), pairs, gap, margin, f"{name} = {_number_sql(number)}")
    if column.kind == "yes/no":
        shown, condition = ("yes", name) if text == "true" else ("no", f"NOT {name}")
        return FacetValue(shown, None, len(shown), pairs, gap, margin, condition)
    if chars is not None and chars <= VALUE_CHARS and safe_line(text, VALUE_CHARS) == text:
        condition = f"{name} = '{text.replace(chr(39), chr(39) * 2)}'"
    else:  # a literal that cannot be typed, or is too long to read
        condition = f"hash({name}) = {hashed}"
    return FacetValue(text, None, chars or 0, pairs, gap, margin, condition)


def _number_sql(number: float) -> str:
    """An exact literal."""
    if not math.isfinite(number):
        return f"'{number}'::DOUBLE"
    shown = number_text(number)
    return shown if float(shown) == number else repr(number)


def _too_much(column: FacetColumn, error: Exception) -> InputError:
    said = str(error).strip().split("\n")[0]
    hint = "Count a column with fewer values, or search first: then only the matches are counted."
    return InputError(f"The values of {safe_line(column.name, 80)} cannot be counted: {safe_line(said, 200)}", hint)


COUNTED = tuple(name for name in COLUMNS if name not in TEXTS and name != "row")
"""Our own columns whose values are worth counting."""
