"""Runs that are ruined say so within the first tenth, and healthy ones say nothing, on recorded curves of real runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from smoltui.core.guide.steps import ProjectFacts, next_step
from smoltui.core.runs import events
from smoltui.core.runs.health import health_json, health_line, is_ruined
from smoltui.core.runs.reading import health_of
from smoltui.core.runs.rules import watched
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.scripts.curve_remarks import Level, Remark
from smoltui.scripts.run_health import PER_STEP, Judge, as_event
from tests.core.runs.test_reading import READINGS, Verdict, recorded


def judged(name: str, repeat: int = 1) -> Iterator[tuple[float, Remark | None]]:
    """(share of the run, remark) for each step of a recorded run, whose end would be `repeat` times as far away.

    Steps are judged by what is measured for each; the gradient norm is only known where it is logged.
    """
    view = recorded(name)
    planned = (view.planned or 0) * repeat
    judge = Judge(planned, beta=view.known_beta, dtype=view.dtype)
    keys = [*PER_STEP, "loss", "learning_rate"]
    for step in sorted({step for key in keys for step, _ in view.points(key)}):
        judge.measured(step, {key: value for key in keys for at, value in view.points(key) if at == step})
        yield step / planned, judge.early_remark()


@pytest.mark.parametrize("name", ["nan", "nan-filtered", "fp16", "too-hot", "identical"])
def test_a_ruined_run_says_so_in_its_first_tenth(name: str) -> None:
    """As in a run ten times as long, of which nothing has been logged yet."""
    first = next((share for share, remark in judged(name, 10) if remark and remark.level >= Level.NOTHING), None)
    assert first is not None and first <= 0.1


@pytest.mark.parametrize("name", [name for name, (verdict, _) in READINGS.items() if verdict is Verdict.HEALTHY])
def test_a_healthy_run_never_says_anything(name: str) -> None:
    assert {remark for _, remark in judged(name, 10)} == {None}


@pytest.mark.parametrize("name", READINGS)
def test_no_run_is_called_lost_that_is_not(name: str) -> None:
    seen = {remark.level for _, remark in judged(name) if remark}
    assert Level.BROKEN not in seen or READINGS[name][0] is Verdict.BROKEN


def test_a_long_log_is_not_judged_at_each_value() -> None:
    judge = Judge(100_000)
    due = 0
    for step in range(1, 2001):
        judge.logged(step, {"loss": 0.69})
        due += judge.is_due()
    assert 50 < due < 300


def ruined(level: str = "broken") -> events.HealthChanged:
    return events.HealthChanged(step=3, rule="diverged", level=level, word="x", sentence="It rose", act="Lower it")


def test_what_the_script_finds_is_kept_with_the_run_and_taken_back() -> None:
    run = Run("r", "local", "demo", Stage.RUNNING).after(ruined())
    assert (found := health_of(run)) is not None and health_line(found) == "broken: it rose"
    assert run.summary()["health"] == {
        "verdict": "broken",
        "rule": "diverged",
        "sentence": "It rose",
        "act": "Lower it",
    }
    assert [one.rule for one in watched(run, WatchSettings(), 0.0)] == ["nan"]
    assert run.after(events.HealthChanged(step=9, level="note")).health is None
    assert run.after(ruined("word of a later version")).health is None
    assert run.after(events.Planned(max_steps=3)).health is None and health_json(None) is None


def test_the_event_holds_the_whole_remark() -> None:
    remark = Remark("diverged", Level.BROKEN, "diverged", "It rose", "Lower it")
    line = json.dumps({"event": "health", "v": 1, "step": 2, **as_event(remark)})
    event = events.event_in(line)
    assert event is not None and Run("r", "local", "demo", "RUNNING").after(event).health == remark
    assert as_event(None) == {"level": "note"}


def test_home_says_what_is_wrong_instead_of_going_on() -> None:
    run = Run("r", "local", "demo", Stage.RUNNING, step=9).after(ruined())
    assert (found := run.health) is not None and is_ruined(found)
    facts = ProjectFacts(
        looked=True, has_recipe=True, names_pairs=True, model="m", runs=(run,), with_model=frozenset({"r"})
    )
    assert next_step(facts).sentence == "Press 4 to look at the run: broken: it rose."
    done = replace(run, stage=Stage.COMPLETED, model_path="/m")
    assert next_step(replace(facts, runs=(done,))).sentence == "Press 4 to see why, then 3: broken: it rose."


def test_single_pairs_are_judged_together_and_identical_ones_at_once() -> None:
    judge = Judge(1000, pairs=1)
    for step in range(1, 5):
        judge.measured(step, {"rewards/margins": 0.0, "learning_rate": 1e-6})
        assert judge.early_remark() is None
    judge.measured(5, {"rewards/margins": 0.0, "learning_rate": 1e-6})
    assert (found := judge.early_remark()) is not None and found.rule == "no_gradient"
    assert found.cause(5).startswith("Stopped at step 5: the gradient is 0")
    hot = Judge(1000, pairs=1)
    for step in range(1, 12):
        hot.measured(step, {"rewards/margins": -9.0})
        assert hot.early_remark() is None
    hot.measured(12, {"rewards/margins": -9.0})
    assert (found := hot.early_remark()) is not None and found.rule == "wrong_way"
