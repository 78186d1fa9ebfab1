"""Where a person is in a ballot: which matchup comes next, what was skipped, what an undo takes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from smoltui.core.evaluation.vote_ballot import Ballot, Matchup
from smoltui.core.evaluation.vote_log import BallotKept, BallotVotes, Undo, Vote, VoteLog


@dataclass(slots=True)
class Progress:
    """A ballot with the votes so far. Nothing is written here: the caller appends what is taken."""

    ballot: Ballot
    log: VoteLog
    kept: BallotKept
    """The line for this ballot."""
    _first: list[str] = field(default_factory=list)
    """Matchups that come before all others: those that an undo or `again` brought back."""

    @property
    def current(self) -> Matchup | None:
        """The matchup to vote on; None if all are voted on or skipped."""
        by_id = {matchup.id: matchup for matchup in self.ballot.matchups}
        if self._first:
            return by_id[self._first[0]]
        votes = self.log.votes
        return next((matchup for matchup in self.ballot.matchups if matchup.id not in votes), None)

    @property
    def number(self) -> int:
        """Place of the current matchup in the ballot, from 1; the last place at the end."""
        now = self.current
        return self.ballot.matchups.index(now) + 1 if now is not None else len(self.ballot.matchups)

    @property
    def round(self) -> int:
        """Round of the current matchup, from 1; the last one at the end."""
        places = len(self.ballot.matchups) / max(self.ballot.rounds, 1)
        return min(int((self.number - 1) / places) + 1, self.ballot.rounds) if places else 1

    @property
    def cast(self) -> list[Vote]:
        """What was decided on this ballot, in its order; skips included."""
        votes = self.log.votes
        return [votes[matchup.id] for matchup in self.ballot.matchups if matchup.id in votes]

    @property
    def skipped(self) -> int:
        return sum(vote.choice == "skip" for vote in self.cast)

    @property
    def is_new(self) -> bool:
        """Whether the ballot's own line is still missing in the log."""
        return not self.log.ballots or self.log.ballots[-1].ids != self.kept.ids

    @property
    def apart(self) -> int:
        """Votes on prompts or answers that are not in this ballot."""
        ids = self.ballot.ids
        return sum(vote.choice != "skip" for one, vote in self.log.votes.items() if one not in ids)

    def again(self) -> None:
        """Brings back everything that was skipped."""
        self._first = [vote.id for vote in self.cast if vote.choice == "skip"]

    def take(self, vote: Vote) -> None:
        """Takes a vote on the current matchup."""
        if self.is_new:
            self.log.take(self.kept)
        self.log.take(vote)
        if vote.id in self._first:
            self._first.remove(vote.id)

    def last(self) -> Vote | None:
        """The vote that an undo would take back; None without one on this ballot."""
        at = self.log.latest(self.ballot.ids)
        return None if at is None else self.log.history[at]

    def undo(self, undone: Undo) -> None:
        """Takes back the latest vote on a matchup, which comes next."""
        self.log.take(undone)
        self._first = [undone.id, *(one for one in self._first if one != undone.id)]

    def group(self) -> BallotVotes:
        """The votes of this ballot, for its figures."""
        return BallotVotes(self.kept, tuple(self.cast))
