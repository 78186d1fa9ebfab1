"""The leaderboard: reads it, checks an entry against everything the Hub shows to others, and opens the pull request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from smoltui.backends.hub import client as hub
from smoltui.backends.publish import pulls
from smoltui.backends.publish.hub_reading import RepoInfo, file_at, page, public_info, repo_info
from smoltui.core.evaluation.benchmark_reading import read_results
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.foreign import foreign_json
from smoltui.core.preflight.check import Check, may_start
from smoltui.core.publish.board_file import NAME, BoardFile, Edit, diff, read_board, with_entry
from smoltui.core.publish.leaderboard import PullRequest, State
from smoltui.core.publish.results import course_tasks, newest, result_checks
from smoltui.core.publish.submission import Entry, field_checks, passed, shown, stop, warn
from smoltui.errors import InputError, PermissionDeniedError, ServiceError

READING = "read the leaderboard"
SUBMITTING = "open the pull request"
NO_DISCUSSIONS = "discussions"
"""Name of the check that the Space takes pull requests."""


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard's file at one commit."""

    space: str
    commit: str
    file: BoardFile


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry that was checked, and what submitting it would change."""

    entry: Entry
    space: str
    checks: tuple[Check, ...]
    board: Board | None = None
    """None if the file could not be read."""
    edit: Edit | None = None
    """None if the entry cannot be added, or is already there."""
    pulls: tuple[PullRequest, ...] = ()
    """The account's own pull requests, newest first."""

    @property
    def may_submit(self) -> bool:
        return self.board is not None and self.edit is not None and may_start(list(self.checks))

    @property
    def conflicting(self) -> PullRequest | None:
        """One's own pull request with this entry that can no longer be merged."""
        return next((pull for pull in self.pulls if pull.has_entry and pull.state is State.CONFLICTING), None)

    @property
    def diff(self) -> list[str]:
        """The change of the file, as lines."""
        return diff(self.board.file, self.edit) if self.board is not None and self.edit is not None else []


async def read(space: str) -> Board:
    """The leaderboard's file at its newest commit; no token is needed.

    Raises:
        InputError: the file is not a list of entries that can be extended; one sentence says why.
        ServiceError: the Hub refused or did not answer.
    """
    async with hub.session(READING, anonymous=True) as session:
        info = await repo_info(session, "space", space, doing=READING)
        data = await file_at(session, "space", space, info.commit, NAME, doing=READING)
    return Board(space, info.commit, read_board(data))


async def prepare(space: str, entry: Entry, today: str, *, replaces: int | None = None) -> Prepared:
    """Checks an entry; publishes nothing.

    `replaces`: number of one's own pull request that will be closed, so that its entry does not count.

    Raises:
        ServiceError: nobody is logged in, or the Hub could not be asked.
    """
    account = await hub.account()
    checks = field_checks(entry, today)
    if account.name.casefold() != entry.username.casefold():
        said = f"The model belongs to {shown(entry.username)}, and you are logged in as {account.name}"
        checks.append(warn("username", said, "You are submitting the entry for somebody else's model."))
    if account.can_write is False:
        said = f"The token is read-only and cannot {SUBMITTING}: {account.token_name or account.name}"
        checks.append(stop("token", said, f"Create one with write access at {hub.endpoint()}/settings/tokens"))
    checks += await _public_checks(entry)
    board, edit = None, None
    of_board: list[Check] = []
    try:
        board = await read(space)
        of_board, edit = board_checks(board, entry)
    except InputError as error:
        of_board = [stop("leaderboard", error.message, error.hint)]
    mine, of_pulls = await _pull_checks(space, account.name, entry, replaces)
    return Prepared(entry, space, tuple(checks + of_board + of_pulls), board, edit, tuple(mine))


def board_checks(board: Board, entry: Entry) -> tuple[list[Check], Edit | None]:
    """Whether the entry can be added, and how. Raises InputError."""
    for number, row in enumerate(board.file.entries, 1):
        if entry.is_same(row):
            said = f"The leaderboard already has this model, as entry {number} of chapter {shown(entry.chapter)}"
            return [stop("leaderboard", said, "Nothing needs to be submitted. A new model needs a new name.")], None
    edit = with_entry(board.file, entry.as_json())
    count = len(board.file.entries)
    entries = f"{count:,} {'entry' if count == 1 else 'entries'}"
    return [passed("leaderboard", f"{NAME} at {board.commit[:7]} has {entries}, and not this one")], edit


async def _pull_checks(
    space: str, account: str, entry: Entry, replaces: int | None
) -> tuple[list[PullRequest], list[Check]]:
    try:
        mine = await pulls.own_pulls(space, account, entry)
    except PermissionDeniedError as error:
        said = f"The Space takes no pull requests: {error.message}"
        return [], [
            stop(NO_DISCUSSIONS, said, f"Ask its owners, with the files that are saved: {page('space', space)}")
        ]
    checks = []
    for pull in mine:
        if pull.number == replaces or pull.state not in pulls.UNFINISHED:
            continue
        if pull.has_entry and pull.state is State.CONFLICTING:
            said = f"Your pull request #{pull.number} with this entry conflicts with the file as it is now"
            checks.append(
                stop(
                    "pull request",
                    said,
                    "C, or smoltui submit --reopen, closes it and opens a new one on the file as it is now.",
                )
            )
        elif pull.has_entry:
            said = f"Your pull request #{pull.number} with this entry is open: {pull.url}"
            checks.append(stop("pull request", said, "Wait until it is merged; nothing needs to be sent again."))
        else:
            said = f"You have another open pull request: #{pull.number} {pull.title}"
            checks.append(warn("pull request", said, "If it is merged first, this one may conflict."))
    return mine, checks or [passed("pull request", "No open pull request of yours has this entry")]


async def _public_checks(entry: Entry) -> list[Check]:
    """What everybody can see of model and results, asked without a token."""
    model, dataset, base, pairs = await asyncio.gather(
        _public("model", entry.model_id),
        _public("dataset", entry.results_dataset),
        _public("model", entry.base_model),
        _public("dataset", entry.preference_dataset),
    )
    checks = [*_seen("model", "The model", entry.model_id, model)]
    for name, what, repo, found in (
        ("base_model", "The base model", entry.base_model, base),
        ("preference_dataset", "The preference dataset", entry.preference_dataset, pairs),
    ):
        if repo and found is None:
            said = f"{what} is not public, or does not exist: {shown(repo)}"
            checks.append(warn(name, said, "Others cannot look at it."))
    checks += _seen("results", "The results dataset", entry.results_dataset, dataset)
    if dataset is None:
        return checks
    file = newest(dataset.files)
    if file is None:
        said = f"The results dataset has no results_….json: {shown(dataset.id)}"
        return [*checks, stop("results", said, "Run the benchmarks to their end, with --push-to-hub.")]
    doing = "read the results"
    async with hub.session(doing, public=True) as session:
        try:
            data = await file_at(session, "dataset", dataset.id, dataset.commit, file, doing=doing)
            results = read_results(foreign_json.decode(data), name=file, source=dataset.id, role=ALIGNED)
        except ServiceError as error:
            return [*checks, stop("results", f"The newest results cannot be read: {error.message}", error.hint)]
        except ValueError:
            said = f"The newest results are not a results file of LightEval: {shown(file)}"
            return [*checks, stop("results", said, "Run the benchmarks again; the file may have been cut off.")]
    return checks + result_checks(results, entry.model_id, file, course_tasks())


async def _public(kind: str, repo: str) -> RepoInfo | None:
    owner, slash, name = repo.partition("/")
    if not (owner and slash and name) or "/" in name:
        return None
    return await public_info(kind, repo, doing=f"see whether the {kind} is public")


def _seen(name: str, what: str, repo: str, found: RepoInfo | None) -> list[Check]:
    if not repo:
        return []  # the check of the fields says so
    if found is None:
        said = f"{what} is not public, or does not exist: {shown(repo)}"
        return [stop(name, said, "Everybody must be able to read it: see its settings on the Hub.")]
    if found.gated:
        return [stop(name, f"{what} is gated, so not everybody can read it: {shown(repo)}", "Turn gating off.")]
    return [passed(name, f"{what} is public: {shown(repo)}")]
