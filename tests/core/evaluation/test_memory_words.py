"""What models need in memory, as a person reads it."""

from __future__ import annotations

import pytest

from smoltui.core.evaluation.memory_words import memory_in_words
from smoltui.core.runs.events import MemoryMeasured


@pytest.mark.parametrize(
    ("count", "together", "said"),
    [
        (1, True, "The model stays loaded: 2.0 GiB of 8.0 GiB free memory."),
        (2, True, "Both models stay loaded: 2.0 GiB of 8.0 GiB free memory."),
        (3, True, "All 3 models stay loaded: 2.0 GiB of 8.0 GiB free memory."),
        (3, False, "One model is loaded after the other: all 3 together need 2.0 GiB, 8.0 GiB is free."),
    ],
)
def test_what_it_takes(count: int, together: bool, said: str) -> None:
    weights = {str(n): 1.0 for n in range(count)}
    assert memory_in_words(MemoryMeasured(weights=weights, needed=2.0**31, free=2.0**33, together=together)) == said
