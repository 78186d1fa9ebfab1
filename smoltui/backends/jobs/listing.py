"""Lists over every namespace of an account: each may fail alone without hiding the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs.job_json import id_of, stage_of
from smoltui.core.runs.run import FINAL
from smoltui.errors import NotFoundOnHubError, PermissionDeniedError, RateLimitedError, SmoltuiError

T = TypeVar("T")

MOST_PAGES = 20
"""Maximum pages of a list of Jobs; the server chooses the page size."""
MOST_KNOWN = 5000
"""Jobs of a namespace that are remembered between reads."""
WHOLE_SECONDS = 300.0
"""How often a list is read to its end, to notice deleted and relabelled Jobs."""


@dataclass
class Listed:
    """Results per namespace."""

    items: dict[str, list[Any]] = field(default_factory=dict)
    """By namespace, in the requested order; as returned by the Hub."""
    problems: dict[str, SmoltuiError] = field(default_factory=dict)
    """Namespaces that could not be read and why, except those that merely have no Jobs for this account."""
    closed: set[str] = field(default_factory=set)
    """Namespaces without Jobs for this account: an organization may not use them, or hide them."""


async def first_found(names: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> tuple[str, T] | None:
    """The first namespace in which `ask` finds something, and the result; None if there is none.

    Raises:
        PermissionDeniedError: it is in none, and the first one (one's own, or requested) is not accessible.
        ServiceError: one could not be read, so the result is unknown.
    """
    denied: PermissionDeniedError | None = None
    for name in names:
        try:
            return name, await ask(name)
        except NotFoundOnHubError:
            continue
        except PermissionDeniedError as error:
            if name == names[0]:
                denied = error
    if denied is not None:
        raise denied
    return None


async def from_all(
    names: Sequence[str],
    expected: Collection[str],
    ask: Callable[[hub.Session, str], Awaitable[list[Any]]],
    doing: str,
) -> Listed:
    """The items of each namespace, requested concurrently. A refusal counts as a problem if items are `expected`.

    Raises:
        RateLimitedError: one was rate-limited, which applies to all; with the longest wait stated by the Hub.
        SmoltuiError: none could be read; the first one's error.
    """
    listed = Listed()
    async with hub.session(doing) as session:

        async def one(name: str) -> list[Any] | SmoltuiError:
            try:
                return await ask(session, name)
            except SmoltuiError as error:
                return error

        wanted = list(dict.fromkeys(names))
        answers = dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))
    limited = [answer for answer in answers.values() if isinstance(answer, RateLimitedError)]
    if limited:
        raise max(limited, key=lambda error: error.retry_after or 0.0)
    for name, answer in answers.items():
        if not isinstance(answer, SmoltuiError):
            listed.items[name] = answer
        elif isinstance(answer, PermissionDeniedError | NotFoundOnHubError) and name not in expected:
            listed.closed.add(name)
        else:
            listed.problems[name] = answer
    if not listed.items and listed.problems:
        raise next(iter(listed.problems.values()))
    return listed


class JobList:
    """The Jobs of some namespaces, read repeatedly without reading what cannot have changed.

    The Hub lists the newest first, one page per request. An ended Job no longer changes, so reading stops at a page
    without new ones once all unfinished ones were seen.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._whole_at: dict[str, float] = {}

    def last(self, name: str) -> list[Any]:
        """The Jobs of a namespace as they were last read; none if they never were."""
        return list(self._known.get(name, {}).values())

    async def read(self, session: hub.Session, name: str, doing: str) -> list[Any]:
        """The Jobs of a namespace as returned by the server, now or earlier. Raises as `Session.pages`."""
        known = self._known.get(name, {})
        open_ids = {job_id for job_id, job in known.items() if stage_of(job) not in FINAL}
        fresh = time.monotonic() - self._whole_at.get(name, -WHOLE_SECONDS) < WHOLE_SECONDS

        def enough(items: list[Any], page: list[Any]) -> bool:
            return fresh and all(id_of(job) in known for job in page) and open_ids <= {id_of(job) for job in items}

        items = await session.pages(hub.jobs_path(name), doing=doing, most=MOST_PAGES, enough=enough)
        listed = {job_id: job for job in items if (job_id := id_of(job))}
        if fresh:
            older = {job_id: job for job_id, job in known.items() if job_id not in listed}
            items += older.values()
            listed |= older
        else:
            self._whole_at[name] = time.monotonic()
        self._known[name] = dict(islice(listed.items(), MOST_KNOWN))
        return items
