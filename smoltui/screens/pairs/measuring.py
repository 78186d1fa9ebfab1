"""What the recipe's tokenizer says of one pair: its tokens, and where `max_length` cuts it."""

from __future__ import annotations

from typing import NamedTuple

from smoltui.backends.tokenizing import PairTokenizer
from smoltui.core.preference import Pair
from smoltui.core.rendering import TrainerView
from smoltui.errors import SmoltuiError
from smoltui.widgets.pair_view import Cut

AT_ONCE = 1_000
"""Characters of a pair: so many are counted before it is drawn, in some 2 ms. A longer pair is drawn first."""


class Measure(NamedTuple):
    """What the recipe's tokenizer says of a pair."""

    tokens: dict[str, int | None]
    """Of prompt, chosen and rejected."""
    cuts: dict[str, Cut]
    """The answers that are cut."""
    refused: str = ""
    """Why the trainer would stop at the pair; empty: it does not."""


def measured(tokenizer: PairTokenizer, pair: Pair) -> Measure:
    try:
        counts, kept = tokenizer.measure(pair)
    except SmoltuiError as error:
        return Measure({}, {}, _refused(error))
    tokens: dict[str, int | None] = dict(zip(("prompt", "chosen", "rejected"), counts, strict=True))
    return Measure(tokens, {side: Cut(at, tokenizer.max_length or 0) for side, at in kept.items()})


def viewed(tokenizer: PairTokenizer, pair: Pair) -> TrainerView | str:
    """What the trainer sees, or why it would stop at the pair."""
    try:
        return tokenizer.view(pair)
    except SmoltuiError as error:
        return _refused(error)


def is_long(pair: Pair) -> bool:
    """It is counted behind, after it is drawn."""
    return sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected)) > AT_ONCE


def _refused(error: SmoltuiError) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip()
