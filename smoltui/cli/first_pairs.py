"""`smoltui pairs` with --row or --head of a set that is not imported: its first rows, or one row, are read directly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.head import Head, open_head
from smoltui.backends.data_files.source import UNFOLDED, PairsSpec, open_spec, pair_of_row
from smoltui.backends.pairs.opened_set import further_of
from smoltui.cli.pair_values import with_further
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError

MOST_PAIRS = 1000
"""Pairs that --head shows."""


def check_head(count: int) -> None:
    """Raises InputError for a number of pairs that --head does not show."""
    if not 1 <= count <= MOST_PAIRS:
        raise InputError(f"--head takes a number from 1 to {MOST_PAIRS:,}: {count}", "For all pairs: --export")


def first_pairs_report(spec: PairsSpec, base: Path, count: int) -> dict[str, Any]:
    """The report of the first `count` pairs: `head` has them as `pair` shows one, `judged` counts only these.

    `rows` is None unless they are all.

    Raises:
        InputError: `count` is out of range.
        PairsError, ServiceError: as `open_head`.
    """
    check_head(count)
    head = open_head(spec, base, count)
    pairs = [pair_of_row(index, row, head.schema) for index, row in enumerate(head.rows[:count])]
    whole = head.whole and len(pairs) == len(head.rows)
    return {
        **_named(head, len(pairs) if whole else None),
        "judged": _judged(pairs),
        "head": [_shown(pair, row) for pair, row in zip(pairs, head.rows, strict=False)],
    }


def one_pair_report(spec: PairsSpec, base: Path, row: int, head: Head) -> dict[str, Any]:
    """The report with the pair of one row. `head` is the start of the set.

    Raises:
        InputError: there is no such row.
        PairsError, ServiceError: as `open_spec`.
    """
    if 0 <= row < len(head.rows):
        return {**_named(head, None), "pair": _shown(pair_of_row(row, head.rows[row], head.schema), head.rows[row])}
    source = open_spec(spec, base)
    try:
        pair = _shown(source.pair(row), source.row(row))
    except (IndexError, StopIteration) as error:
        raise no_such_row(row, source.name, len(source)) from error
    return {**_named(head, None if head.schema in UNFOLDED else len(source)), "pair": pair}


def _shown(pair: Pair, row: object) -> dict[str, Any]:
    """The pair with the other columns of its row, as in the report of an imported set."""
    return with_further(pair, further_of(row) if isinstance(row, Mapping) else {})


def no_such_row(row: int, name: str, rows: int) -> InputError:
    """The error for a row that is not in the set."""
    return InputError(f"No such row: {row}", f"Rows of {name} are numbered from 0 to {rows - 1}.")


def _named(head: Head, rows: int | None) -> dict[str, Any]:
    named: dict[str, Any] = {
        "source": head.name,
        "split": head.split,
        "splits": list(head.splits),
        "schema": head.schema,
        "columns": list(head.columns),
        "rows": rows,
    }
    return named | ({"notes": list(head.notes)} if head.notes else {})


def _judged(pairs: Sequence[Pair]) -> dict[str, Any]:
    left_out = Counter(str(pair.reason) for pair in pairs if pair.problem)
    return {"rows": len(pairs), "usable": len(pairs) - sum(left_out.values()), "left_out": dict(left_out)}
