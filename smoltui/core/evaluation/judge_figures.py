"""What a judge's replies show: who wins when both orders agree, and how far the judge can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from smoltui.core.evaluation.figures import Interval, wilson
from smoltui.core.evaluation.judge_agreement import Agreement, Category, agreement
from smoltui.core.evaluation.judge_log import Answered, Asked, Judged, JudgeLog
from smoltui.core.evaluation.judge_plan import Judge
from smoltui.core.evaluation.judge_verdict import TROUBLES, VERDICTS, Kind, kind_of
from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_figures import VoteFigures, figures_of
from smoltui.core.evaluation.vote_log import BallotKept, BallotVotes, Choice, Vote, vote_on
from smoltui.core.evaluation.vote_statistics import Z95

SWAPPED: Mapping[Kind | None, Choice] = {"a": "b", "b": "a", "tie": "tie"}
"""Verdict on swapped answers → the same on the answers as drawn."""


class Count(NamedTuple):
    """So many of so many."""

    hits: int
    total: int

    @property
    def share(self) -> float | None:
        """0..1; None without cases."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> Interval | None:
        """95 % Wilson interval of the share."""
        return wilson(self.hits, self.total, Z95)

    def as_json(self) -> dict[str, Any]:
        return {"hits": self.hits, "total": self.total, "share": self.share, "interval": self.interval}


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """What one judge says about one ballot."""

    judge: Judge
    outcome: VoteFigures
    """Win rate, sign test and all else that votes have, from matchups with a verdict in both orders: a winner is whom
    both orders name, everything else is a tie."""
    replies: Mapping[str, int]
    """Verdict or trouble (`judge_verdict`) → replies, of those there are."""
    troubled: int
    """Matchups left out because a reply has no verdict."""
    missing: int
    """Matchups that the judge was not asked about in both orders."""
    flipped: Count
    """Matchups whose two orders name different winners, of those with a verdict in both orders."""
    half: int
    """Matchups with a tie in one order and a winner in the other."""
    first: Count
    """Verdicts for the answer shown first, of those that prefer one."""
    longer_in_calls: Count
    """Verdicts for the longer answer, in characters, of those that prefer one of two unequal answers."""
    longer_wins: Count
    """The same of matchups won in both orders."""
    voted: int
    """Your own votes on these matchups, skips left out."""
    longer_voted: Count
    """The same of your own votes on these answers."""
    agreement: Agreement
    """Your own votes and the judge, on matchups that have both."""
    tokens_in: int | None
    """As the endpoint counted them; None if it did not."""
    tokens_out: int | None

    @property
    def judges_itself(self) -> bool:
        """Whether the judge is one of the models it compares."""
        return self.judge.model in {*self.outcome.models, *self.outcome.models.values()}

    def as_json(self) -> dict[str, Any]:
        """As `smoltui judge --json` prints it."""
        return {
            "judge": {name: value for name, value in self.judge.as_json().items() if name != "template"},
            **self.outcome.as_json(),
            "replies": {kind: self.replies.get(kind, 0) for kind in (*VERDICTS, *TROUBLES)},
            "without_verdict": self.troubled,
            "missing": self.missing,
            "flipped": self.flipped.as_json(),
            "tie_in_one_order": self.half,
            "first_preferred": self.first.as_json(),
            "longer_preferred": {
                "verdicts": self.longer_in_calls.as_json(),
                "matchups": self.longer_wins.as_json(),
                "votes": self.longer_voted.as_json(),
            },
            "votes_of_yours": self.voted,
            "agreement": self.agreement.as_json(),
            "judges_itself": self.judges_itself,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
        }


class _Orders(NamedTuple):
    """A matchup with the kinds of its two replies; None while there is none."""

    judged: Judged
    kinds: tuple[Kind | None, Kind | None]

    @property
    def choices(self) -> tuple[Choice, Choice] | None:
        """Both verdicts, about the answers as drawn; None unless there are two."""
        drawn, swapped = self.kinds
        if drawn not in VERDICTS or swapped not in VERDICTS:
            return None
        return cast("Choice", drawn), SWAPPED[swapped]

    @property
    def agreed(self) -> Choice | None:
        """What both orders come to: their winner if they name the same one, else a tie (Zheng et al. 2023, 3.4)."""
        if (choices := self.choices) is None:
            return None
        return choices[0] if choices[0] == choices[1] else "tie"

    @property
    def is_missing(self) -> bool:
        """Whether the judge has not replied in both orders."""
        return None in self.kinds

    @property
    def is_troubled(self) -> bool:
        """Whether it has, but not with two verdicts."""
        return not self.is_missing and self.choices is None

    @property
    def is_flipped(self) -> bool:
        """Whether the two verdicts name different winners."""
        return set(self.choices or ()) == {"a", "b"}

    @property
    def is_half(self) -> bool:
        """Whether one verdict is a tie and the other a winner."""
        named = set(self.choices or ())
        return len(named) == 2 and "tie" in named


def judge_figures(
    log: JudgeLog, judge: Judge, ballot: BallotKept, votes: Mapping[str, Vote] | None = None
) -> JudgeFigures:
    """The figures of a ballot. `votes`: your own votes by id of their matchup, on any ballot."""
    orders = [_orders(log, log.judged[one]) for one in ballot.ids if one in log.judged]
    answered = _answers(log, orders)
    at = max((found.at for found in answered), default=ballot.at)
    judged = [vote_on(each.judged.matchup, agreed, at) for each in orders if (agreed := each.agreed) is not None]
    mine = _counted(ballot, votes or {})
    first, longer_in_calls = _preferred(orders)
    return JudgeFigures(
        judge=judge,
        outcome=figures_of(BallotVotes(ballot, tuple(judged))),
        replies=_replies(orders),
        troubled=sum(each.is_troubled for each in orders),
        missing=sum(each.is_missing for each in orders) + len(ballot.ids) - len(orders),
        flipped=Count(sum(each.is_flipped for each in orders), len(judged)),
        half=sum(each.is_half for each in orders),
        first=first,
        longer_in_calls=longer_in_calls,
        longer_wins=_longer(_gaps(judged)),
        voted=len(mine),
        longer_voted=_longer(_gaps(mine)),
        agreement=_agreement(tuple(ballot.models), mine, judged),
        tokens_in=_sum([found.reply.tokens_in for found in answered]),
        tokens_out=_sum([found.reply.tokens_out for found in answered]),
    )


def asked_last(log: JudgeLog) -> list[Asked]:
    """The newest ballot of each group of models, newest first."""
    newest = {frozenset(asked.ballot.models): asked for asked in log.asked}
    return sorted(newest.values(), key=lambda asked: -asked.ballot.at)


def _orders(log: JudgeLog, judged: Judged) -> _Orders:
    first, second = (None if (found := log.answered.get(key)) is None else kind_of(found.reply) for key in judged.keys)
    return _Orders(judged, (first, second))


def _answers(log: JudgeLog, orders: Sequence[_Orders]) -> list[Answered]:
    keys = dict.fromkeys(key for each in orders for key in each.judged.keys)
    return [log.answered[key] for key in keys if key in log.answered]


def _counted(ballot: BallotKept, votes: Mapping[str, Vote]) -> list[Vote]:
    """Your own votes on a ballot's matchups, skips left out."""
    return [vote for one in ballot.ids if (vote := votes.get(one)) is not None and vote.choice != "skip"]


def _replies(orders: Sequence[_Orders]) -> dict[str, int]:
    """Kind of reply → how many."""
    return dict(Counter(kind for each in orders for kind in each.kinds if kind is not None))


def _preferred(orders: Sequence[_Orders]) -> tuple[Count, Count]:
    """Verdicts for the answer shown first, and for the longer one, of those that prefer one."""
    shown = [call for each in orders for call in _shown(each)]
    return Count(sum(is_first for is_first, _ in shown), len(shown)), _longer([gap for _, gap in shown])


def _shown(each: _Orders) -> list[tuple[bool, int]]:
    """For each verdict that prefers an answer: whether it is the one shown first, and by how many characters it is the
    longer one."""
    matchup = each.judged.matchup
    a, b = (len(split(answer.text).answer) for answer in (matchup.a, matchup.b))
    found = []
    for kind, gap in zip(each.kinds, (a - b, b - a), strict=True):
        if kind in ("a", "b"):
            found.append((kind == "a", gap if kind == "a" else -gap))
    return found


def _gaps(votes: Sequence[Vote]) -> list[int]:
    """`_gap` of each vote with a preference."""
    return [gap for vote in votes if (gap := _gap(vote)) is not None]


def _gap(vote: Vote) -> int | None:
    """Characters by which the preferred answer is the longer one; None without a preference."""
    if (winner := vote.winner) is None:
        return None
    other = next(model for model in vote.models if model != winner)
    return vote.chars(winner) - vote.chars(other)


def _longer(gaps: Sequence[int]) -> Count:
    return Count(sum(gap > 0 for gap in gaps), sum(gap != 0 for gap in gaps))


def _agreement(models: Sequence[str], mine: Sequence[Vote], judged: Sequence[Vote]) -> Agreement:
    theirs = {vote.id: vote for vote in judged}
    both = [(vote, theirs[vote.id]) for vote in mine if vote.id in theirs]
    return agreement(
        [_category(models, vote) for vote, _ in both],
        [_category(models, vote) for _, vote in both],
    )


def _category(models: Sequence[str], vote: Vote) -> Category:
    """As in a duel, whose model is the later one of the two columns."""
    if (winner := vote.winner) is None:
        return "even"
    return "model" if winner == max(vote.models, key=lambda name: _place(models, name)) else "other"


def _place(models: Sequence[str], name: str) -> int:
    return models.index(name) if name in models else -1


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
