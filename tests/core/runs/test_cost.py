"""What a Job costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.runs.cost import Flavor, cost_so_far, limit_words, price, usd, usd_in_short, usd_span, worst_cost
from smoltui.core.runs.run import Run, Stage

A100 = Flavor("a100-large", "Nvidia A100 - large", "12 vCPU", 142 * 10**9, "A100", 1, 80 * 10**9, 2.5 / 60, 1.7e9)
UNPRICED = replace(A100, name="new-thing", usd_per_minute=None)
RUNNING = Run(id="1", engine="hub", name="n", stage=Stage.RUNNING, created_at=1000.0, started_at=1600.0)


def test_the_most_a_job_can_cost_is_its_timeout_times_the_price() -> None:
    """Three hours on the course's flavor: the dialog says 7.50 USD."""
    assert usd(worst_cost(A100, 3 * 3600)) == "7.50 USD"
    assert price(A100) == "2.50 USD per hour"


def test_waiting_in_the_queue_is_free_and_running_is_not() -> None:
    """Ten minutes of waiting cost nothing; six minutes of running a quarter of a dollar; the end stops the meter."""
    waiting = replace(RUNNING, stage=Stage.SCHEDULING, started_at=None)
    assert cost_so_far(A100, waiting, now=1600.0) == 0
    assert cost_so_far(A100, RUNNING, now=1960.0) == pytest.approx(0.25)
    ended = replace(RUNNING, stage=Stage.COMPLETED, finished_at=1960.0)
    assert cost_so_far(A100, ended, now=99_999.0) == pytest.approx(0.25)


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    """A flavor without a price, or one that is not in the list, never shows as free."""
    assert worst_cost(UNPRICED, 3600) is None


def test_each_attempt_costs_up_to_the_whole_limit() -> None:
    """A Job without a limit has that of the Hub, 30 minutes."""
    assert usd(worst_cost(A100, 3 * 3600, 3)) == "22.50 USD" and usd(worst_cost(A100, None, 2)) == "2.50 USD"
    assert (limit_words(3600), limit_words(3600, 1), limit_words(3600, 2)) == (
        "1 h 00 min",
        "1 h 00 min",
        "2 attempts of 1 h 00 min",
    )
    assert cost_so_far(UNPRICED, RUNNING, now=1960.0) is None
    assert cost_so_far(None, RUNNING, now=1960.0) is None
    assert usd(None) == "unknown"
    assert price(UNPRICED) == "price unknown"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "0.00 USD"), (0.0001, "< 0.001 USD"), (0.0033, "0.003 USD"), (0.5, "0.50 USD"), (1234.5, "1,234.50 USD")],
)
def test_small_amounts_are_not_shown_as_nothing(amount: float, shown: str) -> None:
    """A minute of the cheapest flavor is a hundredth of a cent, and still not nothing."""
    assert usd(amount) == shown


def test_a_range_never_comes_to_nothing() -> None:
    assert [usd_span(*span) for span in ((0.0001, 0.004), (0.001, 0.02), (1.0, 5.94), (12.4, 40.2))] == [
        "< 0.01 USD",
        "0.00 – 0.02 USD",
        "1.0 – 5.9 USD",
        "12 – 40 USD",
    ]


def test_large_amounts_fit_in_the_list() -> None:
    """So far and at most fit in 13 cells, at 80 columns."""
    assert [usd_in_short(amount) for amount in (0.0001, 99.99, 400.0, 1234.5)] == ["<0.001", "99.99", "400", "1,234"]
