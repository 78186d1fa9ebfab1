"""The columns of the list of runs: one table, from which rows, headings and the order of the list are made.

To add a column, add an entry to `COLUMNS`: its name, heading and width, the text that it shows of a run, and the list
width from which there is room for it. With `sort`, the keys `s` and `S` sort by it. The documentation lists the table,
so run `python -m tests.docs_tables` afterwards. Everything without a fixed width (warnings, chains, messages, labels)
follows the columns; `run_list.row` draws it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePath
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from smoltui.core.runs.acts import Mark
from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.pace import as_age
from smoltui.core.runs.panels import said_share
from smoltui.core.runs.run import Run
from smoltui.safe_text import safe_line

STAGE_STYLES = {
    "RUNNING": "bold green",
    "SCHEDULING": "yellow",
    "COMPLETED": "green",
    "CANCELED": "dim",
    "ERROR": "bold red",
    "DELETED": "dim",
}
SMALL, NARROW, WIDE, ROOMY = 60, 100, 116, 130
"""Widths of the list in cells from which loss, margin and cost are shown, times, wider columns, and the accuracy."""
BROAD, VAST, HUGE = 150, 170, 190
"""…and id and start, the project, and the namespace."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What a row shows in addition to the run itself."""

    cost: str = ""
    """Cost so far and at most; empty if the run is free."""
    usd: float | None = None
    """Cost so far in USD; None if the run is free or its price unknown."""
    words: tuple[str, ...] = ()
    """Names of the watch rules that apply."""
    note: str = ""
    """Anything else, such as the chain that the run belongs to."""
    mark: Mark | None = None
    """An act on the run that is under way or failed; None for none."""


FactsOf = Callable[[Run], RowFacts]


MOST_NAME = 200
"""Characters of a name, of which its column shows both ends."""


class Shown:
    """A run at one moment, as its columns see it."""

    def __init__(self, run: Run, now: float, facts_of: FactsOf) -> None:
        self.run = run
        self.now = now
        """Seconds since the epoch."""
        self._facts_of = facts_of

    @cached_property
    def facts(self) -> RowFacts:
        """Looked up only if a column or the details ask for it: sorting by name does not need the cost of a run."""
        return self._facts_of(self.run)


SortKey = Callable[[Shown], float | str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the list."""

    name: str
    """Its name in "sorted by …"."""
    heading: str
    width: int
    """Cells, including the space that separates it from its neighbor."""
    words: str
    """What it shows, for the documentation."""
    text: Callable[[Shown], str]
    """What it shows of a run: sanitized, and short enough for its width."""
    align: Literal["<", ">"] = ">"
    style: Callable[[Run], str] | None = None
    """The style of the text; None for the default."""
    shown_from: int = 0
    """Width of the list in cells from which there is room for it."""
    narrow: int = 0
    """Cells in a list below `WIDE`; 0: as many as `width`."""
    falls: bool = False
    """Sorted by it, the largest value comes first."""
    sort: SortKey | None = None
    """The key for ascending order; None if the list cannot be sorted by it."""
    cut_inside: bool = False
    """What is too long loses its middle: names of a sweep's runs differ at their ends."""

    def cells(self, width: int) -> int:
        """Its cells in a list of `width` cells."""
        return self.narrow if self.narrow and width < WIDE else self.width

    def padded(self, text: str, width: int) -> str:
        """`text` as wide as the column is in a list of `width` cells; what is too long is cut."""
        cells = self.cells(width)
        if cell_len(text) >= cells and self.align == ">":
            text = text.replace(" / ", "/")  # 0.002/12.50
        if cell_len(text) >= cells and (cells < self.width or self.cut_inside):
            kept = cells - 2
            end = kept // 2 if self.cut_inside else 0
            text = f"{set_cell_size(text, kept - end)}…{set_cell_size(text[::-1], end)[::-1]}"
        space = " " * (cells - cell_len(text))
        return f"{text}{space}" if self.align == "<" else f"{space}{text}"


def _smallest_first(value: float | None) -> float:
    """Sort key: the smallest value first; unknown ones and NaN last."""
    return math.inf if value is None or math.isnan(value) else value


def _largest_first(value: float | None) -> float:
    """Sort key: the largest value first; unknown ones and NaN last."""
    return math.inf if value is None or math.isnan(value) else -value


def _fitted(text: str, cells: int) -> str:
    """Foreign text in one line, in at most so many cells."""
    line = safe_line(text, cells)
    return line if len(line) <= cells else safe_line(text, cells - 1)


def _where(shown: Shown) -> str:
    """Without a space after it: the names of flavors have up to twelve letters, and the age is on the right."""
    return _fitted(shown.run.flavor or shown.run.engine, 12)


def _age(shown: Shown) -> str:
    created = shown.run.created_at
    return as_age(shown.now - created if created else None)


def _took(shown: Shown) -> str:
    """Exact for a short run that has ended; for an active one, seconds would change the row every second."""
    run, took = shown.run, shown.run.duration(shown.now)
    return f"{took:.0f}s" if run.is_final and took is not None and took < 100 else as_age(took)


def _started(shown: Shown) -> str:
    """The time of day, or the date of another one."""
    at = shown.run.started_at
    if at is None:
        return "–"
    same = time.localtime(at)[:3] == time.localtime(shown.now)[:3]
    return time.strftime("%H:%M" if same else "%b %d", time.localtime(at))


def _project(shown: Shown) -> str:
    """The name of its folder."""
    return _fitted(PurePath(shown.run.project).name if shown.run.project else "–", 15)


def _step(shown: Shown) -> str:
    run = shown.run
    return f"{run.step}/{run.max_steps}" if run.max_steps else (str(run.step) if run.step else "–")


def _short(value: float | None) -> str:
    """As `as_word`, in at most seven cells: `4.1e-13`."""
    word = as_word(value)
    return word if len(word) <= 7 else as_word(value, 2)


def _metric(
    name: str,
    heading: str,
    words: str,
    key: str,
    *,
    width: int = 9,
    narrow: int = 8,
    shown_from: int = SMALL,
    text: Callable[[float | None], str] = _short,
    order: Callable[[float | None], float] = _largest_first,
) -> Column:
    """A column with the newest value of a metric; `key` is TRL's name of it."""
    return Column(
        name,
        heading,
        width,
        words,
        lambda shown: text(shown.run.history.last(key)),
        shown_from=shown_from,
        narrow=narrow,
        falls=order is _largest_first,
        sort=lambda shown: order(shown.run.history.last(key)),
    )


COLUMNS: tuple[Column, ...] = (
    Column(
        "name",
        "name",
        19,
        "the run's name",
        lambda shown: safe_line(shown.run.name, MOST_NAME),
        align="<",
        narrow=14,
        cut_inside=True,
        sort=lambda shown: shown.run.name.casefold(),
    ),
    Column("id", "id", 9, "the beginning of its id", lambda shown: safe_line(shown.run.id, 60)[:8], "<", None, BROAD),
    Column(
        "project",
        "project",
        16,
        "the folder it was started from",
        _project,
        align="<",
        shown_from=VAST,
        sort=lambda shown: shown.run.project or "\uffff",
    ),
    Column(
        "namespace",
        "namespace",
        14,
        "the user or organization that owns and pays for the Job",
        lambda shown: _fitted(shown.run.namespace or "–", 13),
        align="<",
        shown_from=HUGE,
        sort=lambda shown: shown.run.namespace or "\uffff",
    ),
    Column(
        "stage",
        "stage",
        12,
        "SCHEDULING, RUNNING, COMPLETED, CANCELED, ERROR or DELETED; meanwhile, what is done to it, such as canceling…",
        lambda shown: _fitted(shown.facts.mark.short if shown.facts.mark else shown.run.stage, 11),
        align="<",
        style=lambda run: STAGE_STYLES.get(run.stage, ""),
        narrow=11,
        sort=lambda shown: shown.run.stage,
    ),
    Column(
        "where",
        "where",
        12,
        "the flavor of a Job, or the engine",
        _where,
        align="<",
        sort=lambda shown: shown.run.flavor or shown.run.engine,
    ),
    Column(
        "start",
        "start",
        8,
        "when it started: the time of day, or the date",
        _started,
        shown_from=BROAD,
        falls=True,
        sort=lambda shown: _largest_first(shown.run.started_at),
    ),
    Column(
        "age",
        "age",
        5,
        "time since it was created; the initial order is youngest first",
        _age,
        shown_from=NARROW,
        sort=lambda shown: _largest_first(shown.run.created_at),
    ),
    Column(
        "took",
        "took",
        6,
        "running time, all parts together",
        _took,
        shown_from=NARROW,
        falls=True,
        sort=lambda shown: _largest_first(shown.run.duration(shown.now)),
    ),
    Column("step", "step", 11, "optimizer steps done, and planned", _step, narrow=10),
    _metric("loss", "loss", "the newest loss", "loss", order=_smallest_first),
    _metric("margin", "margin", "the newest reward margin", "rewards/margins"),
    _metric(
        "accuracy",
        "acc",
        "the newest reward accuracy: share of pairs whose chosen answer has the larger reward",
        "rewards/accuracies",
        width=6,
        narrow=6,
        shown_from=ROOMY,
        text=said_share,
    ),
    Column(
        "cost",
        "USD / max",
        14,
        "cost so far and, while a Job is active, the most it can cost",
        lambda shown: shown.facts.cost,
        shown_from=SMALL,
        narrow=13,
        falls=True,
        sort=lambda shown: _largest_first(shown.facts.usd),
    ),
)
INITIAL_ORDER = "age"
"""The order in which runs are known, youngest first: sorting by it needs no work."""


@lru_cache(maxsize=8)
def columns_in(width: int) -> tuple[Column, ...]:
    """The columns that a list of `width` cells has room for."""
    return tuple(column for column in COLUMNS if width >= column.shown_from)


def heading(width: int, sort: str = "", *, descending: bool = False) -> Text:
    """The headings of the columns, for `run_list.row`; the one of the name `sort` has the sign of its order."""
    text = "".join(
        column.padded(_marked(column, descending, width) if column.name == sort else column.heading, width)
        for column in columns_in(width)
    )
    details = "  details" if len(text) + len("   details") <= width else ""
    line = Text(f" {text}{details}", "bold dim", no_wrap=True)
    line.truncate(width, pad=True)
    return line


def _marked(column: Column, descending: bool, width: int) -> str:
    """The heading with the sign of its order, which takes the place of its last letter if there is no room for both."""
    sign = "▾" if column.falls != descending else "▴"
    return f"{column.heading[: column.cells(width) - 2]}{sign}"


SORTS: dict[str, SortKey] = {
    column.name: column.sort
    for column in sorted(COLUMNS, key=lambda column: column.name != INITIAL_ORDER)
    if column.sort is not None
}
"""Name of a column → its sort key, in the order in which `s` goes through them: `INITIAL_ORDER`, then left to right."""


def in_order(runs: Iterable[Run], name: str, now: float, facts_of: FactsOf, *, descending: bool) -> list[Run]:
    """The runs sorted by the column of this name; `now` is in seconds since the epoch."""
    key = SORTS[name]
    return sorted(runs, key=lambda run: key(Shown(run, now, facts_of)), reverse=descending)
