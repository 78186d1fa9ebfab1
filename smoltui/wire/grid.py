"""Rows of cells: what a terminal shows, or should show."""

from __future__ import annotations

from functools import cached_property
from operator import ne

from smoltui.wire.clusters import clusters, is_plain, is_sure
from smoltui.wire.style import PLAIN, Rendition, of_blank


class Row:
    """One line of the screen. Never modified once it is part of a frame, so the same object means the same cells."""

    def __init__(self, texts: list[str], styles: list[Rendition]) -> None:
        self.texts = texts
        """One string per cell: a cluster, or an empty string in each further cell of a wide cluster."""
        self.styles = styles
        """One rendition per cell; for a blank, only its visible part."""

    @classmethod
    def blank(cls, width: int) -> Row:
        """An erased line without attributes."""
        return cls([" "] * width, [PLAIN] * width)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Row) and self.texts == other.texts and self.styles == other.styles)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def unsure(self) -> frozenset[int]:
        """Columns of clusters on whose width terminals disagree."""
        if is_plain("".join(self.texts)):
            return frozenset()
        return frozenset(column for column, text in enumerate(self.texts) if not is_sure(text))

    def differs_at(self, other: Row) -> list[int]:
        """Columns in which the rows differ, ascending. Both must have the same width."""
        return [
            column
            for column, (text, its_text, style, its_style) in enumerate(
                zip(self.texts, other.texts, self.styles, other.styles, strict=True)
            )
            if text != its_text or (style is not its_style and style != its_style)
        ]

    def distance(self, other: Row) -> int:
        """The number of cells with different text plus the number of cells with different style."""
        if self is other:
            return 0
        return int(sum(map(ne, self.texts, other.texts)) + sum(map(ne, self.styles, other.styles)))


def cells_of(text: str, style: Rendition) -> tuple[list[str], list[Rendition]]:
    """The cells of a text in one style. Characters that would control a terminal are removed."""
    blank = of_blank(style)
    if is_plain(text):
        texts = list(text)
    else:
        texts = []
        for cluster in clusters(text):
            texts += (cluster.text, *[""] * (cluster.width - 1))
    if blank is style or blank == style or " " not in texts:
        return texts, [style] * len(texts)
    return texts, [blank if cell == " " else style for cell in texts]
