"""An SQL condition of a person, checked and evaluated by DuckDB, which has access to nothing but the set."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from smoltui.core.pairs.further import further_name, nearest, sql_name
from smoltui.errors import InputError
from smoltui.safe_text import safe, safe_line

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MAX_CONDITION_CHARS = 10_000
LOOK_SECONDS = 0.05
"""Interval for checking whether a statement should be interrupted."""
MEMORY_LIMIT = "160MB"
"""DuckDB's memory limit; a condition that needs more fails with DuckDB's message."""


class Condition:
    """One condition, evaluated for some parts of the set at a time."""

    def __init__(self, condition: str, others: Mapping[str, str], names: Iterable[str] = ()) -> None:
        """`others`: the further columns that it uses → kind. `names`: of all columns, for messages."""
        self._condition, self._names = condition, names
        fields = "".join(f", {further_sql(name, kind)} AS {_quoted(name)}" for name, kind in others.items())
        every = "* EXCLUDE (extra)" if others else "*"
        self._select = f"SELECT row FROM (SELECT {every}{fields} FROM part) WHERE (\n{condition}\n)"

    def __enter__(self) -> Condition:
        import duckdb

        self._connection = connected()
        try:
            self._check()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, duckdb.Error):
                raise self._refused(error) from error
            raise
        return self

    def _check(self) -> None:
        """Checks with DuckDB's own parser that the condition is a single expression.

        It must be one in parentheses and also as the condition of a CASE: a text that closes the parenthesis to
        continue after it fails as the second, and one that ends the CASE fails as the first.

        Raises:
            InputError: it is not, or uses a function that is not allowed.
            duckdb.Error: it is not SQL.
        """
        import duckdb

        condition = self._condition
        if len(condition) > MAX_CONDITION_CHARS:
            raise InputError(f"The condition is longer than {MAX_CONDITION_CHARS:,} characters", "Write a shorter one.")
        if any(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(condition)):
            raise self._not_one("A condition must not contain a comment")
        self._connection.extract_statements(f"SELECT (\n{condition}\n)")  # gives the best error message
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

    def rows(
        self, table: pa.Table, whole: pa.Table | None, seconds: float, stopped: Callable[[], bool]
    ) -> list[int] | None:
        """Numbers of the rows of `table` that fulfil the condition; None if stopped.

        `whole`: the table that the condition may call `pairs`; None if it does not use it.

        Raises:
            InputError: DuckDB does not accept it, or it takes more than `seconds`.
        """
        import duckdb

        try:
            with interrupted(self._connection, seconds, stopped):
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
        return sorted(row for (row,) in found)

    def _refused(self, error: Exception) -> InputError:
        said = str(error).strip()
        if unknown := _UNKNOWN.search(said):
            return no_column(unknown[1], self._names)
        first = said.split("\n\nLINE")[0].split("\nLINE")[0]
        return InputError(f"DuckDB does not accept this condition: {safe(self._condition, 200)}", safe(first, 600))


@contextmanager
def interrupted(
    connection: duckdb.DuckDBPyConnection, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Interrupts a statement in the block after `seconds` or once `stopped`; repeatedly, until it has ended."""
    ended, until = threading.Event(), time.monotonic() + seconds

    def interrupt() -> None:
        while not ended.wait(LOOK_SECONDS):
            if stopped() or time.monotonic() > until:
                connection.interrupt()

    watch = threading.Thread(target=interrupt, daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def no_column(name: str, names: Iterable[str]) -> InputError:
    """The error for the name of a column that does not exist; its hint is the name that was probably meant."""
    names = list(names)
    near = [sql_name(other) for other in nearest(name, names, 3)]
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        hint = f"Columns are {', '.join(map(sql_name, names[:SHOWN_NAMES]))}{', …' * (len(names) > SHOWN_NAMES)}."
    return InputError(f"There is no column {safe_line(name, 80)}", safe_line(hint, 600))


SHOWN_NAMES = 12
"""Columns that are named if none is similar."""
_UNKNOWN = re.compile(r'Referenced column "(.*?)" not found', re.DOTALL)


def _one_expression(serialized: str) -> object:
    """The expression in DuckDB's syntax tree of `SELECT …`; None unless it is a plain select of one expression."""
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
    except (ValueError, KeyError, TypeError, RecursionError):  # not a tree of this form
        return None
    return expression if single else None


def _functions(tree: object) -> set[str]:
    """Names of all functions in DuckDB's syntax tree, in lower case."""
    found = set()
    stack: list[object] = [tree]
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
"""Functions that make gigabytes out of a few characters. DuckDB evaluates them before the statement starts, when
neither its memory limit nor an interruption has an effect."""
_FURTHER = ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
"""Clauses of a select other than its list."""


def connected() -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, with access only to registered tables: no files, no network, no settings."""
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


def further_sql(name: str, kind: str) -> str:
    """SQL for the value of a further column of the rows, extracted from the JSON object in `extra`."""
    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    literal = "'" + path.replace("'", "''") + "'"
    value = f"extra->>{literal}"
    if kind == "number":
        value = f"TRY_CAST({value} AS DOUBLE)"
    elif kind == "yes/no":
        value = f"TRY_CAST({value} AS BOOLEAN)"
    return value


def _quoted(name: str) -> str:
    """The name of a further column in conditions, always in quotes."""
    return '"' + further_name(name).replace('"', '""') + '"'
