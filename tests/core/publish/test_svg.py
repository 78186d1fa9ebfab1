"""Curves as SVG: well-formed, the same picture as the PNG, and small however long the run was."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from smoltui.core.publish.curves import curves_svg
from smoltui.core.publish.svg import DARK, LIGHT, Drawing

SPACE = "{http://www.w3.org/2000/svg}"


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each line."""
    found = ElementTree.fromstring(svg).iter(f"{SPACE}polyline")
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in found]  # type: ignore[misc]


def test_a_falling_loss_is_one_line_that_falls() -> None:
    svg = curves_svg({"loss": [(step, 1 - step / 100) for step in range(1, 50)], "eval_loss": [(49, 0.6)]})
    assert svg is not None
    (line,) = lines(svg)
    assert len(line) == 49 and line[0][1] < line[-1][1] and line[0][0] < line[-1][0]
    assert 'class="c-orange"' in svg and ">loss (0.693: knows nothing)<" in svg and "<title>" in svg


def test_a_long_run_keeps_its_peaks_and_stays_small() -> None:
    points = [(step, 0.5 + math.sin(step) / 10) for step in range(1, 50_000)]
    points[30_000] = (30_001, 9.0)
    svg = curves_svg({"loss": points})
    assert svg is not None and len(svg) < 40_000
    (line,) = lines(svg)
    assert len(line) <= 1_100 and min(y for _, y in line) < 80, "the peak is near the top of the panel"
    assert line == sorted(line)


def test_two_curves_are_named_and_not_only_coloured() -> None:
    svg = curves_svg({"rewards/chosen": [(1, 0.0), (9, 1.0)], "rewards/rejected": [(1, 0.0), (9, -1.0)]})
    assert svg is not None and ">chosen</text>" in svg and ">rejected</text>" in svg and len(lines(svg)) == 2


def test_nothing_to_draw() -> None:
    assert curves_svg({}) is None and curves_svg({"loss": [(1, math.nan)]}) is None


def test_words_are_escaped_and_every_colour_has_two_forms() -> None:
    drawing = Drawing(10, 10, {(0, 0, 0): "ink"})
    drawing.words(0, 0, "<a&b>", (0, 0, 0))
    drawing.line((0, 0), (1, 1), (0, 0, 0))
    drawing.line((5, 5), (6, 6), (0, 0, 0))
    svg = drawing.encoded('"<title>"')
    assert "&lt;a&amp;b&gt;" in svg and len(lines(svg)) == 2 and DARK.keys() == LIGHT.keys()
