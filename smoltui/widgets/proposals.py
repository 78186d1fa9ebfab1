"""A short list of what would complete the text in an input, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from smoltui.core.pairs.completion import Proposal
from smoltui.safe_text import safe_line

MOST_ROWS = 8
SCREEN_SHARE = 3
"""The list takes at most one line in three of the screen."""
NAME_CELLS = 28


class Proposals(Static):
    """Hidden while there are none. The parent binds the keys and calls `move`."""

    DEFAULT_CSS = "Proposals { height: 0; display: none; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._shown: Sequence[Proposal] = ()
        self.choice = 0
        """Place of the highlighted proposal."""

    def show(self, proposals: Sequence[Proposal]) -> None:
        """Lists these, with the first one highlighted; the highlight stays if they are the same as before."""
        if proposals != self._shown:
            self._shown, self.choice = proposals, 0
            self._draw()

    def move(self, by: int) -> None:
        """Moves the highlight, from either end to the other."""
        self.choice = (self.choice + by) % max(len(self._shown), 1)
        self._draw()

    def _draw(self) -> None:
        shown = self._shown
        rows = min(len(shown), MOST_ROWS, max(self.screen.size.height // SCREEN_SHARE, 1))
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows
        self.display = bool(rows)
        top = max(min(self.choice - rows // 2, len(shown) - rows), 0)
        names = min(max((len(one.name) for one in shown[top : top + rows]), default=0), NAME_CELLS)
        text = Text(no_wrap=True, overflow="ellipsis")
        for place in range(top, top + rows):
            one = shown[place]
            line = Text(f" {safe_line(one.name, NAME_CELLS):<{names}}  ", "bold")
            line.append(f"{one.kind:<7} ", "not bold dim").append(one.words, "not bold dim")
            line.truncate(self.screen.size.width - 2, overflow="ellipsis", pad=True)
            if place == self.choice:
                line.stylize("reverse")
            text.append_text(line).append("\n" if place < top + rows - 1 else "")
        self.update(text, layout=False)
