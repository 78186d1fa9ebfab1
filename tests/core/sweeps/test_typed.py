"""What a person types for a sweep."""

from __future__ import annotations

import pytest

from smoltui.core.sweeps.sweep import combinations
from smoltui.core.sweeps.typed import assignments_in, axes_of
from smoltui.errors import InputError


def test_keys_and_values() -> None:
    """Several keys on one line, lists in brackets, null; a value given twice counts once."""
    line = "beta=0.05, 0.1,0.5 loss-type=[sigmoid, sft],apo_zero max_length=null,512 beta=0.1,1"
    axes = axes_of(assignments_in(line))
    assert axes == {
        "beta": [0.05, 0.1, 0.5, 1.0],
        "loss_type": [["sigmoid", "sft"], "apo_zero"],
        "max_length": [None, 512],
    }
    found = combinations(axes)
    assert len(found) == 16 and found[1] == {"beta": 0.05, "loss_type": ["sigmoid", "sft"], "max_length": 512}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("beta", "Not KEY=VALUE"),
        ("bta=1,2", "no such setting: bta"),
        ("beta=", "beta has no values"),
        ("beta=0.1,-1", "beta cannot be -1"),
        ("beta=0.1", "needs a key with several values"),
        (f"seed={','.join(map(str, range(65)))}", "65 runs; at most 64"),
    ],
)
def test_mistakes_are_sentences(line: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        combinations(axes_of(assignments_in(line)))
