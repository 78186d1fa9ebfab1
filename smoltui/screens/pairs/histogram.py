"""The distribution of lengths: histograms of block characters, side by side if there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.strip import Strip

from smoltui.core.pairs.histogram import (
    CUT_MARK,
    TICK,
    Distribution,
    Scale,
    axis,
    bars,
    binned,
    edges_for,
    with_cut,
    with_minus,
)
from smoltui.safe_text import safe_line
from smoltui.widgets.selectable import Selectable

BAR_ROWS = 4
"""Height of the bars of a histogram in lines."""
BESIDE = 46
"""Minimum width in cells of each of several histograms side by side."""
GUTTER = 3
"""Cells between two histograms."""
FEWEST = 12
"""Width in cells below which bars are meaningless, so only the figures are shown."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A limit beyond which text is cut off."""

    limit: int
    """The largest length that is not cut, in the panel's unit."""
    beyond: int | None = None
    """Number of longer pairs; None to count them in the panel's distribution."""
    name: str = ""
    """The setting that is the limit, such as max_length; may be empty."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One histogram."""

    title: str
    """Such as "chosen length"."""
    distribution: Distribution
    unit: str = "characters"
    """What is counted, in the plural: characters or tokens."""
    scale: Scale = "length"
    """Panels with the same scale and unit have the same bins and the same height."""
    cut: Cut | None = None
    style: str = ""
    """Rich's name for the color of the bars. Nothing is shown by color alone."""


class _Line(NamedTuple):
    text: str
    style: str = ""


class Histogram(Selectable):
    """Draws panels. Bins depend on the width, and are counted from distributions of a few thousand numbers."""

    DEFAULT_CSS = "Histogram { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._panels: tuple[Panel, ...] = ()
        self._lines: list[Text] = []
        self._drawn_for = 0

    def show(self, panels: Sequence[Panel]) -> None:
        """Replaces the panels."""
        self._panels = tuple(panels)
        self._drawn_for = 0
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(len(self._drawn(width)), 1)

    def _drawn(self, width: int) -> list[Text]:
        if width != self._drawn_for:
            self._lines, self._drawn_for = drawn(self._panels, width), width
        return self._lines

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        lines = self._drawn(width)
        if y >= len(lines) or not width:
            return Strip.blank(width, base)
        segments = [Segment(text, style) for text, style, _ in lines[y].render(self.app.console) if text != "\n"]
        return Strip(segments).adjust_cell_length(width, base).apply_style(base)


def drawn(panels: Sequence[Panel], width: int) -> list[Text]:
    """The lines of `panels` in `width` cells, with as many side by side as can have `BESIDE` cells each."""
    if not panels or width < 1:
        return []
    across = max(min((width + GUTTER) // (BESIDE + GUTTER), len(panels)), 1)
    each = (width - GUTTER * (across - 1)) // across
    blocks = [_panel(panel, _peers(panel, panels), each) for panel in panels]
    lines: list[Text] = []
    for start in range(0, len(blocks), across):
        if start:
            lines.append(Text())
        for row in zip_longest(*blocks[start : start + across], fillvalue=[_Line("")]):
            line = Text(no_wrap=True)
            for number, parts in enumerate(row):
                cell = Text(no_wrap=True)
                for part in parts:
                    cell.append(part.text, Style.parse(part.style) if part.style else None)
                cell.truncate(each, overflow="ellipsis", pad=True)
                line.append(" " * GUTTER if number else "").append_text(cell)
            lines.append(line)
    return lines


def _peers(panel: Panel, panels: Sequence[Panel]) -> list[Panel]:
    return [other for other in panels if other.scale == panel.scale and other.unit == panel.unit]


def _panel(panel: Panel, peers: Sequence[Panel], width: int) -> list[list[_Line]]:
    """Title, figures, bars, axis and cut of one panel; each line is a list of its parts."""
    title, known = safe_line(panel.title, 60), panel.distribution
    unit = safe_line(panel.unit, 20)
    total = known.total
    head = [_Line(title, "bold"), _Line(f" · {unit} · {total:,} pair{'' if total == 1 else 's'}")]
    if not total:
        return [head, [_Line("no lengths are known yet", "italic")]]
    figures = with_minus(
        f"median {known.quantile(0.5):,} · p90 {known.quantile(0.9):,} · {known.lowest:,} to {known.highest:,}"
    )
    lines = [head, [_Line(figures, "dim")]]
    cells = width - 1  # the last one is for the mark of the cut
    edges = edges_for(panel.scale, (peer.distribution for peer in peers), cells)
    place: int | None = None
    cut = panel.cut
    if cut is not None:
        edges, place = with_cut(edges, cut.limit)
    if width >= FEWEST and len(edges) - 1 <= cells:
        cell = max(cells // (len(edges) - 1), 1)
        tallest = max(max(binned(peer.distribution, edges)) for peer in peers)
        where = None if place is None else place * cell
        for row in bars(binned(known, edges), BAR_ROWS, tallest):
            lines.append(_with_mark("".join(block * cell for block in row), where, panel.style))
        lines.append(_with_mark(_apart(axis(edges, cell), where), where, "dim"))
    if panel.scale == "gap":
        lines.append([_Line(_sides(known))])
    if cut is not None:
        lines.append([_Line(_cut_words(cut, unit, known), "bold")])
    return lines


def _sides(gaps: Distribution) -> str:
    longer, same = gaps.beyond(0), gaps.counts.get(0, 0)
    return f"chosen longer {longer:,} · same {same:,} · shorter {gaps.total - longer - same:,}"


def _apart(line: str, place: int | None) -> str:
    """The axis without the label that the mark of the cut would overwrite."""
    if not place or place >= len(line) or " " in line[place - 1 : place + 1] or line[place] == TICK:
        return line
    begin, end = line.rindex(TICK, 0, place), line.find(" ", place)
    end = len(line) if end < 0 else end
    return line[:begin] + " " * (end - begin) + line[end:]


def _with_mark(line: str, place: int | None, style: str) -> list[_Line]:
    """The parts of a line, with the mark of the cut inserted between two cells, so that it hides nothing."""
    if place is None:
        return [_Line(line, style)]
    return [_Line(line[:place], style), _Line(CUT_MARK, "bold red"), _Line(line[place:], style)]


def _cut_words(cut: Cut, unit: str, known: Distribution) -> str:
    beyond = known.beyond(cut.limit) if cut.beyond is None else cut.beyond
    name = f" ({safe_line(cut.name, 30)})" if cut.name else ""
    tail = f"{beyond:,} pair{'' if beyond == 1 else 's'} beyond"
    return f"{CUT_MARK} cut at {cut.limit:,} {unit}{name}: {tail}"
