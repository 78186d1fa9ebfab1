"""The list of pairs, with histograms of the lengths of their answers above it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from smoltui.backends.pairs.lengths import Lengths
from smoltui.backends.pairs.session import OWN_ORDER, Here, PairsSession
from smoltui.core.pairs.preference import Pair
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.histogram import Cut, Histogram, Panel
from smoltui.screens.pairs.pair_list import Further, PairLine, PairList
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings

KEPT_LINES = 2000
"""Lines that are cached."""
PANEL_ROWS, PANEL_CELLS = 7, 49
"""Size of one histogram on the screen, including the gap beside it."""


class ListPane(SetPane):
    """Lists what the session lists, with the cursor on the current pair."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("pair-list")

    class Chosen(Message):
        """The pair of this row was selected."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def compose(self) -> ComposeResult:
        yield Histogram()
        yield PairList()

    def draw(self) -> None:
        """Lists the current rows, with the cursor on the current pair."""
        session = self.session
        (order, descending), rows, position = session.order, session.rows, session.index
        pairs = self.query_one(PairList)
        if session.row_at(pairs.cursor) == session.index:
            position = pairs.cursor
        elif rows is not None:
            position = bisect_left(rows, session.index) if session.order == OWN_ORDER and len(rows) else 0
        pairs.show(
            Lines(session),
            position=position,
            sort=order,
            descending=descending,
            unit="tokens" if session.tokens is not None else "characters",
            further=further_of(session),
        )

    def on_resize(self) -> None:
        if self.display:
            self.draw_lengths()

    @work(exclusive=True, group="lengths")
    async def draw_lengths(self) -> None:
        """Draws as many histograms as fit while the list keeps most of the screen."""
        try:
            lengths = await self.session.lengths()
        except SmoltuiError as error:
            tell(self.host, error)
            return
        if lengths is not None:
            width, height = self.screen.size
            room = max(width // PANEL_CELLS, 1) * max((height - PANEL_ROWS - 1) // (2 * PANEL_ROWS + 2), 0)
            self.query_one(Histogram).show(_panels(lengths)[:room])

    def action_move(self, by: int) -> None:
        self.query_one(PairList).move(by)

    def action_page(self, by: int) -> None:
        self.query_one(PairList).page(by)

    def action_choose(self) -> None:
        self.query_one(PairList).choose()

    @on(PairList.Chosen)
    def _chosen(self, event: PairList.Chosen) -> None:
        event.stop()
        if (row := self.session.row_at(event.position)) is not None:
            self.post_message(self.Chosen(row))

    @on(PairList.Moved)
    def _moved(self, event: PairList.Moved) -> None:
        event.stop()
        if (row := self.session.row_at(event.position)) is not None:
            self.session.index = row  # the top line follows when the list is closed: a key redraws only two lines


class Lines:
    """The lines of the list, as `PairList` requests them."""

    def __init__(self, session: PairsSession) -> None:
        self._session, self._kept = session, dict[int, PairLine]()

    def count(self) -> int:
        return self._session.listed

    def line(self, position: int) -> PairLine | None:
        row = self._session.row_at(position)
        if row is None:
            return None
        kept = self._kept.get(row)
        if kept is None:
            try:
                kept = line_of(self._session, row)
            except SmoltuiError:
                return None
            if len(self._kept) > KEPT_LINES:
                self._kept.clear()
            self._kept[row] = kept
        return kept


def line_of(session: PairsSession, row: int) -> PairLine:
    """One line of the list: figures from the store, and the beginning of the last user turn.

    Raises:
        PairsError: the row is not loaded yet, or the cache was deleted meanwhile.
    """
    here = session.here(row)
    pair, store = here.pair, session.opened.store
    figures, counted = _lengths_of(pair), None
    if store is not None and row < len(store) and (stored := store.facts(row)) is not None:
        figures = stored
        counted = store.facts(row, session.tokens) if session.tokens is not None else None
    asked = next((turn.content for turn in reversed(pair.prompt) if turn.role == "user"), pair.raw)
    return PairLine(
        row=row,
        flags=flags_of(session, here),
        turns=len(pair.prompt) if pair.readable else None,
        prompt_chars=figures.get("prompt_chars"),
        chosen_chars=figures.get("chosen_chars"),
        rejected_chars=figures.get("rejected_chars"),
        chosen_tokens=counted["chosen_tokens"] if counted else None,
        rejected_tokens=counted["rejected_tokens"] if counted else None,
        similarity=figures.get("similarity"),
        further=tuple(session.further(row).values()),
        excerpt=asked.strip()[:400],
    )


def further_of(session: PairsSession) -> list[Further]:
    """The further columns that are shown with each pair."""
    kinds = session.opened.further_columns
    return [Further(name, kinds.get(name) not in ("number", "yes/no")) for name in session.shown]


def _lengths_of(pair: Pair) -> dict[str, Any]:
    """What can be said of a pair that is not in the store: the lengths of its answers."""
    if not pair.readable:
        return {}
    return {"chosen_chars": len(pair.chosen_text), "rejected_chars": len(pair.rejected_text)}


def flags_of(session: PairsSession, here: Here) -> frozenset[str]:
    """The flags of a pair, keys of `pair_list.MARKS`."""
    known = session.curation
    holding = {
        "excluded": here.key in known.excluded,
        "swapped": here.key in known.swapped,
        "pinned": here.key in known.pinned,
        "noted": here.key in known.notes,
        "problem": bool(here.pair.problem),
        "held_out": session.held_out(here.row),
    }
    return frozenset(name for name, holds in holding.items() if holds)


def _panels(lengths: Lengths) -> list[Panel]:
    """Both answers and their gap. With a limit, the lengths include the prompt, as the limit does."""
    limit = lengths.limit
    cut = Cut(limit, name="max_length") if limit is not None else None
    what = "length" if cut is None else "with its prompt"
    return [
        Panel(f"chosen {what}", lengths.chosen, lengths.unit, cut=cut, style="green"),
        Panel(f"rejected {what}", lengths.rejected, lengths.unit, cut=cut, style="red"),
        Panel("gap, chosen − rejected", lengths.gap, lengths.unit, scale="gap", style="cyan"),
    ]
