"""What both orders come to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from smoltui.core.evaluation.judge_figures import JudgeFigures, judge_figures
from smoltui.core.evaluation.judge_log import Answered, Judged, JudgeLog
from smoltui.core.evaluation.judge_plan import Judge, calls_on
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.judge_words import judge_words
from smoltui.core.evaluation.vote_ballot import Answer, Matchup
from smoltui.core.evaluation.vote_log import BallotKept, Choice, vote_on

JUDGE = Judge("http://h/v1", "m", "{prompt} {answer_a} {answer_b}")
MARKS = {"a": "[[A]]", "b": "[[B]]", "tie": "[[C]]", "refusal": "I can't help with that.", "none": None}


def figures(kinds: Sequence[tuple[str, str]], votes: Sequence[Choice] = (), models: str = "ra") -> JudgeFigures:
    """Of matchups in which r (reference) is A, with the kinds of the replies as drawn and swapped; a's is longer."""
    log, ids, mine = JudgeLog(), [], {}
    for at, pair in enumerate(kinds):
        matchup = Matchup(f"{at:032x}", (("user", f"{at}?"),), ("r", "a"), Answer("No."), Answer(f"Yes, {at}."))
        calls = calls_on(matchup, JUDGE)
        log.take(Judged(matchup, (calls[0].key, calls[1].key)))
        for call, kind in zip(calls, pair, strict=True):
            if (text := MARKS[kind]) is not None:
                log.take(Answered(call.key, Reply(text, "stop", 10, 1), 5.0))
        ids.append(matchup.id)
        if at < len(votes):
            mine[matchup.id] = vote_on(matchup, votes[at], 1.0)
    ballot = BallotKept(tuple(ids), {name: name for name in models}, {}, 0, 1.0)
    return judge_figures(log, JUDGE, ballot, mine)


@pytest.mark.parametrize(
    ("pair", "won", "flips", "half"),
    [
        (("a", "b"), "r", 0, 0),  # the reference, in either place
        (("b", "a"), "a", 0, 0),
        (("a", "a"), "", 1, 0),  # whoever is first
        (("b", "b"), "", 1, 0),
        (("tie", "tie"), "", 0, 0),
        (("a", "tie"), "", 0, 1),
        (("tie", "a"), "", 0, 1),
    ],
)
def test_both_orders(pair: tuple[str, str], won: str, flips: int, half: int) -> None:
    found = figures([pair])
    (duel,) = found.outcome.duels
    assert (duel.model, duel.wins, duel.losses) == ("a", won == "a", won == "r")
    assert duel.ties == (not won) and found.flipped == (flips, 1) and found.half == half


@pytest.mark.parametrize("pair", [("refusal", "a"), ("a", "refusal"), ("refusal", "refusal")])
def test_without_a_verdict_in_both_orders_a_matchup_is_left_out(pair: tuple[str, str]) -> None:
    found = figures([pair, ("b", "a")])
    assert found.outcome.votes == 1 and found.troubled == 1 and found.flipped.total == 1
    assert found.replies["refusal"] == pair.count("refusal")


def test_a_missing_order_is_not_judged_yet() -> None:
    found = figures([("a", "none"), ("b", "a")])
    assert (found.missing, found.troubled, found.outcome.votes) == (1, 0, 1)
    assert "1 matchup not judged in both orders yet." in judge_words(found)


def test_position_and_length() -> None:
    """Two verdicts for the first, of which one is for the longer answer, and two for the second."""
    found = figures([("a", "a"), ("b", "b"), ("tie", "tie")])
    assert found.first == (2, 4) and found.longer_in_calls == (2, 4) and found.longer_wins == (0, 0)


def test_agreement_counts_ties_and_both_bad_as_even() -> None:
    kinds = [("b", "a"), ("b", "a"), ("a", "b"), ("a", "a"), ("tie", "tie"), ("b", "a")]
    found = figures(kinds, ["b", "a", "a", "tie", "bad", "skip"])
    # mine: a r r even even; the judge's: a a r even even
    assert found.agreement.table == ((1, 0, 0), (1, 1, 0), (0, 0, 2))
    assert found.longer_voted == (1, 3)
    # p_o = 4/5, p_e = (1·2 + 2·1 + 2·2)/25
    assert found.agreement.kappa == pytest.approx((0.8 - 8 / 25) / (1 - 8 / 25))


def test_without_common_matchups_the_agreement_is_unknown() -> None:
    assert "you have not voted on these answers" in judge_words(figures([("b", "a")]))[-1]
    assert "none of their matchups has a verdict" in judge_words(figures([("refusal", "a")], ["a"]))[-1]


def test_it_is_said_that_a_model_judges_itself() -> None:
    assert not figures([("a", "b")]).judges_itself
    assert figures([("a", "b")], models="rm").judges_itself


def test_words_claim_what_the_sign_test_claims() -> None:
    few, many = figures([("b", "a")] * 5), figures([("b", "a")] * 6)
    assert "The judge shows no difference on 5 matchups (sign test: p = 0.0625)." in judge_words(few)[0]
    assert judge_words(many)[0] == "The judge prefers a to r (sign test: p = 0.0312)."
    assert judge_words(figures([]))[0] == "No matchup has a verdict in both orders."
    assert figures([]).tokens_in is None and many.tokens_in == 120
