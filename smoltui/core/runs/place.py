"""A place where runs happen, described by its engine: everything that differs between engines, in one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Target(StrEnum):
    """The kind of machine that a run gets; `core.recipe.check` depends on it."""

    LOCAL = "local"
    """A machine that keeps its disk."""
    JOB = "hub"
    """A container on a GPU with bfloat16; its disk is deleted at the end of the run."""


ACTS = frozenset({"pause", "resume", "rerun", "labels", "stats", "scheduled", "hardware", "command", "expose"})
"""Optional abilities of an engine, in addition to starting, listing, following and cancelling runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """How an engine describes itself. Cheap: the command line lists all places without importing an engine."""

    name: str
    """The value of `Run.engine`, of `--on` and of `run.on` in smoltui.toml."""
    title: str
    """Name inside a sentence: `this machine`."""
    run: str
    """Name for one of its runs: `run`, `Job`."""
    plural: str
    """Name for several of them, distinct from those of other places: `local runs`."""
    can: frozenset[str] = frozenset()
    """The `ACTS` that its engine supports."""
    pays: bool = False
    """A run costs money: it has a flavor with a price and a time limit, and starts only after a confirmation."""
    here: bool = False
    """This machine: its devices are checked before a start, its runs are queued, and their files are on this disk.
    Listing them is cheap enough for several times per second."""
    target: Target = Target.LOCAL
    keeps_files: bool = False
    """Its runs write to disks that this machine has, too: their models can be used and their checkpoints seen here."""
    needs: str = ""
    """A program that must be on the PATH for the place to be offered; empty: it is always offered."""
    table: str = ""
    """Field of `Settings` with what a run asks of this place, stored in `RunSpec.options`; empty: nothing."""
    lists: frozenset[str] = frozenset()
    """Keys of that table whose values its engine can list (`Engine.choices`)."""
    asks: Mapping[str, str] = field(default_factory=dict)
    """Options of `train` that stand for keys of that table: flavor, timeout or namespace → key."""

    @property
    def on_disk(self) -> bool:
        """Whether the files of its runs are on this machine's disks."""
        return self.here or self.keeps_files

    @property
    def subject(self) -> str:
        """`title` at the beginning of a sentence."""
        return self.title[:1].upper() + self.title[1:]

    def called(self, word: str) -> bool:
        """Whether its name, or the name of its runs, starts with `word`, which is in lower case."""
        return any(name.casefold().startswith(word) for name in (self.name, self.plural))


def places_called(word: str, places: Sequence[Place]) -> tuple[str, ...]:
    """Names of the places that a person may mean by `word`, which is in lower case."""
    return tuple(place.name for place in places if place.called(word))
