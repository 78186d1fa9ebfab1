"""Time limits and times in the spellings of a cluster (Slurm)."""

from __future__ import annotations

import re
import time

from smoltui.core.runs.run import LONGEST_TIMEOUT, timeout_seconds

_OURS = re.compile(r"\s*\d+(?:\.\d+)?\s*[smhd]\s*")
_SLURM = re.compile(r"(?:(\d{1,6})-)?(\d{1,8})(?::(\d{1,4}))?(?::(\d{1,4}))?")
WITHOUT = frozenset({"", "infinite", "unlimited", "n/a", "invalid", "not_set", "unknown", "partition_limit"})
"""What Slurm writes where there is no limit or no time, in lower case."""


def limit_seconds(text: str) -> int | None:
    """Seconds in a time limit as Slurm writes it; None without a limit, and for anything else.

    Minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or days-hours:minutes:seconds
    (sbatch(1), --time).
    """
    found = _SLURM.fullmatch(text.strip())
    if found is None:
        return None
    days, *parts = (None if part is None else int(part) for part in found.groups())
    first, second, third = parts
    if days is not None:
        return days * 86_400 + (first or 0) * 3600 + (second or 0) * 60 + (third or 0)
    if third is not None:
        return (first or 0) * 3600 + (second or 0) * 60 + third
    return (first or 0) * 60 + (second or 0)


def asked_seconds(text: str) -> int:
    """Seconds in a limit that a person wrote: Slurm's spelling, or one number and a unit, such as 90m or 3h.

    Raises:
        ValueError: for anything else, with a sentence about the right spelling.
    """
    seconds = timeout_seconds(text) if _OURS.fullmatch(text) else limit_seconds(text)
    if seconds is None or not 0 < seconds <= LONGEST_TIMEOUT:
        raise ValueError("Write minutes, hours:minutes:seconds or days-hours, or a number and a unit, such as 90m.")
    return seconds


def as_limit(seconds: int) -> str:
    """A limit for sbatch: `1-06:00:00`. Slurm counts minutes, so a part of one counts as a whole."""
    minutes = -(-seconds // 60)
    days, rest = divmod(minutes, 1440)
    return f"{days}-{rest // 60:02d}:{rest % 60:02d}:00"


def moment(text: str) -> float | None:
    """Seconds since the epoch in a time of Slurm's: such seconds, or local time; None for neither."""
    text = text.strip()
    if text.isdecimal() and len(text) < 13:
        return float(text)
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None
