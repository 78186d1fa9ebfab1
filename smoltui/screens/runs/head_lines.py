"""Text in the few lines of the heading of a run."""

from __future__ import annotations

import re
from itertools import pairwise

from rich.console import Console
from rich.text import Text

UNIT = re.compile(r"(?:s|min|h|d|%|[KMGT]iB|USD)\b|%")
"""Units that are written after a space."""


def in_lines(text: Text, width: int, most: int) -> list[Text]:
    """`text` in at most `most` lines of `width` cells; what does not fit is cut. One line is not broken at words."""
    lines = [text]
    if most > 1:
        text.no_wrap = False
        lines = list(text.wrap(Console(width=width), width))
        for line in lines:
            line.rstrip()
        _keep_units(lines, width)
    if len(lines) > most:
        lines = [*lines[: most - 1], Text(" ").join(lines[most - 1 :])]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _keep_units(lines: list[Text], width: int) -> None:
    """Moves a number at the end of a line to its unit, which begins the next one."""
    for at, (line, after) in enumerate(pairwise(lines)):
        number = re.search(r"\s(\S*\d)$", line.plain)
        if number and UNIT.match(after.plain) and len(number[1]) + 1 + after.cell_len <= width:
            rest, moved = line.divide([number.start(1)])
            rest.rstrip()
            lines[at], lines[at + 1] = rest, moved.append(" ").append_text(after)
