"""What is known of a run after each event, and timeouts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.runs import events
from smoltui.core.runs.metrics import History, as_word
from smoltui.core.runs.pace import Pace, as_age, as_time
from smoltui.core.runs.run import Run, Stage, as_timeout, is_final, richer, timeout_seconds


def run() -> Run:
    return Run(id="a", engine="local", name="try", stage=Stage.SCHEDULING)


def test_a_run_grows_with_its_events() -> None:
    now = run()
    for event in (
        events.StageChanged(stage="RUNNING", at=10.0),
        events.Planned(max_steps=4),
        events.Metrics(step=1, values={"loss": 0.7}),
        events.Progress(step=2),
        events.WeightsMoved(share=0.9),
        events.ModelSaved(path="/m"),
        events.Finished(step=4, max_steps=4),
        events.StageChanged(stage="COMPLETED", at=16.0),
    ):
        now = now.after(event)
    assert (now.stage, now.step, now.max_steps, now.moved, now.model_path) == ("COMPLETED", 4, 4, 0.9, "/m")
    assert now.duration(99.0) == 6.0 and now.is_final


def test_a_late_line_does_not_bring_a_run_back() -> None:
    done = run().after(events.StageChanged(stage="CANCELED"))
    assert done.after(events.StageChanged(stage="RUNNING")).stage == "CANCELED"


def test_a_stage_only_the_server_knows_is_kept_and_not_final() -> None:
    assert run().after(events.StageChanged(stage="PAUSED")).stage == "PAUSED" and not is_final("PAUSED")


def test_a_failure_keeps_its_cause_through_the_final_stage() -> None:
    failed = run().after(events.Failed(cause="out of memory", hint="smaller batch"))
    ended = failed.after(events.StageChanged(stage="ERROR"))
    assert (ended.message, ended.hint) == ("out of memory", "smaller batch")


def test_a_resumed_run_stands_where_its_checkpoint_does() -> None:
    """It failed at step 11 and goes on from 8: the step is 8, and what failed is over."""
    now = run()
    for event in (
        events.Planned(max_steps=40),
        events.Progress(step=11),
        events.Failed(cause="The disk is full", hint="Free some space."),
        events.StageChanged(stage="RUNNING", message="Resumed from step 8"),
        events.Planned(max_steps=40),
        events.Progress(step=8),
    ):
        now = now.after(event)
    assert (now.step, now.message, now.hint) == (8, "Resumed from step 8", None)
    assert now.summary()["resumable"] is False


@pytest.mark.parametrize(
    ("listed", "followed", "kept"), [(320, 640, 640), (640, 320, 640), (None, 320, 320), (320, None, 320), (None,) * 3]
)
def test_the_newest_checkpoint_counts_whoever_saw_it(
    listed: int | None, followed: int | None, kept: int | None
) -> None:
    """A list was read before the Job ended, its log afterwards; or the other way round."""
    known = replace(run(), kept_step=followed, step=640)
    assert richer(replace(run(), kept_step=listed), known).kept_step == kept


def test_a_curve_has_one_value_a_step_after_a_resume() -> None:
    history = History()
    for step, loss in ((1, 0.7), (2, 0.6), (3, 0.5), (2, 0.65), (3, 0.55)):
        history.add(step, {"loss": loss})
    assert history.series["loss"] == [(1, 0.7), (2, 0.65), (3, 0.55)]
    assert history.rows()[-1] == {"step": 3, "loss": 0.55}


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(allow_nan=False))))
def test_a_curve_is_always_in_step_order(points: list[tuple[int, float]]) -> None:
    history = History()
    for step, value in points:
        history.add(step, {"loss": value})
    steps = [step for step, _ in history.series.get("loss", [])]
    assert steps == sorted(set(steps))
    if points:
        assert history.last("loss") == points[-1][1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3h", 10800), ("90m", 5400), ("1.5h", 5400), ("10 m", 600), ("30", 30), ("45s", 45), ("1d", 86400)],
)
def test_timeouts_that_jobs_knows(text: str, seconds: int) -> None:
    assert timeout_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1h30m", "write 90m"),
        ("2h30", "write 150m"),
        ("2H", "write 2h"),
        ("90min", "write 90m"),
        ("1w", "such as 3h"),
        ("", "such as 3h"),
        ("1 hour and 30 minutes", "write 90m"),
        ("1h 30m 5s", "write 5405s"),
        ("0", "at least 1 second"),
        ("0.1s", "at least 1 second"),
        ("0.5 sec", "at least 1 second"),
        ("400 days", "shorter than a year"),
        ("1e9d", "such as 3h"),
        ("1e3s", "such as 3h"),
        ("1month", "such as 3h"),
        ("1h or 2d", "such as 3h"),
        ("-5m", "such as 3h"),
        ("infh", "such as 3h"),
    ],
)
def test_other_timeouts_say_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        timeout_seconds(text)
    assert str(caught.value)[0].isupper() and str(caught.value).endswith(".")


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("smhd")), min_size=2, max_size=4))
def test_a_time_in_parts_is_suggested_as_one(parts: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match=r"^A time is one|must be") as caught:
        timeout_seconds(" ".join(f"{number}{unit}" for number, unit in parts))
    total = sum(number * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit] for number, unit in parts)
    suggested = re.search(r"write (\w+)\.$", str(caught.value))
    assert (timeout_seconds(suggested[1]) if suggested else 0) == total


@given(st.text("0123456789.eE+-smhdw ", max_size=9))
def test_no_other_time_is_suggested(text: str) -> None:
    """What is suggested has the digits of what was written, and is itself a time."""
    try:
        timeout_seconds(text)
    except ValueError as error:
        if suggested := re.search(r"write (\w+)\.$", str(error)):
            assert timeout_seconds(suggested[1]) > 0 and not set(text.lower()) & set("e+-w")


def test_time_left_waits_for_evidence() -> None:
    pace = Pace()
    assert pace.seconds_left(0, 10) is None
    pace.observe(0.0, 2)
    assert pace.seconds_left(2, 10) is None
    pace.observe(4.0, 4)
    assert pace.steps_per_second() == 0.5 and pace.seconds_left(4, 10) == 12.0
    assert pace.seconds_left(4, None) is None
    pace.forget()  # paused for ten minutes
    pace.observe(604.0, 5)
    assert pace.steps_per_second() is None


def test_words_for_numbers_and_spans() -> None:
    assert [as_word(x) for x in (None, float("nan"), float("inf"), 0.6931, 5e-7)] == [
        "–",
        "NaN",
        "∞",
        "0.693",
        "5.00e-07",
    ]
    assert [as_time(x) for x in (None, 5, 200, 7500, 90000)] == ["–", "5 s", "3 min 20 s", "2 h 05 min", "1 d 1 h"]
    assert [as_age(x) for x in (None, 5, 200, 7500, 190000)] == ["–", "<1m", "3m", "2h", "2d"]


def test_the_steps_of_a_script_that_tells_no_plan() -> None:
    """TRL's own script: its bar says how many, and the shorter bar of an evaluation does not change that."""
    run = Run("r", "hub", "r", Stage.RUNNING)
    for line in (" 12%|█▏        | 6/48 [00:01<00:09]", " 50%|█████     | 4/8 [00:01<00:01]"):
        for event in events.Reader().feed(line):
            run = run.after(event)
    assert (run.step, run.max_steps) == (6, 48)
    assert run.after(events.Planned(max_steps=50)).max_steps == 50


@given(st.integers(1, 30_000_000))
def test_a_limit_is_written_as_it_is_read(seconds: int) -> None:
    """Whatever the limit is, a prompt that proposes it gets the same one back."""
    assert timeout_seconds(as_timeout(seconds)) == seconds
    assert (as_timeout(90), as_timeout(5400), as_timeout(10_800)) == ("90s", "90m", "3h")


def test_what_a_job_saved_on_its_disk_is_gone_at_its_end() -> None:
    local = Run("r", "local", "r", Stage.COMPLETED, output_dir="/out", model_path="/out")
    job = replace(local, engine="hub", flavor="l4x1")
    assert (local.saved_to, local.disk_deleted) == ("/out", False)
    assert (job.saved_to, replace(job, pushed_to="me/x").saved_to) == (None, "me/x")
    assert replace(job, stage=Stage.RUNNING).saved_to == "/out"
