"""Preference pairs from votes and labels, in the form in which sets of pairs are exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smoltui.core.evaluation.vote_ballot import Turns, turns_json
from smoltui.core.evaluation.vote_log import Vote
from smoltui.core.pairs.preference import Message, Pair
from smoltui.scripts.pair_format import content_hash

SCHEMA = "conversational"
"""Key of `pair_format.SCHEMAS`."""
LEFT_OUT = {"tie": "tie", "bad": "both_bad"}
"""Choice without a better answer → its reason in the card."""
Row = tuple[Pair, str]
"""A pair and its content hash."""


def pairs_of_votes(votes: Iterable[tuple[Vote, bool]]) -> Iterator[Row]:
    """One row per vote, in order; skips are none. With each vote, whether its models were thinking.

    A tie and both bad are rows with a problem: they are counted, and nothing is trained on them.
    """
    for index, (vote, thinking) in enumerate(each for each in votes if each[0].choice != "skip"):
        better, worse = (vote.b, vote.a) if vote.choice == "b" else (vote.a, vote.b)
        yield pair_row(index, vote.prompt, better.text, worse.text, thinking, LEFT_OUT.get(vote.choice))


def pair_row(index: int, prompt: Turns, better: str, worse: str, thinking: bool, reason: str | None = None) -> Row:
    """A row for `export_pairs`. `reason`: why it is no pair, None if it is one."""
    if reason is None and not (better.strip() and worse.strip()):
        reason = "empty_answer"
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in (better, worse))
    pair = Pair(
        index,
        prompt=tuple(Message(role, text) for role, text in prompt),
        chosen=(Message("assistant", better),),
        rejected=(Message("assistant", worse),),
        kwargs={"enable_thinking": thinking},
        problem=None if reason is None else f"Not a pair: {reason.replace('_', ' ')}.",
        reason=reason,
        schema=SCHEMA,
    )
    return pair, content_hash({"prompt": turns_json(prompt), "chosen": chosen, "rejected": rejected})
