"""A set whose shape is not recognized: a form that asks which column is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError
from smoltui.core.pairs.mapping import guess_columns, preview
from smoltui.screens.pairs.mapping_form import MappingForm
from smoltui.screens.pairs.pane import Pane


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A set to open, or one whose columns are not known yet."""

    spec: PairsSpec
    base: Path
    is_other: bool
    """It is not the set of the project."""


class MappingPane(Pane, can_focus=False):
    """Contains the form, which has the focus itself, since text is typed into it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel")]

    class Left(Message):
        """The form was canceled."""

    class Accepted(Message):
        """The columns of `asked` are known."""

        def __init__(self, asked: Unmapped, columns: Mapping[str, str]) -> None:
            super().__init__()
            self.asked, self.columns = asked, columns

    _asked: Unmapped
    """Set by `offer`, which is called first."""

    def compose(self) -> ComposeResult:
        yield MappingForm()

    @property
    def keys_go_to(self) -> Widget:
        return self.query_one(MappingForm)

    def offer(self, asked: Unmapped, error: UnknownShapeError) -> None:
        """Asks for the columns, with a preview of the first pair."""
        self._asked = asked
        form = self.query_one(MappingForm)
        form.offer(str(error), error.columns, partial(preview, error.rows), guess_columns(error.rows))

    @on(MappingForm.Accepted)
    def _accepted(self, event: MappingForm.Accepted) -> None:
        event.stop()
        self.post_message(self.Accepted(self._asked, event.mapping))

    def action_leave(self) -> None:
        self.post_message(self.Left())
