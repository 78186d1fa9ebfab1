"""Finding pairs: searching, the list of what was found, sorting it, lengths drawn above it, the next flagged pair."""

from __future__ import annotations

import asyncio
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.text import Text
from textual import on, work
from textual.widgets import Static

from smoltui.backends.pairs.opened_set import PairSet
from smoltui.backends.pairs.search import Search, column_values, load_engines, sorted_rows
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.columns import COLUMNS, SORTABLE
from smoltui.core.pairs.curation import held_out, marks_of
from smoltui.core.pairs.histogram import Distribution
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.pairs.base import LOAD_AFTER_SECONDS, PairsBase
from smoltui.widgets.histogram import Cut, Histogram, Panel
from smoltui.widgets.pair_list import PairLine, PairList

FLAGGED = (
    "reason IS NOT NULL OR identical OR empty_chosen OR empty_rejected OR prompt_differs OR roles_wrong OR duplicate "
    "OR contradicts OR control_chars OR bidi_chars OR mixed_scripts"
)
"""What a pair has to have for `f` to stop at it."""


class Finding(PairsBase):
    """Search, list and histograms."""

    failed: SmoltuiError | None = None
    """Why the search stopped."""
    flagged: array[int] | None = None

    # -- searching

    def action_ask_search(self) -> None:
        value = self.search.query.shown if self.search is not None else ""
        self.ask("find:", "text, /regex/, or where chosen_chars > 500", self.start_search, value)

    def start_search(self, text: str) -> None:
        """Searches for what was typed; nothing ends the search."""
        opened = self.opened
        query = parse_query(text)
        if query is None:
            self.end_search()
            return
        if opened is not None:
            self._search(opened, query)

    @work(exclusive=True, group="warm up")
    async def warm_up(self) -> None:
        """Loads what searches, so that the first search does not wait for it, and no key for its loading."""
        await self.smoltui.at_rest(LOAD_AFTER_SECONDS)
        await in_thread(load_engines)

    def end_search(self) -> None:
        """Back to all pairs."""
        self.workers.cancel_group(self, "find")
        self.search, self.rows, self.rows_are, self.failed = None, None, "", None
        self.show_status(False)
        self.show_rows()
        if self.pair is not None and self.view in ("pair", "trainer"):
            self.draw_pair()
        self.refresh_bindings()

    @work(exclusive=True, group="find")
    async def _search(self, opened: PairSet, query: PairQuery) -> None:
        while opened.store is None and self.importing:  # the first part of the set is on its way
            await asyncio.sleep(0.05)
        if opened.store is None:
            self.say("The set could not be read, so there is nothing to search: r reads it again", severity="warning")
            return
        search = Search(opened.store, query, tokens=self.tokens, marks=marks_of(self.curation, opened.label))
        self.search, self.failed, self.rows, self.rows_are = search, None, array("Q"), f"hits of {query.shown}"
        self.show_status(True)
        self.refresh_bindings()
        went = False
        redraw = self.set_interval(0.15, self._show_hits)
        stop = threading.Event()
        try:
            while True:
                await in_thread(partial(search.run, stop.is_set), abandon=stop.set)
                if not went and search.hits:
                    went = True
                    self._go_to_hit(search, self.index)
                if search.complete or not self.importing:
                    break
                await self._more()
        except SmoltuiError as error:
            self.failed = error
            self.say(error)
        finally:
            redraw.stop()
        self._show_hits()
        if not search.hits and self.failed is None:
            self.say(f"No pair holds this: {query.shown}", severity="warning")
            self.draw_pair()

    async def _more(self) -> None:
        """Waits until more of the set is imported, or nothing more will be."""
        assert self.search is not None
        known = len(self.search.store)
        while self.importing and len(self.search.store) == known:
            await asyncio.sleep(0.1)

    def _show_hits(self) -> None:
        """What was found so far, in the list's order."""
        if self.search is None:
            return
        if self.rows is None or len(self.rows) != len(self.search.hits):
            self.rows = array("Q", self.search.hits)
            if self.order != ("row", False):
                self._sort()
            else:
                self.show_rows()
        self.draw_status()

    def _go_to_hit(self, search: Search, start: int) -> None:
        if self.view == "list":
            return
        at = bisect_left(search.hits, start)
        self.go(search.hits[at % len(search.hits)])

    def action_hit(self, direction: int) -> None:
        """The next of the rows that were found, from the other end when there is none."""
        rows = self.rows
        if not rows:
            return
        if self.order == ("row", False):
            place = (bisect_right(rows, self.index) if direction > 0 else bisect_left(rows, self.index) - 1) % len(rows)
        else:
            at = next((place for place, row in enumerate(rows) if row == self.index), -1 if direction > 0 else 0)
            place = (at + direction) % len(rows)
        if (direction > 0 and place == 0) or (direction < 0 and place == len(rows) - 1):
            self.say(f"Went on from the {'first' if direction > 0 else 'last'} of them")
        self.go(rows[place])

    def draw_status(self) -> None:
        if self.rows is None:
            return
        rows = self.rows
        line = Text(f"{safe_line(self.rows_are, 60)}  ", "bold", no_wrap=True, overflow="ellipsis")
        if self.failed is not None:
            line.append("stopped", "not bold")
        elif (
            self.order == ("row", False)
            and rows
            and (at := bisect_left(rows, self.index)) < len(rows)
            and (rows[at] == self.index)
        ):
            line.append(f"{at + 1:,} of {len(rows):,} pairs", "not bold")
        else:
            line.append(f"{len(rows):,} pairs", "not bold")
        search = self.search
        if search is not None and not search.complete and self.failed is None:
            line.append(f", looked at {search.looked_at:,}…", "not bold")
        line.append("  n N next, before  v list  b all of them  esc ends", "not bold dim")
        self.query_one("#pairs-status", Static).update(line, layout=False)

    def take_rows(self, rows: Sequence[int], words: str) -> None:
        """Makes these rows what the list holds and `n` goes through."""
        self.workers.cancel_group(self, "find")
        self.search, self.failed = None, None
        self.rows, self.rows_are = array("Q", rows), words
        self.show_status(True)
        if self.order != ("row", False):
            self._sort()
        self.show_rows()
        self.draw_status()
        self.refresh_bindings()

    # -- the list

    def action_list(self) -> None:
        """The list of pairs, and back to the pair."""
        if self.view == "list":
            self.show_view("pair")
            self.draw_pair()
            return
        self.show_view("list")
        self.show_rows()
        self.draw_histogram()

    def show_rows(self) -> None:
        """Has the list show what there is now, with the cursor on the pair that was shown."""
        if self.opened is None:
            return
        order, descending = self.order
        position = self.index
        if self.rows is not None:
            in_order = self.order == ("row", False) and len(self.rows)
            position = bisect_left(self.rows, self.index) if in_order else 0
        self.query_one(PairList).show(
            _Lines(self), position=position, sort=order, descending=descending,
            unit="tokens" if self.tokens is not None else "characters",
        )  # fmt: skip
        self.draw_status()

    @on(PairList.Chosen)
    def _chosen(self, event: PairList.Chosen) -> None:
        event.stop()
        self._open_line(event.position)

    @on(PairList.Moved)
    def _moved(self, event: PairList.Moved) -> None:
        event.stop()
        row = self.row_at(event.position)
        if row is not None:
            self.index = row  # the line on top tells it when the list is left: two redrawn lines are enough for a key

    def _open_line(self, position: int) -> None:
        if (row := self.row_at(position)) is not None:
            self.show_view("pair")
            self.go(row)

    def row_at(self, position: int) -> int | None:
        """The row that a line of the list stands for."""
        if self.rows is not None:
            return self.rows[position] if 0 <= position < len(self.rows) else None
        return position if self.opened is not None and 0 <= position < len(self.opened) else None

    # -- sorting

    def action_sort(self) -> None:
        """The next column, the largest first; at the end the set's own order again."""
        names = [name for name in SORTABLE if self.tokens is not None or not name.endswith("_tokens")]
        at = names.index(self.order[0]) if self.order[0] in names else 0
        following = names[(at + 1) % len(names)]
        self.order = (following, following != "row")
        self.say(f"Sorted by {COLUMNS[following].words}" + (", the largest first" if self.order[1] else ""))
        self._sort()

    def action_reverse(self) -> None:
        self.order = (self.order[0], not self.order[1])
        self._sort()

    @work(exclusive=True, group="sort")
    async def _sort(self) -> None:
        opened = self.opened
        if opened is None or opened.store is None:
            return
        name, descending = self.order
        rows = self.rows
        if rows is None and name == "row" and not descending:
            self.show_rows()
            return
        found_in = self.search.hits if self.search is not None else rows
        picked = sorted(found_in) if self.rows_are and found_in is not None else None
        try:
            values = await in_thread(partial(column_values, opened.store, name, self.tokens))
            found = await in_thread(partial(sorted_rows, values, picked, descending=descending))
        except SmoltuiError as error:
            self.say(error)
            return
        if not self.rows_are and name == "row" and not descending:
            self.rows = None
        else:
            self.rows = found
        self.show_rows()

    # -- lengths

    @work(exclusive=True, group="histogram")
    async def draw_histogram(self) -> None:
        opened = self.opened
        if opened is None or opened.store is None or not len(opened.store):
            return
        unit = "tokens" if self.tokens is not None else "chars"
        try:
            data = await in_thread(partial(_lengths, opened, self.tokens, unit, self.max_length))
        except SmoltuiError as error:
            self.say(error)
            return
        # As many as leave most of the screen to the list: each is seven lines high and at least 46 cells wide.
        width, height = self.size
        room = max(width // 49, 1) * max((height - 8) // 16, 0)
        self.query_one(Histogram).show(data[:room])

    # -- flagged

    def action_flagged(self, direction: int) -> None:
        """The next pair that has a problem or that the audit found something in."""
        if self.flagged is not None:
            self._go_flagged(direction)
        else:
            self._find_flagged(direction)

    @work(exclusive=True, group="flagged")
    async def _find_flagged(self, direction: int) -> None:
        opened = self.opened
        if opened is None or opened.store is None:
            self.say("The set is still being read", severity="warning")
            return
        search = Search(opened.store, PairQuery("where", FLAGGED))
        try:
            await in_thread(search.run)
        except SmoltuiError as error:
            self.say(error)
            return
        if opened.complete:
            self.flagged = search.hits
        self._go_flagged(direction, search.hits)

    def _go_flagged(self, direction: int, rows: array[int] | None = None) -> None:
        rows = self.flagged if rows is None else rows
        if not rows:
            self.say("No pair of this set is flagged")
            return
        place = bisect_right(rows, self.index) if direction > 0 else bisect_left(rows, self.index) - 1
        self.go(rows[place % len(rows)])


class _Lines:
    """The lines of the list: what `PairList` asks."""

    def __init__(self, room: Finding) -> None:
        self._room, self._kept = room, dict[int, PairLine]()

    def count(self) -> int:
        room = self._room
        if room.rows is not None:
            return len(room.rows)
        return len(room.opened) if room.opened is not None else 0

    def line(self, position: int) -> PairLine | None:
        room = self._room
        row = room.row_at(position)
        if row is None or room.opened is None:
            return None
        kept = self._kept.get(row)
        if kept is None:
            try:
                kept = line_of(room, row)
            except (SmoltuiError, IndexError):
                return None
            if len(self._kept) > 2000:
                self._kept.clear()
            self._kept[row] = kept
        return kept


def line_of(room: Finding, row: int) -> PairLine:
    """One line of the list: figures of the store, and how the last turn before the answers begins."""
    opened = room.opened
    assert opened is not None
    pair = opened.pair(row)
    store = opened.store
    facts = store.facts(row) if store is not None and row < len(store) else None
    counted = store.facts(row, room.tokens) if facts and store is not None and room.tokens else None
    known, key = room.curation, opened.hash(row)
    held = known.hold_out(opened.label)
    prompt = facts["prompt_hash"] if facts else None
    flags = {
        name
        for name, holds in (
            ("excluded", key in known.excluded), ("swapped", key in known.swapped), ("pinned", key in known.pinned),
            ("noted", key in known.notes), ("problem", bool(pair.problem)),
            ("held_out", held is not None and prompt is not None and held_out(prompt, held.seed, held.share)),
        )
        if holds
    }  # fmt: skip
    asked = next((turn.content for turn in reversed(pair.prompt) if turn.role == "user"), None)
    excerpt = asked if asked is not None else pair.raw
    return PairLine(
        row=row, flags=frozenset(flags), turns=len(pair.prompt) if pair.readable else None,
        prompt_chars=facts["prompt_chars"] if facts else None,
        chosen_chars=facts["chosen_chars"] if facts else (len(pair.chosen[0].content) if pair.readable else None),
        rejected_chars=facts["rejected_chars"] if facts else (len(pair.rejected[0].content) if pair.readable else None),
        chosen_tokens=counted["chosen_tokens"] if counted else None,
        rejected_tokens=counted["rejected_tokens"] if counted else None,
        similarity=facts["similarity"] if facts else None, excerpt=excerpt.strip()[:400],
    )  # fmt: skip


def _lengths(opened: PairSet, tokens: str | None, unit: str, max_length: int | None) -> list[Panel]:
    """Lengths of both answers and their gap, counted; what is cut at `max_length` where tokens are known."""
    import pyarrow.compute as pc

    store = opened.store
    assert store is not None
    chosen, rejected = (column_values(store, f"{side}_{unit}", tokens) for side in ("chosen", "rejected"))
    prompt = column_values(store, "prompt_tokens", tokens) if unit == "tokens" else None
    words = "tokens" if unit == "tokens" else "characters"
    panels = []
    for side, values, colour in (("chosen", chosen, "green"), ("rejected", rejected, "red")):
        cut = None
        if prompt is not None and max_length is not None:
            # Prompt and answer count together, so the mark is drawn over the length of both.
            values = pc.add(prompt, values)
            cut = Cut(max_length, name="max_length")
        title = f"{side} with its prompt" if cut is not None else f"{side} length"
        panels.append(Panel(title, _distribution(values), words, cut=cut, style=colour))
    gap = _distribution(pc.subtract(chosen, rejected))
    return [*panels, Panel("gap, chosen − rejected", gap, words, scale="gap", style="cyan")]


def _distribution(values: Any) -> Distribution:
    import pyarrow.compute as pc

    counted = pc.value_counts(pc.drop_null(values))
    return Distribution(
        dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    )
