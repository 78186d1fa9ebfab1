"""The reading line on recorded curves of real runs of the demo, and each rule on a curve of its own.

`curves/*.json` are the metrics of runs of `smoltui demo` with other settings or pairs: float16 weights, half of the
labels swapped, a marker in front of each rejected answer, and so on. The name says what was done.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smoltui.core.runs.reading import PairFacts, Reading, Verdict, read
from smoltui.scripts.curve_remarks import Level
from smoltui.scripts.curve_view import CurveView

CURVES = Path(__file__).with_name("curves")


def recorded(name: str) -> CurveView:
    data = json.loads((CURVES / f"{name}.json").read_text())
    series = {
        key: [(step, float(value)) for step, value in zip(*columns, strict=True)]
        for key, columns in data["series"].items()
    }
    dtype = data["dtype"].removeprefix("torch.")
    return CurveView(series, data["max_steps"], over=True, known_beta=data["beta"], dtype=dtype)


READINGS = {
    "healthy": (Verdict.HEALTHY, "held-out agrees"),
    "gentle": (Verdict.HEALTHY, "margin has risen"),
    "apo": (Verdict.HEALTHY, "held-out agrees"),
    "ipo": (Verdict.HEALTHY, "held-out agrees"),
    "hinge": (Verdict.HEALTHY, "held-out agrees"),
    "sft-mix": (Verdict.HEALTHY, "held-out agrees"),
    "noise30": (Verdict.HEALTHY, "accuracy is 71 %"),
    "constant": (Verdict.HEALTHY, "held-out agrees"),
    "nan": (Verdict.BROKEN, "The loss has been NaN or infinite since step 5"),
    "nan-filtered": (Verdict.BROKEN, "The reward margin has been NaN or infinite since step 5"),
    "too-hot": (Verdict.BROKEN, "Lower the learning rate"),
    "fp16": (Verdict.BROKEN, "dtype: float32"),
    "collapsed": (Verdict.WATCH, "they may have collapsed"),
    "unstable": (Verdict.WATCH, "they may have collapsed"),
    "lora": (Verdict.WATCH, "Both log-probabilities fall"),
    "too-long": (Verdict.WATCH, "Both log-probabilities fall"),
    "both-fall": (Verdict.WATCH, "Both log-probabilities fall"),
    "overfit": (Verdict.WATCH, "Held-out loss rose from 0.699 at step 6"),
    "memorized": (Verdict.WATCH, "overfitting"),
    "swapped": (Verdict.WATCH, "swapped in one of the two sets"),
    "longer": (Verdict.WATCH, "such as length or a marker"),
    "marker": (Verdict.WATCH, "such as length or a marker"),
    "nothing-rate": (Verdict.NOTHING, "the learning rate is too low"),
    "warmup": (Verdict.NOTHING, "warm-up is longer than the run"),
    "bf16": (Verdict.NOTHING, "lost in bfloat16 weights"),
    "identical": (Verdict.NOTHING, "chosen and rejected are identical"),
    "noise50": (Verdict.NOTHING, "a coin toss"),
}
"""Recorded run → its verdict, and what the line must say."""
ONLY_HELD_OUT = ("overfit", "swapped")
"""Runs that look healthy without held-out pairs."""


def test_every_recorded_curve_is_read_here() -> None:
    assert {path.stem for path in CURVES.glob("*.json")} == set(READINGS)


@pytest.mark.parametrize("name", READINGS)
def test_the_line_is_right_on_a_recorded_run(name: str) -> None:
    verdict, words = READINGS[name]
    reading = read(recorded(name))
    assert (reading.verdict, words in reading.line) == (verdict, True), reading.line
    assert reading.line.startswith(f"{verdict.value}.") and reading.line.endswith(".")


@pytest.mark.parametrize("name", READINGS)
def test_beta_can_be_found_from_the_curves(name: str) -> None:
    """TRL's own script prints no plan: the verdict is the same without beta."""
    view = recorded(name)
    assert read(replace(view, known_beta=None)).verdict is READINGS[name][0]


@pytest.mark.parametrize("name", READINGS)
def test_a_run_that_logs_every_fourth_step_reads_the_same(name: str) -> None:
    """As `logging_steps: 4` logs it, the mean of four steps. Length and markers show in single early steps only."""
    view = recorded(name)
    curves = {key: list(points) if key.startswith("eval_") else in_fours(points) for key, points in view.curves.items()}
    verdict = read(replace(view, curves=curves)).verdict
    assert verdict is READINGS[name][0] or name == "longer"


def in_fours(points: object) -> list[tuple[int, float]]:
    listed = list(points)  # type: ignore[call-overload]
    fours = [listed[at : at + 4] for at in range(0, len(listed) - 3, 4)]
    return [(four[-1][0], sum(value for _, value in four) / 4) for four in fours]


def until(view: CurveView, step: int) -> CurveView:
    """The run while it was going on, at this step."""
    curves = {key: [point for point in points if point[0] <= step] for key, points in view.curves.items()}
    return replace(view, curves=curves, over=False)


@pytest.mark.parametrize("name", READINGS)
def test_a_run_is_never_called_worse_on_the_way_than_at_its_end(name: str) -> None:
    """A healthy run is never stopped: on the way it is healthy or undecided. No run is called broken that isn't."""
    view, end = recorded(name), READINGS[name][0]
    seen = {read(until(view, step)).verdict for step in range(1, (view.planned or 0) + 1)}
    if end is Verdict.HEALTHY:
        assert seen <= {Verdict.EARLY, Verdict.HEALTHY}
    if end is not Verdict.BROKEN:
        assert Verdict.BROKEN not in seen
    assert read(until(view, 2)).verdict in (Verdict.EARLY, end)


def test_divergence_is_not_forgotten() -> None:
    """The run came back to loss 0.000 and accuracy 1.0; its weights are ruined all the same."""
    view = recorded("too-hot")
    assert view.finite("loss")[-1] < 0.69 and view.finite("rewards/accuracies")[-1] == 1.0
    assert read(view).verdict is Verdict.BROKEN


@pytest.mark.parametrize("name", ONLY_HELD_OUT)
def test_without_held_out_pairs_the_line_says_so(name: str) -> None:
    view = recorded(name)
    curves = {key: points for key, points in view.curves.items() if not key.startswith("eval_")}
    reading = read(replace(view, curves=curves))
    assert reading.verdict is Verdict.HEALTHY and "no held-out pairs were measured" in reading.line


def test_what_the_audit_knows_is_added() -> None:
    """A healthy curve stays healthy, with what to watch; many cut answers are more than a note."""
    view = recorded("longer")
    view = replace(view, curves={**view.curves, "loss": recorded("healthy").points("loss")})
    reading = read(view, PairFacts(chosen_longer=0.997, longer_wins=0.998))
    assert reading.verdict is Verdict.HEALTHY
    assert reading.line.endswith(
        "Watch: accuracy was perfect in the first fifth; chosen is longer in 99.7 % of pairs (length may be what is "
        "learned)."
    )
    assert reading.short == "healthy · watch: chosen is longer in 99.7 % of pairs (length may be what is learned)"
    assert read(recorded("nan")).short.startswith("broken: the loss has been NaN")
    healthy = recorded("healthy")
    assert read(healthy).short == read(healthy).line
    assert "longer" not in read(healthy, PairFacts(0.5, 0.5, 0.01)).line
    assert "cut at max_length" in read(healthy, PairFacts(0.5, 0.5, 0.06)).line
    assert read(healthy, PairFacts(chosen_cut=0.4)).verdict is Verdict.WATCH


def made(planned: int = 100, beta: float = 1.0, **series: list[float]) -> CurveView:
    """A curve with a value for each of its first steps; `__` in a name stands for /."""
    curves = {
        name.replace("__", "/"): list(enumerate(values, 1)) for name, values in {"loss": [0.69], **series}.items()
    }
    return CurveView(curves, planned, known_beta=beta)


def rules(view: CurveView) -> dict[str, Level]:
    return {remark.rule: remark.level for remark in read(view).remarks}


STILL = [0.69] * 60
LONG = {"logps__chosen": [-250.0] * 60}


ONE_PAIR = [-1.5 if 200 <= step < 203 else 1.0 for step in range(400)]


def sided(accuracy: float, held: float = 1.0, chosen: float = 0.0) -> CurveView:
    """A finished run in which almost only the rejected answers moved, on answers of 250 nats."""
    series = {"chosen": [chosen] * 60, "rejected": [chosen - 5.0] * 60, "margins": [5.0] * 60}
    held_out = {"eval_loss": [0.5] * 3, "eval_rewards__accuracies": [held] * 3, "eval_rewards__margins": [held - 0.5]}
    ranked = {"rewards__accuracies": [accuracy] * 60}
    rewards = {f"rewards__{name}": values for name, values in series.items()}
    return made(60, loss=[0.69, *[0.5] * 59], **rewards, **held_out, **ranked, **LONG)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (made(loss=[0.69, 0.7, 0.72, 0.71, 0.7]), set()),  # noisy pairs
        (made(loss=[0.69, 1.2, 1.3, 1.2]), {"diverged"}),
        (made(loss=[0.69, 5.0, 0.6, 0.5, 0.5]), {"diverged"}),
        (made(2000, loss=[0.69, 0.6, 1.2, 1.2, 1.2, *[0.5] * 995]), set()),  # small batches: more points are averaged
        (made(loss=[0.69] * 4, grad_norm=[3e-7] * 4), {"no_gradient"}),
        (made(loss=[0.69, *[1e-5] * 8], grad_norm=[1.0, *[1e-9] * 8]), {"saturated", "trivial"}),
        (made(loss=STILL, rewards__margins=[0.01] * 60), {"flat"}),
        (made(loss=STILL[:40], rewards__margins=[0.01] * 40), set()),  # not before half of the run
        (made(loss=[0.69, *[0.5] * 59], rewards__margins=[-0.5] * 60), {"negative"}),
        (made(loss=[0.69, *[0.5] * 40], learning_rate=[step / 100 for step in range(41)]), {"warming_up"}),
        (made(loss=[0.69, *[0.5] * 40], learning_rate=[0.1] * 41), set()),  # constant
        (made(loss=[0.69, *[0.5] * 30], eval_loss=[0.5, 0.4, 0.43]), {"memorizing"}),
        (made(loss=[0.69, *[0.5] * 30], eval_loss=[0.5, 0.4, 0.41]), set()),
        (made(loss=[0.69, *[0.01] * 30], eval_loss=[1e-3, 1e-5, 2e-5]), {"trivial"}),  # a rise of nothing
        (made(loss=[0.69, *[0.5] * 59], rewards__chosen=[-5.0] * 60, **LONG), set()),  # 2 % of a long answer
        (made(loss=[0.69, *[0.5] * 59], rewards__chosen=[-45.0] * 60, **LONG), {"chosen_fell"}),
        (sided(accuracy=0.72), set()),  # the usual shape on human preferences
        (sided(accuracy=0.98), {"one_sided"}),
        (sided(accuracy=0.98, chosen=-1.0), set()),  # both sides fell
        (sided(accuracy=0.98, held=0.57), {"memorizing", "one_sided"}),
        (sided(accuracy=0.98, held=0.49), {"memorizing", "one_sided"}),  # by chance, not the other way around
        (sided(accuracy=0.98, held=0.1), {"opposite", "one_sided"}),
        (made(loss=[0.02, *[0.05] * 40], rewards__margins=[5.0] * 41), set()),  # easy pairs, logged every ten steps
        (made(400, loss=[0.69] * 400, rewards__margins=ONE_PAIR), set()),  # three of single pairs are no trend
    ],
)
def test_a_rule_holds_on_the_curve_it_is_about(view: CurveView, expected: set[str]) -> None:
    assert set(rules(view)) == expected


def test_little_is_not_enough_for_a_verdict() -> None:
    """After three steps, before anything was logged, and at the end of a run that stopped after two values."""
    assert read(made(loss=[0.69, 0.69, 0.68])).line == "too early to tell. 3 of 100 steps so far."
    assert read(CurveView({})).verdict is Verdict.NONE
    ended = replace(made(loss=[0.69, 0.68]), over=True)
    assert read(ended).verdict is Verdict.UNCLEAR


def test_a_reading_as_json_has_all_remarks() -> None:
    reading: Reading = read(recorded("overfit"))
    data = reading.as_json()
    assert data["verdict"] == "watch" and [one["rule"] for one in data["remarks"]][:2] == ["memorizing", "chosen_fell"]
    assert data["line"] == reading.line and json.dumps(data)


KEYS = ["loss", "grad_norm", "learning_rate", "rewards/margins", "rewards/chosen", "rewards/rejected", "logps/chosen"]


@given(st.dictionaries(st.sampled_from(KEYS + [f"eval_{key}" for key in KEYS]), st.lists(st.floats(), max_size=20)))
@example({"loss": [1e308, 1.7e308, 1.7e308, 1.7e308], "rewards/margins": [-1.7e308, 1.7e308] * 4})
@example({"eval_logps/chosen": [0.0, 1e308], "eval_rewards/chosen": [0.0, 1e-308], "loss": [0.0] * 4})
def test_any_curve_can_be_read(curves: dict[str, list[float]]) -> None:
    series = {key: list(enumerate(values, 1)) for key, values in curves.items()}
    for view in (CurveView(series, 20, over=True), CurveView(series), CurveView(series, 10, known_beta=math.inf)):
        assert read(view).line.endswith(".")
