"""A model whose answers are one column of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.evaluation.figures import ALIGNED, REFERENCE

MOST_COLUMNS = 4
"""More would be narrower than 30 characters in a terminal of 120."""


@dataclass(frozen=True, slots=True)
class Column:
    """A model for generating answers."""

    name: str
    """Unique within a comparison: the key of its answers in events and in stored files. `reference` and `aligned` are
    the recipe's model and the model that was trained from it; others are named after their run, folder or repository.
    """
    path: str = ""
    """Absolute path of a folder, or Hub id; for an adapter, of its base model. Empty: only its answers are known."""
    revision: str | None = None
    adapter: str | None = None
    """Absolute path of a LoRA adapter's folder; None for a full model."""
    run: str | None = None
    """Id of the run that trained it; None if no run did, or it is unknown."""

    @property
    def shown(self) -> str:
        """Origin of its weights, for display."""
        return self.adapter or (f"{self.path}@{self.revision}" if self.revision else self.path)

    @property
    def weights(self) -> tuple[str, str | None, str | None]:
        """What makes two columns the same model."""
        return self.path, self.revision, self.adapter

    def as_json(self) -> dict[str, Any]:
        """The stored form, without what is not known."""
        values = {
            "name": self.name,
            "path": self.path or None,
            "revision": self.revision,
            "adapter": self.adapter,
            "run": self.run,
        }
        return {key: value for key, value in values.items() if value is not None}


PAIR = (Column(REFERENCE), Column(ALIGNED))
"""The columns of a comparison before and after training."""
TAKEN = frozenset({"prompt", "messages", "for", "topic", "own"})
"""Keys of a stored row that no column may have as its name."""


def free_name(wanted: str, columns: Sequence[Column]) -> str:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, … that is no other column's name."""
    taken, number, name = {column.name for column in columns} | TAKEN, 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def columns_from_json(data: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of stored answers. Those of version 1, which does not list them, are reference and aligned."""
    listed = data.get("columns")
    if not isinstance(listed, list):
        places = data.get("models")
        known = places if isinstance(places, Mapping) else {}
        return tuple(
            Column(column.name, place) if isinstance(place := known.get(column.name), str) else column
            for column in PAIR
        )
    found: list[Column] = []
    for item in listed[:MOST_COLUMNS]:
        name = item.get("name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and name and name == free_name(name, found):
            path, *others = (
                value if isinstance(value := item.get(key), str) else None
                for key in ("path", "revision", "adapter", "run")
            )
            found.append(Column(name, path or "", *others))
    return tuple(found) or PAIR
