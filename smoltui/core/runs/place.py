"""A place where runs run, as its engine declares it: what differs from one engine to the next, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """What surroundings a run finds: what `core.recipe.check` has to look at."""

    LOCAL = "local"
    """A machine whose disk stays."""
    JOB = "hub"
    """A container of its own on a GPU that takes bf16, whose disk is deleted at its end."""


ACTS = frozenset({"pause", "resume", "rerun", "labels", "stats", "scheduled", "hardware"})
"""What an engine may be able to do besides starting, listing, following and cancelling runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an engine says of itself. Light: the command line knows all places without importing an engine."""

    name: str
    """What stands in `Run.engine`, behind `--on` and in smoltui.toml (`run.on`)."""
    title: str
    """In a sentence: `this machine`."""
    run: str
    """What one of its runs is called: `run`, `Job`."""
    plural: str
    """…and several of them, apart from those of other places: `local runs`."""
    can: frozenset[str] = frozenset()
    """Which of `ACTS` its engine can do."""
    pays: bool = False
    """A run costs money: it has a flavor with a price and a time limit, and is started only after a yes."""
    here: bool = False
    """This machine: its devices are looked at before a start, its runs wait for each other, their files are on this
    disk, and asking for them costs nothing, so that they may be listed several times a second."""
    target: Target = Target.LOCAL

    @property
    def subject(self) -> str:
        """The title at the beginning of a sentence."""
        return self.title[:1].upper() + self.title[1:]

    def called(self, word: str) -> bool:
        """Whether `word`, in lower case, begins its name or the name of its runs."""
        return any(name.casefold().startswith(word) for name in (self.name, self.plural))


def places_called(word: str, places: Sequence[Place]) -> tuple[str, ...]:
    """Names of the places that a person may mean by `word`, in lower case."""
    return tuple(place.name for place in places if place.called(word))
