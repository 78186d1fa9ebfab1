"""The list of the values of a column: pairs, their share, and the medians of gap and margin."""

from __future__ import annotations

from typing import NamedTuple

from smoltui.core.pairs.facet import VALUE_CHARS, Facet, FacetValue
from smoltui.core.pairs.histogram import with_minus
from smoltui.safe_text import safe_line
from smoltui.widgets.cursor_list import CURSOR, CursorList, fitted

BAR_CELLS = 20
BEGIN_CHARS = 20
"""Characters that are shown of a value that is too long."""
LEAST_VALUE = 16
"""Cells for the value; columns are dropped to keep them."""


class _Figure(NamedTuple):
    """A column of figures."""

    key: str
    """pairs, share, gap, margin or bar."""
    label: str
    width: int
    """Cells, including the space before it."""


class FacetList(CursorList):
    """Values with a cursor."""

    def __init__(self) -> None:
        super().__init__()
        self._facet: Facet | None = None
        self._values: list[FacetValue] = []
        self._most = 1
        """Pairs of the most frequent value."""
        self._sort, self._descending, self._message = "pairs", True, ""

    def show(self, facet: Facet | None, message: str, sort: str, descending: bool, position: int) -> None:
        """Lists the values in the order of `sort`: value, pairs, gap or margin. `message` is shown without a facet."""
        self._facet, self._message, self._sort, self._descending = facet, message, sort, descending
        self._values = _ordered(facet, sort, descending) if facet is not None else []
        self._most = max((value.pairs for value in self._values), default=1)
        self.put_cursor(position, message)

    @property
    def current(self) -> FacetValue | None:
        """The value under the cursor."""
        return self._values[self.cursor] if self.cursor < len(self._values) else None

    @property
    def count(self) -> int:
        return len(self._values)

    def head(self, width: int) -> str:
        arrow = "▼" if self._descending else "▲"
        figures = self._figures(width)
        room = width - 2 - sum(figure.width for figure in figures)
        value = "value" + (arrow if self._sort == "value" else "")
        labels = "".join(
            f"{figure.label + (arrow if figure.key == self._sort else ''):>{figure.width}}" for figure in figures
        )
        return fitted(f"  {fitted(value, room)}{labels}", width)

    def drawn(self, position: int, width: int, is_cursor: bool) -> tuple[str, bool]:
        value, figures = self._values[position], self._figures(width)
        room = width - 2 - sum(figure.width for figure in figures)
        cells = "".join(f"{self._cell(value, figure.key):>{figure.width}}" for figure in figures)
        shown = fitted(shown_value(value), room)
        return fitted(f"{CURSOR if is_cursor else ' '} {shown}{cells}", width), value.text is None

    def _figures(self, width: int) -> list[_Figure]:
        """The columns that fit; the least informative are dropped first."""
        figures = [_Figure("pairs", "pairs", 11), _Figure("share", "share", 8), _Figure("gap", "median gap", 13)]
        if self._facet is not None and self._facet.has_margin:
            figures.append(_Figure("margin", "median margin", 16))
        figures.append(_Figure("bar", "", BAR_CELLS + 2))
        for key in ("bar", "share", "margin", "gap"):
            if 2 + LEAST_VALUE + sum(figure.width for figure in figures) <= width:
                break
            figures = [figure for figure in figures if figure.key != key]
        return figures

    def _cell(self, value: FacetValue, key: str) -> str:
        pairs = self._facet.pairs if self._facet is not None else 0
        share = value.pairs / max(pairs, 1)
        match key:
            case "pairs":
                return f"{value.pairs:,}"
            case "share":
                return f"{share:.1%}"
            case "gap":
                return "–" if value.gap is None else with_minus(f"{value.gap:+,.0f}") if value.gap else "0"
            case "margin":
                return "–" if value.margin is None else with_minus(f"{value.margin:+.3g}") if value.margin else "0"
        return "  " + fitted("█" * round(value.pairs / self._most * BAR_CELLS) or "▏", BAR_CELLS)


def _ordered(facet: Facet, sort: str, descending: bool) -> list[FacetValue]:
    """The values in this order; those without one last."""
    values = facet.values
    keys: list[tuple[float, str, int]] = []
    for place, value in enumerate(values):
        if sort == "value" and value.text is not None and facet.column.kind not in ("number", "share"):
            keys.append((0.0, value.text.lower(), place))
        elif (figure := _figure(value, sort)) is not None:
            keys.append((figure, "", place))
    places = [place for _, _, place in sorted(keys, key=lambda key: key[:2], reverse=descending)]
    rest = sorted(set(range(len(values))) - set(places))
    return [values[place] for place in (*places, *rest)]


def _figure(value: FacetValue, sort: str) -> float | None:
    if sort == "value":
        return float(value.text) if value.text is not None else None
    return {"pairs": value.pairs, "gap": value.gap, "margin": value.margin}[sort]


def shown_value(value: FacetValue) -> str:
    """A value in one line, sanitized."""
    if value.text is None:
        return "(no value)"
    if not value.text.strip():
        return "(empty)" if not value.text else f"({value.chars:,} blanks)"
    if value.chars > VALUE_CHARS:
        return f"{safe_line(value.text, BEGIN_CHARS)} {value.chars:,} characters"
    return safe_line(value.text, VALUE_CHARS)
