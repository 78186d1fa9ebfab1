"""How lengths are spread: I see where most are, how long the longest, and what max_length cuts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from smoltui.core.pairs.histogram import (
    Distribution,
    axis,
    bars,
    bin_of,
    binned,
    edges_for,
    gap_edges,
    length_edges,
    short_number,
    with_cut,
)
from smoltui.screens.pairs.histogram import Cut, Histogram, Panel, drawn
from tests.conftest import seen
from tests.stories.hostile import HOSTILE, assert_clean, lines_of

LENGTHS = st.lists(st.integers(0, 3_000_000), min_size=1, max_size=60)
GAPS = st.lists(st.integers(-3_000_000, 3_000_000), min_size=1, max_size=60)


# -- figures


def test_median_and_p90_are_those_of_the_values() -> None:
    """The nearest rank: values that occur, none made up; what is not known is left out."""
    known = Distribution.of([5, None, 1, 9, 3, 7, 2, 8, 4, 6, 10])
    assert (known.total, known.lowest, known.highest) == (10, 1, 10)
    assert (known.quantile(0.5), known.quantile(0.9), known.quantile(1.0), known.quantile(0.0)) == (5, 9, 10, 1)
    assert known.beyond(8) == 2 and known.beyond(10) == 0
    nothing = Distribution.of([None])
    assert (nothing.total, nothing.lowest, nothing.quantile(0.5)) == (0, None, None)


@given(LENGTHS, st.floats(0.01, 1.0))
def test_a_quantile_is_a_value_that_enough_do_not_exceed(values: list[int], share: float) -> None:
    found = Distribution.of(values).quantile(share)
    assert found in values
    assert (
        sum(value <= found for value in values) >= share * len(values) > sum(value < found for value in values) - 1e-9
    )


# -- edges


def test_edges_of_lengths() -> None:
    """One number a bin while there is room; then each a constant part longer than the one before."""
    assert length_edges(3, 7, 10) == [3, 4, 5, 6, 7, 8]
    edges = length_edges(0, 20_000, 60)
    assert edges[:6] == [0, 1, 2, 3, 4, 5]
    far = [high / low for low, high in pairwise(edges) if low > 200]
    assert max(far) < 1.03 * min(far)
    with pytest.raises(ValueError, match=r"no bins for 5\.\.2"):
        length_edges(5, 2, 10)


def test_edges_of_gaps() -> None:
    """0 is an edge, both sides have the same scale, bins are equally wide where most gaps are."""
    edges = gap_edges(-900, 9000, 60, linear_to=300)
    middle = edges.index(0)
    left = [-edge for edge in reversed(edges[:middle])]
    assert left == edges[middle + 1 : middle + 1 + len(left)] and len(left) < len(edges) - middle
    assert len({high - low for low, high in pairwise(edges) if low >= -300 and high <= 300}) == 1
    assert gap_edges(-2, 3, 60) == [-2, -1, 0, 1, 2, 3, 4]
    assert gap_edges(-2, -1, 60) == [-2, -1, 0] and gap_edges(2, 3, 60) == [0, 1, 2, 3, 4]


@given(LENGTHS, st.integers(1, 120))
def test_any_lengths_find_their_bins(values: list[int], cells: int) -> None:
    _check_bins(Distribution.of(values), edges_for("length", [Distribution.of(values)], cells), cells)


@given(GAPS, st.integers(2, 120))
def test_any_gaps_find_their_bins(values: list[int], cells: int) -> None:
    edges = edges_for("gap", [Distribution.of(values)], cells)
    _check_bins(Distribution.of(values), edges, cells)
    assert 0 in edges


def _check_bins(known: Distribution, edges: list[int], cells: int) -> None:
    assert all(low < high for low, high in pairwise(edges)) and 1 <= len(edges) - 1 <= cells
    assert edges[0] <= known.lowest and known.highest < edges[-1]  # type: ignore[operator]
    counts = binned(known, edges)
    assert sum(counts) == known.total
    for value in known.counts:
        place = bin_of(value, edges)
        assert edges[place] <= value < edges[place + 1] and counts[place]
    line = axis(edges)
    assert len(line) == len(edges) - 1


@given(LENGTHS, st.integers(4, 100), st.integers(0, 4_000_000))
def test_the_cut_parts_what_is_kept_from_what_is_not(values: list[int], cells: int, limit: int) -> None:
    known = Distribution.of(values)
    edges, place = with_cut(edges_for("length", [known], cells), limit)
    assert all(low < high for low, high in pairwise(edges))
    counts = binned(known, edges)
    assert sum(counts) == known.total
    assert sum(counts[place:] if place is not None else []) == known.beyond(limit)


# -- drawing


def test_bars_have_the_height_of_their_counts() -> None:
    assert bars([0, 8, 16, 1], 2) == ["  █ ", " ██▁"]
    assert bars([1, 0, 100_000], 2)[1] == "▁ █"  # what is there is seen, what is not is not
    assert bars([4], 1, tallest=8) == ["▄"] and bars([], 2) == ["", ""]


def test_an_axis_names_round_values_where_they_are() -> None:
    edges = length_edges(0, 20_000, 60)
    line = axis(edges)
    for label in ("0", "10", "100", "1k", "10k"):
        place = line.index(f"╵{label}")
        value = {"1k": 1000, "10k": 10_000}.get(label) or int(label)
        assert edges[place] <= value < edges[place + 1]
    assert axis([0, 1, 2, 3, 4], each=3).startswith("╵0")
    assert (short_number(-2000), short_number(1500), short_number(3_000_000)) == ("−2k", "1,500", "3M")


SKEWED = Distribution({20: 50, 100: 400, 300: 200, 900: 40, 1025: 30, 5000: 7})


def test_a_panel_says_what_it_shows() -> None:
    """Its n, median and p90, the axis, the cut with how many are beyond it, both answers over the same edges."""
    other = Distribution({50: 700, 200: 27})
    panels = [
        Panel("chosen length", SKEWED, "tokens", cut=Cut(1024, name="max_length")),
        Panel("rejected", other, "tokens"),
    ]
    lines = [line.plain for line in drawn(panels, 120)]
    assert len({len(line) for line in lines}) == 1 == len({cell_len(line) - 120 for line in lines})
    assert lines[0].split("   ")[0] == "chosen length · tokens · 727 pairs"
    assert "median 100 · p90 900 · 20 to 5,000" in lines[1] and "median 50 · p90 50 · 50 to 200" in lines[1]
    assert "┃ cut at 1,024 tokens (max_length): 37 pairs beyond" in lines[-1]
    bottom, scale = lines[-3], lines[-2]
    mark = bottom.index("┃")
    assert sum(char in "▁▂▃▄▅▆▇█" for char in bottom[mark:60]) == 2 and scale[mark] == "┃"
    assert scale[:50].replace("┃", "").split() and "╵100" in scale[:60]


def test_a_gap_panel_marks_zero_and_counts_the_sides() -> None:
    gap = Panel("length gap", Distribution({-50: 3, 0: 2, 10: 4, 700: 1}), scale="gap")
    lines = [line.plain.rstrip() for line in drawn([gap], 60)]
    assert lines[-1] == "chosen longer 5 · same 2 · shorter 3"
    assert "╵0" in lines[-2]


def test_a_cut_that_cuts_nothing_is_no_mark() -> None:
    lines = [line.plain.rstrip() for line in drawn([Panel("chosen", SKEWED, cut=Cut(9000))], 80)]
    assert lines[-1] == "┃ cut at 9,000 characters: 0 pairs beyond"
    assert not any("┃" in line for line in lines[:-1])
    everything = [line.plain for line in drawn([Panel("chosen", SKEWED, cut=Cut(3, beyond=99))], 80)]
    assert everything[-1].rstrip() == "┃ cut at 3 characters: 99 pairs beyond" and everything[-3].startswith("┃")


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield Histogram()


async def test_panels_stand_beside_each_other_where_there_is_room() -> None:
    """At 120 columns two, at 60 one below the other; a screen that changes its width is drawn anew."""
    panels = [Panel("chosen", SKEWED), Panel("rejected", SKEWED)]
    async with Host().run_test(size=(120, 40)) as pilot:
        view = pilot.app.query_one(Histogram)
        view.show(panels)
        await pilot.pause()
        assert view.size.height == 7 and "rejected" in seen(pilot.app).splitlines()[0]
        await pilot.resize_terminal(60, 40)
        await pilot.pause()
        assert view.size.height == 15 and seen(pilot.app).splitlines()[8].startswith("rejected")
        assert_clean(lines_of(view), 60)
        view.show([Panel("chosen", Distribution.of([]))])
        await pilot.pause()
        assert view.size.height == 2 and "no lengths are known yet" in seen(pilot.app)
        view.show([])
        await pilot.pause()
        assert view.size.height == 1 and not seen(pilot.app).strip()


@pytest.mark.parametrize("width", [120, 47, 13, 4, 1])
async def test_hostile_names_are_only_text(width: int) -> None:
    async with Host().run_test(size=(width, 30)) as pilot:
        view = pilot.app.query_one(Histogram)
        for text in HOSTILE:
            view.show([Panel(text, SKEWED, text, cut=Cut(1024, name=text)), Panel(text, SKEWED, scale="gap")])
            await pilot.pause()
            assert_clean(lines_of(view), width)
