"""Results files of both harnesses, and what is not one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smoltui.core.evaluation.benchmark_command import PINS
from smoltui.core.evaluation.benchmark_reading import NotResultsError, read_results, stamp_of
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, result_from_json
from smoltui.core.evaluation.benchmark_tasks import Harness
from tests.core.evaluation.benchmark_samples import LIGHTEVAL_NAME, lighteval, lm_eval


def read(data: Any, **how: Any) -> BenchmarkResult:
    return read_results(data, **{"name": LIGHTEVAL_NAME, "source": "s", "role": "aligned", **how})


def figures(result: BenchmarkResult) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    return {task.task: {one.name: (one.value, one.stderr) for one in task.metrics} for task in result.tasks}


def test_lighteval_lists_only_a_tasks_own_metrics() -> None:
    """The zeros that it writes for the metrics of other tasks, and its averages, are left out."""
    result = read(lighteval(), pins=PINS, job="job1")
    assert figures(result) == {
        "truthfulqa:mc|0": {"truthfulqa_mc1": (0.3, 0.016), "truthfulqa_mc2": (0.48, 0.015)},
        "arc:challenge|0": {"acc": (0.6666666666666666, 0.21)},
    }
    assert result.harness is Harness.LIGHTEVAL and result.model == "ada/aligned" and result.thinking is False
    assert [task.items for task in result.tasks] == [None, 1172] and result.tasks[0].shots == 0
    assert result.seconds == 5.18 and result.date == "2026-11-29" and result.at == 1795943964.0
    assert not result.is_rehearsal and "lighteval==0.13.0" in result.setting


def test_lm_eval_lists_groups_without_their_parts() -> None:
    result = read(lm_eval(adapter="/demo/lora"))
    assert figures(result) == {
        "demo_mc": {"acc": (0.5, 0.2)},
        "mmlu": {"acc": (0.25, 0.01)},
        "gsm8k": {"exact_match,strict-match": (0.1, None), "exact_match,flexible-extract": (0.2, 0.01)},
    }
    assert result.pins == ("lm_eval==0.4.13", "transformers==5.23.0") and result.thinking is False
    assert result.adapter == "/demo/lora" and result.tasks[0].items == 6 and result.tasks[2].shots == 5


def test_a_rehearsal_is_marked() -> None:
    for result in (read(lighteval(max_samples=10)), read(lm_eval(limit=10.0))):
        assert result.is_rehearsal and "REHEARSAL: first 10 questions" in result.setting
        assert result.as_json()["is_rehearsal"] is True


def test_a_figure_that_is_no_number_is_told_apart_from_zero() -> None:
    result = read(lighteval(acc=float("nan")))
    assert figures(result)["arc:challenge|0"]["acc"][0] is None and not result.is_finite
    assert read(lighteval()).is_finite


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "no results"),
        ({}, "no results"),
        ({"results": {}}, "neither"),
        ({"results": {"a": {"acc": 1}}, "config": {}}, "neither"),
        ({"results": {}, "config_general": {}}, "no figure"),
        ({"results": {"a": 5}, "config": {}, "n-shot": {}}, "no figure"),
    ],
)
def test_other_files_are_refused(data: Any, reason: str) -> None:
    with pytest.raises(NotResultsError, match=reason):
        read(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from([-5, 0, 1, 5, 10**400]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
KEYS = ("results", "config_general", "config", "config_tasks", "n-shot", "n-samples", "group_subtasks", "date")


@example({"group_subtasks": {"": [[]]}}, lm_eval)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)), st.sampled_from([lighteval, lm_eval]))
def test_any_json_is_read_or_refused(part: dict[str, Any], sample: Any) -> None:
    """Foreign values in any place: a result that can be stored and read again, or one sentence."""
    for data in (part, {**sample(), **part}):
        try:
            result = read(data)
        except NotResultsError:
            continue
        assert result_from_json(result.as_json()) == result


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each mapping or list in a value with each of its keys."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@given(st.sampled_from([lighteval, lm_eval]), st.lists(st.tuples(st.integers(0, 99), JSON), min_size=1, max_size=3))
def test_any_value_of_a_file_may_be_wrong(sample: Any, changes: list[tuple[int, Any]]) -> None:
    """As above, with values in the places where a harness writes them."""
    data = sample()
    for number, wrong in changes:
        found = list(places(data))
        holder, key = found[number % len(found)]
        holder[key] = deepcopy(wrong)
    with suppress(NotResultsError):
        result = read(data)
        assert result_from_json(result.as_json()) == result


def test_the_time_is_in_the_name() -> None:
    assert stamp_of(LIGHTEVAL_NAME) == 1795943964.0
    assert stamp_of("results_2026-13-45T99-99-99.json") is None and stamp_of("results.json") is None
