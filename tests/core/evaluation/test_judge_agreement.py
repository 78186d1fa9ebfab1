"""Agreement of two raters: hand-computed values of Cohen's kappa."""

from __future__ import annotations

import pytest

from smoltui.core.evaluation.judge_agreement import CATEGORIES, Agreement, Category, agreement


@pytest.mark.parametrize(
    ("table", "share", "kappa"),
    [
        # p_o = 35/50; p_e = (25·30 + 25·20)/2500 = 0.5: κ = 0.2/0.5
        (((20, 5, 0), (10, 15, 0), (0, 0, 0)), 0.7, 0.4),
        # p_o = 30/40; margins 20, 12, 8 and 18, 13, 9: p_e = (360 + 156 + 72)/1600 = 0.3675: κ = 0.3825/0.6325
        (((15, 3, 2), (2, 9, 1), (1, 1, 6)), 0.75, 0.3825 / 0.6325),
        # full agreement in two categories
        (((5, 0, 0), (0, 5, 0), (0, 0, 0)), 1.0, 1.0),
        # full disagreement: p_o = 0, p_e = 2·0.25
        (((0, 5, 0), (5, 0, 0), (0, 0, 0)), 0.0, -1.0),
        # what chance gives: p_o = p_e = 0.5
        (((5, 5, 0), (5, 5, 0), (0, 0, 0)), 0.5, 0.0),
        # one category alone: chance explains it as well
        (((9, 0, 0), (0, 0, 0), (0, 0, 0)), 1.0, None),
        (((0,) * 3,) * 3, None, None),
    ],
)
def test_kappa(table: tuple[tuple[int, ...], ...], share: float | None, kappa: float | None) -> None:
    found = Agreement(table)
    assert found.share == share
    assert found.kappa == (None if kappa is None else pytest.approx(kappa, abs=1e-12))
    assert (found.interval is None) == (share is None)


def test_one_rater_always_the_same() -> None:
    """The other one is right as often as chance: κ = 0, not undefined."""
    first: list[Category] = ["model"] * 4
    assert agreement(first, ["model", "other", "even", "model"]).kappa == 0.0


def test_the_table_has_votes_in_rows() -> None:
    found = agreement(["model", "even", "other"], ["other", "even", "other"])
    assert CATEGORIES == ("model", "other", "even")
    assert found.table == ((0, 1, 0), (0, 1, 0), (0, 0, 1))
    assert found.as_json()["equal"] == 2 and found.as_json()["interval"] == found.interval
