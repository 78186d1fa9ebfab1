"""Results of LightEval: which file is the newest, and what keeps it from being submitted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from smoltui.core.evaluation.benchmark_reading import read_results
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.preflight.check import Check, may_start
from smoltui.core.publish.results import course_tasks, newest, result_checks

MODEL = "ada/smollm3-dpo"
FILE = "results_2026-11-29T09-01-02.json"


def results(model: str = MODEL, limit: int | None = None, **changed: Any) -> dict[str, Any]:
    """A file as LightEval 0.13 writes it: every metric under every task, 0.0 where it is not the task's own."""
    own = {f"{task}|0": {"acc": 0.5} for task in course_tasks()[:-1]} | {"gsm8k|0": {"extractive_match": 0.41}}
    rows = {
        task: {"acc": 0.0, "extractive_match": 0.0, "acc_stderr": 0.0} | values | {"acc_stderr": 0.01}
        for task, values in own.items()
    }
    rows = {task: {**row, **changed.get(task.partition("|")[0], {})} for task, row in rows.items()}
    for task in [task for task in rows if changed.get(task.partition("|")[0]) is False]:
        del rows[task]
    tasks = {task: {"metrics": [{"metric_name": name} for name in values]} for task, values in own.items()}
    general = {"model_name": model, "max_samples": limit}
    return {"config_general": general, "results": {**rows, "all": {"acc": 0.1}}, "config_tasks": tasks}


def read(data: dict[str, Any]) -> BenchmarkResult:
    return read_results(data, name=FILE, source="ada/d", role=ALIGNED)


def checked(data: dict[str, Any], model: str = MODEL) -> list[Check]:
    return result_checks(read(data), model, FILE, course_tasks())


def test_the_tasks_are_the_course_s() -> None:
    assert course_tasks() == ("truthfulqa:mc", "hellaswag", "arc:challenge", "gsm8k")


def test_complete_results_pass() -> None:
    (check,) = checked(results())
    assert check.level == "pass" and FILE in check.sentence
    assert may_start(checked(results(MODEL.upper()))), "the Hub ignores case"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (results("HuggingFaceTB/SmolLM3-3B"), "another model (HuggingFaceTB/SmolLM3-3B)"),
        (results(limit=10), "a rehearsal, with 10 items per task"),
        (results(gsm8k={"extractive_match": math.nan}), "not finite (gsm8k|0)"),
        (results(gsm8k={"extractive_match": "NaN"}), "not finite (gsm8k|0)"),
        (results(gsm8k={"extractive_match": None}), "not finite (gsm8k|0)"),
    ],
)
def test_each_fault_stops(data: dict[str, Any], words: str) -> None:
    checks = checked(data)
    assert not may_start(checks)
    (check,) = [check for check in checks if words in check.sentence]
    assert check.next_step


def test_a_missing_task_stops() -> None:
    data = results()
    del data["results"]["gsm8k|0"]
    (check,) = checked(data)
    assert check.level == "stop" and "lack gsm8k" in check.sentence


def test_nothing_but_zeros_is_pointed_out() -> None:
    """A model that starts with <think> scores 0; that can be true, so it does not stop."""
    checks = checked(results(gsm8k={"extractive_match": 0.0}))
    assert may_start(checks) and "All figures are 0 for gsm8k|0" in checks[0].sentence


def test_the_newest_file_is_by_the_time_in_its_name() -> None:
    names = ["README.md", "results_2026-11-29T09-01-02.123456.json", "results_2026-11-28T21-14-07.442671.json"]
    assert newest(names) == names[1] and newest(names[:1]) is None
    assert newest(["a/results_2026-11-30T00-00-00.json", *names]) == "a/results_2026-11-30T00-00-00.json"
