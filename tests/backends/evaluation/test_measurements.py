"""Measurements in the folder of their run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import measurements
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.group_rows import notes
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
    kept = replace(measurement, values=())
    assert measurements.last(tmp_path) == kept and [group.key for group in kept.groups] == ["all", "longer", "one_turn"]
    assert measurements.values_of(tmp_path, kept) == list(reversed(measurement.values))
    later = replace(measurement, at=measurement.at + 1)
    assert measurements.keep(tmp_path, later) == kept
    assert measurements.last(tmp_path) == replace(later, values=())


def test_values_of_a_model_without_a_run(measurement: Measurement) -> None:
    """They are in memory as long as the figures are shown."""
    assert measurements.values_of(None, measurement) == measurement.values
    assert measurements.values_of(None, replace(measurement, values=())) is None


def test_what_was_reused_and_what_was_dropped(tmp_path: Path) -> None:
    """The reference's values are from an earlier evaluation; one pair's prompt fills max_length."""
    tally = Tally(beta=0.5)
    for number in range(2):
        tally.add(PairScored(model=REFERENCE, index=number, chosen=-5.0, rejected=-6.0, scored_at=1796018019.0))
        tally.add(PairScored(model=ALIGNED, index=number, chosen=-4.0, rejected=-9.0))
    found = measurements.measured(tally, PAIRS, date="2026-11-29", seed=1)
    measurements.keep(tmp_path, found)
    kept = measurements.last(tmp_path)
    assert kept is not None and (kept.reference_at, kept.dropped) == (1796018019.0, 1)
    said = notes(kept, measurements.when)
    assert said[0].startswith("Reference values from 30 November 2026 at ") and said[0].endswith(" reused.")
    assert said[1].startswith("1 pair is not scored")


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
        "the held-out pairs differ",
        "torch changed",
    ]
