"""Figures side by side, never of different harnesses or versions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.evaluation.benchmark_result import BenchmarkResult, Metric
from smoltui.core.evaluation.benchmark_table import difference, figure, tables
from tests.core.evaluation.benchmark_samples import lighteval, lm_eval
from tests.core.evaluation.test_benchmark_reading import read


def both(aligned: BenchmarkResult, **change: object) -> list[BenchmarkResult]:
    reference = replace(aligned, role="reference", source="r", **change)  # type: ignore[arg-type]
    return [reference, aligned]


def test_both_models_are_in_one_row() -> None:
    (table,) = tables(both(read(lm_eval())))
    row = table.rows[0]
    assert row == ("demo_mc", "acc", "0.500 ± 0.200", "0.500 ± 0.200", "+0.000 ± 0.283 no difference shown")
    assert not table.is_rehearsal and table.note == ""


@pytest.mark.parametrize(
    "change",
    [
        {"pins": ("lm_eval==0.4.12", "transformers==5.23.0")},
        {"pins": ()},
        {"thinking": True},
        {"max_samples": 10},
    ],
)
def test_what_is_not_comparable_is_in_tables_of_its_own(change: dict[str, object]) -> None:
    found = tables(both(read(lm_eval()), **change))
    assert len(found) == 2 and all("–" in row for table in found for row in table.rows)
    assert len(tables([read(lm_eval()), read(lighteval())])) == 2, "two harnesses"


def test_other_days_are_mentioned() -> None:
    (table,) = tables(both(replace(read(lm_eval()), date="2026-11-30"), date="2026-11-29"))
    assert "2026-11-29, 2026-11-30" in table.note


def test_the_newer_figure_of_a_task_counts() -> None:
    old, new = replace(read(lm_eval()), at=1.0, source="a"), read(lm_eval())
    task = replace(new.tasks[0], metrics=(Metric("acc", 0.9, 0.1),))
    (table,) = tables([replace(new, at=2.0, tasks=(task,)), old])
    assert table.rows[0].aligned == "0.900 ± 0.100" and len(table.rows) == 4


@pytest.mark.parametrize(
    ("reference", "aligned", "words"),
    [
        (Metric("acc", 0.5, 0.01), Metric("acc", 0.6, 0.01), "+0.100 ± 0.014 better"),
        (Metric("acc", 0.5, 0.01), Metric("acc", 0.4, 0.01), "-0.100 ± 0.014 worse"),
        (Metric("ppl", 5, 0.1, False), Metric("ppl", 4, 0.1, False), "-1.000 ± 0.141 better"),
        (Metric("acc", 0.5, 0.1), Metric("acc", 0.6, 0.1), "+0.100 ± 0.141 no difference shown"),
        (Metric("acc", 0.0, 0.0), Metric("acc", 1.0, 0.0), "+1.000"),
        (Metric("acc", 0.0, None), Metric("acc", 1.0, 0.1), "+1.000"),
        (Metric("acc", None, None), Metric("acc", 1.0, 0.1), "–"),
        (None, Metric("acc", 1.0, 0.1), "–"),
    ],
)
def test_a_difference_says_no_more_than_it_can(reference: Metric, aligned: Metric, words: str) -> None:
    assert difference(reference, aligned) == words


def test_figures_in_words() -> None:
    assert figure(None) == "–" and figure(Metric("a", None, 0.1)) == "NaN" and figure(Metric("a", 0.5, None)) == "0.500"
