"""Lengths of the answers are counted while the set grows."""

from __future__ import annotations

import json
from pathlib import Path

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.lengths import lengths_of
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.pairs.store import PART_ROWS, PairStore


class Growing(PairStore):
    """Has one part at first, and all of them from the second look on."""

    looked = 0

    @property
    def parts(self) -> int:
        self.looked += 1
        return 1 if self.looked == 1 else super().parts


def test_a_set_that_grows_meanwhile(tmp_path: Path) -> None:
    """Both answers are measured over the same rows, whatever is imported between the two columns."""
    rows = [{"prompt": "q", "chosen": "a" * (n % 9 + 1), "rejected": "bb"} for n in range(PART_ROWS + 10)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = imported(PairsSpec("pairs.jsonl"), tmp_path).folder
    growing = lengths_of(Growing(folder), None, None)
    assert growing.gap.total == growing.chosen.total == growing.rejected.total == PART_ROWS
    assert lengths_of(PairStore(folder), None, None).gap.total == PART_ROWS + 10
