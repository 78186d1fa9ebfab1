"""Which rules hold for a run: each one fires on the curve it is about, and on no other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smoltui.core.runs import events
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.rules import RULES, watched
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.watch_settings import WatchSettings

ALL_OFF = WatchSettings(
    nan=False,
    margin_steps=0,
    logps=False,
    accuracy=False,
    silent_minutes=0,
    waiting_minutes=0,
    cost_usd=0,
    time_left=False,
)


def run(curves: dict[str, list[float]], *, every: int = 10, planned: int = 1_000, stage: str = Stage.RUNNING) -> Run:
    made = Run("r1", "hub", "r", stage, started_at=0.0, timeout_seconds=3_600)
    made = made.after(events.Planned(max_steps=planned))
    for key, values in curves.items():
        for number, value in enumerate(values, 1):
            made = made.after(events.Metrics(step=number * every, values={key: value}))
    return made


def rules(made: Run, settings: WatchSettings | None = None, now: float = 60.0, **known: float) -> set[str]:
    return {told.rule for told in watched(made, settings or WatchSettings(cost_usd=2.0), now, **known)}


FALL = [-10.0 - number for number in range(12)]
RISE = [0.1 * number for number in range(12)]
CHOSEN_FELL = {"rewards/chosen": [-0.1 * number for number in range(12)], "logps/chosen": FALL}


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ({"loss": [0.69, 0.5, math.nan, math.nan]}, {"nan"}),
        ({"loss": [0.69, math.nan, 0.5]}, set()),
        ({"rewards/margins": [0.0] * 30}, {"margin_steps"}),
        ({"rewards/margins": [0.0] * 24}, set()),  # not in the first quarter: warm-up
        ({"rewards/margins": RISE}, set()),
        ({"rewards/margins": [0.0] * 3}, set()),
        ({"loss": [0.69, 0.9, 1.5, 2.0]}, {"nan"}),
        (CHOSEN_FELL, {"logps"}),
        ({"rewards/chosen": RISE, "logps/chosen": FALL}, set()),
        ({"logps/chosen": FALL, "logps/rejected": FALL}, set()),  # batches differ by length; rewards don't
        ({"loss": [0.69, 0.3, 0.05, 0.01]}, {"accuracy"}),
        ({"loss": [0.69, 0.3, 0.2, 0.1]}, set()),
        ({"loss": [0.69] + [0.5] * 60 + [0.01] * 4}, set()),
    ],
)
def test_a_rule_holds_on_the_curve_it_is_about(curves: dict[str, list[float]], expected: set[str]) -> None:
    assert rules(run(curves)) == expected
    assert rules(run(curves), ALL_OFF) == set()


def test_what_is_known_besides_the_curves() -> None:
    going = run({})
    assert rules(going, quiet_for=601) == {"silent_minutes"} and rules(going, quiet_for=599) == set()
    assert rules(going, cost=2.01) == {"cost_usd"} and rules(going, cost=1.99) == set()
    assert rules(going, now=3_000, seconds_left=700) == {"time_left"}
    assert rules(going, now=3_000, seconds_left=500) == set()
    assert rules(run({}, stage=Stage.SCHEDULING), quiet_for=10_000, seconds_left=1e9) == set()


def test_a_run_that_has_ended_is_left_alone() -> None:
    over = run({"loss": [math.nan]}, stage=Stage.ERROR)
    assert rules(over, cost=100, quiet_for=1e6, seconds_left=1e6) == set()


def test_every_rule_can_be_named_and_says_what_to_do() -> None:
    everything = run(
        {
            "loss": [0.69, *[0.01] * 60, math.nan],
            "grad_norm": [0.0] * 60,
            "rewards/margins": [0.0] * 60,
            **CHOSEN_FELL,
        },
        planned=1_000,
    )
    flat = run({"rewards/margins": [0.0] * 60})
    settings = WatchSettings(cost_usd=1)
    told = watched(everything, settings, 3_500, cost=3, quiet_for=1e4, seconds_left=1e4)
    told[1:1] = watched(flat, settings, 60.0)
    waiting = Run("r", "hub", "r", Stage.SCHEDULING, created_at=1000.0, flavor="a100-large")
    told += watched(waiting, settings, 3_500.0)
    assert [one.rule for one in told] == list(RULES)
    assert all(one.word and one.sentence for one in told)


@given(
    st.dictionaries(
        st.sampled_from(["loss", "rewards/margins", "logps/chosen", "logps/rejected"]), st.lists(st.floats())
    )
)
@example({"rewards/margins": [1e300, 1.7e308, *[0.0] * 8]})
@example({"rewards/margins": [1.7e308] * 16})
def test_any_curve_can_be_watched(curves: dict[str, list[float]]) -> None:
    for told in watched(run(curves), WatchSettings(), 60.0):
        assert told.rule in RULES


def test_a_job_that_waits_unusually_long_names_other_flavors() -> None:
    """After 15 minutes, and only while it waits; of three that would do, with their prices."""
    waiting = Run("r", "hub", "r", Stage.SCHEDULING, created_at=1000.0, flavor="a100-large")
    other = Flavor("l40sx1", "", "", None, "L40S", 1, None, 0.03, 0.0)
    settings = WatchSettings()
    (warned,) = watched(waiting, settings, 2000.0, others=[other])
    assert warned.rule == "waiting_minutes" and "l40sx1 (1.80 USD per hour) would do, too" in warned.sentence
    assert not watched(waiting, settings, 1500.0) and not watched(replace(waiting, flavor=None), settings, 9e9)
    assert "waiting costs nothing" in watched(waiting, settings, 2000.0)[0].sentence
