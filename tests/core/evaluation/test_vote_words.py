"""What is said about votes: nothing that the sign test does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.vote_ballot import Answer, Question, draw
from smoltui.core.evaluation.vote_figures import VoteFigures, figures_of
from smoltui.core.evaluation.vote_log import BallotKept, BallotVotes, Choice, vote_on
from smoltui.core.evaluation.vote_words import vote_words

Outcome = str
"""Name of the winner, or tie, bad, skip."""


def figures(
    outcomes: Sequence[Outcome],
    lengths: Mapping[str, int] | None = None,
    models: tuple[str, ...] = ("reference", "aligned"),
    rest: int = 0,
) -> VoteFigures:
    """Those of a ballot in which these are the first votes; `lengths`: characters of each model's answers."""
    chars = lengths or {}
    made = [
        Question(
            (("user", f"Question {number}?"),),
            {
                model: Answer(model[0] * chars.get(model, 10 + (number * 7 + place) % 13))
                for place, model in enumerate(models)
            },
        )
        for number in range(len(outcomes) + rest)
    ]
    ballot = draw(made, models, 0)
    votes = []
    for matchup, outcome in zip(ballot.matchups, outcomes, strict=False):
        side: dict[str, Choice] = {matchup.models[0]: "a", matchup.models[1]: "b", "tie": "tie", "bad": "bad"}
        votes.append(vote_on(matchup, side.get(outcome, "skip"), 1.0))
    kept = BallotKept(tuple(one.id for one in ballot.matchups), {name: name for name in models}, {}, 0, 0.0)
    return figures_of(BallotVotes(kept, tuple(votes)))


def said(*outcomes: tuple[int, Outcome], rest: int = 0) -> str:
    votes = [outcome for count, outcome in outcomes for _ in range(count)]
    return " ".join(vote_words(figures(votes, rest=rest)))


def test_no_difference() -> None:
    words = said((13, "aligned"), (7, "reference"))
    assert words.startswith("No difference shown with 20 votes (sign test: p = 0.263).")
    assert "aligned won 13 of 20 votes that preferred an answer: 65 % (43–82)." in words
    assert "aligned's share cannot be told apart from length: fewer than 30 votes." in words
    assert "prefer aligned" not in words


def test_a_difference() -> None:
    assert said((15, "aligned"), (5, "reference")).startswith(
        "These votes prefer aligned to reference (sign test: p = 0.0414)."
    )
    assert said((5, "aligned"), (15, "reference")).startswith("These votes prefer reference to aligned")


def test_interval_and_test_disagree() -> None:
    """60 of 100: Wilson excludes one half, the exact test does not; both are said, and nothing is claimed."""
    words = said((60, "aligned"), (40, "reference"))
    assert words.startswith("No difference shown with 100 votes (sign test: p = 0.0569).")
    assert "The interval excludes 50 %, but the exact test does not reach 0.05." in words


def test_too_few_votes() -> None:
    assert "Fewer than 6 that prefer an answer cannot show one, even if all agree." in said((5, "aligned"))
    assert "These votes prefer aligned" in said((6, "aligned"))
    assert said() == "No votes yet."
    assert said((1, "aligned")).startswith("No difference shown with 1 vote (sign test: p = 1).")


def test_ties_and_both_bad() -> None:
    words = said((3, "aligned"), (1, "reference"), (4, "tie"), (2, "bad"), (3, "skip"))
    assert "aligned won 3 of 4 votes that preferred an answer: 75 % (30–95)." in words
    assert "4 tied, 2 both bad; with these as half: 60 %." in words and "3 skipped." in words
    assert said((4, "tie")).startswith("No difference shown with 4 votes: none preferred an answer.")


def test_an_unfinished_ballot() -> None:
    assert "stopping when the figures look right makes them too good" in said((15, "aligned"), (5, "reference"), rest=4)
    assert "to go" not in said((15, "aligned"), (5, "reference"))


def test_length_from_thirty_votes_on() -> None:
    votes = ["aligned", "reference", "aligned"] * 14
    words = " ".join(vote_words(figures(votes)))
    assert "At equal length aligned's share would be " in words and "The longer answer won " in words


def test_a_model_that_is_always_longer_cannot_be_told_apart_from_length() -> None:
    votes = ["aligned", "reference", "aligned", "aligned"] * 8
    found = figures(votes, {"reference": 10, "aligned": 50})
    assert "cannot be told apart from length: at equal length the interval is" in " ".join(vote_words(found))
    everything = " ".join(vote_words(figures(["aligned"] * 30)))
    assert "one model won everything, so the rate at equal length has no finite estimate" in everything
    assert "These votes prefer aligned" in everything


def test_several_models() -> None:
    """Each duel has its own verdict, with p adjusted for their number; the table's strengths are finite."""
    models = ("reference", "run-a", "run-b")
    found = figures(["tie"] * 9, models=models)
    assert len(found.duels) == 3 and found.ranking is not None and not found.ranking.smoothed
    assert set(found.ranking.strengths) == set(models)
    alone = figures(["skip"] * 9, models=models)
    assert "No strengths yet: the votes don't connect all models." in vote_words(alone)


def test_p_is_adjusted_for_several_duels() -> None:
    """Six of six is a claim for two models, and none for three, where it is one of three tests."""
    models = ("reference", "run-a", "run-b")
    made = figures(["skip"] * 30, models=models)
    assert made.votes == 0
    ballot_votes = figures(["run-b" if at % 3 == 0 else "tie" for at in range(18)], models=models)
    for duel in ballot_votes.duels:
        assert duel.p >= min(1.0, 2 * 0.5 ** max(duel.decided, 1))


@given(st.lists(st.sampled_from(["aligned", "reference", "tie", "bad", "skip"]), max_size=45))
def test_claims_follow_the_sign_test(outcomes: list[str]) -> None:
    found = figures(outcomes)
    words = " ".join(vote_words(found))
    (duel,) = found.duels
    assert ("These votes prefer" in words) == (duel.p < 0.05)
    assert ("No difference shown" in words) == (bool(duel.votes) and duel.p >= 0.05)
    assert found.votes + found.skipped == len(outcomes)


@pytest.mark.parametrize("hostile", ["\x1b]0;x\x07", "[bold]m[/]", "\u202em", "m" * 500])
def test_names_of_models_are_safe(hostile: str) -> None:
    words = " ".join(vote_words(figures(["tie"] * 3 + [hostile] * 3, models=("reference", hostile))))
    assert "\x1b" not in words and "\u202e" not in words and len(words) < 900


def test_as_json_has_every_figure() -> None:
    found = figures(["aligned"] * 15 + ["reference"] * 5 + ["tie"]).as_json()
    (duel,) = found["duels"]
    assert (duel["wins"], duel["losses"], duel["ties"], duel["both_bad"], duel["differs"]) == (15, 5, 1, 0, True)
    assert (
        duel["share"] == 0.75
        and duel["win_rate"] == pytest.approx(15.5 / 21)
        and duel["p"] == pytest.approx(0.04138947)
    )
    assert found["votes"] == 21 and found["bradley_terry"] is None
