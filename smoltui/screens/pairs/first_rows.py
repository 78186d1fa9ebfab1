"""The first pairs of a set in one line each, as a form or a view shows them below what they are read from."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from smoltui.core.pairs.preference import Pair
from smoltui.safe_text import safe_line

MARKS = (("chosen", "✓ ", "green"), ("rejected", "✗ ", "red"))


def first_rows(pairs: Sequence[Pair], width: int) -> list[Text]:
    """A line for each pair: its question, the chosen and the rejected answer; or why it is not trained on."""
    part = max((width - 3) // 3, 6)
    lines = []
    for number, pair in enumerate(pairs, 1):
        line = Text(f"{number}  ", "dim", no_wrap=True)
        if not pair.readable:
            line.append(safe_line(pair.problem or "", 200), "not dim yellow")
        else:
            question = pair.prompt[-1].content if pair.prompt else ""
            line.append_text(_cell("", question, "not dim", part))
            for side, mark, style in MARKS:
                text = pair.chosen_text if side == "chosen" else pair.rejected_text
                line.append_text(_cell(mark, text, f"not dim {style}", part))
            if pair.problem:
                line = Text(f"{number}  ", "dim", no_wrap=True).append(safe_line(pair.problem, 200), "not dim yellow")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _cell(mark: str, text: str, style: str, width: int) -> Text:
    cell = Text(f"{mark}{' '.join(safe_line(text, 400).split())}", style, no_wrap=True)
    cell.truncate(width - 1, overflow="ellipsis", pad=True)
    return cell.append(" ")
