"""Results of registered benchmarks as the Hub reads them."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from ruamel.yaml import YAML

from smoltui.core.publish.eval_results import results_of
from tests.core.publish.test_card import HARNESS


def test_only_registered_benchmarks_have_a_file() -> None:
    """gsm8k is one, arc is not; its value is in percent, and the client reads the file back."""
    from huggingface_hub import EvalResultEntry
    from huggingface_hub._eval_results import parse_eval_result_entries

    (result,) = results_of([HARNESS])
    assert result.path == ".eval_results/gsm8k.yaml"
    data = YAML(typ="safe").load(StringIO(result.as_yaml()))
    (entry,) = parse_eval_result_entries(data)
    assert isinstance(entry, EvalResultEntry)
    assert (entry.dataset_id, entry.task_id, entry.value) == ("openai/gsm8k", "gsm8k", 55.34)
    assert entry.date == "2026-11-29" and "ada/details_ada__m" in str(entry.source_url)
    assert entry.notes == "lighteval 0.13.0, gsm8k|0, extractive_match; thinking off"


def test_the_newest_figure_counts_and_no_rehearsal() -> None:
    older = replace(HARNESS, date="2026-01-01", rows=(replace(HARNESS.rows[0], value=0.1),))
    rehearsal = replace(HARNESS, date="2026-12-01", rehearsal=True)
    assert [result.value for result in results_of([HARNESS, older, rehearsal])] == [55.34]
    assert not results_of([rehearsal]) and not results_of([])


def test_without_a_published_data_set_there_is_no_source() -> None:
    """The client refuses a source without an address."""
    (result,) = results_of([replace(HARNESS, dataset=None)])
    assert "source" not in YAML(typ="safe").load(StringIO(result.as_yaml()))[0]
