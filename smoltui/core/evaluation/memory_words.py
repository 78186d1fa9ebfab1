"""What models need in memory, in words."""

from __future__ import annotations

from smoltui.core.runs.events import MemoryMeasured

GIB = 2**30


def memory_in_words(told: MemoryMeasured) -> str:
    """One sentence: the sum, what is free, and whether the models stay loaded together."""
    needed, free, count = size(told.needed), size(told.free), len(told.weights)
    if told.together:
        what = {1: "The model stays", 2: "Both models stay"}.get(count, f"All {count} models stay")
        return f"{what} loaded: {needed} of {free} free memory."
    return f"One model is loaded after the other: all {count} together need {needed}, {free} is free."


def size(count: float) -> str:
    """Bytes in GiB, below one tenth in MiB, below one of these in KiB."""
    if count < 2**20:
        return f"{count / 2**10:.0f} KiB"
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"
