"""What waits until no key is pressed: Python's garbage collection, and whatever else would delay the next key."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time

COLLECT_SECONDS = 0.25
"""Interval between collections, and how long the keys must have been at rest: one takes 1 to 5 ms."""
YOUNG_DUE, YOUNG_OVERDUE = 1_000, 20
"""New objects after which the young ones are collected. While keys keep coming, they are collected once Python has
collected the youngest so often by itself (see `postpone_collections`)."""
OLD_SECONDS, OLD_DUE, OLD_OVERDUE = 2.0, 50, 500
"""The old objects (20 to 90 ms) are collected after `OLD_SECONDS` without a key and so many collections of the young
ones; keys or not, after `OLD_OVERDUE`."""
SWITCH_SECONDS = 0.001
"""How long a thread may hold the interpreter. Python's own 5 ms, four times a key, are visible."""
YOUNG_OBJECTS, NEVER = 10_000, 1 << 30
"""New objects before Python collects the youngest by itself: more than a key makes. It never collects older ones."""


def postpone_collections() -> None:
    """For the start of the app: nothing made while starting becomes garbage, and collecting costs a tenth of it."""
    gc.disable()
    gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
    # Threads of their own read keys and write frames; while a log pours in, each of them waits this long for its turn.
    sys.setswitchinterval(SWITCH_SECONDS)


def resume_collections() -> None:
    """Ends what `postpone_collections` began. What is alive now stays alive: it is never looked through again."""
    gc.freeze()
    gc.enable()


class AtRest:
    """Knows when the last key was pressed."""

    def __init__(self) -> None:
        self._pressed_at = -math.inf

    def pressed(self) -> None:
        """A key was pressed now."""
        self._pressed_at = time.monotonic()

    def pressed_within(self, seconds: float) -> bool:
        """Whether a key was pressed in the last `seconds`; work that can wait then gives way to it."""
        return time.monotonic() - self._pressed_at < seconds

    async def at_rest(self, seconds: float) -> None:
        """Returns when no key has been pressed for `seconds`."""
        while self.pressed_within(seconds):
            await asyncio.sleep(seconds / 4)

    def collect(self) -> None:
        """Does the collections that are due, the longer ones only while no key is pressed."""
        made, young, old = gc.get_count()
        if old >= (OLD_OVERDUE if self.pressed_within(OLD_SECONDS) else OLD_DUE):
            gc.collect()
        elif young >= YOUNG_OVERDUE or (made >= YOUNG_DUE and not self.pressed_within(COLLECT_SECONDS)):
            gc.collect(1)
