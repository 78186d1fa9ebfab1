"""The speed of a run, and its remaining time."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 40
"""Number of observations kept: step times vary with the length of the pairs, so the newest count."""
FIRST_STEPS = 2
"""Initial steps that are ignored: they include warming up caches and kernels."""


class Pace:
    """Estimates from (time, step) observations; none before there is evidence."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def observe(self, at: float, step: int) -> None:
        """Records that `step` was finished at `at` (seconds, any monotonic clock)."""
        if step < FIRST_STEPS or (self._seen and step <= self._seen[-1][1]):
            return
        self._seen.append((at, step))

    def forget(self) -> None:
        """Starts over: the run stands still or begins again, and that time is no step's."""
        self._seen.clear()

    def steps_per_second(self) -> float | None:
        """None until there are two observations at different times."""
        if len(self._seen) < 2:
            return None
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else None

    def seconds_left(self, step: int, max_steps: int | None) -> float | None:
        """Seconds until `max_steps`, excluding evaluation and saving; None if it cannot be estimated yet."""
        rate = self.steps_per_second()
        if rate is None or not max_steps:
            return None
        return max(0.0, (max_steps - step) / rate)


def as_time(seconds: float | None) -> str:
    """A duration for display: `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`; `–` for unknown."""
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


def as_rough(seconds: float) -> str:
    """A duration as well as an estimate knows it, in one unit: `40 s`, `25 min`, `2.5 h`, `9 d`."""
    for unit, size, fine in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 48 * 3600), ("d", 86400, math.inf)):
        if seconds < fine:
            value = seconds / size
            step = 5 if value >= 20 else 1 if value >= 4 or unit == "s" else 0.5
            rounded = max(round(value / step) * step, step)
            return f"{rounded:g} {unit}"
    return "–"


def as_span(low: float, high: float) -> str:
    """A range of estimated durations: `40 min – 2 h`, `40 – 55 min`; `about 25 min` where both are the same."""
    first, last = as_rough(low), as_rough(high)
    if first == last:
        return f"about {first}"
    number, unit = first.split(" ")
    return f"{number if last.endswith(f' {unit}') else first} – {last}"


def as_age(seconds: float | None) -> str:
    """A duration in one coarse unit, so that a list is not redrawn every second: `<1m`, `7m`, `3h`, `2d`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return "<1m"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    return f"{int(seconds // 3600)}h" if seconds < 86400 else f"{int(seconds // 86400)}d"
