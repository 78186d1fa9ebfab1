"""Opens the pull request of a checked entry, exactly one; closes one that conflicts, and opens it again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from smoltui.backends.hub import client as hub
from smoltui.backends.publish import commits, pulls
from smoltui.backends.publish.hub_reading import page
from smoltui.backends.publish.leaderboard import SUBMITTING, Board, Prepared, board_checks, prepare, read
from smoltui.core.publish.board_file import NAME, Edit
from smoltui.core.publish.submission import Entry
from smoltui.errors import InputError, ServiceError, SmoltuiError, UnreachableError

ATTEMPTS = 3
"""Commits on a newly read file, if somebody else's comes first each time."""
REPLACED = "This conflicts with the file as it is now; a new pull request replaces it."
LOOKS = (0.0, 1.0, 2.0)
"""Seconds before each search for the pull request after a lost answer; the Hub may list it with a delay."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The pull request that has the entry."""

    number: int
    url: str
    commit: str | None
    """Its commit; None if it was found after a lost answer."""
    parent: str
    """Commit of the leaderboard that it is based on."""


async def submit(prepared: Prepared, description: str, *, replaces: int | None = None) -> Submitted:
    """Opens the pull request, exactly one.

    Main moved: the file is read again, and the entry added to it, three times at most. A lost answer: one's own pull
    requests are searched for the entry; a second one is never opened.

    Raises:
        InputError: a check stops it, or the file can no longer be extended.
        ServiceError: no permission, discussions are off, main keeps moving, or the Hub does not answer; the message
            says whether a pull request was opened.
    """
    if not prepared.may_submit or prepared.board is None or prepared.edit is None:
        problem = next((check for check in prepared.checks if check.level == "stop"), None)
        if problem is None:
            raise InputError("The entry was not checked", "Check it first: smoltui submit --dry-run")
        raise InputError(problem.sentence, problem.next_step)
    entry, board, edit = prepared.entry, prepared.board, prepared.edit
    account = (await hub.account()).name
    for attempt in range(ATTEMPTS):
        try:
            made = await commits.create_commit(
                "space",
                prepared.space,
                {NAME: edit.data},
                title=entry.title,
                description=description,
                parent=board.commit,
                pull_request=True,
                doing=SUBMITTING,
            )
        except commits.StaleParentError:
            if attempt == ATTEMPTS - 1:
                break
            board, edit = await _again(prepared, entry)
            continue
        except commits.LostAnswerError as error:
            return await _found(prepared.space, account, entry, board.commit, replaces, error)
        if made.pull_request is None:
            raise UnreachableError("The Hub made a commit without a pull request", f"See {made.url}")
        url = made.pull_request_url or f"{page('space', prepared.space)}/discussions/{made.pull_request}"
        return Submitted(made.pull_request, url, made.oid, board.commit)
    raise ServiceError(
        f"The leaderboard changed {ATTEMPTS} times while the pull request was opened, so none was opened",
        "Try again in a minute.",
    )


async def _again(prepared: Prepared, entry: Entry) -> tuple[Board, Edit]:
    board = await read(prepared.space)
    checks, edit = board_checks(board, entry)
    if edit is None:
        raise InputError(checks[0].sentence, checks[0].next_step)
    return board, edit


async def _found(
    space: str, account: str, entry: Entry, parent: str, replaces: int | None, error: SmoltuiError
) -> Submitted:
    """The pull request whose answer was lost.

    Raises:
        UnreachableError: none was opened, or this could not be determined; the message says which.
    """
    problem: SmoltuiError | None = None
    for seconds in LOOKS:
        await asyncio.sleep(seconds)
        try:
            mine = await pulls.own_pulls(space, account, entry)
        except ServiceError as caught:
            problem = caught
            continue
        problem = None
        for pull in mine:
            if pull.has_entry and pull.number != replaces and pull.state in pulls.UNFINISHED:
                return Submitted(pull.number, pull.url, None, parent)
    if problem is not None:
        raise UnreachableError(
            "The connection was lost while opening the pull request; it may or may not be open",
            f"Check before you try again: {page('space', space)}/discussions",
        ) from error
    raise UnreachableError(
        "The Hub's answer was lost while opening the pull request; none was opened, as none of yours has the entry",
        "Try again.",
    ) from error


async def reopen(prepared: Prepared, description: str, today: str) -> Submitted:
    """Closes one's own conflicting pull request and opens a new one on today's file.

    It is closed only once everything else was checked.

    Raises:
        InputError: there is none, or a check stops the new one; then nothing was closed.
        ServiceError: as `close` and `submit`.
    """
    old = prepared.conflicting
    if old is None:
        raise InputError("None of your pull requests with this entry is in conflict", "Nothing needs to be done.")
    fresh = await prepare(prepared.space, prepared.entry, today, replaces=old.number)
    if not fresh.may_submit:
        problem = next(check for check in fresh.checks if check.level == "stop")
        raise InputError(problem.sentence, problem.next_step)
    await pulls.close(prepared.space, old.number, REPLACED)
    try:
        return await submit(fresh, description, replaces=old.number)
    except SmoltuiError as error:
        said = f"Pull request #{old.number} is closed, but the new one was not opened: {error.message}"
        raise type(error)(said, error.hint) from error
