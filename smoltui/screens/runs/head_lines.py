"""Text in the few lines of the heading of a run."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def in_lines(text: Text, width: int, most: int) -> list[Text]:
    """`text` in at most `most` lines of `width` cells; what does not fit is cut. One line is not broken at words."""
    lines = [text]
    if most > 1:
        text.no_wrap = False
        lines = list(text.wrap(Console(width=width), width))
        for line in lines:
            line.rstrip()
    if len(lines) > most:
        lines = [*lines[: most - 1], Text(" ").join(lines[most - 1 :])]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines
