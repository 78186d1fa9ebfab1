"""The pairs of a measurement in the folder of their run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import measured_pairs
from smoltui.core.evaluation.pair_values import PairValue, Shape


def pair(text: str) -> dict[str, str]:
    return {"prompt": text, "chosen": "b", "rejected": "c \ud83d"}


VALUES = [
    PairValue(number, margin, margin, 0.0, Shape(1, 1, 1), pair(f"Q{number}"))
    for number, margin in enumerate((1.0, -2.0, math.nan, 3.0))
]


def test_they_come_back_wrong_ones_first(tmp_path: Path) -> None:
    measured_pairs.keep(tmp_path, 5.0, VALUES)
    back = measured_pairs.kept(tmp_path, 5.0) or []
    assert [value.number for value in back] == [1, 0, 3, 2] and back[0] == VALUES[1]
    assert math.isnan(back[-1].margin)
    assert not (tmp_path / measured_pairs.NAME).stat().st_mode & 0o077


def test_pairs_of_another_measurement_are_not_shown(tmp_path: Path) -> None:
    """Nor those of a damaged file."""
    assert measured_pairs.kept(tmp_path, 5.0) is None
    measured_pairs.keep(tmp_path, 5.0, VALUES)
    assert measured_pairs.kept(tmp_path, 6.0) is None
    path = tmp_path / measured_pairs.NAME
    for text in ("", "[]", '{"at": 5.0}', '{"at": 5.0, "pairs": [{}]}', path.read_text()[:-5]):
        path.write_text(text)
        assert measured_pairs.kept(tmp_path, 5.0) is None


def test_the_texts_are_limited_and_wrong_pairs_kept_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_pairs, "MOST_BYTES", 1000)
    long = [replace(value, pair=pair("x" * 400)) for value in VALUES]
    measured_pairs.keep(tmp_path, 5.0, long)
    back = measured_pairs.kept(tmp_path, 5.0) or []
    assert [(value.number, value.pair is not None) for value in back] == [(1, True), (0, True), (3, False), (2, False)]
    assert (tmp_path / measured_pairs.NAME).stat().st_size < 2000
