"""The list of pairs: one line per pair, for any number of them; only visible lines are requested from the source."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from rich.cells import cell_len
from rich.text import Text

from smoltui.core.pairs.histogram import with_minus
from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

Unit = Literal["characters", "tokens"]

MARKS = {"excluded": "x", "swapped": "s", "pinned": "p", "noted": "n", "problem": "!", "held_out": "h"}
"""Flag of a pair → its letter, in the order in which they are shown at the beginning of a line."""
WORDS = {
    "excluded": "excluded",
    "swapped": "swapped",
    "pinned": "pinned",
    "noted": "has a note",
    "problem": "cannot be trained on",
    "held_out": "held out",
}
"""The same flags for a help text."""
WAITING = "…"
UNKNOWN = "–"
EXCERPT = 300
"""Characters of the last user turn that a line can show."""
LEAST_EXCERPT, EXCERPT_SHARE = 11, 0.22
"""Minimum width of the excerpt, in cells and as a share of the line; columns are dropped to keep it."""
FURTHER_TEXT, FURTHER_NUMBER, FURTHER_NAME = 14, 7, 16
"""Cells of a further column with texts or with numbers, and characters of its name."""
FURTHER_CHARS = 60
"""Characters of a value that a line can show."""


@dataclass(frozen=True, slots=True)
class PairLine:
    """What one line of the list shows. Figures are None if unknown."""

    row: int
    """Row of the pair in its set, numbered from 0."""
    flags: Set[str] = field(default_factory=frozenset)
    """Keys of `MARKS`."""
    turns: int | None = None
    """Number of turns in the prompt."""
    prompt_chars: int | None = None
    chosen_chars: int | None = None
    rejected_chars: int | None = None
    chosen_tokens: int | None = None
    rejected_tokens: int | None = None
    similarity: float | None = None
    """Of the two answers, 0..1."""
    further: Sequence[str | None] = ()
    """Values of the further columns that the list shows; None for null. Sanitized when they are drawn."""
    excerpt: str = ""
    """The last user turn, or its beginning; sanitized when it is drawn."""


class PairLines(Protocol):
    """The source of the lines. Both methods are called while drawing, so they must not block."""

    def count(self) -> int:
        """Number of lines."""

    def line(self, position: int) -> PairLine | None:
        """The line at a position, from 0; None if it is not available yet."""


class Column(NamedTuple):
    """One of the columns between the marks and the excerpt."""

    key: str
    """Name by which the list is sorted, as in `core/pairs/columns.py`."""
    label: str
    width: int
    """Cells, including the space before it."""
    place: int | None = None
    """Of a further column: its place in `PairLine.further`."""
    is_text: bool = False
    """Aligned to the left."""


class Further(NamedTuple):
    """A further column of the rows."""

    name: str
    """Foreign text."""
    is_text: bool
    """Whether it holds texts, which are aligned to the left."""


def columns(width: int, unit: Unit, further: Sequence[Further] = ()) -> list[Column]:
    """The columns that fit in `width` cells; the least informative are dropped first, then the last further ones."""
    if unit == "tokens":
        lengths = [Column("chosen_tokens", "chosen tok", 12), Column("rejected_tokens", "rejected tok", 14)]
    else:
        lengths = [Column("chosen_chars", "chosen", 9), Column("rejected_chars", "rejected", 10)]
    gap = "gap chr" if unit == "tokens" else "gap"
    shown = [
        Column("row", "pair", 8),
        Column("turns", "turns", 7),
        *lengths,
        Column("gap", gap, 9),
        Column("similarity", "alike", 7),
        *(_further_column(place, column) for place, column in enumerate(further)),
    ]
    *last, first = [f"further {place}" for place in reversed(range(len(further)))] or ["row"]
    least = max(LEAST_EXCERPT, round(width * EXCERPT_SHARE))
    for key in ("turns", "similarity", lengths[1].key, lengths[0].key, "gap", *last, "row", first):
        if _marks_width(width) + sum(column.width for column in shown) + 2 + least <= width:
            break
        shown = [column for column in shown if column.key != key]
    return shown


def _further_column(place: int, column: Further) -> Column:
    label = safe_line(column.name, FURTHER_NAME)
    width = FURTHER_TEXT if column.is_text else FURTHER_NUMBER
    return Column(f"further {place}", label, max(width, cell_len(label)) + 2, place, column.is_text)


def _marks_width(width: int) -> int:
    """Cells for the cursor and the letters of the flags; the latter are abbreviated if the list is very narrow."""
    return 1 + (len(MARKS) if width >= 30 else 2)


def heading(width: int, unit: Unit, sort: str, descending: bool, further: Sequence[Further] = ()) -> str:
    """The headings of the columns, with `▲` or `▼` after the one that the list is sorted by."""
    arrow = "▼" if descending else "▲"
    text = " " * _marks_width(width)
    for column in columns(width, unit, further):
        label = column.label + (arrow if column.key == sort else "")
        text += _in_column(label, column)
    return fitted(f"{text}  last user turn", width)


def drawn(line: PairLine | None, width: int, unit: Unit, is_cursor: bool, further: Sequence[Further] = ()) -> str:
    """One line of the list, exactly `width` cells wide."""
    begin = CURSOR if is_cursor else " "
    if line is None:
        return fitted(f"{begin}{WAITING}", width)
    letters = "".join(letter if flag in line.flags else " " for flag, letter in MARKS.items())
    room = _marks_width(width) - 1
    begin += letters if room >= len(MARKS) else f"{letters.replace(' ', '')[:room]:<{room}}"
    for column in columns(width, unit, further):
        begin += _in_column(_value(line, column), column)
    return fitted(f"{begin}  {safe_line(line.excerpt, EXCERPT)}", width)


def _in_column(text: str, column: Column) -> str:
    """`text` in the width of the column: texts on the left, numbers on the right."""
    room = column.width - 2 if column.place is not None else column.width
    if column.place is None:
        return f"{text:>{room}}"
    cell = Text(text, no_wrap=True)
    cell.truncate(room, overflow="ellipsis")
    blank = " " * (room - cell.cell_len)
    return f"  {cell.plain}{blank}" if column.is_text else f"  {blank}{cell.plain}"


def _value(line: PairLine, column: Column) -> str:
    key = column.key
    if column.place is not None:
        further = line.further[column.place] if column.place < len(line.further) else None
        return UNKNOWN if further is None else safe_line(further, FURTHER_CHARS)
    if key == "row":
        return f"{line.row + 1:,}"
    if key == "gap":
        gap = _gap(line)
        return UNKNOWN if gap is None else with_minus(_fitting(gap, "+")) if gap else "0"
    if key == "similarity":
        return f"{_percent(line.similarity)} %" if line.similarity is not None else UNKNOWN
    value: int | None = getattr(line, key)
    return _fitting(value) if value is not None else UNKNOWN


def _fitting(length: int, sign: str = "") -> str:
    """A length in at most seven cells."""
    return f"{length:{sign},}" if abs(length) < 1_000_000 else f"{length / 1e6:{sign},.1f}M"


def _gap(line: PairLine) -> int | None:
    """Number of characters by which chosen is longer than rejected; None if unknown."""
    if line.chosen_chars is None or line.rejected_chars is None:
        return None
    return line.chosen_chars - line.rejected_chars


def _percent(share: float) -> int:
    """Rounded; 100 only for identical answers."""
    return 100 if share >= 1 else min(round(share * 100), 99)


class PairList(CursorList):
    """Pairs of a source with a cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source: PairLines | None = None
        self._unit: Unit = "characters"
        self._sort, self._descending = "row", False
        self._further: tuple[Further, ...] = ()

    def show(
        self,
        source: PairLines | None,
        *,
        position: int = 0,
        sort: str = "row",
        descending: bool = False,
        unit: Unit = "characters",
        further: Sequence[Further] = (),
        empty: str = "This list is empty.",
    ) -> None:
        """Lists the lines of `source`, with the cursor at `position` or at the last line; posts nothing.

        `sort` and `descending` only mark the column; `unit` is the unit of the lengths; `further` are the further
        columns to show, as in `PairLine.further`; `empty` is the text for an empty list.
        """
        self._source, self._sort, self._descending, self._unit = source, sort, descending, unit
        self._further = tuple(further)
        self.put_cursor(position, empty)

    @property
    def count(self) -> int:
        return self._source.count() if self._source is not None else 0

    def head(self, width: int) -> str:
        return heading(width, self._unit, self._sort, self._descending, self._further)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        line = self._source.line(position) if self._source is not None else None
        return drawn(line, width, self._unit, is_cursor, self._further), line is not None and "excluded" in line.flags
