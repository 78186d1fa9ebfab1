"""Intervals, tests and strengths of votes, against values of statsmodels and scipy, and in simulation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.vote_statistics import (
    CONTROLLED_WIDTH,
    FEWEST_VOTES,
    LEVEL,
    bradley_terry,
    holm,
    length_controlled,
    sign_test,
    win_interval,
    win_rate,
)

WILSON = {  # statsmodels 0.15.0, proportion_confint(k, n, 0.05, "wilson")
    (0, 1): (0.000000, 0.793451),
    (1, 3): (0.061492, 0.792340),
    (0, 20): (0.000000, 0.161125),
    (10, 20): (0.299298, 0.700702),
    (13, 20): (0.432854, 0.818808),
    (20, 20): (0.838875, 1.000000),
    (32, 50): (0.501410, 0.758613),
    (5, 64): (0.033831, 0.170195),
    (64, 64): (0.943376, 1.000000),
    (60, 100): (0.502003, 0.690599),
    (150, 300): (0.443780, 0.556220),
    (170, 300): (0.510099, 0.621549),
}
SIGN = {  # scipy 1.17.1, binomtest(k, n, 0.5)
    (1, 1): 1.0,
    (5, 5): 0.0625,
    (6, 6): 0.03125,
    (0, 5): 0.0625,
    (10, 20): 1.0,
    (13, 20): 0.26317596,
    (15, 20): 0.04138947,
    (18, 30): 0.36159461,
    (60, 100): 0.05688793,
    (120, 200): 0.00568516,
    (170, 300): 0.02418198,
}
GAPS = (12, -4, 30, 5, -11, 22, 8, -2, 15, 40, -20, 3, 18, -7, 25, 9, -15, 33, 1, 6)
WON = (1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1)


@pytest.mark.parametrize("counts", WILSON)
def test_wilson(counts: tuple[int, int]) -> None:
    wins, total = counts
    assert win_interval(wins, total - wins) == pytest.approx(WILSON[counts], abs=1e-6)


@pytest.mark.parametrize("counts", SIGN)
def test_sign_test(counts: tuple[int, int]) -> None:
    wins, total = counts
    assert sign_test(wins, total - wins) == pytest.approx(SIGN[counts], abs=1e-8)
    assert sign_test(wins, total - wins) == sign_test(total - wins, wins)


def test_without_votes() -> None:
    assert (win_interval(0, 0), sign_test(0, 0), win_rate(0, 0, 0)) == (None, 1.0, None)
    assert win_rate(0, 0, 3) == 0.5 and win_rate(13, 7, 5) == pytest.approx(0.62)


def test_fewest_votes_that_can_show_a_difference() -> None:
    assert FEWEST_VOTES == 6


def test_fair_votes_rarely_show_a_difference() -> None:
    """1,000 sets of 200 fair votes: Wilson covers one half in at least 93 %, the sign test claims in at most 6 %."""
    rng = random.Random(0)
    covered = claimed = 0
    for _ in range(1000):
        wins = sum(rng.random() < 0.5 for _ in range(200))
        interval = win_interval(wins, 200 - wins)
        assert interval is not None
        covered += interval[0] <= 0.5 <= interval[1]
        claimed += sign_test(wins, 200 - wins) < LEVEL
    assert covered >= 930
    assert claimed <= 60


def test_several_tests_claim_as_rarely_as_one() -> None:
    """Holm's own example: of four p values, 0.01 and 0.005 stay below the level."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6]) == [0.6] and holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]


# -- length control


@pytest.mark.parametrize(
    ("gaps", "outcomes", "effect", "rate", "interval"),
    [
        (GAPS, WON, 2.034738, 0.545283, (0.281982, 0.785483)),
        (
            GAPS,
            [0.5 if at in (3, 7, 18) else vote for at, vote in enumerate(WON)],
            2.071732,
            0.507133,
            (0.249476, 0.761056),
        ),
        ((-10, 10) * 10, (1, 1, 0, 0, 1, 1, 1, 1, 0, 0) * 2, 0.0, 0.6, (0.380098, 0.785845)),
    ],
)  # statsmodels' GLM
def test_length_controlled(
    gaps: tuple[int, ...], outcomes: tuple[float, ...], effect: float, rate: float, interval: tuple[float, float]
) -> None:
    found = length_controlled(gaps, outcomes)
    assert found is not None and not found.ridge
    assert (found.length_effect, found.rate) == pytest.approx((effect, rate), abs=1e-5)
    assert found.interval == pytest.approx(interval, abs=1e-5)


def test_votes_that_follow_length() -> None:
    """The longer answer won every time: the effect of length is held back, and said to be."""
    found = length_controlled(GAPS, [float(gap > 0) for gap in GAPS])
    assert found is not None and found.ridge
    assert (found.rate, *found.interval) == pytest.approx((0.619755, 0.349325, 0.831882), abs=1e-5)
    assert found.tells


def test_answers_of_one_length_need_no_control() -> None:
    found = length_controlled([0] * 20, WON)
    assert found is not None and not found.ridge
    assert found.rate == pytest.approx(0.65) and found.length_effect == 0


@pytest.mark.parametrize("gaps", [[40] * 32, [40 + at % 2 for at in range(32)], [-3] * 32])
def test_a_model_that_is_always_longer_or_shorter_tells_nothing(gaps: list[int]) -> None:
    """Its answers may be preferred because they are longer: the interval is too wide to say."""
    found = length_controlled(gaps, [1, 0, 1, 1] * 8)
    assert found is not None and found.ridge and not found.tells


def test_no_finite_estimate() -> None:
    """One model won everything, or there are no votes."""
    assert length_controlled(GAPS, [1] * 20) is None and length_controlled(GAPS, [0] * 20) is None
    assert length_controlled([], []) is None and length_controlled([3], [1]) is None


def test_few_votes_tell_nothing() -> None:
    found = length_controlled(GAPS[:8], WON[:8])
    assert found is not None and not found.tells
    assert found.interval[1] - found.interval[0] > CONTROLLED_WIDTH


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_any_votes_have_an_estimate_or_none(votes: list[tuple[int, float]]) -> None:
    """No overflow, no division by zero; the other model's rate is what is left to 1."""
    gaps, outcomes = [gap for gap, _ in votes], [outcome for _, outcome in votes]
    found = length_controlled(gaps, outcomes)
    if found is None:
        return
    assert 0 <= found.interval[0] <= found.rate <= found.interval[1] <= 1
    other = length_controlled([-gap for gap in gaps], [1 - outcome for outcome in outcomes])
    assert other is not None and other.rate == pytest.approx(1 - found.rate, abs=1e-6)


# -- Bradley–Terry


def test_three_models() -> None:
    """Maximum likelihood, as by logistic regression."""
    wins = {("0", "1"): 14, ("1", "0"): 6, ("0", "2"): 12, ("2", "0"): 8, ("1", "2"): 11, ("2", "1"): 9}
    found = bradley_terry(["1", "2", "0"], wins)
    assert found is not None and found.smoothed == ()
    expected = {"0": 0.412693, "1": -0.206346, "2": -0.206346}
    assert dict(found.strengths) == pytest.approx(expected, abs=1e-6)
    assert next(iter(found.strengths)) == "0"
    low, high = found.intervals["0"]
    assert low < 0.412693 < high and (low + high) / 2 == pytest.approx(0.412693, abs=1e-6)


def test_two_models_differ_by_their_log_odds() -> None:
    found = bradley_terry(["a", "b"], {("a", "b"): 14, ("b", "a"): 6})
    assert found is not None
    assert found.strengths["a"] - found.strengths["b"] == pytest.approx(math.log(14 / 6), abs=1e-6)
    # Half the standard error of the log odds: each strength is half of the difference.
    width = found.intervals["a"][1] - found.intervals["a"][0]
    assert width == pytest.approx(1.959964 * math.sqrt(1 / 14 + 1 / 6), abs=1e-6)


def test_a_model_that_lost_everything() -> None:
    """Half a win each way makes its strength finite, and it is named."""
    wins = {("a", "b"): 5, ("b", "a"): 3, ("a", "c"): 4, ("b", "c"): 4}
    found = bradley_terry(["a", "b", "c"], wins)
    assert found is not None and found.smoothed == ("c",)
    added = {**wins, ("a", "c"): 4.5, ("c", "a"): 0.5, ("b", "c"): 4.5, ("c", "b"): 0.5}
    plain = bradley_terry(["a", "b", "c"], added)
    assert plain is not None and plain.smoothed == ()
    assert dict(found.strengths) == pytest.approx(dict(plain.strengths))


def test_two_groups_without_a_win_between_them() -> None:
    """a and b beat c and d every time: no model lost everything, and still no estimate is finite without smoothing."""
    wins = {("a", "b"): 2, ("b", "a"): 2, ("c", "d"): 2, ("d", "c"): 2, ("a", "c"): 3, ("b", "d"): 3}
    found = bradley_terry(["a", "b", "c", "d"], wins)
    assert found is not None and set(found.smoothed) == {"a", "b", "c", "d"}
    assert all(map(math.isfinite, found.strengths.values()))


def test_votes_that_do_not_connect_all_models() -> None:
    assert bradley_terry(["a", "b", "c"], {("a", "b"): 3, ("b", "a"): 1}) is None
    assert bradley_terry(["a", "b"], {}) is None and bradley_terry(["a"], {}) is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")).filter(lambda pair: pair[0] != pair[1])))
def test_any_votes_have_finite_strengths_or_none(votes: list[tuple[str, str]]) -> None:
    wins: dict[tuple[str, str], float] = {}
    for pair in votes:
        wins[pair] = wins.get(pair, 0.0) + 1
    found = bradley_terry("abcd", wins)
    if found is not None:
        assert sum(found.strengths.values()) == pytest.approx(0, abs=1e-9)
        assert all(low < found.strengths[name] < high for name, (low, high) in found.intervals.items())
