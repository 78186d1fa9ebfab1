"""How a set is read, to be changed: for a set of unknown shape, or one that is to be read in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from smoltui.backends.data_files.source import PairsSpec
from smoltui.core.pairs.reading_fields import Read, ReadingFields
from smoltui.screens.pairs.mapping_form import MappingForm
from smoltui.screens.pairs.pane import Pane
from smoltui.widgets.actions import bindings


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A set to open, or one of which it is asked how it is read."""

    spec: PairsSpec
    base: Path
    is_other: bool
    """It is not the set of the project."""


class MappingPane(Pane, can_focus=False):
    """Contains the form, which has the focus itself, since text is typed into it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("mapping-pane")

    class Left(Message):
        """The form was canceled, or nothing was changed."""

    class Accepted(Message):
        """It is known how the set of `asked` is read."""

        def __init__(self, asked: Unmapped, read: Read) -> None:
            super().__init__()
            self.asked, self.read = asked, read

    _asked: Unmapped
    """Set by `offer`, which is called first."""

    def compose(self) -> ComposeResult:
        yield MappingForm()

    @property
    def keys_go_to(self) -> Widget:
        return self.query_one(MappingForm)

    def offer(self, asked: Unmapped, problem: str, rows: Sequence[object], columns: Sequence[str] = ()) -> None:
        """Asks how the set is read, of which `rows` are the first ones, as in the file."""
        self._asked = asked
        fields = ReadingFields(rows, Read(asked.spec.columns or {}, asked.spec.how), columns)
        self.query_one(MappingForm).offer(problem, rows, fields)

    @on(MappingForm.Accepted)
    def _accepted(self, event: MappingForm.Accepted) -> None:
        event.stop()
        self.post_message(self.Left() if event.read is None else self.Accepted(self._asked, event.read))

    def action_leave(self) -> None:
        self.post_message(self.Left())
