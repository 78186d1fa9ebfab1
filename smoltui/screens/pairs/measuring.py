"""Tokens of one pair according to the recipe's tokenizer, and where `max_length` cuts it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import NamedTuple

from smoltui.backends.pairs.token_service import TokenService
from smoltui.backends.pairs.tokenizer import Counts
from smoltui.core.pairs.preference import Pair
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.pair_view import Cut

AT_ONCE = 1_000
"""Characters of a pair. The tokens of a shorter pair arrive in about 2 ms, so it is drawn once, with them."""

Asked = Future[tuple[Counts, dict[str, int]]]
"""The result of `TokenService.ask_measure`."""


class Measure(NamedTuple):
    """The tokens of a pair."""

    tokens: dict[str, int | None]
    """Number of tokens of prompt, chosen and rejected; None if unknown."""
    cuts: dict[str, Cut]
    """Side → its cut, for the answers that are cut."""
    refused: str = ""
    """Why the trainer would fail on the pair; empty if it would not."""


def measured(tokenizer: TokenService, asked: Asked, seconds: float | None = None) -> Measure:
    """Waits for a measure.

    Raises:
        TimeoutError: it was not available within `seconds` (None: no limit).
    """
    try:
        counts, kept = asked.result(seconds)
    except SmoltuiError as error:
        return Measure({}, {}, refused(error))
    tokens: dict[str, int | None] = dict(zip(("prompt", "chosen", "rejected"), counts, strict=True))
    return Measure(tokens, {side: Cut(at, tokenizer.max_length or 0) for side, at in kept.items()})


def is_long(pair: Pair) -> bool:
    """Whether its tokens are counted in the background, after it is drawn."""
    return sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected)) > AT_ONCE


def refused(error: SmoltuiError) -> str:
    """Why the trainer would fail, with the next step, in one line."""
    return f"{error.message.rstrip('.')}. {error.hint}".strip()
