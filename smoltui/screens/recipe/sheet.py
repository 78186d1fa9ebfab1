"""What the Recipe room shows in one view: a file as fields, with its checks and its changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text

from smoltui.core.recipe import ABSENT, Fix
from smoltui.core.runs.place import Target
from smoltui.screens.recipe.field_list import Row
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.widgets.check_list import Item

Put = tuple["Sheet", str, bool]
"""The sheet after a change, what to say (empty: nothing), and whether that is a warning."""


class Reset(NamedTuple):
    """One way to put values back."""

    letter: str
    """The key that chooses it."""
    words: str
    fix: Fix


class Sheet(ABC):
    """One file, as it was read. Nothing blocks, except `changed_outside` and `put`."""

    NAME: ClassVar[str]
    """Name of the file."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The text of the file."""

    @property
    @abstractmethod
    def values(self) -> Mapping[str, object]:
        """Key → value, of what the file sets."""

    @abstractmethod
    def line_of(self, key: str) -> int | None:
        """One-based line of a key; None if the file does not have it, or not on a line of its own."""

    @abstractmethod
    def rows(self, values: Mapping[str, object], items: Sequence[Item], around: Surroundings) -> list[Row]:
        """The form for these values; `items` are what is wrong with them."""

    @abstractmethod
    def about(self, key: str, values: Mapping[str, object], around: Surroundings) -> Text:
        """Help for a field."""

    @abstractmethod
    def checks(self, values: Mapping[str, object], around: Surroundings, target: Target) -> tuple[str, list[Item]]:
        """A heading, and what is wrong with these values."""

    @abstractmethod
    def totals(self, values: Mapping[str, object], around: Surroundings, target: Target, *, brief: bool) -> Text:
        """What the values come to; empty if that means nothing for this file. `brief`: in two lines."""

    def effect(self, key: str, values: Mapping[str, object], around: Surroundings, target: Target) -> str:
        """What the next value of a field changes, in one line; empty for a field whose value is typed."""
        return ""

    @abstractmethod
    def why_not_typed(self, key: str, values: Mapping[str, object]) -> str:
        """Why a value cannot be typed on a line, one sentence; empty if it can."""

    @abstractmethod
    def shown(self, key: str, value: object) -> str:
        """A value as it would be typed; for `ABSENT` that of the default."""

    @abstractmethod
    def parsed(self, key: str, text: str) -> object:
        """The value for typed text. Raises ValueError, with a message for the person."""

    @abstractmethod
    def unit(self, key: str) -> str:
        """The unit of a value; empty without one."""

    @abstractmethod
    def next_value(self, key: str, value: object) -> object:
        """The other boolean, or the next choice; `ABSENT` if the field has neither."""

    @abstractmethod
    def resets(self, key: str, values: Mapping[str, object], around: Surroundings) -> list[Reset]:
        """What can be put back: the field `key`, and all fields; to the preset, and to the defaults."""

    @abstractmethod
    def changed_outside(self) -> bool:
        """Whether the file is no longer what was read. Blocking."""

    @abstractmethod
    def put(self, key: str, before: object, value: object) -> Put:
        """Writes one value (`ABSENT` removes the key) into the present file, if the key still has the value `before`.

        Blocking. Raises:
            RecipeError: the file cannot be used, or another program changed the same key.
            InputError: it cannot be written.
        """

    def word(self, key: str, value: object) -> str:
        """What another program did to a key: `removed it`, `set it to 5`."""
        return "removed it" if value is ABSENT else f"set it to {self.shown(key, value)}"
