"""Chooses the models that are compared, one column each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from smoltui.backends.evaluation.columns import Candidate
from smoltui.core.evaluation.column import MOST_COLUMNS, Column
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, in_own_keys, shown_key

CURSOR, CHOSEN = "›", "✓"
KEYS = {"space": "add or remove", "a": "folder or Hub id", "enter": "compare", "esc": "cancel"}


class ColumnsDialog(Modal[list[Column] | None], Explains[list[Column] | None]):
    """Lists models with a cursor; space adds or removes one, enter compares them. None: as it was."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    AUTO_FOCUS = ""  # the input is not open
    DEFAULT_CSS = """
    ColumnsDialog Input { display: none; margin-bottom: 1; }
    ColumnsDialog.adding Input { display: block; }
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        chosen: Sequence[Column],
        find: Callable[[str, list[Column]], Awaitable[Candidate]],
        more: Callable[[list[Column]], Awaitable[list[Candidate]]],
    ) -> None:
        """`find` makes a candidate of a folder or Hub id; `more` finds those that take a while.

        Both get the columns that are listed already, and raise SmoltuiError.
        """
        super().__init__()
        self._candidates = list(candidates)
        by_weights = {one.column.weights: at for at, one in enumerate(self._candidates)}
        self._chosen = [by_weights[column.weights] for column in chosen if column.weights in by_weights]
        """Indices of candidates, in the order of the columns."""
        for at, column in zip(self._chosen, chosen, strict=False):
            self._candidates[at] = Candidate(column, self._candidates[at].words)
        self._find, self._more = find, more
        self._looking = "Looking on the Hub…"
        """About what is still to come, or why nothing does."""
        self._at = 0
        self._said = ""

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["models"]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            line = Input(placeholder=in_own_keys(self, "Folder or Hub id (enter adds it, esc cancels)"), compact=True)
            line.cursor_blink = False
            yield line
            yield Static(id="candidates", markup=False)

    def on_mount(self) -> None:
        self._draw()
        self._look_further()

    @work(group="more")
    async def _look_further(self) -> None:
        """Adds the models on the Hub below the others."""
        try:
            self._candidates += await self._more([one.column for one in self._candidates])
            self._looking = ""
        except SmoltuiError as error:
            self._looking = f"Models on the Hub are not listed: {error.message}"
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.query("#candidates"):  # keys can arrive before it is composed, and after it was left
            return
        rows = max(3, self.size.height - 13)
        first = max(0, min(self._at - rows // 2, len(self._candidates) - rows))
        shown = range(first, min(first + rows, len(self._candidates)))
        lines = [Text(f"Compare up to {MOST_COLUMNS} models", "bold"), Text(), *map(self._line, shown)]
        if len(self._candidates) > rows:
            lines.append(Text(f"{self._at + 1} of {len(self._candidates)}", "dim"))
        if self._looking:
            lines.append(Text(safe_line(redact(self._looking), 200), "dim"))
        lines.append(Text(self._said, "yellow"))
        keys = Text()
        for key, words in KEYS.items():
            keys.append(f" {shown_key(self, key)} ", "reverse").append(f" {words}   ")
        self.query_one("#candidates", Static).update(Group(*lines, keys))

    def _line(self, at: int) -> Text:
        one = self._candidates[at]
        mark = f"{CHOSEN}{self._chosen.index(at) + 1}" if at in self._chosen else "  "
        line = Text(f"{CURSOR if at == self._at else ' '} {mark} ", no_wrap=True, overflow="ellipsis")
        line.append(safe_line(one.column.name, 30), "cyan").append("  ")
        line.append(safe_line(redact(one.words or one.column.shown), 120), "dim")
        if at == self._at:
            line.stylize("bold reverse")
        return line

    # -- keys

    def action_move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._candidates) - 1))
        self._draw()

    def action_mark(self) -> None:
        self._said = ""
        if not self._candidates:
            return
        if self._at in self._chosen:
            self._chosen.remove(self._at)
        elif len(self._chosen) >= MOST_COLUMNS:
            self._said = f"{MOST_COLUMNS} models are chosen. Take one out first."
        else:
            self._chosen.append(self._at)
        self._draw()

    def action_add(self) -> None:
        for line in self.query(Input):
            self.add_class("adding")
            line.focus()

    @on(Input.Submitted)
    def _place_given(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_input()
        if place := event.value.strip():
            self._add(place)

    @work(exclusive=True)
    async def _add(self, place: str) -> None:
        self._said = f"Looking for {safe_line(place, 80)}…"
        self._draw()
        try:
            candidate = await self._find(place, [one.column for one in self._candidates])
        except SmoltuiError as error:
            self._said = safe_line(redact(f"{error.message}. {error.hint}"), 300)
            self._draw()
            return
        self._said, weights = "", candidate.column.weights
        known = next((at for at, one in enumerate(self._candidates) if one.column.weights == weights), None)
        if known is None:
            self._candidates.append(candidate)
            known = len(self._candidates) - 1
        self._at = known
        self.query_one(Input).value = ""
        if known not in self._chosen:
            self.action_mark()
        else:
            self._draw()

    def _close_input(self) -> None:
        self.remove_class("adding")
        self.set_focus(None)

    def action_accept(self) -> None:
        if not self._chosen:
            self._said = "Choose at least one model (space)."
            self._draw()
            return
        self.dismiss([self._candidates[at].column for at in self._chosen])

    def action_leave(self) -> None:
        if self.has_class("adding"):
            self._close_input()
        else:
            self.dismiss(None)
