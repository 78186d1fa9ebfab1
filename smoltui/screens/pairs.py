"""Pairs: what the model will learn from, read pair by pair."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Static

from smoltui.backends.pair_source import PairSource, PairsSpec, files_stamp, open_spec, open_typed, project_pairs
from smoltui.backends.threads import in_thread
from smoltui.core.preference import FINDINGS, Pair, Survey, pair_json
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.screens.room import Room
from smoltui.scripts.pair_format import SCHEMAS
from smoltui.widgets.pair_view import PairView

SHOWN_ROWS = 12
"""Pair numbers named per finding of the survey."""


class PairsRoom(Room):
    """One pair at a time, of the project's set or of any other that is opened here."""

    MODE = "pairs"
    CSS_PATH = "pairs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "step(1)", "Next"),
        Binding("g", "ask('go')", "Go to"),
        Binding("slash", "ask('search')", "Search", key_display="/"),
        Binding("s", "split", "Split"),
        Binding("i", "survey", "Survey"),
        Binding("o", "ask('open')", "Open"),
        # Not in the bottom line: it has to fit in 80 columns. `?` tells all of them.
        Binding("left,h", "step(-1)", "Previous", show=False),
        Binding("n", "hit(1)", "Next hit", show=False),
        Binding("N", "hit(-1)", "Hit before", key_display="N", show=False),
        Binding("y", "copy", "Copy the pair as JSON", show=False),
        Binding("G", "last", "Last pair", show=False),
        Binding("down,j", "scroll(1, 0)", "Scroll down", show=False),
        Binding("up,k", "scroll(-1, 0)", "Scroll up", show=False),
        Binding("pagedown,space", "scroll(0, 1)", "Page down", show=False),
        Binding("pageup,b", "scroll(0, -1)", "Page up", show=False),
        Binding("home", "scroll(-100000, 0)", "Top of the text", show=False),
        Binding("end", "scroll(100000, 0)", "End of the text", show=False),
        Binding("tab", "pane", "Scroll prompt or answers", show=False),
        Binding("escape", "back", "Back", show=False),
    ]
    _NEED_PAIRS = frozenset({"step", "last", "hit", "split", "survey", "copy"})
    _QUESTIONS: ClassVar[dict[str, str]] = {
        "go": "go to pair: ",
        "search": "search: ",
        "open": "open a file, folder or Hub id: ",
    }
    _HINTS: ClassVar[dict[str, str]] = {
        "go": "a number; esc leaves it",
        "search": "a part of a text; esc leaves it",
        "open": "empty: the recipe's pairs; esc leaves it",
    }

    def __init__(self) -> None:
        super().__init__()
        self._source: PairSource | None = None
        self._pair: Pair | None = None
        self._index = 0
        self._own: PairsSpec | None = None
        """What the project names, as last read; the room follows it until something else is opened here."""
        self._stamp: object = None
        self._follows_project = True
        self._is_other = False
        """Something was opened here that the project does not name."""
        self._question = ""
        self._query = ""
        self._hits: list[int] | None = None
        self._survey: Survey | None = None
        self._surveyed = 0

    # -- what is there

    def compose_room(self) -> ComposeResult:
        yield Static(id="pairs-where", markup=False)
        yield Static(id="pairs-nothing", markup=False)
        yield PairView()
        yield VerticalScroll(Static(id="survey", markup=False), id="survey-pane", can_focus=False)
        yield Static(id="pairs-status", markup=False)
        with Horizontal(id="pairs-ask"):
            yield Static(id="pairs-question", markup=False)
            answer = Input(compact=True, select_on_focus=False)
            answer.cursor_blink = False  # a blinking cursor sends bytes for ever
            yield answer

    def on_mount(self) -> None:
        self._show_nothing("Looking for the project's pairs…")

    @on(events.ScreenResume)
    def _entered(self) -> None:
        if self._follows_project:
            self._open_project()

    def on_resize(self) -> None:
        self._draw_where()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if (action == "hit" and not self._query) or (action == "ask" and self.has_class("asking")):
            return False
        if action == "split" and self._source is not None:
            return True if len(self._source.splits) > 1 else None
        if action in self._NEED_PAIRS or (action == "ask" and parameters[0] != "open"):
            return True if self._source is not None else None
        return True

    # -- opening

    @work(exclusive=True, group="open")
    async def _open_project(self) -> None:
        """Opens what the project names, again when the recipe or the file has changed since."""
        project = self.smoltui.project
        try:
            spec = await in_thread(partial(project_pairs, project))
            if spec is None:
                self._take(None)
                where = "its recipe.yaml names none" if project.has_recipe else "it has no recipe.yaml"
                self._show_nothing(
                    f"The project {project.name} has no pairs yet: {where}.\n\n  o  opens a file or a Hub id"
                )
                return
            stamp = await in_thread(partial(files_stamp, spec, project.folder))
            if self._source is not None and spec == self._own and stamp == self._stamp:
                return
            again = self._index if spec == self._own else 0
            if self._source is None or spec != self._own:
                self._show_nothing(f"Opening {safe_line(spec.shown, 200)} …")
            source = await in_thread(partial(open_spec, spec, project.folder))
        except SmoltuiError as error:
            self._own = None
            self._take(None)
            self._show_nothing(f"{error}\n\n  o  opens another file or Hub id")
            return
        self._own, self._stamp = spec, stamp
        self._take(source, again)
        if spec.others:
            self.say(f"The recipe mixes {spec.others + 1} sets; this is the first of them")

    @work(exclusive=True, group="open")
    async def _open(self, opening: Callable[[], PairSource], what: str, *, other: bool = False) -> None:
        """Opens something else; what is shown stays when that fails."""
        status = self.query_one("#pairs-where", Static)
        status.update(Text(f"Opening {safe_line(what, 200)} …", "italic"))
        try:
            source = await in_thread(opening)
        except SmoltuiError as error:
            self._draw_where()
            self.say(error)
            return
        self._follows_project, self._is_other = False, other or self._is_other
        self._take(source)

    def _take(self, source: PairSource | None, index: int = 0) -> None:
        """Shows another set, and forgets what was known of the one before."""
        for group in ("fetch", "search", "count", "survey"):
            self.workers.cancel_group(self, group)
        self._source, self._pair, self._survey, self._surveyed = source, None, None, 0
        self._query, self._hits = "", None
        self.remove_class("searching", "surveyed", "nothing")
        if source is not None:
            self._go(min(index, len(source) - 1))
        self.refresh_bindings()

    def _show_nothing(self, sentence: str) -> None:
        self.add_class("nothing")
        self.query_one("#pairs-nothing", Static).update(Text(safe(sentence, 2000)))
        self._draw_where()

    # -- moving

    def _go(self, index: int) -> None:
        """Shows a pair: at once when it is at hand, else when it has been read."""
        assert self._source is not None
        self._index = index
        self._leave_survey()
        self.workers.cancel_group(self, "fetch")
        if self._source.near(index):
            self._draw(self._source.pair(index))
        else:
            self._fetch(self._source, index)

    @work(exclusive=True, group="fetch")
    async def _fetch(self, source: PairSource, index: int) -> None:
        try:
            pair = await in_thread(partial(source.pair, index))
        except SmoltuiError as error:
            self.say(error)
            return
        if source is self._source and index == self._index:
            self._draw(pair)

    def action_step(self, by: int) -> None:
        assert self._source is not None
        index = self._index + by
        if 0 <= index < len(self._source):
            self._go(index)

    def action_last(self) -> None:
        assert self._source is not None
        self._go(len(self._source) - 1)

    def action_scroll(self, lines: int, pages: int) -> None:
        if self.has_class("surveyed"):
            pane = self.query_one("#survey-pane", VerticalScroll)
            pane.scroll_relative(y=lines + pages * max(pane.size.height - 1, 1), animate=False)
        else:
            self.query_one(PairView).scroll_by(lines, pages)

    def action_pane(self) -> None:
        elsewhere = self.has_class("surveyed") or self.has_class("asking")
        if self._pair is not None and self._pair.readable and not elsewhere:
            self.query_one(PairView).switch_pane()

    def action_split(self) -> None:
        assert self._source is not None
        splits = self._source.splits
        now = self._source.split.split("[")[0]
        following = splits[(splits.index(now) + 1) % len(splits)] if now in splits else splits[0]
        self._open(partial(self._source.other_split, following), f"{self._source.name}, split {following}")

    # -- drawing

    def _draw(self, pair: Pair) -> None:
        self._pair = pair
        self.query_one(PairView).show(pair, self._query)
        self._draw_where()
        self._draw_status()

    def _draw_where(self) -> None:
        where = self.query_one("#pairs-where", Static)
        if self._source is None:
            where.update("", layout=False)
            return
        source = self._source
        place = f"pair {self._index + 1:,} of {len(source):,}"
        split = safe_line(source.split, 30)
        if len(source.splits) > 1:
            split += f", one of {len(source.splits)} splits"
        other = " · not the recipe's pairs" if self._is_other else ""
        rest = f" · {split}{other} · {SCHEMAS[source.schema]}"
        room = self.size.width - 2 - len(place) - 2
        name = safe_line(source.name, 60)
        left = Text(name, "bold", no_wrap=True).append(rest, "not bold dim")
        left.truncate(max(room, 0), overflow="ellipsis", pad=True)
        where.update(left.append("  ").append(place, "bold"), layout=False)

    def _draw_status(self) -> None:
        if not self._query:
            return
        line = Text(f"/{safe_line(self._query, 60)}  ", "bold", no_wrap=True)
        if self._hits is None:
            line.append("counting…", "not bold dim")
        elif self._index in self._hits:
            line.append(f"hit {bisect_left(self._hits, self._index) + 1:,} of {len(self._hits):,} pairs", "not bold")
        else:
            line.append(f"{len(self._hits):,} pairs hold it", "not bold")
        line.append("  n next  N before  esc ends the search", "not bold dim")
        self.query_one("#pairs-status", Static).update(line, layout=False)

    # -- asking in one line

    def action_ask(self, question: str) -> None:
        self._question = question
        self.app.clear_notifications()  # they would lie over the line
        self.query_one("#pairs-question", Static).update(Text(self._QUESTIONS[question], "bold"))
        answer = self.query_one(Input)
        answer.value, answer.placeholder = "", self._HINTS[question]
        self.add_class("asking")
        answer.focus()
        self.refresh_bindings()

    def _stop_asking(self) -> None:
        self.remove_class("asking")
        self.set_focus(None)
        self.refresh_bindings()

    @on(Input.Submitted)
    def _answered(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        self._stop_asking()
        if self._question == "search":
            self._start_search(text)
        elif text and self._question == "go":
            self._go_to(text)
        elif text and self._question == "open":
            self._open(partial(open_typed, text, self.smoltui.project.folder), text, other=True)
        elif self._question == "open" and not self._follows_project:
            self._follows_project, self._is_other, self._own = True, False, None
            self._open_project()

    def _go_to(self, text: str) -> None:
        assert self._source is not None
        number = int(text) if text.isascii() and text.isdigit() else 0
        if 1 <= number <= len(self._source):
            self._go(number - 1)
        else:
            self.say(f"Pairs here go from 1 to {len(self._source):,}: {text}", severity="warning")

    def action_back(self) -> None:
        """Out of the question, the survey, the search: whichever is open."""
        if self.has_class("asking"):
            self._stop_asking()
        elif self.has_class("surveyed"):
            self._leave_survey()
        elif self._query:
            self._start_search("")

    # -- search

    def _start_search(self, text: str) -> None:
        for group in ("search", "count"):
            self.workers.cancel_group(self, group)
        self._query, self._hits = text, None
        self.set_class(bool(text), "searching")
        self.refresh_bindings()
        if text:
            self._find(self._index, backwards=False)
            self._count(text)
        elif self._pair is not None:
            self._draw(self._pair)

    def action_hit(self, direction: int) -> None:
        self._find(self._index + direction, backwards=direction < 0)

    @work(exclusive=True, group="search")
    async def _find(self, start: int, *, backwards: bool) -> None:
        """Goes to the next hit, from the other end of the set when there is none before this one."""
        source, query = self._source, self._query
        assert source is not None
        if self._hits is not None:
            at = _next_hit(self._hits, start, backwards)
        else:
            stop = threading.Event()
            other_end = len(source) - 1 if backwards else 0
            at = None
            for begin in (start, other_end):
                look = partial(source.search, query, begin, backwards=backwards, stopped=stop.is_set)
                at = await in_thread(look, abandon=stop.set) if 0 <= begin < len(source) else None
                if at is not None:
                    break
        if at is None:
            self.say(f"No pair holds this text: {query}", severity="warning")
            if self._pair is not None:
                self._draw(self._pair)
            return
        if at > start if backwards else at < start:
            self.say(f"Search went on from the {'last' if backwards else 'first'} pair")
        self._go(at)

    @work(exclusive=True, group="count")
    async def _count(self, text: str) -> None:
        assert self._source is not None
        stop = threading.Event()
        hits = partial(self._source.hits, text, stopped=stop.is_set)
        self._hits = await in_thread(lambda: list(hits()), abandon=stop.set)
        self._draw_status()

    # -- survey

    def action_survey(self) -> None:
        if self.has_class("surveyed"):
            self._leave_survey()
            return
        self.add_class("surveyed")
        self._draw_survey()
        if self._survey is None:
            self._make_survey()

    def _leave_survey(self) -> None:
        self.remove_class("surveyed")

    @work(exclusive=True, group="survey")
    async def _make_survey(self) -> None:
        source = self._source
        assert source is not None
        stop = threading.Event()

        def progress(rows: int) -> None:
            self._surveyed = rows

        redraw = self.set_interval(0.25, self._draw_survey)
        try:
            self._survey = await in_thread(
                partial(source.survey, progress=progress, stopped=stop.is_set), abandon=stop.set
            )
        finally:
            redraw.stop()
        self._draw_survey()

    def _draw_survey(self) -> None:
        assert self._source is not None
        text = Text()
        text.append(f"Survey of {safe_line(self._source.name, 80)}, {safe_line(self._source.split, 30)}\n\n", "bold")
        if self._survey is None:
            text.append(f"{self._surveyed:,} of {len(self._source):,} rows looked at…")
        else:
            text.append_text(_survey_lines(self._survey))
        text.append("\n\n i or escape: back to the pair", "dim")
        self.query_one("#survey", Static).update(text)

    # -- taking along

    def action_copy(self) -> None:
        if self._pair is None:
            return
        text = json.dumps(pair_json(self._pair), ensure_ascii=False, indent=2)
        self.app.copy_to_clipboard(text)
        self.say(f"Pair {self._pair.index + 1:,} is copied as JSON, where the terminal allows it (OSC 52)")


def _next_hit(hits: list[int], start: int, backwards: bool) -> int | None:
    """The nearest of `hits` from `start` on, around the end of the set; None without hits."""
    if not hits:
        return None
    if backwards:
        return hits[bisect_right(hits, start) - 1]
    return hits[bisect_left(hits, start) % len(hits)]


def _survey_lines(survey: Survey) -> Text:
    text = Text()
    text.append(f"{survey.rows:>9,}  rows\n")
    text.append(f"{survey.clean:>9,}  clean: usable, and the answers differ\n\n", "bold green")
    for name, words in FINDINGS.items():
        rows = survey.findings[name]
        text.append(f"{len(rows):>9,}  {words}\n", "" if rows else "dim")
        if rows:
            numbers = ", ".join(f"{row + 1:,}" for row in rows[:SHOWN_ROWS])
            more = f" and {len(rows) - SHOWN_ROWS:,} more" if len(rows) > SHOWN_ROWS else ""
            text.append(f"           pairs {numbers}{more}\n", "cyan")
    return text
