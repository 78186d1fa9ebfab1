"""Lists over every namespace of an account: each may fail alone without hiding the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from smoltui.backends import hub
from smoltui.errors import NotFoundOnHubError, PermissionDeniedError, RateLimitedError, SmoltuiError

T = TypeVar("T")


@dataclass
class Listed:
    """What was found where."""

    items: dict[str, list[Any]] = field(default_factory=dict)
    """By namespace, in the order they were asked for; as the Hub gave them."""
    problems: dict[str, SmoltuiError] = field(default_factory=dict)
    """Namespaces that could not be asked and why, those left out that merely have no Jobs for this account."""
    closed: set[str] = field(default_factory=set)
    """Namespaces that have no Jobs for this account: an organization may not use them, or one may not see them."""


async def first_found(names: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> tuple[str, T] | None:
    """The first namespace in which `ask` finds something, and that; None when it is in none of them.

    Raises:
        PermissionDeniedError: it is in none, and the first one, which is one's own or was asked for, may not be seen.
        ServiceError: one could not be asked, so that nobody knows.
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
    """The items of each namespace, all asked at once. A refusal counts as a problem where items are `expected`.

    Raises:
        RateLimitedError: one was asked too often, so that all are; with the longest wait that the Hub named.
        SmoltuiError: none could be asked; the first one's reason.
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
