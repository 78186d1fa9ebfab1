"""Pairs: what the model will learn from, read, searched, judged and curated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.screens.pairs.auditing import Auditing
from smoltui.screens.pairs.curating import Curating
from smoltui.screens.pairs.finding import Finding
from smoltui.screens.pairs.opening import WATCH_SECONDS, Opening
from smoltui.screens.pairs.reading import Reading
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.audit_list import AuditList
from smoltui.widgets.histogram import Histogram
from smoltui.widgets.mapping_form import MappingForm
from smoltui.widgets.pair_list import PairList
from smoltui.widgets.pair_view import PairView
from smoltui.widgets.trainer_view import TrainerPane

DEFAULT_MAX_LENGTH = 1024
"""Of TRL's DPOConfig (1.16), in tokens."""


CountedFor = tuple[tuple[object, ...], tuple[object, ...]]
"""What of the recipe the tokens depend on: its model, and where it cuts."""


def _counted_for(values: Mapping[str, object]) -> CountedFor:
    return (
        (values.get("model_name_or_path"), values.get("model_revision")),
        (values.get("max_length", DEFAULT_MAX_LENGTH), values.get("truncation_mode")),
    )


class PairsRoom(Opening, Reading, Finding, Curating, Auditing):
    """One pair at a time, a list of them, or what is wrong with all of them."""

    MODE = "pairs"
    CSS_PATH = "pairs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "step(1)", "Next"),
        Binding("slash", "ask_search", "Find", key_display="/"),
        Binding("v", "list", "List"),
        Binding("a", "audit", "Audit"),
        Binding("x", "decide('exclude')", "Exclude"),
        Binding("m", "trainer", "Tokens"),
        Binding("o", "ask_source", "Open"),
        # Not in the bottom line: it has to fit in 80 columns. `?` tells all of them.
        Binding("left,h", "step(-1)", "Previous", show=False),
        Binding("enter", "enter", "Open what the cursor is on", show=False),
        Binding("n", "hit(1)", "Next of those found", show=False),
        Binding("N", "hit(-1)", "The one before", key_display="N", show=False),
        Binding("g", "ask_number", "Go to a pair", show=False),
        Binding("G", "last", "Last", show=False),
        Binding("R", "random", "A pair at random", show=False),
        Binding("f", "flagged(1)", "Next flagged pair", show=False),
        Binding("F", "flagged(-1)", "Flagged pair before", show=False),
        Binding("X", "decide('swap')", "Swap chosen and rejected", show=False),
        Binding("p", "decide('pin')", "Pin", show=False),
        Binding("e", "ask_note", "Note", show=False),
        Binding("b", "bulk", "All that were found", show=False),
        Binding("u", "undo", "Undo the last decision", show=False),
        Binding("H", "ask_hold_out", "Hold out a share", show=False),
        Binding("E", "ask_export", "Export", show=False),
        Binding("s", "sort", "Sort by the next column", show=False),
        Binding("S", "reverse", "Sort the other way", show=False),
        Binding("k,up", "scroll(-1, 0)", "Up", show=False),
        Binding("j,down", "scroll(1, 0)", "Down", show=False),
        Binding("pagedown,space", "scroll(0, 1)", "Page down", show=False),
        Binding("pageup", "scroll(0, -1)", "Page up", show=False),
        Binding("home", "scroll(-100000, 0)", "Top", show=False),
        Binding("end", "scroll(100000, 0)", "End", show=False),
        Binding("tab", "pane", "Scroll prompt or answers", show=False),
        Binding("W", "whitespace", "White space visible", show=False),
        Binding("T", "count_tokens", "Count the tokens of all pairs", show=False),
        Binding("A", "audit_again", "Audit again", show=False),
        Binding("w", "save_audit", "Write the report to the project", show=False),
        Binding("d", "split", "Another split of the set", show=False),
        Binding("r", "reload", "Read the set anew", show=False),
        Binding("y", "copy", "Copy the pair as JSON", show=False),
        Binding("P", "page", "Open in the pager", show=False),
        Binding("escape", "back", "Back", show=False),
    ]
    _OF_A_PAIR = frozenset({"decide", "ask_note", "copy", "page", "trainer", "whitespace"})
    _OF_A_SET = frozenset(
        {
            "step", "last", "random", "flagged", "hit", "ask_search", "ask_number", "list", "audit", "audit_again",
            "bulk", "ask_hold_out", "ask_export", "sort", "reverse", "split", "count_tokens", "save_audit",
        }
    )  # fmt: skip

    _counted_for: CountedFor | None = None
    """As the room was entered last."""

    def __init__(self) -> None:
        super().__init__()
        self.undoable = []

    def compose_room(self) -> ComposeResult:
        yield Static(id="pairs-where", markup=False)
        yield Static(id="pairs-nothing", markup=False)
        yield PairView()
        yield TrainerPane()
        with Vertical(id="pairs-list"):
            yield Histogram()
            yield PairList()
        yield AuditList()
        yield MappingForm()
        yield Static(id="pairs-status", markup=False)
        yield AskLine()

    def on_mount(self) -> None:
        self.decisions = CurationFile(self.smoltui.project.folder)
        self.show_nothing("Looking for the project's pairs…")
        self.set_interval(WATCH_SECONDS, self._tick)

    @on(events.ScreenResume)
    def _entered(self) -> None:
        values = self.recipe_values()
        length = values.get("max_length", DEFAULT_MAX_LENGTH)
        self.max_length = length if isinstance(length, int) else None
        before, self._counted_for = self._counted_for, _counted_for(values)
        if before is not None and before != self._counted_for:
            self._recount(values, other_model=before[0] != self._counted_for[0])
        if self.follows_project:
            self.open_project()

    def _tick(self) -> None:
        if self.is_current:
            self.look_outside()

    def on_resize(self) -> None:
        self.draw_where()
        if self.view == "list":
            self.draw_histogram()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self.asking and action != "back":
            return False
        if self.view == "mapping" and action not in ("back", "ask_source"):
            return False
        if action in self._OF_A_SET or action in self._OF_A_PAIR:
            if self.opened is None:
                return None
            if action == "hit":
                return True if self.rows else None
            if action == "split":
                return True if len(self.opened.splits) > 1 else None
        if action == "reload" and self.opened is None and not self.follows_project:
            return None
        if action == "save_audit" and self.audit is None:
            return None
        return True

    # -- what several parts have to do with

    def action_enter(self) -> None:
        if self.view == "list":
            self.query_one(PairList).choose()
        elif self.view == "audit":
            self.action_finding()

    def action_back(self) -> None:
        """Out of the question, the view, the search: whichever is open."""
        if self.asking:
            self.line.stop()
        elif self.view in ("list", "audit", "trainer"):
            self.show_view("pair")
            self.draw_pair()
        elif self.view == "mapping":
            self.open_project()
        elif self.rows is not None:
            self.end_search()

    def grown(self) -> None:
        if (row := self._awaited()) is not None and self.opened is not None and row < len(self.opened):
            self.go(row)
        if self.view == "list" and self.rows is None:
            self.show_rows()

    def _awaited(self) -> int | None:
        """The row to show when it is there: one that was asked for, or the one before the set was read anew."""
        return self.back_to if self.wanted is None and self.view in ("pair", "trainer") else self.wanted

    def forget(self) -> None:
        self.audit, self.flagged, self.audit_progress = None, None, ""

    def imported(self) -> None:
        self.forget()
        opened = self.opened
        assert opened is not None
        if (row := self._awaited()) is not None:  # the set is shorter by now
            self.go(row)
        elif self.view in ("pair", "trainer") and self.curation.hold_out(opened.label) is not None:
            self.draw_pair()  # whether it is held out is known only now
        if self.tokenizer is None and self.tokenizer_problem is None:
            self.load_tokenizer()
        self.count_tokens(asked=False)
        self.warm_up()
        if self.view == "list":
            self.draw_histogram()

    def _recount(self, values: Mapping[str, object], *, other_model: bool) -> None:
        """The recipe names another model or length by now: what was counted for the one before is not true any more."""
        if other_model:
            self.workers.cancel_group(self, "tokens")
            self.drop_tokenizer()
            self.tokens = None
            if self.opened is not None and self.opened.complete:
                self.load_tokenizer()
                self.count_tokens(asked=False)
        elif self.tokenizer is not None:
            self.tokenizer = self.tokenizer.limited(values)
        self.forget_audit()
        if self.view == "list":
            self.show_rows()
            self.draw_histogram()
        elif self.opened is not None and self.view in ("pair", "trainer"):
            self.draw_pair()

    def counted(self) -> None:
        if self.audit is None or not self.audit.tokens_known:
            self.forget_audit()
        if self.view == "list":
            self.show_rows()
            self.draw_histogram()

    def decided(self) -> None:
        if self.view in ("pair", "trainer"):
            self.draw_pair()
        elif self.view == "list":
            self.show_rows()

    def forget_flagged(self) -> None:
        self.flagged = None
