"""A sweep: named values of a recipe, and one run for each combination of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from smoltui.core.recipe import field_for, show
from smoltui.errors import InputError

MOST_POINTS = 64
"""Runs in one sweep; more are a typo, or work for a program of its own."""
LABEL = "smoltui-sweep"
"""Label of the runs, with the id of their sweep."""


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of values."""

    values: Mapping[str, Any]
    """Keys of the recipe with plain values."""
    label: str
    """Unique label of its run, decided before the run is started, so that it is started only once."""
    run_id: str = ""
    """Empty until it was started."""

    @property
    def words(self) -> str:
        """For example `beta 0.05 · learning_rate 1e-6`."""
        return " · ".join(f"{key} {show(field_for(key), value) or 'null'}" for key, value in self.values.items())

    @property
    def slug(self) -> str:
        """The same as part of a folder's name."""
        parts = (f"{key}-{show(field_for(key), value)}" for key, value in self.values.items())
        return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(parts)).strip("-.")[:80] or "point"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as it is stored."""

    id: str
    project: str
    """Absolute path of the project's folder."""
    engine: str
    """Name of the engine that runs it."""
    created_at: float
    """Seconds since the epoch."""
    points: tuple[Point, ...]

    def with_run(self, label: str, run_id: str) -> Sweep:
        """The sweep once the run of a point was started."""
        points = (replace(point, run_id=run_id) if point.label == label else point for point in self.points)
        return replace(self, points=tuple(points))

    def with_label(self, old: str, new: str) -> Sweep:
        """The sweep with a point that is to be run again."""
        points = (replace(point, label=new, run_id="") if point.label == old else point for point in self.points)
        return replace(self, points=tuple(points))

    def as_json(self) -> dict[str, Any]:
        points = [{"values": dict(one.values), "label": one.label, "run_id": one.run_id} for one in self.points]
        return {
            "id": self.id,
            "project": self.project,
            "engine": self.engine,
            "created_at": self.created_at,
            "points": points,
        }


def sweep_from_json(data: object) -> Sweep | None:
    """The sweep in a decoded record; None if it is none."""
    if not isinstance(data, Mapping) or not isinstance(data.get("points"), list):
        return None
    try:
        points = tuple(Point(dict(one["values"]), str(one["label"]), str(one["run_id"])) for one in data["points"])
        return Sweep(str(data["id"]), str(data["project"]), str(data["engine"]), float(data["created_at"]), points)
    except (KeyError, TypeError, ValueError):
        return None


def combinations(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values, the last key changing fastest.

    Raises:
        InputError: there is nothing to vary, or too much.
    """
    if not axes or all(len(values) < 2 for values in axes.values()):
        raise InputError("A sweep needs a key with several values", "For example: --set beta=0.05,0.1,0.5")
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MOST_POINTS:
        raise InputError(f"This sweep would have {count} runs; at most {MOST_POINTS} are possible", "Leave out values.")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
