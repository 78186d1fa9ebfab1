"""A scheduled Job: a Job that the Hub starts again and again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALIASES = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually")
"""Words the Hub takes in place of a cron expression (huggingface_hub 2.4, `create_scheduled_job`)."""

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_ATOM = r"(?:\*|[0-9]{1,2}|[A-Za-z]{3})"
_PART = re.compile(rf"(?:{_ATOM}(?:-{_ATOM})?(?:/[0-9]{{1,3}})?)(?:,{_ATOM}(?:-{_ATOM})?(?:/[0-9]{{1,3}})?)*")


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """What is known of a scheduled Job. Times are seconds since the epoch, None where the Hub does not say."""

    id: str
    name: str
    """The label `name`, else the image, else the id; for people, not unique."""
    schedule: str
    """One of `ALIASES` or a cron expression, in UTC; as the Hub says it."""
    namespace: str | None = None
    """User or organization that owns and pays."""
    suspended: bool | None = None
    """None when the Hub does not say."""
    concurrency: bool | None = None
    """Whether it starts while the one before still runs."""
    next_at: float | None = None
    """When it starts next; None also while it is suspended."""
    last_at: float | None = None
    """When it last started; None when it never did."""
    last_run: str | None = None
    """Id of the Job that it last started."""
    created_at: float | None = None
    flavor: str | None = None
    timeout_seconds: int | None = None
    """Each Job is killed after this; None: the Hub's own default, 30 minutes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Everything as the Hub gave it; of secrets only the names."""

    def summary(self) -> dict[str, Any]:
        """What `scheduled list --json` prints for it."""
        return {
            "id": self.id, "name": self.name, "schedule": self.schedule, "namespace": self.namespace,
            "suspended": self.suspended, "concurrency": self.concurrency, "next_at": self.next_at,
            "last_at": self.last_at, "last_run": self.last_run, "created_at": self.created_at, "flavor": self.flavor,
            "timeout_seconds": self.timeout_seconds, "labels": dict(self.labels),
        }  # fmt: skip


def checked_schedule(text: str) -> str:
    """`text` as the Hub takes it: an alias, or five cron fields with one blank between them.

    Only the form is checked; whether the 31st of February ever comes is the Hub's to say.

    Raises:
        ValueError: with a sentence that says what is wrong and what is right.
    """
    parts = text.split()
    if len(parts) == 1 and parts[0].startswith("@"):
        if parts[0].lower() in ALIASES:
            return parts[0].lower()
        raise ValueError(f"the Hub knows {', '.join(ALIASES)}, not: {text.strip()}")
    if len(parts) != 5:
        raise ValueError(f"five fields ({', '.join(_FIELDS)}, in UTC) such as '0 9 * * 1', or @daily, not: {text}")
    for name, part in zip(_FIELDS, parts, strict=True):
        if not _PART.fullmatch(part):
            raise ValueError(f"the {name} is a number, *, a range or a list of them, not: {part}")
    return " ".join(parts)
