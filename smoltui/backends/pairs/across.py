"""Compares the rows of an imported set with each other: duplicates, repeated prompts, contradictions.

DuckDB does it within `MEMORY_LIMIT`, and writes what does not fit to a temporary folder next to the set.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from smoltui.backends.pairs.store import FACTS, PairStore
from smoltui.errors import PairsError
from smoltui.safe_text import safe

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = "96MB"
_PREFIX = "across-"
_HASHES = ("prompt_hash", "chosen_hash", "rejected_hash")


class Across:
    """The readable rows of a set in a table `facts`: `row` and the hashes of prompt, chosen and rejected.

    A context manager. Raises FileNotFoundError if the cache is deleted meanwhile, and PairsError with DuckDB's message
    if the disk is full.
    """

    def __init__(self, store: PairStore) -> None:
        self._store = store
        self._beside: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Across:
        import duckdb

        _sweep(self._store.folder)
        self._beside = tempfile.TemporaryDirectory(
            prefix=f"{_PREFIX}{os.getpid()}-", dir=self._store.folder, ignore_cleanup_errors=True
        )
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": "2",
                "temp_directory": self._beside.name,
                "preserve_insertion_order": "false",
                "python_enable_replacements": "false",
            }
        )
        try:
            self._fill("facts", self._store)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if self._beside is not None:
            self._beside.cleanup()

    def _fill(self, name: str, store: PairStore) -> None:
        fields = ", ".join(f"{column} BIGINT" for column in ("row", *_HASHES))
        self.run(f"CREATE OR REPLACE TABLE {name} ({fields})")
        first = 0
        for part in range(store.parts):
            table = store.table(FACTS, part, _HASHES)
            self.add(name, {"row": range(first, first + len(table)), **dict(zip(_HASHES, table.columns, strict=True))})
            first += len(table)
        self.run(f"DELETE FROM {name} WHERE prompt_hash IS NULL")

    def add(self, name: str, columns: Mapping[str, Sequence[int] | array[int] | pa.ChunkedArray]) -> None:
        """Appends numbers to a table: column → values."""
        import pyarrow as pa

        kept = {
            column: pa.array(values, pa.int64()) if isinstance(values, range | list | array) else values
            for column, values in columns.items()
        }
        with _in_words(), self._registered("added", pa.table(kept)):
            self._connection.execute(f"INSERT INTO {name} SELECT * FROM added")

    @contextmanager
    def _registered(self, name: str, table: pa.Table) -> Iterator[None]:
        self._connection.register(name, table)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def run(self, statement: str) -> None:
        """Runs a statement of ours."""
        with _in_words():
            self._connection.execute(statement)

    def batches(self, select: str, rows: int) -> Iterator[pa.RecordBatch]:
        """The result of a statement, in batches of at most `rows` rows. No other statement may run meanwhile."""
        with _in_words():
            reader = self._connection.sql(select).to_arrow_reader(rows)
        while True:
            with _in_words():
                try:
                    yield reader.read_next_batch()
                except StopIteration:
                    return

    def flags(self, select: str) -> pa.Array:
        """The row numbers selected by a statement, as a boolean array over all rows."""
        import pyarrow as pa
        from pyarrow import compute as pc

        held = bytearray(len(self._store))
        for batch in self.batches(select, 65_536):
            for row in batch.column(0).to_pylist():
                held[row] = 1
        return pc.cast(pa.Array.from_buffers(pa.uint8(), len(held), [None, pa.py_buffer(held)]), pa.bool_())

    # -- comparisons

    def again(self, *columns: str, table: str = "facts") -> str:
        """SQL for the rows whose values in these columns appeared in an earlier row."""
        keys = ", ".join(columns)
        return (
            f"SELECT row FROM {table} WHERE {columns[0]} IS NOT NULL "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY row) > 1"
        )

    def repeated_prompts(self) -> pa.Array:
        """Rows whose prompt appeared in an earlier row."""
        return self.flags(self.again("prompt_hash"))

    def duplicates(self) -> pa.Array:
        """Rows with the same prompt and answers as an earlier row."""
        return self.flags(self.again(*_HASHES))

    def contradictions(self) -> pa.Array:
        """Rows for which another row has the same prompt, and the same answers swapped."""
        return self.flags(
            "SELECT row FROM facts AS one SEMI JOIN facts AS other ON one.prompt_hash = other.prompt_hash "
            "AND one.chosen_hash = other.rejected_hash AND one.rejected_hash = other.chosen_hash "
            "WHERE one.chosen_hash <> one.rejected_hash"
        )

    def shared_with(self, other: PairStore) -> pa.Array:
        """Rows whose prompt is also in the other set."""
        self._fill("others", other)
        return self.flags("SELECT row FROM facts SEMI JOIN others USING (prompt_hash)")


def _sweep(folder: Path) -> None:
    """Deletes temporary folders of processes that were killed."""
    for path in folder.glob(f"{_PREFIX}*-*"):
        with suppress(ValueError):
            if not psutil.pid_exists(int(path.name[len(_PREFIX) :].split("-")[0])):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turns DuckDB's errors into ours."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise PairsError(
            "The set cannot be checked as a whole.", f"DuckDB says: {safe(str(error).strip(), 300)}"
        ) from error
