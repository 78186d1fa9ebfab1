"""What is known of each held-out pair."""

from __future__ import annotations

import json
import math

import pytest

from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.pair_values import PairValue, Shape, pair_values, shape_of, value_from_json, wrong_first
from smoltui.core.runs.events import PairScored


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_the_shape_of_texts_and_of_messages() -> None:
    """Characters of both answers; turns of the user alone: a system message is none."""
    assert shape_of({"prompt": "Why?", "chosen": "So.", "rejected": "Because."}) == Shape(3, 8, 1)
    asked = [turn("system", "Be kind."), turn("user", "a"), turn("assistant", "b"), turn("user", "c")]
    pair = {"prompt": asked, "chosen": [turn("assistant", "yes")], "rejected": [turn("assistant", "no")]}
    assert shape_of(pair) == Shape(3, 2, 2)


def test_values_are_those_of_pairs_that_both_models_scored() -> None:
    pairs = [{"prompt": f"Q{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(3)]
    tally = Tally(beta=0.5)
    for number in (0, 2):
        tally.add(PairScored(model=REFERENCE, index=number, chosen=-5.0, rejected=-6.0))
    for number in (0, 1, 2):
        tally.add(PairScored(model=ALIGNED, index=number, chosen=-4.0, rejected=-9.0 + 5 * number))
    found = pair_values(tally, ALIGNED, pairs)
    assert [(each.number, each.margin, each.right) for each in found] == [(0, 2.0, True), (2, -3.0, False)]
    assert found[1].pair == pairs[2] and found[1].chosen_change == 1.0 and found[1].rejected_change == 7.0


def test_wrong_ones_come_first_and_those_that_are_not_finite_last() -> None:
    margins = [0.5, math.nan, -2.0, 0.0, -math.inf, 3.0]
    values = [PairValue(n, margin, margin, 0.0, Shape(1, 1, 1)) for n, margin in enumerate(margins)]
    assert [each.number for each in wrong_first(values)] == [2, 3, 0, 5, 1, 4]
    assert not values[3].right  # a tie is wrong, as for TRL


@pytest.mark.parametrize("margin", [0.25, math.nan, math.inf, -math.inf])
def test_a_value_comes_back_from_strict_json(margin: float) -> None:
    value = PairValue(3, margin, -1.5, margin, Shape(4, 5, 2))
    back = value_from_json(json.loads(json.dumps(value.as_json(), allow_nan=False)))
    assert repr(back) == repr(value)
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert value_from_json({**value.as_json(), "pair": pair}).pair == pair


@pytest.mark.parametrize("change", [{"values": [1, 2]}, {"values": None}, {"shape": [1]}, {"number": "x"}, {"pair": 3}])
def test_anything_else_is_refused(change: dict[str, object]) -> None:
    good = PairValue(3, 1.0, 1.0, 0.0, Shape(4, 5, 2)).as_json()
    with pytest.raises((KeyError, TypeError, ValueError)):
        value_from_json({**good, **change})
