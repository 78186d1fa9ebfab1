"""The line format: what is written is what is read, and nothing else is taken for an event."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.runs import events
from smoltui.core.runs.events import EVENTS, LogLine, Metrics, Progress, Reader

SAMPLES = [
    events.StageChanged(stage="RUNNING", message="why", hint="do", at=1.5),
    events.PhaseChanged(phase="train"),
    events.Planned(
        max_steps=5,
        epochs=0.5,
        train_pairs=8,
        held_out_pairs=2,
        left_out={"roles": 1},
        device="cpu",
        dtype="float32",
        parameters=10,
        trainable=10,
        beta=0.1,
        versions={"trl": "1"},
        output_dir="/x",
        pairs_hash="0f" * 16,
    ),
    events.Progress(step=3),
    events.Metrics(step=2, values={"loss": 0.5}),
    events.CheckpointSaved(step=2, path="/c"),
    events.CheckpointKept(step=2, path="/c"),
    events.ModelSaved(path="/m"),
    events.ModelPushed(repo="a/b", url="https://x"),
    events.WeightsMoved(share=0.5),
    events.HealthChanged(step=3, rule="diverged", level="broken", word="diverged", sentence="It rose", act="Lower it"),
    events.Failed(cause="c", hint="h"),
    events.Finished(step=5, max_steps=5, seconds=2.0),
    events.AnswerPart(model="aligned", index=1, text="Hi"),
    events.Answered(model="reference", index=0, text="Hi.", ended=True, tokens=3),
    events.AnswerLeftOut(model="aligned", index=2, reason="too long"),
    events.RequestBegun(number=3),
    events.Downloading(model="me/m", done=5.0, total=9.0, seconds=1.5),
    events.MemoryMeasured(weights={"aligned": 5.0}, needed=9.0, free=8.0, together=False),
    events.ModelNotice(model="aligned", kind="no_template", text="none"),
    events.PairScored(model="aligned", index=0, chosen=-1.5, rejected=-2.5),
    events.Gap(since=1.5, until=2.5),
    events.LogLine(text="words"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.name)
def test_every_event_survives_the_line(event: events.Event) -> None:
    assert list(Reader().feed(events.dump(event))) == [event]


def test_the_samples_are_all_there_are() -> None:
    assert {event.name for event in SAMPLES} == set(EVENTS)


def test_a_plan_without_held_out_pairs_is_a_plan() -> None:
    """A recipe that evaluates nothing says null there, and its run has a planned step all the same."""
    line = '{"event": "plan", "v": 1, "max_steps": 20, "train_pairs": 8, "held_out_pairs": null}'
    assert list(Reader().feed(line)) == [events.Planned(max_steps=20, train_pairs=8, held_out_pairs=None)]


def test_nan_is_strict_json_and_comes_back() -> None:
    line = events.dump(Metrics(step=1, values={"loss": math.nan, "grad_norm": math.inf}))
    assert json.loads(line, parse_constant=lambda name: pytest.fail(f"bare {name}"))["values"]["loss"] == "NaN"
    (back,) = Reader().feed(line)
    assert isinstance(back, Metrics) and math.isnan(back.values["loss"]) and back.values["grad_norm"] == math.inf


@given(st.text(st.characters(exclude_characters="\n")))
def test_any_line_is_read(line: str) -> None:
    found = list(Reader().feed(line))
    assert found and all(isinstance(event, events.Event) for event in found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.sampled_from(sorted(EVENTS)),
)
def test_no_object_breaks_the_reader(value: object, name: str) -> None:
    """A line that looks like an event but holds anything is read as an event of right types, or as text."""
    data = {"event": name, "v": 1, "step": value, "values": value, "text": value, "stage": value, "left_out": value}
    for event in Reader().feed(json.dumps(data)):
        assert isinstance(getattr(event, "step", 0), int)
        assert isinstance(getattr(event, "max_steps", 0), int | None)
        for key in ("text", "stage", "cause"):
            assert isinstance(getattr(event, key, ""), str)


def test_an_event_behind_a_progress_bar_is_found() -> None:
    line = "\r 10%|█   | 1/10 [00:01<00:09]\r" + events.dump(Progress(step=1))
    text, *_, last = Reader().feed(line)
    assert isinstance(text, LogLine) and text.text.startswith(" 10%") and last == Progress(step=1)


def test_a_bar_is_one_line_of_text() -> None:
    (line, *_) = Reader().feed("\r 10%\r 20%\r 30%")
    assert line == LogLine(text=" 30%")


@pytest.mark.parametrize("quote", ["'", ""])
def test_metrics_that_trl_prints_are_read(quote: str) -> None:
    """A Job that runs TRL's own script prints dictionaries: strings since transformers 5.23, floats before."""
    q = quote
    line = (
        f"\r 50%|█████     | 20/40 [00:20<00:20,  1.02it/s]\r   \r{{'loss': {q}0.5{q}, 'rewards/margins': {q}0.62{q}, "
        f"'grad_norm': {q}nan{q}, 'epoch': {q}0.25{q}}}"
    )
    found = [event for event in Reader().feed(line) if isinstance(event, Metrics)]
    assert len(found) == 1 and found[0].step == 20 and found[0].values["rewards/margins"] == 0.62
    assert math.isnan(found[0].values["grad_norm"])


def test_printed_metrics_are_not_doubled_behind_our_own() -> None:
    reader = Reader()
    list(reader.feed(events.dump(Metrics(step=1, values={"loss": 0.5}))))
    assert [type(event) for event in reader.feed("{'loss': '0.5', 'epoch': '0.1'}")] == [LogLine]


def test_a_stray_dictionary_is_only_text() -> None:
    for line in ("{'a': 1}", "{'loss': __import__('os')}", "{'loss': " + "[" * 10_000, '{"event": "metrics"}'):
        assert all(not isinstance(event, Metrics) for event in Reader().feed(line))


def test_the_bar_of_another_task_is_no_training_step() -> None:
    line = "\rTokenizing train dataset: 100%|██████████| 2000/2000 [00:03<00:00, 612.44 examples/s]"
    assert [type(event) for event in Reader().feed(line)] == [LogLine]
