"""The outside world as the rooms reach it: one object, so that a test can put another in its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.runs.engine import Engine


@dataclass
class Services:
    """Engines by name, in the order they are shown, and what is worth keeping of what was looked at."""

    engines: dict[str, Engine] = field(default_factory=dict)
    counts: PairCounts = field(default_factory=PairCounts)
    """Of the pairs that recipes name."""


def default_services() -> Services:
    """This machine and HF Jobs."""
    from smoltui.backends.jobs.engine import HubEngine
    from smoltui.backends.local.engine import LocalEngine

    engines: list[Engine] = [LocalEngine(), HubEngine()]
    return Services(engines={engine.name: engine for engine in engines})
