"""Searching an imported set: text, regular expression, SQL condition; and sorting, counting and drawing its columns.

Part by part, so that memory stays small, a search can be left at any time, and one begun while the set is still being
imported goes on with what is imported meanwhile. Arrow and DuckDB do the work outside Python's lock.
"""

from __future__ import annotations

import json
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from smoltui.backends.pairs.store import AUDIT, AUDIT_FIELDS, FACTS, FACTS_FIELDS, PART_ROWS, TEXT, PairStore, gone
from smoltui.core.pairs.columns import CURATED, TEXTS, TOKEN_COLUMNS
from smoltui.core.pairs.query import PairQuery, named_columns
from smoltui.errors import InputError
from smoltui.safe_text import safe

TEXT_COLUMNS = ("prompt", "chosen", "rejected", "raw")
SEARCH_THREADS = 2
FACTS_AT_ONCE = 64
"""Parts whose numbers are asked in one SQL statement (262 144 rows): a statement costs a millisecond by itself."""
MAX_CONDITION_CHARS = 10_000
STATEMENT_SECONDS, SEARCH_SECONDS = 10.0, 120.0
"""What a condition may take over one piece of the set, and over all of it: pieces take milliseconds, unless somebody
multiplies the set with itself."""
LOOK_SECONDS = 0.05
"""So often it is looked whether a statement should end."""
MEMORY_LIMIT = "160MB"
"""DuckDB's own bound; a condition that needs more than this fails with its words."""

Marks = Callable[[Sequence[bytes], Sequence[int | None]], Mapping[str, Sequence[bool]]]
"""From the content hashes and prompt hashes of some rows to the columns of `CURATED` that decisions make."""


def load_engines() -> None:
    """Imports Arrow's functions and DuckDB, half a second the first time, and what Arrow itself imports late."""
    import duckdb  # noqa: F401
    import pyarrow.compute as pc

    # With the first value that it takes from Python, Arrow imports pandas where that is installed: 0.3 s.
    pc.match_substring("a", "a", ignore_case=True)


class Search:
    """One search over a store that may still grow; `run` goes on where it stopped."""

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
        """Rows found so far, in order."""
        self.looked_at = 0
        """Rows looked at so far."""
        self._tokens, self._marks = tokens, marks
        self._statement_seconds, self._seconds_left = statement_seconds, search_seconds

    @property
    def complete(self) -> bool:
        """Everything that will be there was looked at."""
        return self.store.meta.complete and self.looked_at >= len(self.store)

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Looks at what was not looked at yet. Blocking; `hits` and `looked_at` grow meanwhile.

        Raises:
            InputError: the expression or the condition cannot be used; the message has Arrow's or DuckDB's words. Or it
                takes too long.
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
        """Whole parts that were not looked at; the last one only when the import has ended."""
        store = self.store
        whole = store.parts if store.meta.complete else store.meta.rows // PART_ROWS
        return range(self.looked_at // PART_ROWS, whole)

    def _run_text(self, stopped: Callable[[], bool]) -> None:
        # Two parts at a time: Arrow reads and matches outside Python's lock, and a part read is let go at once.
        with ThreadPoolExecutor(SEARCH_THREADS, "smoltui-search") as pool:
            parts = self._left()
            asked = deque[Future[tuple[int, Any]]]()
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

    def _hits_of(self, part: int) -> tuple[int, Any]:
        """First row behind a part, and the rows in it that hold what is searched for."""
        import pyarrow as pa
        import pyarrow.compute as pc

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

    def _looked(self, until: int, rows: Any) -> None:
        self.hits.extend(rows.to_pylist())
        self.looked_at = until

    def _run_where(self, stopped: Callable[[], bool]) -> None:
        import pyarrow as pa

        ours, others = named_columns(self.query.words, self.store.meta.extras)
        texts = bool(ours & set(TEXTS)) or bool(others)
        with _Database(self.query.words, others) as database:
            whole: Any = None
            if "pairs" in self.query.words.lower():  # a condition that compares with the whole set
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


class _Database:
    """One condition, asked of one piece of the set after the other."""

    def __init__(self, condition: str, others: Mapping[str, str]) -> None:
        self._condition = condition
        fields = "".join(f", {_field(name, kind)}" for name, kind in others.items())
        self._select = f"SELECT row FROM (SELECT *{fields} FROM part) WHERE (\n{condition}\n)"

    def __enter__(self) -> _Database:
        import duckdb

        self._connection = _connected()
        try:
            self._check()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, duckdb.Error):
                raise self._refused(error) from error
            raise
        return self

    def _check(self) -> None:
        """Lets DuckDB's own parser judge whether the condition is one expression.

        It must be one between brackets and also as the condition of a CASE. What closes the bracket to go on behind it
        ends the one, what ends the CASE the other.

        Raises:
            InputError: it is none, or more than one.
            duckdb.Error: it is no SQL.
        """
        import duckdb

        condition = self._condition
        if len(condition) > MAX_CONDITION_CHARS:
            raise InputError(f"The condition is longer than {MAX_CONDITION_CHARS:,} characters", "Write a shorter one.")
        if any(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(condition)):
            raise self._not_one("A condition must not contain a comment")
        self._connection.extract_statements(f"SELECT (\n{condition}\n)")  # says best what is wrong
        for text in (f"SELECT (\n{condition}\n)", f"SELECT CASE WHEN\n{condition}\nTHEN 1 END"):
            asked = self._connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
            tree = _one_expression(asked[0][0])
            if tree is None:
                raise self._not_one("This is more than one condition")
        if used := _functions(tree) & MAKERS:
            raise InputError(
                f"A condition cannot use a function that builds long texts or lists: {min(used)}",
                "Compare the columns with literal values.",
            )

    def _not_one(self, said: str) -> InputError:
        return InputError(
            f"{said}: {safe(self._condition, 200)}", "Write only the part after WHERE, such as chosen_chars > 500"
        )

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rows(self, table: Any, whole: Any, seconds: float, stopped: Callable[[], bool]) -> list[int] | None:
        """Numbers of the rows of `table` that fulfil the condition; None when it was stopped on the way.

        Raises:
            InputError: DuckDB cannot do it, or not within `seconds`.
        """
        import duckdb

        ended = threading.Event()
        watch = threading.Thread(target=self._interrupt, args=(ended, seconds, stopped), daemon=True)
        watch.start()
        try:
            self._connection.register("part", table)
            if whole is not None:
                self._connection.register("pairs", whole)
            found = self._connection.execute(self._select).fetchall()
        except duckdb.InterruptException as error:
            if stopped():
                return None
            raise InputError(
                f"The condition takes too long: {safe(self._condition, 200)}",
                "Compare with the whole set at most once, and with fewer of its rows.",
            ) from error
        except duckdb.Error as error:
            raise self._refused(error) from error
        finally:
            ended.set()
            watch.join()
        return sorted(row for (row,) in found)

    def _interrupt(self, ended: threading.Event, seconds: float, stopped: Callable[[], bool]) -> None:
        """Interrupts the statement after `seconds`, or when nobody wants its answer any more, until it has ended."""
        until = time.monotonic() + seconds
        while not ended.wait(LOOK_SECONDS):
            if stopped() or time.monotonic() > until:
                self._connection.interrupt()

    def _refused(self, error: Exception) -> InputError:
        said = str(error).strip()
        first = said.split("\n\nLINE")[0].split("\nLINE")[0]
        return InputError(f"DuckDB does not accept this condition: {safe(self._condition, 200)}", safe(first, 600))


def _one_expression(serialized: str) -> Any:
    """The expression in DuckDB's tree of `SELECT …`; None unless it is one select of one expression from nothing."""
    try:
        (statement,) = json.loads(serialized)["statements"]
        node = statement["node"]
        (expression,) = node["select_list"]
        single = (
            node["type"] == "SELECT_NODE"
            and node["from_table"]["type"] == "EMPTY"
            and not any(node.get(name) for name in _FURTHER)
            and not node["cte_map"]["map"]
            and expression["class"] != "STAR"
        )
    except (ValueError, KeyError, TypeError, RecursionError):  # no tree, or not of this form
        return None
    return expression if single else None


def _functions(tree: Any) -> set[str]:
    """Names of all functions in a part of DuckDB's tree, in small letters."""
    found = set()
    stack = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if isinstance(name := part.get("function_name"), str):
                found.add(name.lower())
            stack += part.values()
        elif isinstance(part, list):
            stack += part
    return found


MAKERS = frozenset(
    {
        "range",
        "generate_series",
        "repeat",
        "repeat_row",
        "lpad",
        "rpad",
        "bar",
        "list_resize",
        "array_resize",
        "bitstring",
        "format",
        "printf",
    }
)
"""Functions that make gigabytes out of a few letters. DuckDB runs those before the statement begins, where neither its
limit on memory nor an interruption reaches them."""
_FURTHER = ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
"""Parts of a select that may stand behind the expression."""


def holding(
    store: PairStore, conditions: Mapping[str, str], *, tokens: str | None = None, marks: Marks | None = None
) -> Iterator[tuple[str, Any]]:
    """(name, rows as an int64 array) of each condition that holds somewhere, piece by piece and in order.

    For our own conditions over numbers and flags: all are asked in one pass.

    Raises:
        FileNotFoundError: the cache was deleted meanwhile.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ours = set().union(*(named_columns(condition, {})[0] for condition in conditions.values()))
    asked = ", ".join(f'COALESCE(({condition}), false) AS "{name}"' for name, condition in conditions.items())
    with _connected() as connection:
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


def _connected() -> Any:
    """DuckDB in memory, which may read what it is given and nothing else: no files, no network, no settings."""
    import duckdb

    return duckdb.connect(
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": MEMORY_LIMIT,
            "threads": "2",
            "max_temp_directory_size": "0B",
            "python_enable_replacements": "false",
            "lock_configuration": "true",
        }
    )


def _field(name: str, kind: str) -> str:
    """A further column of the rows, out of the JSON object it is kept in."""
    from smoltui.core.pairs.columns import COLUMNS

    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    literal = "'" + path.replace("'", "''") + "'"
    value = f"extra->>{literal}"
    if kind == "number":
        value = f"TRY_CAST({value} AS DOUBLE)"
    elif kind == "yes/no":
        value = f"TRY_CAST({value} AS BOOLEAN)"
    shown = f"row_{name}" if name.lower() in COLUMNS else name
    return f'{value} AS "{shown.replace(chr(34), chr(34) * 2)}"'


def columns_of(
    store: PairStore, part: int, names: Iterable[str], tokens: str | None, marks: Marks | None, *, extra: bool = False
) -> Any:
    """The columns of one part that a condition names, and `row`, as a `pyarrow.Table`.

    What is not known (tokens without a tokenizer, flags before the audit) is null.

    Raises:
        FileNotFoundError: the part was deleted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = set(names)
    facts = [name for name in FACTS_FIELDS if name in wanted]
    if "gap" in wanted:
        facts += [name for name in ("chosen_chars", "rejected_chars") if name not in facts]
    marked = [name for name in CURATED if name in wanted]
    table = store.table(FACTS, part, [*dict.fromkeys([*facts, "turns", *(["hash", "prompt_hash"] if marked else [])])])
    rows = len(table)
    columns: dict[str, Any] = {"row": pa.array(range(part * PART_ROWS, part * PART_ROWS + rows), pa.int64())}
    columns |= {name: table.column(name) for name in facts}
    if "gap" in wanted:
        columns["gap"] = pc.subtract(table.column("chosen_chars"), table.column("rejected_chars"))
    for kind, fields in ((AUDIT, AUDIT_FIELDS), (tokens or "", dict.fromkeys(TOKEN_COLUMNS, "int32"))):
        named = [name for name in fields if name in wanted]
        if not named:
            continue
        found = None
        if kind:
            with suppress(FileNotFoundError):
                found = store.table(kind, part, named)
        if found is not None and len(found) != rows:
            found = None  # written for an earlier state of this part
        kinds = {"bool": pa.bool_(), "int32": pa.int32()}
        for name in named:
            columns[name] = found.column(name) if found is not None else pa.nulls(rows, kinds[fields[name]])
    if marked:
        hashes, prompts = (table.column(name).to_pylist() for name in ("hash", "prompt_hash"))
        known = marks(hashes, prompts) if marks is not None else {}
        columns |= {name: pa.array(known.get(name, [False] * rows), pa.bool_()) for name in marked}
    texts = [name for name in TEXTS if name in wanted] + (["extra"] if extra else [])
    if texts:
        read = store.table(TEXT, part, texts)
        columns |= {name: read.column(name) for name in texts}
    return pa.table(columns)


def column_values(store: PairStore, name: str, tokens: str | None = None) -> Any:
    """One number of every row, as a `pyarrow.ChunkedArray`; null where it is not known.

    Raises:
        PairsError: the cache was deleted meanwhile.
    """
    import pyarrow as pa

    try:
        # Copied part by part: a column as it was read keeps the whole batches it stands in.
        parts = [
            columns_of(store, part, [name], tokens, None).column(name).combine_chunks() for part in range(store.parts)
        ]
        return pa.chunked_array(parts, parts[0].type if parts else pa.int64())  # a set without usable rows has no part
    except FileNotFoundError as error:
        raise gone(store.folder) from error


def sorted_rows(values: Any, rows: Sequence[int] | None, *, descending: bool) -> array[int]:
    """`rows` (None: all) by `values`, a column over all rows; unknown ones last, equal ones in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

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
