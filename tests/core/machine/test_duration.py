"""How long a run will take: what is known, what is assumed, and what earlier runs correct."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.machine.duration import Hardware, Past, duration
from smoltui.core.pairs.sizes import PairSizes, quantiles
from smoltui.core.recipe import summarise
from smoltui.core.runs.pace import as_rough, as_span
from tests.core.machine.test_fit import LORA, SMOLLM3, recipe

A100 = Hardware("A100", "NVIDIA A100-SXM4-80GB")
COURSE = recipe(2, gradient_accumulation_steps=8, max_steps=1000)
SUMMARY = summarise(COURSE)


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    """No guess about a card that is not in the table, a processor without cores, or a run without an end."""
    assert duration(COURSE, SMOLLM3, SUMMARY, None) is None
    assert duration(COURSE, SMOLLM3, SUMMARY, Hardware("Quantum 9000", "Quantum 9000")) is None
    assert duration(COURSE, SMOLLM3, SUMMARY, Hardware("CPU")) is None
    assert duration(COURSE | {"bf16": False}, SMOLLM3, SUMMARY, A100) is None, "float32 uses other units"
    assert duration(COURSE, None, SUMMARY, A100) is None
    assert duration(COURSE, SMOLLM3, replace(SUMMARY, steps=None), A100) is None
    assert duration(COURSE | {"max_length": None}, SMOLLM3, SUMMARY, A100) is None


def test_the_course_job_takes_about_an_hour_on_an_a100() -> None:
    """16 000 pairs of 300 to 1,024 tokens: 0.6 to 2.1 hours at 40 %; the range has the shares around it, too."""
    found = duration(COURSE, SMOLLM3, SUMMARY, A100)
    assert found is not None
    assert found.low / 3600 == pytest.approx(0.6 * 0.4 / 0.5, rel=0.15)
    assert found.high / 3600 == pytest.approx(2.1 * 0.4 / 0.3, rel=0.1)
    assert "30 % to 50 % of 312 TFLOP/s" in found.assumed and "300 to 1024 tokens" in found.assumed
    faster = duration(COURSE | LORA, SMOLLM3, SUMMARY, A100)
    assert faster is not None and faster.high < found.high


def test_measured_pairs_and_more_devices_narrow_and_shorten_it() -> None:
    sizes = PairSizes(9, 0, measured=9, max_length=1024, longest=400, lengths=quantiles([200] * 8 + [400]))
    alone, measured = (duration(COURSE, SMOLLM3, SUMMARY, A100, sizes=known) for known in (None, sizes))
    assert alone is not None and measured is not None and "padded to" in measured.assumed
    assert measured.high / measured.low < alone.high / alone.low and measured.high < alone.high
    four = duration(COURSE, SMOLLM3, SUMMARY, replace(A100, devices=4), sizes=sizes)
    assert four is not None and four.usual < measured.usual / 3


def test_on_a_processor_it_takes_days() -> None:
    found = duration(COURSE | {"use_cpu": True, "bf16": False}, SMOLLM3, SUMMARY, Hardware("CPU, 8 cores", cores=8))
    assert found is not None and found.low > 5 * 86_400 and "8 cores" in found.assumed
    assert as_span(found.low, found.high).endswith(" d")


def test_earlier_runs_correct_the_next_estimate() -> None:
    """A run that took twice the usual: the next one is expected to, within a quarter; only the last five with as much
    work count."""
    first = duration(COURSE, SMOLLM3, SUMMARY, A100)
    assert first is not None
    again = duration(COURSE, SMOLLM3, SUMMARY, A100, past=[Past(2.0, first.usual / 2), Past(99.0, 1.0)])
    assert again is not None and again.usual == first.usual and "as the last run" in again.assumed
    assert again.low == pytest.approx(2 * first.usual / 1.25) and again.high == pytest.approx(2.5 * first.usual)
    wide = duration(COURSE, SMOLLM3, SUMMARY, A100, past=[Past(r, first.usual) for r in (2, 1, 2, 2, 4, 99)])
    assert wide is not None and (wide.low, wide.high) == (first.usual, 4 * first.usual)
    assert "the last 5 runs" in wide.assumed


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (12.4, 61, "12 – 60 s"),
        (0.2, 0.4, "about 1 s"),
        (2280, 7860, "40 min – 2 h"),
        (2280, 3300, "40 – 55 min"),
        (1500, 1510, "about 25 min"),
        (777_600, 790_000, "about 9 d"),
        (100, 9000, "1.5 min – 2.5 h"),
    ],
)
def test_a_range_is_rounded_as_it_is_known(low: float, high: float, words: str) -> None:
    assert as_span(low, high) == words


def test_no_duration_is_shown_as_nothing() -> None:
    assert as_rough(0.0) == "1 s" and as_rough(89) == "90 s" and as_rough(10**9) == "11575 d"
