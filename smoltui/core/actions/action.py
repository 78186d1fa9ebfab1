"""One thing that can be done, and one place where things can be done."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

UNBOUND = "unbound "
"""Beginning of the name of a key that no terminal sends: it holds the place of an action without a key."""


class Group(StrEnum):
    """Groups of the help, in the order in which they are listed."""

    MOVE = "Move"
    SEE = "See"
    DO = "Do"
    PROJECT = "Project"
    APP = "App"


class Action(NamedTuple):
    """One row of the table."""

    name: str
    """Name within its place."""
    keys: str
    """Names of keys as Textual has them, with commas between; two characters (`gg`) are pressed one after the other.

    Empty for an action that only the help and the palette offer.
    """
    call: str
    """What Textual runs in the class of the place: `step(1)` calls `action_step(1)`."""
    words: str
    """What it does: imperative, complete."""
    group: Group
    bar: str = ""
    """One or two words for the bar of keys; empty: not in the bar."""
    shown: str = ""
    """How its keys are written; empty: as they are."""
    means: str = ""
    """What its letters mean (`letters.LETTERS`); empty: its name."""
    priority: bool = False
    """Its keys that type nothing work before those of the widget that has the focus, and under a dialog."""
    place: str = ""
    """Name of its place, filled in by that."""

    @property
    def id(self) -> str:
        """Its name in the table, and in the person's key map."""
        return f"{self.place}.{self.name}"

    @property
    def meaning(self) -> str:
        """What its letters mean."""
        return self.means or self.name

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of its keys; for an action without a key, the name of a key that is never pressed."""
        return tuple(self.keys.split(",")) if self.keys else (f"{UNBOUND}{self.id}",)


class Place:
    """A room, view, dialog or widget with keys of its own."""

    def __init__(self, name: str, title: str, actions: tuple[Action, ...], inside: str = "app") -> None:
        self.name = name
        self.title = title
        """Its name on the screen."""
        self.actions = tuple(action._replace(place=name) for action in actions)
        self.inside = inside
        """Name of the place around it, whose keys work here too; empty for a dialog and for the app itself."""
