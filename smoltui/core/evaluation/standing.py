"""What votes and judges have said so far about a comparison, one line each, for the room that shows the answers."""

from __future__ import annotations

from collections.abc import Sequence

from smoltui.core.evaluation.judge_figures import JudgeFigures
from smoltui.core.evaluation.judge_words import judge_name, judge_words
from smoltui.core.evaluation.vote_figures import VoteFigures
from smoltui.core.evaluation.vote_words import vote_words

Line = tuple[str, str]
"""Label and sentence."""


def standing(votes: Sequence[VoteFigures], judges: Sequence[JudgeFigures]) -> list[Line]:
    """The newest votes and the newest judge, which come first; empty without any.

    During a vote, only its progress: figures would tempt a person to stop as soon as they look right.
    """
    lines: list[Line] = []
    cast = [one for one in votes if one.votes]
    if cast:
        newest = cast[0]
        rest = newest.matchups - newest.votes - newest.skipped - newest.moved
        if newest.current and rest > 0:
            lines.append(("votes", f"{newest.votes} of {newest.matchups} cast, {rest} to go."))
        else:
            lines.append(("votes", vote_words(newest)[0]))
    if judges:
        newest_judge = judges[0]
        name = judge_name(newest_judge.judge.endpoint, newest_judge.judge.model)
        more = f" ({len(judges)} judges)" if len(judges) > 1 else ""
        lines.append(("judge", f"{name}: {judge_words(newest_judge)[0]}{more}"))
    return lines
