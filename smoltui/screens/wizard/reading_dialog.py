"""Asks how the pairs of a new project are read: the form of the Pairs room, on its own."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult

from smoltui.backends.guide.pairs_seen import PairsSeen
from smoltui.core.pairs.reading_fields import Read
from smoltui.screens.modal import Modal
from smoltui.screens.pairs.mapping_pane import MappingPane, Unmapped
from smoltui.widgets.key_bar import KeyBar


class ReadingDialog(Modal[Read | None]):
    """Returns how the set is read; None: as before."""

    DEFAULT_CSS = """
    ReadingDialog { background: $surface; align: left top; }
    ReadingDialog MappingPane, ReadingDialog MappingForm { height: 1fr; }
    """

    def __init__(self, seen: PairsSeen) -> None:
        super().__init__()
        self._seen = seen

    def compose(self) -> ComposeResult:
        yield MappingPane()
        yield KeyBar()

    def on_mount(self) -> None:
        seen, pane = self._seen, self.query_one(MappingPane)
        problem = seen.problem or f"How this set is read: {seen.name}"
        pane.offer(Unmapped(seen.spec, seen.base, is_other=True), problem, seen.rows, seen.columns)
        self.set_focus(pane.keys_go_to)

    @on(MappingPane.Accepted)
    def _accepted(self, event: MappingPane.Accepted) -> None:
        self.dismiss(event.read)

    @on(MappingPane.Left)
    def _left(self) -> None:
        self.dismiss(None)
