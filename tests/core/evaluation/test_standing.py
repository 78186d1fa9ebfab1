"""What the room says about votes and judges so far."""

from __future__ import annotations

from smoltui.core.evaluation.standing import standing
from tests.core.evaluation.test_vote_words import figures


def test_votes_under_way_say_only_how_far_they_are() -> None:
    """Figures would be a reason to stop when they look right."""
    assert standing([], []) == [] and standing([figures([], rest=3)], []) == []
    assert standing([figures(["aligned"] * 3, rest=5)], []) == [("votes", "3 of 8 cast, 5 to go.")]


def test_a_finished_vote_says_its_verdict() -> None:
    ((label, words),) = standing([figures(["aligned"] * 12)], [])
    assert label == "votes" and words.startswith("These votes prefer aligned to reference")
