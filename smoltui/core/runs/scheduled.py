"""A scheduled Job: a Job that the Hub starts repeatedly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.errors import InputError
from smoltui.safe_text import safe_line

_FIELDS_OF = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
ALIASES = tuple(_FIELDS_OF)
"""Values that the Hub accepts instead of a cron expression (huggingface_hub 2.4, `create_scheduled_job`)."""

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_ATOM = r"(?:\*|[0-9]{1,2}|[A-Za-z]{3})"
_PART = re.compile(rf"(?:{_ATOM}(?:-{_ATOM})?(?:/[0-9]{{1,3}})?)(?:,{_ATOM}(?:-{_ATOM})?(?:/[0-9]{{1,3}})?)*")


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """What is known about a scheduled Job. Times are seconds since the epoch; None if the Hub does not report them."""

    id: str
    name: str
    """The label `name`, else the image, else the id; for display, not unique."""
    schedule: str
    """One of `ALIASES` or a cron expression, in UTC; as reported by the Hub."""
    namespace: str | None = None
    """User or organization that owns and pays."""
    suspended: bool | None = None
    """None if the Hub does not report it."""
    concurrency: bool | None = None
    """Whether it starts while the previous Job is still running."""
    next_at: float | None = None
    """When it starts next; also None while suspended."""
    last_at: float | None = None
    """When it last started; None if never."""
    last_run: str | None = None
    """Id of the last Job it started."""
    created_at: float | None = None
    flavor: str | None = None
    timeout_seconds: int | None = None
    """Timeout of each Job; None: the Hub's default, 30 minutes."""
    attempts: int | None = None
    """How often the Hub starts each Job before it gives up; None: once, or unknown."""
    labels: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Everything as returned by the Hub; only the names of secrets."""

    def summary(self) -> dict[str, Any]:
        """What `scheduled list --json` prints for it."""
        return {
            "id": self.id,
            "name": self.name,
            "schedule": self.schedule,
            "namespace": self.namespace,
            "suspended": self.suspended,
            "concurrency": self.concurrency,
            "next_at": self.next_at,
            "last_at": self.last_at,
            "last_run": self.last_run,
            "created_at": self.created_at,
            "flavor": self.flavor,
            "timeout_seconds": self.timeout_seconds,
            "labels": dict(self.labels),
        }


def scheduled_already(name: str, items: Iterable[ScheduledJob]) -> str:
    """A sentence about a schedule of what has this label `name`; empty if there is none."""
    for item in items:
        if name and item.labels.get("name") == name:
            return f"{safe_line(name, 40)} is already scheduled ({safe_line(item.id, 60)}, {item.schedule})"
    return ""


def checked_schedule(text: str) -> str:
    """`text` as the Hub accepts it: an alias, or five cron fields separated by single spaces.

    Only the syntax is checked; whether a 31st of February exists is up to the Hub.

    Raises:
        InputError: it is neither.
    """
    parts = text.split()
    if len(parts) == 1 and parts[0].startswith("@"):
        if parts[0].lower() in ALIASES:
            return parts[0].lower()
        raise _invalid(text, f"Write {', '.join(ALIASES)}, or five fields such as '0 9 * * 1'.")
    if len(parts) != 5:
        raise _invalid(text, f"Write five fields ({', '.join(_FIELDS)}; in UTC) such as '0 9 * * 1', or @daily.")
    for name, part in zip(_FIELDS, parts, strict=True):
        if not _PART.fullmatch(part):
            raise _invalid(text, f"The {name} must be a number, *, a range, or a list of these.")
    return " ".join(parts)


def _invalid(text: str, hint: str) -> InputError:
    return InputError(f"Not a valid schedule: {safe_line(text, 60)}", hint)


def as_fields(schedule: str) -> str:
    """The cron expression that a schedule stands for."""
    return _FIELDS_OF.get(schedule, schedule)


_OFTEN = {"@weekly": "once a week", "@monthly": "once a month", "@yearly": "once a year", "@annually": "once a year"}


def how_often(schedule: str) -> str:
    """How often a schedule comes: `24 times a day`; empty if it does not come alike on all days."""
    if schedule in _OFTEN:
        return _OFTEN[schedule]
    parts = as_fields(schedule).split()
    if len(parts) != 5 or parts[2:] != ["*", "*", "*"]:
        return ""
    minutes, hours = _values(parts[0], 60), _values(parts[1], 24)
    times = len(minutes) * len(hours)
    return {0: "", 1: "once a day", 2: "twice a day"}.get(times, f"{times:,} times a day")


def each_time(schedule: str) -> str:
    """What to add to the cost of one Job of a schedule: `each time (24 times a day)`."""
    often = how_often(schedule)
    return f"each time ({often})" if often else "each time"


def _values(part: str, limit: int) -> set[int]:
    """The numbers below `limit` that a field of a cron expression names; empty if they are not certain."""
    found: set[int] = set()
    for one in part.split(","):
        span, _, step = one.partition("/")
        first, _, last = ("0", "-", str(limit - 1)) if span == "*" else span.partition("-")
        if not all(text.isdecimal() for text in (first, last or first, step or "1")) or (step and not last):
            return set()
        low, high, by = int(first), int(last or first), int(step or 1)
        if not low <= high < limit or not by:
            return set()
        found.update(range(low, high + 1, by))
    return found
