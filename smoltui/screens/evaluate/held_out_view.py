"""The held-out pairs of a group, wrong ones first, and each of them as in the Pairs room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.groups import BY_KEY, members
from smoltui.core.evaluation.pair_values import PairValue, wrong_first
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.screens.evaluate.pair_value_list import PairValueLine, PairValueList, mark_of, signed
from smoltui.screens.pairs.pair_view import Mark, PairView
from smoltui.screens.room import Room
from smoltui.widgets.actions import bindings
from smoltui.widgets.cursor_list import CursorList

GONE = "The pairs of these figures are not kept. Measure again (m) to see them."
NO_TEXT = "The text of this pair is not kept: all pairs together are too large. Wrong pairs are kept first."


class HeldOutView(Room):
    """A list of pairs; enter shows one, esc goes one step back."""

    MODE = "evaluate"
    DEFAULT_CSS = """
    HeldOutView {
        #held-out-head { height: 1; background: $surface; padding: 0 1; }
        PairValueList, PairView { height: 1fr; }
        PairView { display: none; }
        &.reading PairView { display: block; }
        &.reading PairValueList { display: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("held-out-pairs")

    def __init__(self, load: Callable[[], Sequence[PairValue] | None], key: str) -> None:
        """`load` returns all measured pairs, None if they are not kept, and may block; `key` is that of the group."""
        super().__init__()
        self._load_values, self._key = load, key
        self._lines: list[PairValueLine] = []
        self._loaded = False
        self._at = 0
        """Position in the list of the pair that is read: the list itself, hidden, does not move."""

    @property
    def title_words(self) -> str:
        return "Held-out pairs"

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["held-out pairs"]

    def compose_room(self) -> ComposeResult:
        yield Static(id="held-out-head", markup=False)
        yield PairValueList()
        yield PairView()

    def on_mount(self) -> None:
        self._draw_head()
        self._list.show([], "Loading…")
        self._load()

    @work(exclusive=True)
    async def _load(self) -> None:
        self._lines = await in_thread(self._read) or []
        self._loaded = True
        self._list.show(self._lines, GONE)
        self._draw_head()
        self.refresh_bindings()

    def _read(self) -> list[PairValueLine]:
        values = wrong_first(members(self._load_values() or (), self._key))
        return [PairValueLine(value, _excerpt(_pair(value))) for value in values]

    @property
    def _list(self) -> PairValueList:
        return self.query_one(PairValueList)

    @property
    def _reading(self) -> bool:
        return self.has_class("reading")

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "read" and self._reading:
            return "This pair is already open. Press esc to return to the list"
        if action == "read" and not self._lines:
            return "There is no pair to read"
        return super().why_not(action, parameters)

    def action_read(self) -> None:
        self._list.choose()

    @on(CursorList.Chosen)
    def _chosen(self, event: CursorList.Chosen) -> None:
        event.stop()
        self._at = event.position
        self.add_class("reading")
        self._draw_pair()

    @on(CursorList.Moved)
    def _moved(self, event: CursorList.Moved) -> None:
        event.stop()

    def action_back(self) -> None:
        if self._reading:
            self.remove_class("reading")
            self.call_after_refresh(self._list.go, self._at)
            self._draw_head()
            self.refresh_bindings()
        elif self.is_active:
            self.app.pop_screen()

    def action_move(self, by: int) -> None:
        if self._reading:
            self.query_one(PairView).scroll_by(by)
        else:
            self._list.move(by)

    def action_page(self, by: int) -> None:
        if self._reading:
            self.query_one(PairView).scroll_by(pages=by)
        else:
            self._list.page(by)

    def action_next(self, by: int) -> None:
        if not self._reading:
            self._list.page(by)
        elif 0 <= self._at + by < len(self._lines):
            self._at += by
            self._draw_pair()

    def action_switch_side(self) -> None:
        if self._reading:
            self.query_one(PairView).switch_pane()

    def action_whitespace(self) -> None:
        view = self.query_one(PairView)
        view.show_whitespace = not view.show_whitespace

    # -- drawing

    def _draw_pair(self) -> None:
        value = self._lines[self._at].value
        changes = (
            Mark("margin", f"{signed(value.margin, 3)} nats {mark_of(value)}"),
            Mark("change of chosen", signed(value.chosen_change, 2)),
            Mark("change of rejected", signed(value.rejected_change, 2)),
        )
        self.query_one(PairView).show(_pair(value) or Pair(value.number, problem=NO_TEXT), marks=changes)
        self._draw_head()
        self.refresh_bindings()

    def _draw_head(self) -> None:
        words = BY_KEY[self._key].words
        line = Text("Held-out pairs", "bold", no_wrap=True, overflow="ellipsis").append(f" · {words}", "not bold")
        if self._reading:
            number = self._lines[self._at].value.number + 1
            line.append(f" · pair {number:,} ({self._at + 1:,} of {len(self._lines):,}, ← → others)", "not bold dim")
        elif self._loaded and self._lines:
            line.append(f" · {_counted([each.value for each in self._lines])}", "not bold dim")
        self.query_one("#held-out-head", Static).update(line)


def _counted(values: Sequence[PairValue]) -> str:
    finite = [value for value in values if value.finite]
    right = sum(value.right for value in finite)
    said = f"{len(finite) - right:,} wrong ✗, {right:,} right ✓"
    broken = len(values) - len(finite)
    return said + (f", {broken:,} not finite !" if broken else "")


def _pair(value: PairValue) -> Pair | None:
    return pair_of(value.number, value.pair) if value.pair is not None else None


def _excerpt(pair: Pair | None) -> str | None:
    if pair is None:
        return None
    return pair.prompt[-1].shown if pair.prompt else ""
