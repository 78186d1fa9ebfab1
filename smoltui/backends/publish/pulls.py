"""One's own pull requests to a leaderboard: which there are, what has become of them, and closing one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.client import Session
from smoltui.backends.publish.hub_reading import api_path, details, discussions, file_at, page
from smoltui.core.publish.board_file import NAME, read_board
from smoltui.core.publish.leaderboard import PullRequest, State, state_of
from smoltui.core.publish.submission import Entry
from smoltui.errors import InputError, NotFoundOnHubError, ServiceError
from smoltui.safe_text import redact, safe_line

DOING = "read your pull requests"
UNFINISHED = (State.OPEN, State.CONFLICTING, State.UNKNOWN)
MOST_READ = 20
"""Unfinished pull requests of one account whose files are read."""


async def own_pulls(space: str, account: str, entry: Entry | None = None) -> list[PullRequest]:
    """The account's pull requests, newest first; with `entry`, whether the unfinished ones add it.

    Raises:
        ServiceError: the Hub refused or did not answer; PermissionDeniedError: discussions are turned off.
    """
    async with hub.session(DOING) as session:
        rows = await discussions(session, space, author=account, doing=DOING)
        found = []
        read = 0
        for row in rows:
            pull = await _read(session, space, row)
            if entry is not None and pull.state in UNFINISHED and read < MOST_READ:
                read += 1
                pull = _with(pull, await has_entry(session, space, pull.number, entry))
            found.append(pull)
    return found


async def _read(session: Session, space: str, row: Mapping[str, Any]) -> PullRequest:
    number, status, conflicts = int(row["num"]), row.get("status"), None
    if status == "open":
        data = await details(session, space, number, doing=DOING)
        status, conflicts = data.get("status", status), data.get("filesWithConflicts")
    return PullRequest(
        number=number,
        title=safe_line(redact(str(row.get("title") or "")), 120),
        url=f"{page('space', space)}/discussions/{number}",
        state=state_of(status, conflicts),
        created_at=safe_line(str(row.get("createdAt") or ""), 10),
    )


def _with(pull: PullRequest, has: bool | None) -> PullRequest:
    return PullRequest(pull.number, pull.title, pull.url, pull.state, has, pull.created_at)


async def has_entry(session: Session, space: str, number: int, entry: Entry) -> bool | None:
    """Whether the file of a pull request has the entry; None if the file cannot be read. Raises ServiceError."""
    try:
        data = await file_at(session, "space", space, f"refs/pr/{number}", NAME, doing=DOING)
        board = read_board(data)
    except (NotFoundOnHubError, InputError):
        return None
    return any(entry.is_same(row) for row in board.entries)


async def close(space: str, number: int, comment: str) -> None:
    """Closes one's own pull request. If the answer is lost, the Hub is asked for its state.

    Raises:
        ServiceError: it is still open, or that could not be determined.
    """
    doing = f"close pull request #{number}"
    path = f"{api_path('space', space, 'discussions', str(number))}/status"
    async with hub.session(doing) as session:
        try:
            await session.send("POST", path, doing=doing, body={"status": "closed", "comment": comment})
        except ServiceError:
            found = await details(session, space, number, doing=doing)
            if found.get("status") != State.CLOSED:
                raise
