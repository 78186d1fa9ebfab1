"""How fast a run steps, and how long it will still take."""

from __future__ import annotations

from collections import deque

WINDOW = 40
"""Observations kept: step times vary with the length of the pairs, so the newest ones count."""
FIRST_STEPS = 2
"""Steps that are left out: they include warming up caches and kernels."""


class Pace:
    """Estimates from (time, step) observations; says nothing before there is evidence."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def observe(self, at: float, step: int) -> None:
        """Takes that `step` was finished at `at` (seconds, any clock that only goes on)."""
        if step < FIRST_STEPS or (self._seen and step <= self._seen[-1][1]):
            return
        self._seen.append((at, step))

    def steps_per_second(self) -> float | None:
        """None until two observations lie apart in time."""
        if len(self._seen) < 2:
            return None
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else None

    def seconds_left(self, step: int, max_steps: int | None) -> float | None:
        """Seconds until `max_steps`, evaluation and saving not counted; None when it cannot be told yet."""
        rate = self.steps_per_second()
        if rate is None or not max_steps:
            return None
        return max(0.0, (max_steps - step) / rate)


def as_time(seconds: float | None) -> str:
    """A span for the screen: `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`; `–` for unknown."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def as_age(seconds: float | None) -> str:
    """A span in one coarse unit, so that a list need not be drawn every second: `<1m`, `7m`, `3h`, `2d`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return "<1m"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    return f"{int(seconds // 3600)}h" if seconds < 86400 else f"{int(seconds // 86400)}d"
