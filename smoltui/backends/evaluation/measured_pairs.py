"""The held-out pairs of a measurement with their values, in the folder of its run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from smoltui.backends.system import data_folder
from smoltui.core.evaluation.pair_values import PairValue, value_from_json, wrong_first

NAME = "held-out.json"
MOST_BYTES = 16 << 20
"""Of the texts of all pairs together. Wrong pairs are kept first; of those beyond the limit only the values are."""


def keep(folder: Path, at: float, values: Sequence[PairValue]) -> None:
    """Saves the values, and the pairs as far as they fit. `at` is the time of the measurement. Raises OSError."""
    rows, left = [], MOST_BYTES
    for value in wrong_first(values):
        row = value.as_json()
        if value.pair is not None:
            size = len(json.dumps(value.pair, ensure_ascii=False).encode("utf-8", "replace"))
            left -= size
            if left >= 0:
                row["pair"] = dict(value.pair)
        rows.append(row)
    data_folder.write_json(folder / NAME, {"v": 1, "at": at, "pairs": rows}, indent=None)


def kept(folder: Path, at: float) -> list[PairValue] | None:
    """The values of the measurement of this time, wrong ones first; None without a readable file of it."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        data = data_folder.read_json(folder / NAME)
        if data is not None and data["at"] == at:
            return wrong_first(value_from_json(row) for row in data["pairs"])
    return None
