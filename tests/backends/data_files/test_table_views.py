"""Rows that stand for several pairs, or for one that has to be made: the set holds the pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.source import PairsSpec, open_spec

SEVERAL = [
    {"prompt": "a", "chosen": "b", "rejected": ["c", "d"]},
    {"prompt": "e", "chosen": "f", "rejected": ["g"]},
]
WON = [
    {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "model_b", "source": "s"},
    {"prompt": "d", "response_a": "e", "response_b": "f", "winner": "tie", "source": "s"},
]


def spec(folder: Path, rows: list[dict[str, Any]]) -> PairsSpec:
    path = folder / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PairsSpec(str(path))


def texts(source: Any) -> list[tuple[str, str]]:
    pairs = [source.pair(number) for number in range(len(source))]
    return [(pair.chosen_text, pair.rejected_text) for pair in pairs]


def test_several_rejected_answers_are_several_pairs(tmp_path: Path) -> None:
    source = open_spec(spec(tmp_path, SEVERAL), None)
    assert source.schema == "several-rejected" and len(source) == 3
    assert texts(source) == [("b", "c"), ("b", "d"), ("f", "g")]
    assert [row["rejected"] for row in source.rows(1, 3)] == ["d", "g"]  # an import that continues


def test_a_tie_stays_a_row_with_its_reason(tmp_path: Path) -> None:
    source = open_spec(spec(tmp_path, WON), None)
    assert source.schema == "ranked" and len(source) == 2
    won, tie = source.pair(0), source.pair(1)
    assert (won.chosen_text, won.rejected_text, won.problem) == ("c", "b", None)
    assert tie.reason == "tie" and not tie.readable
    assert source.row(0)["source"] == "s"


def test_the_first_rows_are_unfolded_too(tmp_path: Path) -> None:
    head = open_head(spec(tmp_path, SEVERAL), None)
    assert [row["rejected"] for row in head.rows] == ["c", "d", "g"]
