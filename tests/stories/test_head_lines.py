"""The lines above the charts of a run."""

from __future__ import annotations

from rich.text import Text

from smoltui.screens.runs.head_lines import in_lines


def test_a_number_stays_with_its_unit() -> None:
    text = Text("Next: press a to compare.  48 steps in 55 s · saved")
    assert [line.plain for line in in_lines(text, 41, 3)] == ["Next: press a to compare.  48 steps in", "55 s · saved"]
