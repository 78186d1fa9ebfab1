"""One pair: its text, its tokens as soon as they are counted, and the decisions about it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.timer import Timer

from smoltui.backends.pairs.session import Here, PairsSession
from smoltui.backends.pairs.token_service import TokenService
from smoltui.core.pairs.preference import Pair
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe
from smoltui.screens.pairs.list_pane import Lines, ListPane, further_of
from smoltui.screens.pairs.measuring import Asked, Measure, is_long, measured
from smoltui.screens.pairs.neighbours import Neighbours
from smoltui.screens.pairs.pair_list import PairList, Unit
from smoltui.screens.pairs.pair_view import SWAPPED, Mark, PairView
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.widgets.actions import bindings

BESIDE = 160
"""Columns from which the list is beside the pair."""
WAIT_SECONDS = 0.02
"""How long drawing waits for tokens; a pair that takes longer is drawn first, and its tokens follow."""
REST_SECONDS = 0.05
"""How long a long pair is shown before its tokens are counted."""


class PairPane(SetPane):
    """Shows the current pair."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("pair")

    tokenizer: TokenService | None = None
    """The recipe's tokenizer with its `max_length`; None until it is loaded."""
    _measure: tuple[str, TokenService, Measure] | None = None
    """The last measure: content hash of its pair, its tokenizer, and the measure."""
    _resting: Timer | None = None
    _asked: Asked | None = None
    """The last measure that was requested."""
    _is_quick = True
    """The last answer came within `WAIT_SECONDS`; if it did not, drawing does not wait for the next one."""
    _drawn = ""
    """Content hash of the pair that is drawn."""

    _neighbours: Neighbours | None = None
    _lines: tuple[tuple[object, ...], Lines] | None = None
    """The lines of the list, and what they were made of."""

    def compose(self) -> ComposeResult:
        yield PairList(id="pairs-beside")
        yield PairView()

    def take(self, session: PairsSession) -> None:
        super().take(session)
        self._neighbours = self._lines = None

    def on_resize(self, event: events.Resize) -> None:
        beside = event.size.width >= BESIDE
        if beside != self.has_class("beside"):
            self.set_class(beside, "beside")
            if self._drawn:
                self._list_others()

    def draw(self) -> None:
        session = self.session
        try:
            here = session.here()
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self._drawn = here.key
        self._list_others()
        search = session.matches.search if session.matches is not None else None
        pattern = search.query.pattern() if search is not None else None
        tokens, cuts, refused = self._measured(here) or (None, None, "")
        self.query_one(PairView).show(
            here.pair,
            pattern or "",
            tokens=tokens,
            cuts=cuts,
            refused=refused,
            marks=marks_of(session, here),
            further=session.further(here.row),
        )

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        return None if action == "leave" and self.session.rows is None else ""

    def action_scroll_text(self, lines: int, pages: int) -> None:
        self.query_one(PairView).scroll_by(lines, pages)

    def action_switch_side(self) -> None:
        self.query_one(PairView).switch_pane()

    def action_whitespace(self) -> None:
        view = self.query_one(PairView)
        view.show_whitespace = not view.show_whitespace

    # -- the other pairs

    def _list_others(self) -> None:
        """Lists the pairs around the current one: beside it, or below it if it is short."""
        session, beside = self.session, self.has_class("beside")
        made_of = (session.curation, session.tokens, session.shown, session.order, session.rows)
        if self._lines is None or any(a is not b for a, b in zip(self._lines[0], made_of, strict=True)):
            self._lines = made_of, Lines(session)
        lines = self._lines[1]
        if self._neighbours is None:
            self._neighbours = Neighbours(session)
        others = self._neighbours
        unit: Unit = "tokens" if session.tokens is not None else "characters"
        further = further_of(session)
        self.query_one(PairView).list_below(
            None if beside else lambda width, count: others.lines(lines, width, count, unit, further)
        )
        if beside:
            listed = self.query_one(PairList)
            order, descending = session.order
            at = others.position(listed.cursor)
            listed.show(lines, position=at, sort=order, descending=descending, unit=unit, further=further)

    @on(PairList.Moved)
    @on(PairList.Chosen)
    def _clicked_beside(self, event: PairList.Moved | PairList.Chosen) -> None:
        event.stop()
        if (row := self.session.row_at(event.position)) is not None:
            self.post_message(ListPane.Chosen(row))

    @on(PairView.NeighbourChosen)
    def _clicked_below(self, event: PairView.NeighbourChosen) -> None:
        event.stop()
        self.post_message(ListPane.Chosen(event.row))

    # -- tokens

    def _measured(self, here: Here) -> Measure | None:
        """Tokens and cuts, if they are known or quickly counted; None if they are drawn later, or never."""
        if self._resting is not None:
            self._resting.stop()
        tokenizer, pair = self.tokenizer, here.pair
        if tokenizer is None or not pair.readable or pair.problem:
            return None
        if self._measure is not None and self._measure[0] == here.key and self._measure[1] is tokenizer:
            return self._measure[2]
        if self._asked is not None:
            self._asked.cancel()  # that pair is no longer shown
        if is_long(pair):
            self._resting = self.set_timer(REST_SECONDS, partial(self._measure_behind, here, tokenizer))
            return None
        self._asked = asked = tokenizer.ask_measure(pair)
        if self._is_quick:
            try:
                return self._keep(here, tokenizer, measured(tokenizer, asked, WAIT_SECONDS))
            except TimeoutError:
                self._is_quick = False
        self._measure_behind(here, tokenizer, asked)
        return None

    @work(exclusive=True, group="measure")
    async def _measure_behind(self, here: Here, tokenizer: TokenService, asked: Asked | None = None) -> None:
        begun = time.monotonic()
        if asked is None:
            self._asked = asked = tokenizer.ask_measure(here.pair)
        with suppress(SmoltuiError):  # `measured` reports it
            await asyncio.wrap_future(asked)
        self._is_quick = is_long(here.pair) or time.monotonic() - begun < WAIT_SECONDS
        measure = self._keep(here, tokenizer, measured(tokenizer, asked))
        if tokenizer is self.tokenizer and here.key == self._drawn:
            self.query_one(PairView).show_measure(*measure)

    def _keep(self, here: Here, tokenizer: TokenService, measure: Measure) -> Measure:
        self._measure = here.key, tokenizer, measure
        return measure


def marks_of(session: PairsSession, here: Here) -> list[Mark]:
    """The decisions about the pair."""
    known, marks = session.curation, []
    if here.key in known.excluded:
        marks.append(Mark("excluded", known.reasons.get(here.key, "")))
    if here.key in known.swapped:
        marks.append(Mark(SWAPPED))
    if here.key in known.pinned:
        marks.append(Mark("pinned"))
    if note := known.notes.get(here.key):
        marks.append(Mark("note", note))
    if session.held_out(here.row):
        marks.append(Mark("held out"))
    return marks


def readable_text(pair: Pair) -> str:
    """A pair as plain text for a pager, sanitized."""
    parts = [f"pair {pair.index + 1}"]
    if pair.problem:
        parts.append(f"! {safe(pair.problem, None)}")
    if not pair.readable:
        parts.append(safe(pair.raw, None))
    for turn in pair.prompt:
        parts.append(f"[{turn.role}]\n{safe(turn.content, None)}")
    for side in ("chosen", "rejected"):
        for turn in getattr(pair, side):
            parts.append(f"--- {side} ---\n{safe(turn.content, None)}")
    return "\n\n".join(parts) + "\n"
