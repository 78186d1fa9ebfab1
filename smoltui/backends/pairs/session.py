"""One opened set of pairs with its state: current row, search, order, decisions, token counts, audit.

Shared by the Pairs room and `smoltui pairs`. Whatever is too slow for a key press is a coroutine, or an async generator
that yields whenever there is more to show.
"""

from __future__ import annotations

import asyncio
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from smoltui.backends.data_files.head import first_rows
from smoltui.backends.pairs.audit import Asked, audit_request, load_audit, save_reports
from smoltui.backends.pairs.decisions import Decisions
from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.pairs.facets import facet_column, facet_of
from smoltui.backends.pairs.lengths import Lengths, lengths_of
from smoltui.backends.pairs.opened_set import PairSet, ask_child, import_in_child, open_set
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.set_columns import column_values, sorted_rows
from smoltui.backends.pairs.set_export import export_set
from smoltui.backends.pairs.store import AUDIT, FACTS, PairStore, gone, tokens_kind
from smoltui.backends.pairs.summary import reasons_of
from smoltui.backends.pairs.template_tools import ignores_tools, offer_tools
from smoltui.backends.project.project import Project
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.audit import Audit
from smoltui.core.pairs.columns import CURATED, SORTABLE
from smoltui.core.pairs.curation import Curation, Decision, held_out, marks_of, shown
from smoltui.core.pairs.facet import Facet
from smoltui.core.pairs.further import values_of
from smoltui.core.pairs.how_read import HowRead, how_read
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.query import PairQuery, named_columns
from smoltui.errors import InputError, PairsError, SmoltuiError
from smoltui.scripts.curve_remarks import percent

DEFAULT_MAX_LENGTH = 1024
"""Default of TRL's DPOConfig (1.16), in tokens."""
FLAGGED = (
    "reason IS NOT NULL OR identical OR empty_chosen OR empty_rejected OR prompt_differs OR roles_wrong OR duplicate "
    "OR contradicts OR control_chars OR bidi_chars OR mixed_scripts"
)
"""SQL condition for the pairs that `flagged` stops at."""
OWN_ORDER = ("row", False)
"""The set's own order: column, and whether from the largest down."""
HITS_SECONDS = 0.15
"""How often a running search yields."""
OPPOSITE = {"exclude": "include", "swap": "unswap", "pin": "unpin"}
"""Act → the act that reverts it."""


def recipe_values(project: Project) -> Mapping[str, object]:
    """The values of the project's recipe; empty if it cannot be read. Blocking."""
    from smoltui.backends.project.recipe_file import load_project_recipe

    try:
        return load_project_recipe(project).values
    except SmoltuiError:
        return {}


def shown_columns(project: Project) -> tuple[str, ...]:
    """`pairs.show` of the project; empty if its settings cannot be read. Blocking."""
    try:
        return project.settings().pairs_show
    except SmoltuiError:
        return ()


class StillLoadingError(PairsError):
    """The row or the whole set is not imported yet; it will be available shortly."""


class Here(NamedTuple):
    """A pair with its row and hash."""

    row: int
    key: str
    """Content hash."""
    pair: Pair
    """As in its source, not swapped."""


@dataclass(slots=True, eq=False)
class Matches:
    """The matches of a search, or the pairs of an audit finding."""

    words: str
    """What was searched for."""
    rows: array[int]
    """In the set's order; grows during the search."""
    search: Search | None = None
    """None for an audit finding."""
    looking: bool = False
    """Whether the search is running."""
    stopped: bool = False
    """Whether the search ended with an error."""

    @property
    def reason(self) -> str:
        """Reason stated in a decision about all of them."""
        return f"matches {self.words}" if self.search is not None else self.words

    def __contains__(self, row: int) -> bool:
        at = bisect_left(self.rows, row)
        return at < len(self.rows) and self.rows[at] == row


class PairsSession:
    """State of one opened set. Another set gets another session, so that their results cannot be mixed up.

    For one event loop. `project` provides tokenizer and evaluation prompts; None: there are none. `values` are those of
    its recipe. `is_other`: these are not the project's own pairs.
    """

    def __init__(
        self,
        opened: PairSet,
        decisions: Decisions,
        project: Project | None = None,
        values: Mapping[str, object] | None = None,
        *,
        is_other: bool = False,
    ) -> None:
        self.opened = opened
        self.decisions = decisions
        self.project = project
        self.values = values or {}
        self.is_other = is_other
        self.index = 0
        """The current row."""
        self.wanted: int | None = None
        """A requested row that is not loaded yet."""
        self.back_to: int | None = None
        """The row to return to after reloading, unless the person moves meanwhile."""
        self.loading = ""
        """Progress of the import, in words; empty if none is running."""
        self.matches: Matches | None = None
        self.order = OWN_ORDER
        self.rows: array[int] | None = None
        """The listed rows, in the order of the list; None: the whole set, in its own order."""
        self.tokens: str | None = None
        """Kind of the files with token counts; None if not counted."""
        self.shown: tuple[str, ...] = ()
        """Further columns that are shown with each pair."""
        self.report: Audit | None = None
        """The latest audit, if it is still valid."""
        self._flagged: array[int] | None = None

    @property
    def curation(self) -> Curation:
        """The current decisions."""
        return self.decisions.curation

    @property
    def max_length(self) -> int | None:
        """Of the recipe, in tokens; None: nothing is cut, or there is no recipe."""
        if self.project is None:
            return None
        length = self.values.get("max_length", DEFAULT_MAX_LENGTH)
        return length if isinstance(length, int) else None

    def store(self) -> PairStore:
        """The imported part of the set.

        Raises:
            StillLoadingError: no rows are imported yet.
            PairsError: no rows are imported, and no import is running.
        """
        store = self.opened.store
        if store is not None and (len(store) or store.meta.complete):
            return store
        if self.loading:
            raise StillLoadingError("The set is still being loaded")
        raise PairsError("The set could not be read", "Reload it: r.")

    def whole(self) -> PairStore:
        """The whole set. Raises as `store`, also if a part is missing."""
        store = self.store()
        if self.opened.complete:
            return store
        if self.loading:
            raise StillLoadingError("The set is still being loaded")
        raise PairsError("The set is only partially loaded", "Reload it: r.")

    async def load(self, *, again: bool = False) -> AsyncGenerator[None, None]:
        """Imports the set in a child process; yields whenever more is imported. `again`: ignores the cache.

        Raises:
            InputError, PairsError, RunFailedError: as `import_in_child`.
        """
        self.loading = "loading"
        try:
            async with aclosing(import_in_child(self.opened, again=again)) as steps:
                async for rows in steps:
                    total = self.opened.total
                    self.loading = f"loading {percent(rows / total)}" if total else f"loading, {rows:,} so far"
                    yield
        finally:
            self.loading = ""

    # -- the current pair

    def go(self, row: int) -> bool:
        """Moves to a row, limited to the set. Returns False if it is not loaded yet; then it becomes `wanted`."""
        total = self.opened.total
        row = max(0, min(row, (total if total is not None else len(self.opened)) - 1))
        self.wanted = self.back_to = None
        if row >= len(self.opened):
            self.wanted = row
            return False
        self.index = row
        return True

    def here(self, row: int | None = None) -> Here:
        """The pair of a row (None: the current one). Fast enough for a key press.

        Raises:
            StillLoadingError: it is not loaded yet.
            PairsError: the cache was deleted meanwhile.
        """
        row = self.index if row is None else row
        try:
            return Here(row, self.opened.hash(row), self.opened.pair(row))
        except IndexError as error:
            raise StillLoadingError(f"Pair {row + 1:,} is still loading") from error

    def held_out(self, row: int) -> bool:
        """Whether the pair of this row is in the held-out split of the set."""
        held, store = self.curation.hold_out(self.opened.label), self.opened.store
        if held is None or store is None or row >= len(store):
            return False
        prompt = store.fact(row, "prompt_hash")
        return prompt is not None and held_out(prompt, held.seed, held.share)

    # -- searching

    async def search(self, query: PairQuery, words: str = "") -> AsyncGenerator[Matches, None]:
        """Searches for pairs, also in rows that are imported meanwhile. Results are in `matches` and `rows`.

        `words` say what is searched for, if the query itself doesn't.

        Raises:
            InputError: the query is invalid, or the decisions it refers to cannot be read.
            PairsError: the set could not be read, or its cache was deleted meanwhile.
        """
        while True:
            try:
                store = self.store()
                break
            except StillLoadingError:  # the first part of the set is being imported
                await asyncio.sleep(0.05)
        if query.kind == "where" and named_columns(query.words, {})[0] & set(CURATED):
            await self.decisions.current()
        search = Search(store, query, tokens=self.tokens, marks=marks_of(self.curation, self.opened.label))
        found = self.matches = Matches(words or _words(query), search.hits, search, looking=True)
        self.rows = array("Q")
        stop = threading.Event()
        try:
            while True:
                looking = asyncio.ensure_future(in_thread(partial(search.run, stop.is_set), abandon=stop.set))
                try:
                    while not looking.done():
                        await asyncio.wait({looking}, timeout=HITS_SECONDS)
                        await self._list_found(found)
                        yield found
                    await looking
                    await self._list_found(found)
                finally:
                    looking.cancel()
                if search.complete or not self.loading:
                    break
                known = len(store)
                while self.loading and len(store) == known:
                    await asyncio.sleep(0.1)
        except SmoltuiError:
            found.stopped = True
            raise
        finally:
            found.looking = False
        yield found

    async def _list_found(self, found: Matches) -> None:
        """Lists the matches so far."""
        if self.matches is found and (self.rows is None or len(self.rows) != len(found.rows)):
            await self.sort()

    async def rows_where(self, condition: str) -> array[int]:
        """Rows that match an SQL condition, in the set's order.

        Raises:
            InputError, PairsError: as `search`.
        """
        search = Search(
            self.store(),
            PairQuery("where", condition),
            tokens=self.tokens,
            marks=marks_of(self.curation, self.opened.label),
        )
        await in_thread(search.run)
        return search.hits

    async def show_matches(self, rows: Sequence[int], words: str) -> None:
        """Lists these rows as matches of `words`. Raises as `sort`."""
        self.matches = Matches(words, array("Q", rows))
        await self.sort()

    def restore(self, matches: Matches | None) -> None:
        """Returns to earlier matches; None: to all pairs. `sort` then lists them in the current order."""
        self.matches = matches
        self.rows = array("Q", matches.rows) if matches is not None else None

    def clear_matches(self) -> None:
        """Lists all pairs, in the set's own order."""
        self.matches, self.rows, self.order = None, None, OWN_ORDER

    def hit(self, direction: int) -> tuple[int, bool] | None:
        """The next listed row (-1: the previous one), and whether it wrapped around; None if nothing is listed."""
        rows = self.rows
        if not rows:
            return None
        if self.order == OWN_ORDER:
            place = (bisect_right(rows, self.index) if direction > 0 else bisect_left(rows, self.index) - 1) % len(rows)
        else:
            at = next((place for place, row in enumerate(rows) if row == self.index), -1 if direction > 0 else 0)
            place = (at + direction) % len(rows)
        return rows[place], place == (0 if direction > 0 else len(rows) - 1)

    def first_match(self) -> int | None:
        """The first match from the current row on, or else the first of all; None without matches."""
        rows = self.matches.rows if self.matches is not None else ()
        return rows[bisect_left(rows, self.index) % len(rows)] if rows else None

    def place(self) -> int | None:
        """Place of the current row in the list, from 0; None if it is not listed, or the list is sorted."""
        rows = self.rows
        if rows is None or self.order != OWN_ORDER:
            return None
        at = bisect_left(rows, self.index)
        return at if at < len(rows) and rows[at] == self.index else None

    def row_at(self, position: int) -> int | None:
        """The row at a position of the list; None beyond its end."""
        if self.rows is not None:
            return self.rows[position] if 0 <= position < len(self.rows) else None
        return position if 0 <= position < len(self.opened) else None

    @property
    def listed(self) -> int:
        """Number of listed rows."""
        return len(self.rows) if self.rows is not None else len(self.opened)

    async def flagged(self, direction: int) -> int | None:
        """The next row (-1: the previous one) with a problem or an audit finding; None if there is none.

        Raises:
            PairsError: as `store`.
        """
        rows = self._flagged
        if rows is None:
            rows = await self.rows_where(FLAGGED)
            if self.opened.complete:
                self._flagged = rows
        if not rows:
            return None
        place = bisect_right(rows, self.index) if direction > 0 else bisect_left(rows, self.index) - 1
        return rows[place % len(rows)]

    # -- further columns

    def further(self, row: int) -> dict[str, str | None]:
        """The values of the columns `shown` in one row, as text; None for null and for a row that cannot be read."""
        if not self.shown:
            return {}
        try:
            extra = self.opened.further(row)
        except (IndexError, SmoltuiError):
            extra = {}
        return values_of(extra, self.shown)

    async def facet(self, name: str) -> Facet:
        """The values of a column in the matches, or in the whole set without a search.

        Raises:
            InputError: there is no such column, or it cannot be counted; or the decisions cannot be read.
            PairsError: as `store`; or the cache was deleted meanwhile.
        """
        store, found = self.store(), self.matches
        column = facet_column(name, store.meta.extras)
        if column.name in CURATED:
            await self.decisions.current()
        stop = threading.Event()
        count = partial(
            facet_of,
            store,
            column,
            None if found is None else array("Q", found.rows),
            tokens=self.tokens,
            marks=marks_of(self.curation, self.opened.label),
            stopped=stop.is_set,
        )
        counted = await in_thread(count, abandon=stop.set)
        if counted is None:  # it was stopped, so nobody waits for it
            raise asyncio.CancelledError
        return counted

    # -- sorting

    def next_order(self) -> None:
        """Selects the next column to `sort` by, largest first; after the last one, the set's own order."""
        names = [name for name in SORTABLE if self.tokens is not None or not name.endswith("_tokens")]
        at = names.index(self.order[0]) if self.order[0] in names else 0
        following = names[(at + 1) % len(names)]
        self.order = (following, following != "row")

    def reverse_order(self) -> None:
        self.order = (self.order[0], not self.order[1])

    async def sort(self) -> None:
        """Sorts the list by `order`.

        Raises:
            PairsError: as `store`, or the cache was deleted meanwhile.
        """
        order, found = self.order, self.matches
        rows = array("Q", found.rows) if found is not None else None
        if order != OWN_ORDER:
            store = self.store()
            values = await in_thread(partial(column_values, store, order[0], self.tokens))
            rows = await in_thread(partial(sorted_rows, values, rows, descending=order[1]))
        if self.order == order and self.matches is found:  # else a later call decides
            self.rows = rows

    async def how_read(self) -> HowRead:
        """How the set is read: its shape, its columns, what is left out, and its first pairs.

        Raises:
            PairsError, ServiceError: its files cannot be read; the cache was deleted meanwhile.
        """
        return await in_thread(partial(_how_read, self.opened, self.project, self.values))

    async def lengths(self) -> Lengths | None:
        """Lengths of the answers; None if nothing is imported. Raises PairsError: the cache was deleted meanwhile."""
        store = self.opened.store
        if store is None or not len(store):
            return None
        return await in_thread(partial(lengths_of, store, self.tokens, self.max_length))

    # -- deciding

    # Not `async def`: what a key refers to is determined when it is pressed, not when the decision is written.

    def decide(self, act: str, here: Here) -> Awaitable[list[Decision]]:
        """Excludes, swaps or pins a pair, or reverts that if it is done already. Returns the written decisions.

        Raises:
            InputError: as `Decisions.take`.
        """
        found = self.matches
        why = found.reason if found is not None and here.row in found else None

        def make(known: Curation) -> list[Decision]:
            already = {"exclude": known.excluded, "swap": known.swapped, "pin": known.pinned}[act]
            done = OPPOSITE[act] if here.key in already else act
            return [Decision(done, here.key, why=why if done == "exclude" else None, shows=shown(here.pair))]

        return self.decisions.take(make)

    def note(self, here: Here, text: str) -> Awaitable[list[Decision]]:
        """Sets the note on a pair; an empty one removes it. Raises as `decide`."""

        def make(known: Curation) -> list[Decision]:
            same = text == known.notes.get(here.key, "")
            return [] if same else [Decision("note", here.key, note=text, shows=shown(here.pair))]

        return self.decisions.take(make)

    def decide_all(self, act: str, rows: Sequence[int], why: str) -> Awaitable[list[Decision]]:
        """One act for many rows, written together. Raises as `decide`; PairsError: the cache was deleted meanwhile."""
        opened, reason = self.opened, why if act == "exclude" and why else None

        def make(_: Curation) -> list[Decision]:
            return [Decision(act, opened.hash(row), why=reason, shows=shown(opened.pair(row))) for row in rows]

        return self.decisions.take(make)

    def hold_out(self, share: float, seed: int) -> Awaitable[list[Decision]]:
        """Splits off a held-out split by prompt; share 0 removes it. Raises as `decide`."""
        decision = Decision("hold_out", of=self.opened.label, share=share, seed=seed)
        return self.decisions.take(lambda _: [decision])

    async def count_held_out(self, share: float, seed: int) -> tuple[int, int]:
        """Number of pairs and prompts that `hold_out` would hold out.

        Raises:
            PairsError: as `store`; or the cache was deleted meanwhile.
        """
        return await in_thread(partial(_count_held_out, self.store(), share, seed))

    async def export(self, folder: Path, kind: Kind = "jsonl", *, overwrite: bool = False) -> Exported:
        """Writes the curated, converted set into `folder`.

        Raises:
            StillLoadingError: the set is not completely imported.
            InputError, PairsError: as `export_set`; the decisions cannot be read.
        """
        self.whole()
        stop = threading.Event()
        curation = await self.decisions.current()
        write = partial(export_set, self.opened, curation, folder, kind=kind, overwrite=overwrite, stopped=stop.is_set)
        made = await in_thread(write, abandon=stop.set)
        if made is None:  # it was stopped, so nobody waits for it
            raise asyncio.CancelledError
        return made

    # -- passes over the whole set

    async def audit(self) -> AsyncGenerator[str | Audit, None]:
        """Audits the whole set in a child process; yields its progress in words, and finally the new `report`.

        Raises:
            PairsError: as `whole`; the cache was deleted meanwhile.
            SmoltuiError: the held-out split cannot be read, or the child ended with an error.
        """
        while self.loading:
            yield f"waiting for the set: {self.loading}"
            await asyncio.sleep(0.2)
        store = self.whole()
        yield "auditing the pairs"
        held_out_split = None
        async with aclosing(self._held_out_split()) as steps:
            async for step in steps:
                if isinstance(step, str):
                    yield step
                else:
                    held_out_split = step
        asked = Asked(
            store=self.opened.folder,
            max_length=self.max_length,
            tokens=self.tokens,
            project=self.project.folder if self.project is not None else None,
            held_out=held_out_split,
        )
        arguments = await in_thread(partial(audit_request, asked))
        async with aclosing(ask_child("smoltui.backends.pairs.audit", arguments)) as lines:
            async for line in lines:
                if "progress" in line:
                    yield f"auditing the pairs: {line['progress']:,} of {line['of']:,}"
        report = await in_thread(partial(load_audit, self.opened.folder))
        store.forget(AUDIT)
        self.report, self._flagged = report, None
        yield report

    async def _held_out_split(self) -> AsyncGenerator[str | Path, None]:
        """Imports the split that the recipe evaluates on: yields the progress, and its folder; nothing without one."""
        opened, values = self.opened, self.values
        split = str(values.get("dataset_test_split") or "test")
        if values.get("eval_strategy", "no") == "no" or split not in opened.splits or split == opened.split:
            return
        other = await in_thread(partial(open_set, replace(opened.spec, split=split), opened.base))
        if not other.complete:
            async with aclosing(import_in_child(other)) as steps:
                async for rows in steps:
                    yield f"loading the held-out pairs: {rows:,}"
        yield other.folder

    async def save_report(self, audit: Audit) -> list[Path]:
        """Writes a report into the project folder, or else the current one. Raises InputError: it cannot be written."""
        folder = self.project.folder if self.project is not None else Path.cwd()
        return await in_thread(partial(save_reports, audit, folder))

    async def count_tokens(self) -> AsyncGenerator[float, None]:
        """Counts the tokens of the whole set in a child process, then sets `tokens`; yields the share counted so far.

        Raises:
            InputError: there is no project, so no tokenizer; or the tokenizer or the template cannot be used.
            PairsError: as `whole`; or the cache was deleted meanwhile.
            RunFailedError: the child ended without reporting an error.
        """
        if self.project is None:
            raise InputError("Tokens are counted by a recipe's tokenizer", "Name a project folder instead of a file.")
        self.whole()
        kind, rows = None, max(len(self.opened), 1)
        arguments = [str(self.opened.folder), str(self.project.folder)]
        async with aclosing(ask_child("smoltui.backends.pairs.count_tokens", arguments)) as lines:
            async for line in lines:
                kind = tokens_kind(line["key"])
                yield line["rows"] / rows
        self.tokens = kind


def _how_read(opened: PairSet, project: Project | None, values: Mapping[str, object]) -> HowRead:
    rows = first_rows(opened.spec, opened.base)
    counts = reasons_of(opened.store) if opened.store is not None and opened.complete else None
    found = how_read(opened.schema, rows, opened.spec.columns, opened.spec.how, counts)
    note = ignores_tools(project, values) if project is not None and offer_tools(rows) else ""
    return replace(found, note=note, files=opened.notes)


def _words(query: PairQuery) -> str:
    return f"“{query.shown}”" if query.kind == "text" else query.shown


def _count_held_out(store: PairStore, share: float, seed: int) -> tuple[int, int]:
    """As `PairsSession.count_held_out`."""
    try:
        column = store.tables(FACTS, ["prompt_hash"]).column("prompt_hash").to_pylist()
    except FileNotFoundError as error:
        raise gone(store.folder) from error
    held = [value for value in column if value is not None and held_out(value, seed, share)]
    return len(held), len(set(held))
