"""Calls, counted before any is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.evaluation.judge_plan import Judge, calls_on, planned
from smoltui.core.evaluation.judge_words import plan_words
from smoltui.core.evaluation.vote_ballot import Answer, Matchup
from smoltui.core.settings.judge_settings import JudgeSettings

JUDGE = Judge("http://h/v1", "m", "{prompt} {answer_a} {answer_b}", max_tokens=100)
MATCHUPS = [
    Matchup(f"{at:032x}", (("user", f"{at}?"),), ("x", "y"), Answer("<think>hm</think>One."), Answer("Two."))
    for at in range(3)
]


def test_each_matchup_in_both_orders_without_thoughts() -> None:
    first, second = calls_on(MATCHUPS[0], JUDGE)
    assert (first.text, second.text) == ("0? One. Two.", "0? Two. One.") and first.key != second.key


@pytest.mark.parametrize("field", ["endpoint", "model", "template", "temperature", "max_tokens", "seed", "weights"])
def test_another_judge_has_other_keys(field: str) -> None:
    value = getattr(JUDGE, field)
    other = replace(JUDGE, **{field: f"{value}." if isinstance(value, str) else value + 1})
    assert other.key("x") != JUDGE.key("x") and other.digest != JUDGE.digest


def test_what_is_known_is_not_asked_again() -> None:
    known = {call.key for call in calls_on(MATCHUPS[1], JUDGE)}
    plan = planned(MATCHUPS, JUDGE, known, JudgeSettings(), 3)
    assert (len(plan.calls), plan.total, plan.cached, plan.later) == (3, 6, 2, 1)
    assert [call.text[0] for call in plan.calls] == ["0", "0", "2"] and plan.tokens_out == 300
    assert planned(MATCHUPS, JUDGE, known, JudgeSettings(), 0).calls == ()


def test_the_cost_is_known_with_both_prices_only() -> None:
    half = JudgeSettings("http://h/v1", usd_per_million_input=1.0)
    assert planned(MATCHUPS, JUDGE, (), half).at_most_usd is None
    assert "Cost unknown" in plan_words(planned(MATCHUPS, JUDGE, (), half), half)[2]
    priced = replace(half, usd_per_million_output=10.0)
    plan = planned(MATCHUPS, JUDGE, (), priced)
    assert plan.at_most_usd == pytest.approx((plan.tokens_in + 600 * 10) / 1e6)
    assert plan_words(plan, priced)[-1] == "Costs at most about 0.006 USD."
    assert plan_words(planned([], JUDGE, (), half), half) == ["There is nothing to judge."]
