"""Values of a record as people read them: times as dates, bytes with a unit, seconds as a duration.

The name of a value says what it is. Whatever is not certain stays as it is; the raw JSON has it in any case.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from smoltui.core.runs.pace import as_time

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")
_AT = re.compile(r"(?:^|_)(?:at|time|timestamp|created|started|finished|updated|mtime)$", re.IGNORECASE)
_BYTES = re.compile(r"^size$|(?:^|_)(?:bytes|file_size|memory|vram|ram)(?:_|$)", re.IGNORECASE)
_SECONDS = re.compile(r"(?:^|_)(?:seconds|secs|duration|timeout|elapsed)(?:_|$)", re.IGNORECASE)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
FIRST, LAST = 946_684_800, 4_102_444_800
"""Seconds since the epoch that are taken for a date: 2000 to 2100. Milliseconds of that time are taken, too."""
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def readable(name: str, value: object, now: float) -> str | None:
    """The value called `name` in words; None if it is shown as it is. `now` in seconds since the epoch."""
    words = _WORD.sub("_", name)  # finishedAt
    if isinstance(value, str):
        return _date_of(value, now) if _ISO.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _AT.search(words):
        seconds = value / 1000 if FIRST * 1000 <= value < LAST * 1000 else value
        return _date(seconds, now) if FIRST <= seconds < LAST else None
    if _SECONDS.search(words):
        return as_time(value) if 60 <= value < 1e9 else None
    if _BYTES.search(words) and isinstance(value, int) and value >= 1024:
        return as_size(value)
    return None


def as_size(size: int) -> str:
    """Bytes with a unit and three digits: `1.46 KiB`, `14.6 GiB`, `146 MiB`; below 1024 `512 B`."""
    amount, unit = float(size), "B"
    for larger in _UNITS:
        if amount < 1023.5:
            break
        amount, unit = amount / 1024, larger
    if unit == "B":
        return f"{size} B"
    return f"{amount:.{0 if amount >= 99.95 else 1 if amount >= 9.995 else 2}f} {unit}"


def _date_of(text: str, now: float) -> str | None:
    try:
        return _date(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp(), now)
    except (ValueError, OverflowError):
        return None


def _date(seconds: float, now: float) -> str:
    """`2026-11-30 09:12:03 UTC (3 h 05 min ago)`."""
    date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    passed = now - seconds
    return f"{date} ({as_time(passed)} ago)" if passed >= 0 else f"{date} (in {as_time(-passed)})"
