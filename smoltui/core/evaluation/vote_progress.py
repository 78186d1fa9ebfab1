"""Where a person is in a list of decisions: what comes next, what was skipped, what an undo takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from smoltui.core.evaluation.vote_ballot import Ballot, Matchup
from smoltui.core.evaluation.vote_log import BallotKept, BallotVotes, Undo, Vote, VoteLog


class HasId(Protocol):
    """What is decided on."""

    @property
    def id(self) -> str:
        """Hash of its texts."""
        ...


Item = TypeVar("Item", bound=HasId)


@dataclass(slots=True)
class Progress(Generic[Item]):
    """Items with the decisions so far. Nothing is written here: the caller appends what is taken."""

    items: Sequence[Item]
    log: VoteLog
    _first: list[str] = field(default_factory=list, init=False)
    """Items that come before all others: those that an undo or `again` brought back."""

    @property
    def current(self) -> Item | None:
        """The item to decide on; None if all are decided or skipped."""
        votes = self.log.votes
        if self._first:
            return next(item for item in self.items if item.id == self._first[0])
        return next((item for item in self.items if item.id not in votes), None)

    @property
    def number(self) -> int:
        """Place of the current item, from 1; the last place at the end."""
        now = self.current
        return len(self.items) if now is None else next(n for n, item in enumerate(self.items, 1) if item.id == now.id)

    @property
    def cast(self) -> list[Vote]:
        """What was decided on these items, in their order; skips included."""
        votes = self.log.votes
        return [votes[item.id] for item in self.items if item.id in votes]

    @property
    def skipped(self) -> int:
        return sum(vote.choice == "skip" for vote in self.cast)

    @property
    def apart(self) -> int:
        """Decisions on prompts or answers that are not among these items."""
        ids = {item.id for item in self.items}
        return sum(vote.choice != "skip" for one, vote in self.log.votes.items() if one not in ids)

    def item(self, wanted: str) -> Item | None:
        """The item with this id; None without one."""
        return next((item for item in self.items if item.id == wanted), None)

    def again(self) -> None:
        """Brings back everything that was skipped."""
        self._first = [vote.id for vote in self.cast if vote.choice == "skip"]

    def take(self, vote: Vote) -> None:
        """Takes a decision on an item."""
        self.log.take(vote)
        if vote.id in self._first:
            self._first.remove(vote.id)

    def last(self) -> Vote | None:
        """The decision that an undo would take back; None without one on these items."""
        at = self.log.latest(item.id for item in self.items)
        return None if at is None else self.log.history[at]

    def undo(self, undone: Undo) -> None:
        """Takes back the latest decision on an item, which comes next."""
        self.log.take(undone)
        self._first = [undone.id, *(one for one in self._first if one != undone.id)]


@dataclass(slots=True)
class BallotProgress(Progress[Matchup]):
    """The votes on a ballot."""

    ballot: Ballot
    kept: BallotKept
    """The line for this ballot."""

    @property
    def round(self) -> int:
        """Round of the current matchup, from 1; the last one at the end."""
        places = len(self.items) / max(self.ballot.rounds, 1)
        return min(int((self.number - 1) / places) + 1, self.ballot.rounds) if places else 1

    @property
    def is_new(self) -> bool:
        """Whether the ballot's own line is still missing in the log."""
        return not self.log.ballots or self.log.ballots[-1].ids != self.kept.ids

    def group(self) -> BallotVotes:
        """The votes of this ballot, for its figures."""
        return BallotVotes(self.kept, tuple(self.cast))
