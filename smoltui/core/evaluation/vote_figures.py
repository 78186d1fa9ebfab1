"""The figures of the votes on one ballot: for each two models a duel, and for several models their strengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from smoltui.core.evaluation.figures import Interval
from smoltui.core.evaluation.vote_log import BallotVotes, Vote
from smoltui.core.evaluation.vote_statistics import (
    CONTROLLED_FROM,
    LEVEL,
    LengthControlled,
    Ranking,
    bradley_terry,
    holm,
    length_controlled,
    sign_test,
    win_interval,
    win_rate,
)


@dataclass(frozen=True, slots=True)
class Duel:
    """Votes between two models, seen from `model`."""

    model: str
    """The one whose wins are counted: the later column, such as aligned."""
    other: str
    wins: int = 0
    losses: int = 0
    ties: int = 0
    both_bad: int = 0
    longer_won: int = 0
    """Votes for the longer answer, in characters."""
    shorter_won: int = 0
    """Votes for the shorter one; with `longer_won`, those whose answers have the same length are missing."""
    p: float = 1.0
    """Of the sign test; with several duels adjusted for their number (Holm)."""
    controlled: LengthControlled | None = None
    """The length-controlled win rate; None with fewer than `CONTROLLED_FROM` votes, or without a finite estimate."""

    @property
    def decided(self) -> int:
        """Votes that preferred one answer."""
        return self.wins + self.losses

    @property
    def votes(self) -> int:
        """All votes, with ties and both bad."""
        return self.decided + self.ties + self.both_bad

    @property
    def share(self) -> float | None:
        """Share of wins among the votes that preferred one answer; None without any."""
        return self.wins / self.decided if self.decided else None

    @property
    def interval(self) -> Interval | None:
        """95 % Wilson interval of the share."""
        return win_interval(self.wins, self.losses)

    @property
    def rate(self) -> float | None:
        """Win rate with ties and both bad as half; None without votes."""
        return win_rate(self.wins, self.losses, self.ties + self.both_bad)

    @property
    def differs(self) -> bool:
        """Whether the votes show that one model is preferred."""
        return self.p < LEVEL

    def as_json(self) -> dict[str, Any]:
        """As `smoltui vote --json` prints it."""
        controlled = self.controlled
        return {
            "model": self.model,
            "other": self.other,
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "both_bad": self.both_bad,
            "share": self.share,
            "interval": self.interval,
            "win_rate": self.rate,
            "p": self.p,
            "differs": self.differs,
            "longer_won": self.longer_won,
            "shorter_won": self.shorter_won,
            "length_controlled": controlled.rate if controlled else None,
            "length_controlled_interval": controlled.interval if controlled else None,
        }


@dataclass(frozen=True, slots=True)
class VoteFigures:
    """What the votes on one ballot show."""

    at: float
    """When the newest vote was cast, seconds since the epoch; without votes, when the ballot was drawn."""
    models: Mapping[str, str]
    """Model → origin of its weights."""
    sampling: Mapping[str, Any]
    """How the answers were generated (`sheet.sampling_as_json`)."""
    prompt_set: str
    """Name or path of the set of prompts; empty if unknown."""
    seed: int
    """Of the order in which answers were shown."""
    matchups: int
    """Of the ballot."""
    prompts: int
    """Number of prompts with a vote."""
    skipped: int
    moved: int
    """Matchups whose votes count with a newer ballot, because only other prompts or answers changed; they are neither
    in the duels nor skipped."""
    current: bool
    """No newer ballot of these models has votes."""
    duels: tuple[Duel, ...]
    ranking: Ranking | None = None
    """Strengths of more than two models; None for two, or while votes don't connect all of them."""

    @property
    def votes(self) -> int:
        """All votes, without skips."""
        return sum(duel.votes for duel in self.duels)

    def as_json(self) -> dict[str, Any]:
        """As `smoltui vote --json` prints it."""
        ranking = self.ranking
        return {
            "at": self.at,
            "models": dict(self.models),
            "sampling": dict(self.sampling),
            "set": self.prompt_set or None,
            "seed": self.seed,
            "matchups": self.matchups,
            "votes": self.votes,
            "prompts": self.prompts,
            "skipped": self.skipped,
            "moved": self.moved,
            "current": self.current,
            "duels": [duel.as_json() for duel in self.duels],
            "bradley_terry": None
            if ranking is None
            else {
                "strengths": dict(ranking.strengths),
                "intervals": dict(ranking.intervals),
                "half_a_win_added": list(ranking.smoothed),
            },
        }


def figures_of(group: BallotVotes) -> VoteFigures:
    """The figures of the votes on one ballot. With many votes, takes a tenth of a second."""
    models = tuple(group.ballot.models)
    cast = [vote for vote in group.votes if vote.choice != "skip"]
    duels = _duels(models, cast)
    return VoteFigures(
        at=max((vote.at for vote in group.votes), default=group.ballot.at),
        models=dict(group.ballot.models),
        sampling=dict(group.ballot.sampling),
        prompt_set=group.ballot.prompt_set,
        seed=group.ballot.seed,
        matchups=len(group.ballot.ids),
        prompts=len({vote.prompt for vote in cast}),
        skipped=len(group.votes) - len(cast),
        moved=group.moved,
        current=group.current,
        duels=duels,
        ranking=bradley_terry(models, _wins(duels)) if len(models) > 2 else None,
    )


def _duels(models: Sequence[str], votes: Iterable[Vote]) -> tuple[Duel, ...]:
    own: dict[frozenset[str], list[Vote]] = {}
    for vote in votes:
        own.setdefault(frozenset(vote.models), []).append(vote)
    # With only two models, an empty duel says that nothing was voted yet.
    pairs = [(b, a) for a, b in combinations(models, 2) if len(models) == 2 or frozenset((a, b)) in own]
    found = [(model, other, own.get(frozenset((model, other)), [])) for model, other in pairs]
    tested = holm([sign_test(_won(model, votes), _won(other, votes)) for model, other, votes in found])
    return tuple(_duel(model, other, votes, p) for (model, other, votes), p in zip(found, tested, strict=True))


def _won(model: str, votes: Iterable[Vote]) -> int:
    return sum(vote.winner == model for vote in votes)


def _duel(model: str, other: str, votes: Sequence[Vote], p: float) -> Duel:
    gaps = [vote.chars(model) - vote.chars(other) for vote in votes]
    outcomes = [1.0 if vote.winner == model else 0.0 if vote.winner == other else 0.5 for vote in votes]
    unequal = [(gap, outcome) for gap, outcome in zip(gaps, outcomes, strict=True) if gap and outcome != 0.5]
    longer = sum((gap > 0) == (outcome == 1) for gap, outcome in unequal)
    return Duel(
        model,
        other,
        wins=_won(model, votes),
        losses=_won(other, votes),
        ties=sum(vote.choice == "tie" for vote in votes),
        both_bad=sum(vote.choice == "bad" for vote in votes),
        longer_won=longer,
        shorter_won=len(unequal) - longer,
        p=p,
        controlled=length_controlled(gaps, outcomes) if len(votes) >= CONTROLLED_FROM else None,
    )


def _wins(duels: Iterable[Duel]) -> dict[tuple[str, str], float]:
    wins = {}
    for duel in duels:
        half = (duel.ties + duel.both_bad) / 2
        wins[duel.model, duel.other] = duel.wins + half
        wins[duel.other, duel.model] = duel.losses + half
    return wins
