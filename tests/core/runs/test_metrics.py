"""Series of metrics."""

from __future__ import annotations

import math

from smoltui.core.runs import events
from smoltui.core.runs.metrics import with_holes
from smoltui.core.runs.run import Run, Stage


def test_a_curve_has_a_hole_where_lines_are_missing() -> None:
    """Between the values on both sides of a gap nothing is drawn; at its ends there is nothing to leave out."""
    run = Run("r", "hub", "r", Stage.RUNNING)
    told = [events.Gap(), *(events.Metrics(step=step, values={"loss": 0.5}) for step in (1, 2)), events.Gap()]
    for event in (*told, events.Metrics(step=9, values={"loss": 0.25}), events.Gap()):
        run = run.after(event)
    assert run.history.holes == [0, 2, 9]
    (one, two, hole, nine) = with_holes(run.history.series["loss"], run.history.holes)
    assert (one, two, nine) == ((1, 0.5), (2, 0.5), (9, 0.25)) and math.isnan(hole[1])
