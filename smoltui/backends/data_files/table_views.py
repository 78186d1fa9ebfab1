"""Tables made of other tables: several joined, some rows of one, or with its columns mapped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate, islice

from smoltui.backends.data_files.tables import Table
from smoltui.backends.data_files.text import Broken
from smoltui.core.pairs.mapping import mapped, pairs_in
from smoltui.scripts.pair_how import AS_IT_IS, How


class JoinedTable:
    """Several tables as one, in order: the shards of a split."""

    def __init__(self, tables: list[Table]) -> None:
        self._tables = tables
        self._starts = [0, *accumulate(len(table) for table in tables)]
        self.columns: tuple[str, ...] = tables[0].columns

    def __len__(self) -> int:
        return self._starts[-1]

    def _place(self, index: int) -> tuple[Table, int]:
        number = bisect_right(self._starts, index) - 1
        return self._tables[number], index - self._starts[number]

    def near(self, index: int) -> bool:
        table, inside = self._place(index)
        return table.near(inside)

    def row(self, index: int) -> object:
        table, inside = self._place(index)
        return table.row(inside)

    def rows(self, start: int, stop: int) -> Iterator[object]:
        for begin, table in zip(self._starts, self._tables, strict=False):
            first, last = max(start - begin, 0), min(stop - begin, len(table))
            if first < last:
                yield from table.rows(first, last)


class MappedTable:
    """Another table with the columns of a pair, as mapped by a person."""

    def __init__(self, table: Table, columns: Mapping[str, str], how: How = AS_IT_IS) -> None:
        self._table, self._columns, self._how = table, columns, how
        self.columns: tuple[str, ...] = table.columns

    def __len__(self) -> int:
        return len(self._table)

    def near(self, index: int) -> bool:
        return self._table.near(index)

    def row(self, index: int) -> object:
        return self._mapped(self._table.row(index))

    def rows(self, start: int, stop: int) -> Iterator[object]:
        return map(self._mapped, self._table.rows(start, stop))

    def _mapped(self, row: object) -> object:
        return row if isinstance(row, Broken) else mapped(row, self._columns, self._how)


class UnfoldedTable:
    """The pairs that the rows of another table stand for (`pair_choices.unfold`); ties stay rows, to be counted."""

    def __init__(self, table: Table, how: How = AS_IT_IS) -> None:
        self._table, self._how = table, how
        self.known_length: int | None = None
        """Number of pairs; None until all rows were read once."""
        self.columns: tuple[str, ...] = table.columns

    def __len__(self) -> int:
        if self.known_length is None:  # how many pairs a row gives is only known once it is read
            self.known_length = sum(1 for _ in self.rows(0, None))
        return self.known_length

    def near(self, index: int) -> bool:
        return False

    def row(self, index: int) -> object:
        return next(self.rows(index, index + 1))

    def rows(self, start: int, stop: int | None) -> Iterator[object]:
        """Rows from `start` to before `stop`; None: to the end."""
        every = (pair for row in self._table.rows(0, len(self._table)) for pair in pairs_in(row, self._how))
        return islice(every, start, stop)


class SlicedTable:
    """Rows `start` to before `stop` of another table: a split such as train[:1000]."""

    def __init__(self, table: Table, start: int, stop: int) -> None:
        self._table, self._start, self._stop = table, start, max(start, stop)
        self.columns: tuple[str, ...] = table.columns

    def __len__(self) -> int:
        return self._stop - self._start

    def near(self, index: int) -> bool:
        return self._table.near(self._start + index)

    def row(self, index: int) -> object:
        return self._table.row(self._start + index)

    def rows(self, start: int, stop: int) -> Iterator[object]:
        return self._table.rows(self._start + start, self._start + stop)
