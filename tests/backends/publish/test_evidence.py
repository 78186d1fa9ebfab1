"""Votes and benchmarks of a run, as the card shows them: the same figures, rehearsals marked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import benchmark_results
from smoltui.backends.publish import evidence
from smoltui.core.evaluation.benchmark_reading import read_results
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.evaluation.vote_figures import Duel, VoteFigures
from smoltui.core.evaluation.vote_statistics import LengthControlled
from smoltui.core.publish.card import card
from smoltui.core.publish.eval_results import results_of
from smoltui.errors import InputError
from tests.core.publish.test_card import RECORD, rows, section
from tests.core.publish.test_results import results

PINS = ("lighteval==0.13.0", "xxhash<4")


def result(role: str, **changed: object) -> BenchmarkResult:
    name = "results_2026-11-29T09-01-02.json"
    data = results(**changed)  # type: ignore[arg-type]
    return read_results(data, name=name, source=f"ada/details_ada__m/{name}", role=role, pins=PINS)


def test_nothing_is_kept_yet(tmp_path: Path) -> None:
    assert evidence.votes(tmp_path) == () and evidence.benchmarks(tmp_path) == ()


def test_both_models_of_one_setting_are_in_one_table(tmp_path: Path) -> None:
    """With their standard errors; a figure that is not finite is NaN; the registered one can be listed."""
    benchmark_results.keep(tmp_path, replace(result(REFERENCE, gsm8k={"extractive_match": 0.3}), source="ref"))
    benchmark_results.keep(tmp_path, result(ALIGNED, hellaswag={"acc": "NaN"}))
    (found,) = evidence.benchmarks(tmp_path)
    assert found.harness == "lighteval 0.13.0" and found.pins == PINS and found.dataset == "ada/details_ada__m"
    figures = {row.task: row for row in found.rows}
    assert (figures["gsm8k|0"].value, figures["gsm8k|0"].reference) == (0.41, 0.3)
    assert math.isnan(figures["hellaswag|0"].value) and figures["hellaswag|0"].reference == 0.5
    assert figures["arc:challenge|0"].stderr == 0.01 and not found.rehearsal and found.date == "2026-11-29"
    shown = rows(section(card(replace(RECORD, benchmarks=(found,)), "ada/m"), "Benchmarks"))
    assert shown["gsm8k¦0"] == ["`extractive_match`", "0.3000", "0.4100"]
    assert shown["hellaswag¦0"] == ["`acc`", "0.5000 ± 0.0100", "NaN ± 0.0100"]
    assert [each.value for each in results_of([found])] == [41.0]


@pytest.mark.parametrize(
    "source", ["/home/ada/out/results_x.json", "out/a/results_x.json", "ada/details", "results_x.json"]
)
def test_a_file_of_this_machine_is_no_data_set(source: str, tmp_path: Path) -> None:
    benchmark_results.keep(tmp_path, replace(result(ALIGNED), source=source))
    assert evidence.benchmarks(tmp_path)[0].dataset is None


def test_a_rehearsal_is_marked_and_kept_apart(tmp_path: Path) -> None:
    benchmark_results.keep(tmp_path, replace(result(ALIGNED, limit=10), source="rehearsal"))
    benchmark_results.keep(tmp_path, result(ALIGNED))
    benchmark_results.keep(tmp_path, replace(result(REFERENCE, limit=5), source="other"))
    assert [found.rehearsal for found in evidence.benchmarks(tmp_path)] == [True, False]
    text = card(replace(RECORD, benchmarks=evidence.benchmarks(tmp_path)), "ada/m")
    assert section(text, "Benchmarks").count("### ") == 1


def test_a_broken_file_is_not_silently_left_out(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.json").write_text("{")
    with pytest.raises(InputError):
        evidence.benchmarks(tmp_path)


def test_votes_with_their_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """13 of 20 decided: the interval and the test of the facts, in words that claim no more."""
    duel = Duel(ALIGNED, REFERENCE, 13, 7, 2, 1, p=0.26317596, controlled=LengthControlled(0.5, (0.3, 0.7), 1.0))
    figures = VoteFigures(1.0, {}, {}, "course", 0, 30, 23, 0, 0, True, (duel,))
    older = replace(figures, current=False)
    monkeypatch.setattr(evidence.kept_votes, "kept", lambda folder: [figures, older, replace(figures, duels=())])
    (vote,) = evidence.votes(tmp_path)
    assert vote.title == "aligned against reference, on 23 prompts of course"
    shown = rows(section(card(replace(RECORD, votes=(vote,)), "ada/m"), "Blind votes"))
    assert shown["votes"] == ["23"] and shown["for aligned"] == ["13"] and shown["ties"] == ["2"]
    assert shown["share of aligned among decided votes"] == ["65 % (43–82)"] and shown["sign test, p"] == ["0.263"]
    assert shown["win rate at equal length"] == ["50 % (30–70)"]
    assert "No difference shown" in vote.sentence and json.dumps(vote.rows)
