"""A card: the explanation of one figure, field, finding, check, column or term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

KINDS = {
    "metric": "metric of the training",
    "field": "key of the recipe",
    "setting": "setting in smoltui.toml",
    "finding": "finding of the audit",
    "column": "column of the pairs",
    "figure": "figure in Evaluate",
    "run": "Runs",
    "check": "machine, account and checks",
    "pairs": "Pairs",
    "term": "term",
}
"""Kind → where such cards belong, as shown."""


@dataclass(frozen=True, slots=True)
class Card:
    """One explanation. Empty texts are not shown."""

    kind: str
    """One of `KINDS`."""
    term: str
    """TRL's name, the key, or the word; unique within its kind."""
    what: str
    title: str = ""
    """As shown; empty: the term."""
    unit: str = ""
    healthy: str = ""
    suspicious: str = ""
    act: str = ""
    """What to do."""
    source: str = ""
    also: tuple[str, ...] = ()
    """Other names, such as labels on screens."""

    @property
    def id(self) -> str:
        """What a screen names it by."""
        return f"{self.kind}:{self.term}"

    @property
    def heading(self) -> str:
        """The title, with the term if that differs."""
        title = self.title or self.term
        return title if title.casefold() == self.term.casefold() else f"{title} ({self.term})"

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it can be looked up by."""
        return (self.term, *((self.title,) if self.title else ()), *self.also)

    def rows(self) -> Iterator[tuple[str, str]]:
        """(label, text) of everything it says, in order."""
        for label, text in (
            ("what", self.what),
            ("unit", self.unit),
            ("healthy", self.healthy),
            ("suspicious", self.suspicious),
            ("what to do", self.act),
            ("source", self.source),
        ):
            if text:
                yield label, text

    def as_json(self) -> dict[str, Any]:
        """For `explain --json`."""
        return {**asdict(self), "id": self.id, "also": list(self.also)}
