"""Rows of Parquet files, a bounded number of bytes in memory at a time."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.backends.data_files.arrow_rows import (
    HEAD_CHARS,
    chars_of,
    damage,
    first_of,
    rows_of,
    slice_rows,
    unreadable,
)
from smoltui.backends.data_files.parquet_pages import Group, PagesError, read_groups, rows_at_once
from smoltui.backends.data_files.text import column_names

if TYPE_CHECKING:
    import pyarrow as pa

MAX_GROUP_BYTES = 64 << 20
"""A row group of up to this size is decoded as a whole and kept, a larger one in batches."""
FIRST_PAGES = 2
"""Pages of each column of a row group that are examined before its first rows are decoded."""
PAGE_BUFFER_BYTES = 256 << 10
"""Bytes of a column read at a time; its pages are mostly 1 MB."""


class ParquetTable:
    """A Parquet file."""

    def __init__(
        self, data: str | Path | pa.NativeFile, name: str = "the file", *, buffer_bytes: int = PAGE_BUFFER_BYTES
    ) -> None:
        from pyarrow import OSFile
        from pyarrow import parquet as pq

        self._source = OSFile(str(data)) if isinstance(data, str | Path) else data
        self._file = pq.ParquetFile(self._source, buffer_size=buffer_bytes, pre_buffer=False)
        self._name = name
        self.columns = column_names(self._file.schema_arrow.names)
        metadata = self._file.metadata
        leaves = [metadata.schema.column(number) for number in range(metadata.num_columns)]
        self._nested = [leaf.max_repetition_level > 0 for leaf in leaves]
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if any(group.num_rows < 0 for group in groups):
            raise PagesError("its footer is damaged")
        self._sizes = [group.total_byte_size for group in groups]
        self._groups: list[Group] | None = None
        self._steps: dict[tuple[int, int | None], int] = {}
        """Row group and examined pages → rows of it that may be decoded together."""
        self._starts = [0, *accumulate(group.num_rows for group in groups)]
        self._lock = threading.RLock()
        self._loaded: tuple[int, pa.RecordBatch | pa.Table] | None = None
        """Number of the first row, and the rows: a whole group, or a batch of a large one."""
        self._going: tuple[int, int, Iterator[pa.RecordBatch]] | None = None
        """For a large group: its number, the row after `_loaded`, and the following batches."""

    def __len__(self) -> int:
        return int(self._starts[-1])

    def near(self, index: int) -> bool:
        loaded = self._loaded
        return loaded is not None and loaded[0] <= index < loaded[0] + loaded[1].num_rows

    def row(self, index: int) -> object:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int) -> Iterator[object]:
        while start < stop:
            begin, batch = self._holding(start)
            inside = start - begin
            count = min(stop - start, batch.num_rows - inside)
            yield from rows_of(batch.slice(inside, count), start, self._name)
            start += count

    def _holding(self, index: int) -> tuple[int, pa.RecordBatch | pa.Table]:
        """The rows around row `index`, with the number of the first of them."""
        with self._lock:
            if self._loaded is not None and self.near(index):
                return self._loaded
            try:
                return self._load(index)
            except damage(OSError) as error:
                self._going = None
                raise unreadable(self._name, index, error) from error

    def _step(self, group: int, most_pages: int | None = None) -> int:
        """Number of rows of a group that can be decoded together. Raises as `rows_at_once`."""
        key = group, most_pages
        if key not in self._steps:
            if self._groups is None:
                self._groups = read_groups(self._source)
            self._steps[key] = rows_at_once(self._source, self._groups[group], self._nested, most_pages=most_pages)
        return self._steps[key]

    def _load(self, index: int) -> tuple[int, pa.RecordBatch | pa.Table]:
        group = bisect_right(self._starts, index) - 1
        begin, end = self._starts[group], self._starts[group + 1]
        self._loaded = None  # otherwise two of them would be in memory
        most = self._step(group)
        if self._sizes[group] <= MAX_GROUP_BYTES and most >= end - begin:
            self._loaded = begin, self._file.read_row_group(group)
            return self._loaded
        if self._going is None or self._going[0] != group or self._going[1] > index:
            step = min(most, slice_rows(self._sizes[group], end - begin))
            self._going = group, begin, self._file.iter_batches(step, row_groups=[group], use_threads=False)
        _, at, batches = self._going
        for batch in batches:
            self._going = group, at + batch.num_rows, batches
            if index < at + batch.num_rows:
                self._loaded = at, batch
                return self._loaded
            at += batch.num_rows
        raise OSError("the group ends before its last row")

    def first(self, rows: int) -> list[object]:
        """The first rows, without decoding more of the file than they need."""
        found: list[object] = []
        try:
            for group in range(len(self._sizes)):
                step = min(rows, 64, self._step(group, FIRST_PAGES))
                for batch in self._file.iter_batches(step, row_groups=[group], use_threads=False):
                    found += first_of(rows_of(batch, len(found), self._name), rows - len(found))
                    if len(found) >= rows or sum(map(chars_of, found)) > HEAD_CHARS:
                        return found
        except damage(OSError) as error:
            raise unreadable(self._name, len(found), error) from error
        return found
