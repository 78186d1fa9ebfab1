"""Votes and benchmarks that are kept with a run, in the form in which a card shows them."""

from __future__ import annotations

from pathlib import Path

from smoltui.core.publish.record import Benchmark, Vote


def votes(folder: Path) -> tuple[Vote, ...]:
    """The blind votes kept in a run's folder."""
    return ()


def benchmarks(folder: Path) -> tuple[Benchmark, ...]:
    """The benchmarks kept in a run's folder, rehearsals included."""
    return ()
