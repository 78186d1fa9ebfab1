"""The table of a sweep, and its record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.events import Planned
from smoltui.core.runs.metrics import History
from smoltui.core.runs.run import Run, Stage
from smoltui.core.sweeps.sweep import Point, Sweep, sweep_from_json
from smoltui.core.sweeps.table import in_words, missing, rows_of
from smoltui.scripts.curve_remarks import Level, Remark

FLAVOR = Flavor("l4x1", "L4", "", None, "L4", 1, None, 0.6, 0.0)


def done(run_id: str, stage: str, **metrics: float) -> Run:
    history = History()
    history.add(5, {f"eval_rewards/{name}": value for name, value in metrics.items()})
    return Run(run_id, "hub", "x", stage, started_at=0.0, finished_at=600.0, flavor="l4x1", history=history)


def test_a_margin_from_hot_training_is_not_the_best() -> None:
    """At equal accuracy, runs with sound curves come first, then the larger margin ÷ beta."""
    remark = Remark("chosen_fell", Level.WATCH, "both fall", "Both log-probabilities fall", "Read the answers")
    runs = {
        "r1": replace(done("r1", Stage.COMPLETED, accuracies=1.0, margins=19.7), health=remark),
        "r2": done("r2", Stage.COMPLETED, accuracies=1.0, margins=0.6),
        "r3": done("r3", Stage.COMPLETED, accuracies=1.0, margins=0.5),
    }
    points = tuple(Point({"beta": beta}, "", name) for name, beta in (("r1", 0.5), ("r2", 0.5), ("r3", 0.1)))
    rows = rows_of(Sweep("abc", "/p", "local", 1.0, points), runs, 1200.0)
    assert [(row.cells[0], row.cells[2], row.cells[-1]) for row in rows] == [
        ("beta 0.1", "5.000", "completed"),
        ("beta 0.5", "1.200", "completed"),
        ("beta 0.5", "39.400", "completed, watch"),
    ]


@pytest.mark.parametrize(
    ("hits", "said"),
    [
        ((57, 56), "the accuracies of the best 2 differ by no more than chance"),
        ((64, 63), "the accuracies of the best 2 differ by no more than chance"),
        ((64, 50), "best so far: beta 1"),
    ],
)
def test_one_pair_more_is_no_better(hits: tuple[int, int], said: str) -> None:
    """Of 64 held-out pairs each."""
    plan = Planned(max_steps=5, train_pairs=100, held_out_pairs=64)
    runs = {
        f"r{at}": replace(done(f"r{at}", Stage.COMPLETED, accuracies=hit / 64, margins=1.0), plan=plan)
        for at, hit in enumerate(hits, 1)
    }
    points = tuple(Point({"beta": at}, "", f"r{at}") for at in (1, 2))
    assert said in in_words(rows_of(Sweep("abc", "/p", "local", 1.0, points), runs, 1200.0))


def test_the_best_comes_first() -> None:
    """By held-out accuracy, then margin; NaN and runs without figures are last, and failed ones can be continued."""
    points = tuple(Point({"beta": at / 10}, f"label{at}", f"r{at}") for at in range(1, 6))
    sweep = Sweep("abc", "/p", "hub", 1.0, (*points, Point({"beta": 1.0}, "label9")))
    runs = {
        "r1": done("r1", Stage.COMPLETED, accuracies=0.7, margins=0.1),
        "r2": done("r2", Stage.COMPLETED, accuracies=0.7, margins=0.4),
        "r3": done("r3", Stage.ERROR, accuracies=float("nan"), margins=1.0),
        "r4": replace(done("r4", Stage.RUNNING), history=History(), finished_at=None, step=3),
    }
    rows = rows_of(sweep, runs, 1200.0, flavors={"l4x1": FLAVOR}, ratios={"r2": 1.25})
    assert [row.point.run_id for row in rows[:2]] == ["r2", "r1"]
    assert rows[0].cells == ("beta 0.2", "70%", "2.000", "1.25", "10 min 00 s", "6.00 USD", "completed")
    assert {row.point.label for row in rows[2:]} == {"label3", "label4", "label5", "label9"}
    assert [point.label for point in missing(sweep, runs)] == ["label3", "label5", "label9"]
    assert (
        in_words(rows)
        == "2 of 6 runs completed · the accuracies of the best 2 differ by no more than chance: compare their answers"
    )
    runs["r1"] = done("r1", Stage.COMPLETED, accuracies=0.8, margins=0.1)
    assert in_words(rows_of(sweep, runs, 1200.0)) == "2 of 6 runs completed · best so far: beta 0.1"
    assert sweep_from_json(sweep.as_json()) == sweep and sweep_from_json({"points": [1]}) is None
    assert sweep.with_label("label3", "new").points[2] == Point({"beta": 0.3}, "new")
