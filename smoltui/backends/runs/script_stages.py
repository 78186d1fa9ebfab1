"""Stages and gaps that a script prints. Only its engine knows the stage of a run, and what is missing from its log, so
they are log text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smoltui.core.runs import events


def stages_as_text(found: Iterable[events.Event]) -> Iterator[events.Event]:
    """`found`, the events in a log, with each stage or gap as a log line: training code may print anything."""
    for event in found:
        foreign = isinstance(event, events.StageChanged | events.Gap)
        yield events.LogLine(text=events.dump(event), at=event.at) if foreign else event
