"""The table of tasks that ships with smoltui."""

from __future__ import annotations

from smoltui.core.evaluation.benchmark_tasks import Harness, bare_name, task_table

TABLE = task_table()


def test_the_default_set_is_the_courses_with_strings_that_work() -> None:
    assert TABLE.default(Harness.LIGHTEVAL) == ("truthfulqa:mc|0", "hellaswag|0", "arc:challenge|0", "gsm8k|0")
    assert TABLE.default(Harness.LM_EVAL) == ("truthfulqa_mc2", "hellaswag", "arc_challenge", "gsm8k")


def test_every_task_is_complete() -> None:
    for task in TABLE.tasks:
        assert task.what.endswith(".") and task.metrics and task.scored in ("log-prob", "one token", "generated")
        assert (task.items is None) == (not task.items_source), "a number has a source, an unknown one has none"
        assert (task.new_tokens > 0) == (task.scored != "log-prob")
        if task.harness is Harness.LIGHTEVAL:
            assert TABLE.lighteval_has(task.name), task.name
    assert len({(task.harness, task.name) for task in TABLE.tasks}) == len(TABLE.tasks)


def test_times_are_estimated_only_where_both_sizes_are_known() -> None:
    """A faster flavor takes less; ten questions take less than all; unknown stays unknown."""
    gsm8k = TABLE.find(Harness.LIGHTEVAL, "gsm8k|0")
    unknown = TABLE.find(Harness.LIGHTEVAL, "ifbench_test|0")
    assert gsm8k is not None and unknown is not None
    slow, fast = TABLE.minutes(gsm8k, "l4x1"), TABLE.minutes(gsm8k, "h200")
    assert slow is not None and fast is not None and 5 < fast < slow < 120
    rehearsal = TABLE.minutes(gsm8k, "l4x1", 10)
    assert rehearsal is not None and rehearsal < 1
    assert TABLE.minutes(gsm8k, "cpu-basic") is None and TABLE.minutes(unknown, "l4x1") is None
    assert TABLE.total_minutes([gsm8k, unknown], "l4x1") is None
    total = TABLE.total_minutes([gsm8k], "l4x1")
    assert total is not None and total == slow + TABLE.setup_minutes


def test_names_are_found_in_all_spellings() -> None:
    assert bare_name(Harness.LIGHTEVAL, "lighteval|truthfulqa:mc|0") == "truthfulqa:mc"
    assert bare_name(Harness.LIGHTEVAL, "gsm8k") == bare_name(Harness.LIGHTEVAL, "gsm8k|5") == "gsm8k"
    assert TABLE.near(Harness.LIGHTEVAL, "arc_challenge|0")[0] == "arc:challenge|0"
    assert TABLE.near(Harness.LM_EVAL, "gsm8")[0] == "gsm8k" and TABLE.near(Harness.LM_EVAL, "zzzzzz") == []
    assert TABLE.lighteval_has("mmlu") and TABLE.lighteval_has("hellaswag_fra_mcf") is None
    assert TABLE.lighteval_has("gsm9k") is False
