"""Frames: rows of cells, made from the strips of Textual's compositor, and the position of the cursor.

Strips are taken while they are still text and styles. Any text of a widget ends up in cells; there is no string of
sequences in which foreign ones could hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from smoltui.wire.grid import Row, cells_of
from smoltui.wire.style import PLAIN, Rendition, rendition

KEPT_STRIPS = 2000
"""Strips whose cells are cached: several screens. Widgets mostly redraw with the same strips."""


@dataclass(frozen=True)
class Frame:
    """The screen to show."""

    rows: tuple[Row, ...]
    """All rows of the screen, of equal width."""
    cursor: tuple[int, int] = (0, 0)
    """Column and row, zero-based."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return (len(self.rows[0].texts) if self.rows else 0), len(self.rows)


class FrameMaker:
    """Keeps the current frame, and applies the compositor's updates to it."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        """None before the first update."""
        self._cells: dict[int, tuple[Strip, list[str], list[Rendition]]] = {}

    def take(self, update: CompositorUpdate, color_system: ColorSystem) -> bool:
        """Applies an update to `frame`, including its size. False for an unknown kind of update."""
        if isinstance(update, LayoutUpdate):
            size = update.region.right, update.region.bottom
            drawn = _of_layout(update)
        elif isinstance(update, ChopsUpdate):
            size = max((ends[-1] for ends in update.chop_ends if ends), default=0), len(update.chops)
            drawn = _of_chops(update)
        else:
            return False
        self._draw(_sized(self.frame or Frame(()), size), drawn, color_system)
        return True

    def place_cursor(self, column: int, row: int) -> None:
        """Sets the position of the cursor in the frame, zero-based."""
        if self.frame is not None and self.frame.cursor != (column, row):
            self.frame = Frame(self.frame.rows, (column, row))

    def _draw(self, frame: Frame, drawn: Iterable[tuple[int, int, int, Strip]], color_system: ColorSystem) -> None:
        rows = list(frame.rows)
        width, height = frame.size
        begun: dict[int, Row] = {}
        for y, x, end, strip in drawn:
            if not (0 <= y < height and x < width):
                continue
            row = begun.get(y)
            if row is None:
                row = begun[y] = Row(rows[y].texts[:], rows[y].styles[:])
            texts, styles = self._of_strip(strip, color_system)
            room = min(end, width) - x
            if len(texts) > room:
                texts, styles = _cut(texts, styles, room)
            if texts:
                _put(row, x, texts, styles)
        for y, row in begun.items():
            if row != rows[y]:
                rows[y] = row
        self.frame = Frame(tuple(rows), frame.cursor)

    def _of_strip(self, strip: Strip, color_system: ColorSystem) -> tuple[list[str], list[Rendition]]:
        """The cells of a strip, exactly as many as its length, so that no text can shift its neighbors."""
        kept = self._cells.get(id(strip))
        if kept is not None:  # the strip is cached with its cells, so its id is not reused
            return kept[1:]
        texts: list[str] = []
        styles: list[Rendition] = []
        for text, style, control in strip:
            if not control:
                look = rendition(Strip.render_ansi(style, color_system)) if style else PLAIN
                more, their = cells_of(text, look)
                texts += more
                styles += their
        texts, styles = _cut(texts, styles, strip.cell_length)
        if len(self._cells) >= KEPT_STRIPS:
            for old in list(self._cells)[: KEPT_STRIPS // 2]:
                del self._cells[old]
        self._cells[id(strip)] = strip, texts, styles
        return texts, styles


def _cut(texts: list[str], styles: list[Rendition], length: int) -> tuple[list[str], list[Rendition]]:
    """The cells padded with blanks or truncated to `length`; a cluster that is cut in two becomes blank."""
    missing = length - len(texts)
    if missing > 0:
        return [*texts, *[" "] * missing], [*styles, *[PLAIN] * missing]
    if missing < 0:
        kept = length
        while kept and texts[kept] == "":
            kept -= 1
        texts, styles = [*texts[:kept], *[" "] * (length - kept)], styles[:length]
    return texts, styles


def _put(row: Row, x: int, texts: list[str], styles: list[Rendition]) -> None:
    """Overwrites cells of a row as a terminal does: the rest of a partly overwritten cluster becomes blank."""
    end = before = x + len(texts)
    while end < len(row.texts) and row.texts[end] == "":
        row.texts[end] = " "
        end += 1
    if row.texts[x] == "" and before > x:
        before = x
        while before and row.texts[before] == "":
            before -= 1
            row.texts[before], cut = " ", row.texts[before]
            if cut:
                break
    row.texts[x : x + len(texts)] = texts
    row.styles[x : x + len(texts)] = styles


def _sized(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame in another size. Existing cells are kept, since an update may omit them; new cells are blank."""
    if frame.size == size:
        return frame
    columns, rows = size
    kept = [Row(*_cut(row.texts, row.styles, columns)) for row in frame.rows[:rows]]
    return Frame((*kept, *(Row.blank(columns) for _ in range(rows - len(kept)))), frame.cursor)


def _of_layout(update: LayoutUpdate) -> Iterator[tuple[int, int, int, Strip]]:
    """(row, column, end, strip) of each piece of a full update."""
    left, top, width, _ = update.region
    for y, line in enumerate(update.strips, top):
        x = left
        for strip in line:
            yield y, x, left + width, strip
            x += strip.cell_length


def _of_chops(update: ChopsUpdate) -> Iterator[tuple[int, int, int, Strip]]:
    """The same for a partial update, whose spans (row, first column, end) say which pieces have changed."""
    for y, first, end in update.spans:
        for piece_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= end and piece_end > first:
                yield y, x, min(piece_end, end), strip
