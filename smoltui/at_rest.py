"""Work that waits until no key is pressed: Python's garbage collection, and what else would delay the next key."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time

COLLECT_SECONDS = 0.25
"""Interval between collections (1 to 5 ms each), and how long no key must have been pressed before one."""
YOUNG_DUE, YOUNG_OVERDUE = 1_000, 20
"""Number of new objects after which the young ones are collected. While keys are pressed, that waits until Python
itself has collected the youngest this many times (see `postpone_collections`)."""
OLD_SECONDS, OLD_DUE, OLD_OVERDUE = 2.0, 50, 500
"""The old objects, which take 20 to 90 ms, are collected after `OLD_DUE` collections of the young ones and
`OLD_SECONDS` without a key; after `OLD_OVERDUE` collections even while keys are pressed."""
SWITCH_SECONDS = 0.001
"""How long a thread may hold the interpreter. Python's default of 5 ms, four times per key, is noticeable."""
YOUNG_OBJECTS, NEVER = 10_000, 1 << 30
"""Number of new objects after which Python itself collects the youngest, more than a key creates; older ones: never."""


def postpone_collections() -> None:
    """Turns collection off for the start of the app, of which it takes a tenth although nothing becomes garbage."""
    gc.disable()
    gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
    # Separate threads read keys and write frames. During a log burst, each of them waits this long for its turn.
    sys.setswitchinterval(SWITCH_SECONDS)


def resume_collections() -> None:
    """Turns collection on again. What is alive now is considered permanent, and never examined again."""
    gc.freeze()
    gc.enable()


class AtRest:
    """Knows when the last key was pressed."""

    def __init__(self) -> None:
        self._pressed_at = -math.inf

    def pressed(self) -> None:
        """Records that a key was pressed now."""
        self._pressed_at = time.monotonic()

    def pressed_within(self, seconds: float) -> bool:
        """Whether a key was pressed in the last `seconds`; work that can wait then waits."""
        return time.monotonic() - self._pressed_at < seconds

    async def at_rest(self, seconds: float) -> None:
        """Returns when no key has been pressed for `seconds`."""
        while self.pressed_within(seconds):
            await asyncio.sleep(seconds / 4)

    def collect(self) -> None:
        """Runs the collections that are due, the longer ones only while no key is pressed."""
        made, young, old = gc.get_count()
        if old >= (OLD_OVERDUE if self.pressed_within(OLD_SECONDS) else OLD_DUE):
            gc.collect()
        elif young >= YOUNG_OVERDUE or (made >= YOUNG_DUE and not self.pressed_within(COLLECT_SECONDS)):
            gc.collect(1)
