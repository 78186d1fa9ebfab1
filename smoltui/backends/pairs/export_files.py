"""Files of exported pairs: JSON lines or Parquet, written row by row."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from smoltui.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet

KWARGS = "chat_template_kwargs"
"""Column whose values TRL passes to the chat template."""
GROUP_ROWS, GROUP_CHARS = 1000, 16 << 20
"""Limits of a Parquet row group, in rows and characters."""

Kind = Literal["jsonl", "parquet"]
ExportRow = dict[str, Any]
"""Column → text, messages or an object."""


class Writer(Protocol):
    """Writes the rows of one file."""

    file: IO[bytes]

    def __init__(self, file: IO[bytes]) -> None: ...

    def write(self, row: ExportRow) -> None: ...

    def close(self) -> None:
        """Finishes the file and flushes it to disk. Raises OSError."""

    def abandon(self) -> None:
        """Closes the file, complete or not; harmless after `close`."""


class JsonLines:
    """One JSON object per line."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, row: ExportRow) -> None:
        self.file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def abandon(self) -> None:
        with suppress(OSError):  # there is no space for the rest of the buffer either
            self.file.close()


class ParquetGroups:
    """Parquet, one row group at a time; the first group determines the columns.

    Writing raises InputError if a later row does not fit.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self._rows: list[ExportRow] = []
        self._chars = 0
        self._parquet: pyarrow.parquet.ParquetWriter | None = None

    def write(self, row: ExportRow) -> None:
        self._rows.append(row)
        self._chars += sum(map(_length, row.values()))
        if len(self._rows) >= GROUP_ROWS or self._chars >= GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet as pq

        try:
            if self._parquet is None:
                names = list(dict.fromkeys(name for row in self._rows for name in row))
                table = pa.table({name: pa.array([row.get(name) for row in self._rows]) for name in names})
                self._parquet = pq.ParquetWriter(self.file, table.schema, compression="zstd")
            else:
                self._check(self._parquet.schema)
                table = pa.Table.from_pylist(self._rows, schema=self._parquet.schema)
        except (pa.ArrowException, OverflowError, TypeError) as error:  # such as a number of more than 64 bits
            raise _mixed_types(KWARGS) from error
        self._parquet.write_table(table)
        self._rows, self._chars = [], 0

    def _check(self, schema: pa.Schema) -> None:
        """Rejects what Arrow would silently drop: values without a column."""
        known = set(schema.names)
        kwargs = {field.name for field in schema.field(KWARGS).type} if KWARGS in known else set()
        for row in self._rows:
            if more := row.keys() - known:
                raise _mixed_types(min(more))
            if row.get(KWARGS, {}).keys() - kwargs:
                raise _mixed_types(KWARGS)

    def close(self) -> None:
        if self._rows:
            self._flush()
        if self._parquet is not None:
            self._parquet.close()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def abandon(self) -> None:
        if self._parquet is not None:
            self._parquet.is_open = False  # otherwise its destructor writes a footer, and prints an error
        with suppress(OSError):
            self.file.close()


def _length(value: object) -> int:
    """Characters of a text or of messages."""
    if isinstance(value, str):
        return len(value)
    return sum(len(turn["content"]) for turn in value if isinstance(turn, dict)) if isinstance(value, list) else 0


def _mixed_types(column: str) -> InputError:
    return InputError(
        f"A column changes its type within the set, which Parquet does not support: {column}",
        "Export as jsonl instead.",
    )


WRITERS: Mapping[Kind, type[Writer]] = {"jsonl": JsonLines, "parquet": ParquetGroups}
