"""Held-out figures by length gap and by turns."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.group_rows import group_row
from smoltui.core.evaluation.groups import BY_KEY, DEFINITIONS, Group, gap, group_from_json, groups, members
from smoltui.core.evaluation.pair_values import PairValue, Shape


def value(number: int, margin: float, chosen: int = 10, rejected: int = 10, turns: int = 1) -> PairValue:
    return PairValue(number, margin, margin, 0.0, Shape(chosen, rejected, turns))


@given(st.builds(Shape, *[st.integers(0, 10_000)] * 2, st.integers(0, 99)))
def test_each_pair_is_in_one_group_of_each_kind(shape: Shape) -> None:
    found = [definition.kind for definition in DEFINITIONS if definition.holds(shape)]
    assert found == ["all", "length", "turns"]
    assert -1 <= gap(shape) <= 1


@pytest.mark.parametrize(
    ("chosen", "rejected", "key"),
    [
        (50, 100, "much_shorter"),
        (51, 100, "shorter"),
        (89, 100, "shorter"),
        (90, 100, "alike"),
        (100, 100, "alike"),
        (0, 0, "alike"),
        (100, 90, "alike"),
        (100, 89, "longer"),
        (199, 100, "longer"),
        (200, 100, "much_longer"),
        (7, 0, "much_longer"),
    ],
)
def test_the_gap_is_a_share_of_the_longer_answer(chosen: int, rejected: int, key: str) -> None:
    assert BY_KEY[key].holds(Shape(chosen, rejected, 1))


def test_figures_of_each_group() -> None:
    """Right where chosen is longer, wrong where it is shorter: what a model that counts characters looks like."""
    values = [value(n, 1.0, chosen=30) for n in range(12)] + [value(12 + n, -1.0, rejected=30) for n in range(11)]
    values += [value(23, 2.0, turns=2), value(24, math.nan)]
    found = {group.key: group for group in groups(values, [str(n) for n in range(25)])}
    assert list(found) == ["all", "much_shorter", "alike", "much_longer", "one_turn", "two_turns"]
    assert (found["all"].pairs, found["all"].not_finite, found["all"].accuracy) == (24, 1, 13 / 24)
    longer, shorter = found["much_longer"], found["much_shorter"]
    assert (longer.accuracy, longer.margin, longer.margin_interval) == (1.0, 1.0, (1.0, 1.0))
    assert (shorter.accuracy, shorter.margin, shorter.pairs) == (0.0, -1.0, 11)
    assert found["alike"].too_few and found["alike"].margin == 2.0 and found["alike"].margin_interval is None
    assert [each.number for each in members(values, "alike")] == [23, 24]


def test_a_group_of_pairs_that_are_not_finite_has_no_figures() -> None:
    (whole, *_) = groups([value(0, math.inf)], ["a"])
    assert (whole.pairs, whole.not_finite, whole.accuracy, whole.margin) == (0, 1, None, None)


def test_small_groups_say_so_in_place_of_figures() -> None:
    """9 pairs show no accuracy, 10 do; the whole is always shown."""
    few, enough = Group("longer", 9, 0, 1.0, (0.7, 1.0), 2.0), Group("longer", 10, 2, 1.0, (0.72, 1.0), 2.0, (1.5, 2.5))
    assert group_row(few) == ("chosen longer", "9", "", "too few", "", "", "")
    assert group_row(enough)[1:] == ("10", "+ 2 NaN", "100 %", "(72–100)", "2.000", "(1.500 to 2.500)")
    assert group_row(Group("all", 1, 0, 1.0, None, 2.0))[3:] == ("100 %", "", "2.000", "")


def test_a_group_comes_back_from_json() -> None:
    group = Group("longer", 10, 2, 1.0, (0.72, 1.0), 2.0, (1.5, 2.5))
    data = {name: list(item) if isinstance(item, tuple) else item for name, item in asdict(group).items()}
    assert group_from_json(data) == group
    with pytest.raises(ValueError, match="wider"):
        group_from_json({**data, "key": "wider"})
    assert group.as_json()["words"] == "chosen longer" and group.as_json()["too_few"] is False
