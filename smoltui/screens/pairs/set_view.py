"""An opened set: its panes, and the keys that work in all of them."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import ClassVar, Literal, cast

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from smoltui.backends.pairs.search import load_engines
from smoltui.backends.pairs.session import DEFAULT_MAX_LENGTH, OWN_ORDER, Matches, PairsSession
from smoltui.backends.pairs.token_service import TokenService, open_tokenizer
from smoltui.backends.project.project import Project
from smoltui.backends.system.threads import in_thread
from smoltui.core.actions.own_keys import own_key
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.pairs.columns import COLUMNS, SORTABLE
from smoltui.core.pairs.completion import Completion, completion
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.copying import choose_what_to_copy, copy
from smoltui.screens.editing import page_text
from smoltui.screens.pairs.audit_pane import AuditPane
from smoltui.screens.pairs.columns_pane import ColumnsPane
from smoltui.screens.pairs.copying import pair_as_json, parts_of
from smoltui.screens.pairs.facet_pane import FacetPane
from smoltui.screens.pairs.how_pane import HowPane
from smoltui.screens.pairs.list_pane import ListPane
from smoltui.screens.pairs.pair_pane import PairPane, readable_text
from smoltui.screens.pairs.pane import Host, SetPane, here_or_tell, tell
from smoltui.screens.pairs.tokens_pane import TokensPane, as_trained
from smoltui.screens.room import Room, choose_view
from smoltui.screens.room import View as Choice
from smoltui.scripts.curve_remarks import percent
from smoltui.widgets.actions import Refusing, bindings
from smoltui.widgets.unpainted import Unpainted
from smoltui.workspace import workspace_of

COUNTED_BY_ITSELF = 20_000
"""In sets of up to this many pairs, tokens are counted automatically, which takes a few seconds."""
View = Literal["pair", "list", "audit", "tokens", "columns", "facet", "how"]
VIEW_ORDER: tuple[View, ...] = ("pair", "list", "columns", "audit", "tokens", "how")
"""The order in which `v` shows them; the values of a column are reached from the columns."""
VIEW_MENU = (
    Choice("p", "One pair", "pair"),
    Choice("l", "List of pairs", "view('list')"),
    Choice("c", "Columns and their values", "view('columns')"),
    Choice("a", "Audit", "view('audit')"),
    Choice("t", "Tokens that the trainer sees", "tokens"),
    Choice("h", "How this set is read", "view('how')"),
)
"""What `V` offers."""


class SetView(Refusing, Unpainted, ContentSwitcher):
    """Shows one pane at a time. `take` is called before it is first visible, so `session` is always set."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("pairs")

    class SplitWanted(Message):
        """Another split of the same set was requested."""

        def __init__(self, split: str) -> None:
            super().__init__()
            self.split = split

    session: PairsSession
    _tokenizer: TokenService | None = None
    _tokenizer_failed = False

    def __init__(self) -> None:
        super().__init__(id="pairs-panes", initial="pairs-pair")
        self._panes: dict[View, SetPane] = {
            "pair": PairPane(id="pairs-pair"),
            "list": ListPane(id="pairs-list"),
            "audit": AuditPane(id="pairs-audit"),
            "tokens": TokensPane(id="pairs-tokens"),
            "columns": ColumnsPane(id="pairs-columns"),
            "facet": FacetPane(id="pairs-facet"),
            "how": HowPane(id="pairs-how"),
        }
        self._how = cast("HowPane", self._panes["how"])
        self._pair, self._list = cast("PairPane", self._panes["pair"]), cast("ListPane", self._panes["list"])
        self._audit, self._tokens = cast("AuditPane", self._panes["audit"]), cast("TokensPane", self._panes["tokens"])
        self._facet = cast("FacetPane", self._panes["facet"])
        self._before_value: Matches | None = None
        """The matches before those of a value were listed."""
        self._lists_value = False
        """The list shows the pairs of a value; escape returns to the values."""

    def compose(self) -> ComposeResult:
        yield from self._panes.values()

    # -- which pane

    @property
    def host(self) -> Host:
        return cast("Host", self.screen)

    @property
    def view(self) -> View:
        """Name of the visible pane."""
        return next(view for view, pane in self._panes.items() if pane.id == self.current)

    @property
    def pane(self) -> SetPane:
        """The visible pane."""
        return self._panes[self.view]

    def show(self, view: View) -> None:
        """Brings a pane to the front; the caller draws it."""
        pane = self._panes[view]
        self.current = pane.id
        self.host.hand_keys_to(pane)
        self.refresh_bindings()

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        session = self.session
        if action in ("hit", "matches") and not session.rows:
            return "There is no match to go to. Press / to search"
        if action == "split" and len(session.opened.splits) < 2:
            return "This set has one split"
        return super().why_not(action, parameters)

    def action_next_view(self) -> None:
        """Brings the next view to the front. Tokens are left out until the tokenizer is loaded."""
        now: View = "columns" if self.view == "facet" else self.view
        order: list[View] = [view for view in VIEW_ORDER if view != "tokens" or self._tokenizer is not None]
        following = order[(order.index(now) + 1) % len(order)]
        if following == "tokens":
            self.action_tokens()
        elif following == "pair":
            self.show("pair")
            self.draw()
        else:
            self.action_view(following)

    def action_views(self) -> None:
        choose_view(self, VIEW_MENU)

    def action_pair(self) -> None:
        self.show("pair")
        self.draw()

    def close_view(self) -> None:
        """Goes back from another view than the pair, as escape does."""
        self._leave()

    def action_view(self, view: View) -> None:
        """Switches to the list, the audit, the columns or how the set is read, and back to the pair."""
        if self.view == view:
            self._leave()
            return
        self.show(view)
        if view == "audit":
            self._audit.look()
        elif view == "how":
            self._how.look()
        else:
            self.draw()
            if view == "list":
                self._list.draw_lengths()

    @on(TokensPane.Skipped)
    def _skipped(self) -> None:
        if self.view == "tokens":
            self.show("pair")

    @on(SetPane.Left)
    def _leave(self) -> None:
        """Returns to the pair; from there, clears the search. What was opened from the columns returns to them."""
        if self.view == "pair":
            self._end_search()
        elif self.view == "facet":
            self.action_view("columns")
        elif self.view == "list" and self._lists_value:
            self._leave_value()
        else:
            self.show("pair")
            self.draw()

    # -- the set that is shown

    def take(self, session: PairsSession) -> None:
        """Switches to another set and drops unfinished work on the previous one, except decisions and exports."""
        for group in ("find", "sort", "flagged", "tokens"):
            self.workers.cancel_group(self, group)
        self.session, self._lists_value = session, False
        for pane in self._panes.values():
            pane.take(session)
        self.show("pair")
        self._draw_status()

    def draw(self) -> None:
        """Redraws what is shown after something about it changed."""
        if self.view in ("pair", "tokens"):
            self._pair.draw()  # also while hidden behind the tokens, so that nothing moves when they are closed
        if self.view != "pair":
            self.pane.draw()
        self.host.draw_where()
        self._draw_status()

    def draw_decided(self) -> None:
        """Redraws what shows decisions."""
        if self.view in ("audit", "how"):
            self.host.draw_where()
        else:
            self.draw()

    def grown(self) -> None:
        """Called when more of the set is loaded."""
        row = self._awaited()
        if row is not None and row < len(self.session.opened):
            self.go(row)
        if self.view == "list" and self.session.rows is None:
            self.draw()

    def loaded(self) -> None:
        """Called when the whole set is loaded."""
        session = self.session
        if (row := self._awaited()) is not None:  # the set has become shorter
            self.go(row)
        elif self.view in ("pair", "tokens") and session.curation.hold_out(session.opened.label) is not None:
            self.draw()  # only now it is known whether the pair is held out
        if self._tokenizer is None and not self._tokenizer_failed:
            self._load_tokenizer()
        self._count_tokens(asked=False)
        self._facet.loaded()
        self._warm_up()
        self._recall_order()
        if self.view == "list":
            self._list.draw_lengths()
        elif self.view == "how":
            self._how.look()  # now the whole set is counted

    def _awaited(self) -> int | None:
        """The row to show once it is loaded: the requested one, or the current one before a reload; None if neither."""
        session = self.session
        return session.back_to if session.wanted is None and self.view in ("pair", "tokens") else session.wanted

    def recipe_changed(self, values: Mapping[str, object]) -> None:
        """Takes new values of the recipe; another model or `max_length` invalidates token counts."""
        before, self.session.values = _counted_for(self.session.values), values
        after = _counted_for(values)
        if before == after:
            return
        if before[0] != after[0]:
            self.workers.cancel_group(self, "tokens")
            self.session.tokens, self._tokenizer_failed = None, False
            self._drop_tokenizer()
            if self.session.opened.complete:
                self._load_tokenizer()
                self._count_tokens(asked=False)
        elif self._tokenizer is not None:
            self._use(self._tokenizer.limited(values))
        self._audit.forget()
        self._redraw_counts()

    def _redraw_counts(self) -> None:
        if self.view == "list":
            self._list.draw_lengths()
        if self.view not in ("audit", "how"):
            self.draw()

    @work(exclusive=True, group="warm up")
    async def _warm_up(self) -> None:
        """Loads the search engines while no key is pressed; neither the first search nor a key waits for them."""
        await self.host.at_rest()
        await in_thread(load_engines)

    def explained(self) -> tuple[str, ...]:
        """The cards of what the visible pane shows, first that of the line under its cursor."""
        return (*self.pane.under_cursor(), *CARDS_OF[f"pairs.{self.view}"])

    # -- moving

    def go(self, row: int) -> None:
        """Shows a pair, or waits for it while the set is still loading."""
        if not self.session.go(row):
            when = self.session.loading or "not loading: r reloads the set"
            self.host.say(f"Pair {(self.session.wanted or 0) + 1:,} is still loading; it will open when ready ({when})")
            return
        if self.view not in ("pair", "tokens"):
            self.show("pair")
        self.draw()

    def action_step(self, by: int) -> None:
        session = self.session
        if session.wanted is None and 0 <= session.index + by < (session.opened.total or 1 << 60):
            self.go(session.index + by)

    def action_last(self) -> None:
        opened = self.session.opened
        self.go((opened.total or len(opened)) - 1)

    def action_random(self) -> None:
        if len(self.session.opened) > 1:
            self.go(random.randrange(len(self.session.opened)))

    def action_first(self) -> None:
        self.go(0)

    def go_to_number(self, number: int) -> None:
        """Shows the pair with this number, from 1."""
        opened = self.session.opened
        most = opened.total or len(opened)
        if 1 <= number <= most:
            self.go(number - 1)
        else:
            self.host.say(f"Pairs here go from 1 to {most:,}: {number:,}", severity="warning")

    def action_matches(self) -> None:
        """Lists the matches; from the list, returns to the pair."""
        self.action_view("list")

    @on(ListPane.Chosen)
    def _row_chosen(self, event: ListPane.Chosen) -> None:
        self.show("pair")
        self.go(event.row)

    def action_split(self) -> None:
        opened = self.session.opened
        splits, now = opened.splits, opened.split.split("[")[0]
        following = splits[(splits.index(now) + 1) % len(splits)] if now in splits else splits[0]
        self.post_message(self.SplitWanted(following))

    def action_flagged(self, direction: int) -> None:
        self._go_flagged(direction)

    @work(exclusive=True, group="flagged")
    async def _go_flagged(self, direction: int) -> None:
        """Goes to the next pair that has a problem or that the audit reported."""
        try:
            row = await self.session.flagged(direction)
        except SmoltuiError as error:
            tell(self.host, error)
            return
        if row is None:
            self.host.say("No pair of this set is flagged")
        else:
            self.go(row)

    # -- searching

    def action_ask_search(self) -> None:
        matches = self.session.matches
        value = matches.search.query.shown if matches is not None and matches.search is not None else ""
        hint = "text, /regex/, or where chosen_chars > 500"
        self.host.ask("find:", hint, self._searched_for, value, self._complete)

    def _complete(self, text: str, cursor: int) -> Completion | None:
        return completion(text, cursor, self.session.opened.further_columns)

    def _searched_for(self, text: str) -> None:
        query, self._lists_value = parse_query(text), False
        if query is None:
            self._end_search()
        else:
            self._find(query)

    @work(exclusive=True, group="find")
    async def _find(self, query: PairQuery, words: str = "") -> None:
        session, went, any_found = self.session, False, False
        try:
            async with aclosing(session.search(query, words)) as steps:
                async for matches in steps:
                    row, any_found = session.first_match(), bool(matches.rows)
                    if not went and row is not None and (row >= session.index or not matches.looking):
                        went = True
                        if self.view != "list":
                            self.go(row)
                    self._draw_matches()
        except SmoltuiError as error:
            tell(self.host, error)
            self._draw_matches()
            return
        if not any_found:
            self.host.say(f"No matches for “{query.shown}”", severity="warning")
            self.draw()

    def _end_search(self) -> None:
        """Returns to all pairs."""
        self._lists_value = False
        self.workers.cancel_group(self, "find")
        self.session.clear_matches()
        self._remember_order()
        self.draw()
        self.refresh_bindings()

    def _draw_matches(self) -> None:
        if self.view == "list":
            self._list.draw()
        self._draw_status()
        self.refresh_bindings()

    # -- the values of a column

    @on(ColumnsPane.Chosen)
    def _column_chosen(self, event: ColumnsPane.Chosen) -> None:
        self.show("facet")
        self._facet.count(event.name)

    @on(FacetPane.Chosen)
    def _value_chosen(self, event: FacetPane.Chosen) -> None:
        """Lists the pairs with a value: of the whole set as a search, of matches as a part of them."""
        self._before_value, self._lists_value = event.base, True
        self.action_view("list")
        if event.base is None:
            self._find(PairQuery("where", event.value.condition), event.words)
        else:
            self._find_among(event.base, event.value.condition, f"{event.base.words}, {event.words}")

    @work(exclusive=True, group="find")
    async def _find_among(self, base: Matches, condition: str, words: str) -> None:
        session = self.session
        try:
            rows = set(await session.rows_where(condition))
            await session.show_matches([row for row in base.rows if row in rows], words)
        except SmoltuiError as error:
            tell(self.host, error)
        self._draw_matches()

    def _leave_value(self) -> None:
        """Returns from the pairs of a value to the values."""
        self._lists_value = False
        self.workers.cancel_group(self, "find")
        self.session.restore(self._before_value)
        self._sort()
        self.show("facet")
        self.draw()

    @on(AuditPane.Chosen)
    def _finding_chosen(self, event: AuditPane.Chosen) -> None:
        self._lists_value = False
        self._show_finding(event.condition, event.title)

    @work(exclusive=True, group="find")
    async def _show_finding(self, condition: str, title: str) -> None:
        session = self.session
        try:
            rows = await session.rows_where(condition)
            await session.show_matches(rows, title)
        except SmoltuiError as error:
            tell(self.host, error)
            return
        if rows:
            self.show("pair")
            self.go(rows[0])
        self._draw_matches()

    def action_hit(self, direction: int) -> None:
        """Goes to the next match, wrapping around."""
        if (found := self.session.hit(direction)) is not None:
            row, wrapped = found
            if wrapped:
                self.host.say(f"Wrapped to the {'first' if direction > 0 else 'last'} match")
            self.go(row)

    def _draw_status(self) -> None:
        """Draws the query, the progress of the search, and the place among the matches."""
        matches = self.session.matches
        if matches is None:
            self.host.show_status(None)
            return
        line = Text(f"{safe_line(matches.words, 60)}  ", "bold", no_wrap=True, overflow="ellipsis")
        place, found = self.session.place(), f"{len(matches.rows):,} pairs"
        if matches.stopped:
            line.append("stopped", "not bold")
        else:
            line.append(found if place is None else f"{place + 1:,} of {found}", "not bold")
        if matches.looking and matches.search is not None:
            line.append(f", searched {matches.search.looked_at:,}…", "not bold")
        esc = "values" if self.view == "list" and self._lists_value else "clear"
        following, previous, listed, everything, clear = (
            own_key(key, ["pairs", "decide"]) for key in ("n", "N", "f", "A", "esc")
        )
        line.append(f"  {following}/{previous} next/previous · {listed} list · {everything} all", "not bold dim")
        line.append(f" · {clear} {esc}", "not bold dim")
        self.host.show_status(line)

    # -- sorting

    def action_sort(self) -> None:
        """Sorts by the next column, largest first; after the last one, restores the set's own order."""
        self.session.next_order()
        name, descending = self.session.order
        self.host.say(f"Sorted by {COLUMNS[name].words}" + (", descending" if descending else ""))
        self._remember_order()
        self._sort()

    def action_reverse(self) -> None:
        self.session.reverse_order()
        self._remember_order()
        self._sort()

    def _remember_order(self) -> None:
        """Remembers the order of the project's own pairs."""
        if not self.session.is_other:
            name, descending = self.session.order
            workspace_of(self.app).remember("pairs.sort", name)
            workspace_of(self.app).remember("pairs.descending", descending)

    def _recall_order(self) -> None:
        """Sorts as when the project was left; columns of token counts are not counted yet."""
        known, session = workspace_of(self.app).remembered.project, self.session
        order = known.get("pairs.sort", OWN_ORDER[0]), known.get("pairs.descending", OWN_ORDER[1])
        names = [name for name in SORTABLE if not name.endswith("_tokens")]
        if session.is_other or session.order != OWN_ORDER or order == OWN_ORDER or order[0] not in names:
            return
        session.order = order
        self._sort()

    @work(exclusive=True, group="sort")
    async def _sort(self) -> None:
        try:
            await self.session.sort()
        except SmoltuiError as error:
            tell(self.host, error)
            return
        self._draw_matches()

    # -- the whole set: audit and tokens

    def action_audit_again(self) -> None:
        self.show("audit")
        self._audit.forget()

    def action_count_tokens(self) -> None:
        if self.session.tokens is not None:
            self.host.say("Tokens are already counted")
        else:
            self._count_tokens(asked=True)

    @work(exclusive=True, group="tokens")
    async def _count_tokens(self, *, asked: bool) -> None:
        """Counts the tokens of the whole set; silently unless `asked`."""
        session = self.session
        if not asked and len(session.opened) > COUNTED_BY_ITSELF:
            return
        try:
            async with aclosing(session.count_tokens()) as steps:
                async for share in steps:
                    if asked:
                        self.host.draw_where(f"tokens {percent(share)}")
        except SmoltuiError as error:
            if asked:
                tell(self.host, error)
            return
        finally:
            if asked:  # also if the count was replaced by one for another model
                self.host.draw_where("")
        if self.session.report is None or not self.session.report.tokens_known:
            self._audit.forget()
        if self.view == "list":
            self._redraw_counts()
        if asked:
            self.host.say("Tokens are counted: where chosen_tokens > 200, and the audit knows them too")

    # -- what the trainer sees

    def action_tokens(self) -> None:
        """Switches between the pair and its tokens in training."""
        if self.view == "tokens":
            self.show("pair")
        elif self._tokenizer is None:
            self._load_tokenizer(show=True)
        else:
            self.show("tokens")
            self._tokens.draw()

    def _use(self, tokenizer: TokenService | None) -> None:
        self._tokenizer = self._pair.tokenizer = self._tokens.tokenizer = tokenizer

    def _drop_tokenizer(self) -> None:
        """Ends the tokenizer's child process."""
        if self._tokenizer is not None:
            self._tokenizer.close()
        self._use(None)

    def on_unmount(self) -> None:
        self._drop_tokenizer()

    @work(exclusive=True, group="tokenizer")
    async def _load_tokenizer(self, show: bool = False) -> None:
        """Loads the recipe's tokenizer; silently unless `show`."""
        project, values = self.session.project, dict(self.session.values)
        if project is None:
            return
        if show:
            self.host.say(f"Loading the tokenizer: {safe_line(str(values.get('model_name_or_path', '')), 120)} …")
        else:
            await self.host.at_rest()
        unwanted = threading.Event()
        try:
            loaded = await in_thread(partial(_opened, project, values, unwanted), abandon=unwanted.set)
        except SmoltuiError as error:
            self._tokenizer_failed = True
            if show:
                tell(self.host, error)
            return
        self._drop_tokenizer()
        self._use(loaded.limited(self.session.values))  # they may have changed meanwhile
        if show:
            self.show("tokens")
        if self.view in ("pair", "tokens"):
            self.draw()

    # -- copying

    def action_copy(self) -> None:
        if (here := here_or_tell(self.host, self.session)) is not None:
            copy(self, f"pair {here.row + 1:,} as JSON", pair_as_json(as_trained(here, self.session.curation.swapped)))

    def action_copy_what(self) -> None:
        """Offers the prompt, the answers and the whole pair."""
        if (here := here_or_tell(self.host, self.session)) is not None:
            choose_what_to_copy(self, parts_of(as_trained(here, self.session.curation.swapped)))

    def action_page(self) -> None:
        if (here := here_or_tell(self.host, self.session)) is not None:
            page_text(cast("Room", self.screen), readable_text(as_trained(here, self.session.curation.swapped)))


CountedFor = tuple[tuple[object, ...], tuple[object, ...]]
"""The values of the recipe that token counts depend on: the model, and the limit."""


def _counted_for(values: Mapping[str, object]) -> CountedFor:
    return (
        (values.get("model_name_or_path"), values.get("model_revision")),
        (values.get("max_length", DEFAULT_MAX_LENGTH), values.get("truncation_mode")),
    )


def _opened(project: Project, values: Mapping[str, object], unwanted: threading.Event) -> TokenService:
    """Starts the tokenizer in a child process, and ends it at once if it is no longer wanted. Runs in a thread."""
    tokenizer = open_tokenizer(project, values)
    if unwanted.is_set():
        tokenizer.close()
    return tokenizer
