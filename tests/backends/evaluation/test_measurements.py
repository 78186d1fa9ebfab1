"""Measurements in the folder of their run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import measurements
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.measurement import Measurement, differences
from smoltui.core.runs.events import PairScored
from smoltui.errors import InputError

PAIRS = [{"prompt": f"Q{number}?", "chosen": "Yes.", "rejected": "No."} for number in range(3)]


@pytest.fixture
def measurement() -> Measurement:
    tally = Tally(beta=0.5)
    for number in range(3):
        tally.add(PairScored(model=REFERENCE, index=number, chosen=-5.0, rejected=-6.0))
        tally.add(PairScored(model=ALIGNED, index=number, chosen=-4.0 - number, rejected=-9.0))
    return measurements.measured(tally, PAIRS, date="2026-11-29", seed=1)


def test_it_comes_back_as_it_was(tmp_path: Path, measurement: Measurement) -> None:
    """Intervals included; saving a new one returns the previous one."""
    assert measurement.aligned.margin_interval is not None and measurement.versions
    assert measurements.last(tmp_path) is None
    assert measurements.keep(tmp_path, measurement) is None
    assert measurements.last(tmp_path) == measurement
    later = replace(measurement, at=measurement.at + 1)
    assert measurements.keep(tmp_path, later) == measurement
    assert measurements.last(tmp_path) == later


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"at": "x"}', '{"at": 1, "reference": {"no": 1}, "aligned": {}}'])
def test_a_damaged_file_is_no_measurement(tmp_path: Path, text: str) -> None:
    (tmp_path / measurements.NAME).write_text(text)
    assert measurements.last(tmp_path) is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, measurement: Measurement) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="could not be saved"):
        measurements.keep(tmp_path / "file", measurement)


def test_what_makes_two_incomparable(measurement: Measurement) -> None:
    """Other pairs, another date, other versions; the same ones do not, whenever they were measured."""
    assert differences(measurement, replace(measurement, at=0.0)) == []
    other = replace(measurement, date="2026-11-30", pairs_hash="x", versions={**measurement.versions, "torch": "9"})
    assert differences(measurement, other) == [
        "the date in the prompts was 2026-11-29 and is 2026-11-30",
        "the held-out pairs are others",
        "torch changed",
    ]
