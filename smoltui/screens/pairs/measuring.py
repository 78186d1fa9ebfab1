"""The tokens of the pair that is shown, and where `max_length` cuts it."""

from __future__ import annotations

from functools import partial

from textual import work
from textual.timer import Timer

from smoltui.backends.threads import in_thread
from smoltui.backends.tokenizing import Counts, PairTokenizer
from smoltui.core.preference import Pair
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.base import PairsBase
from smoltui.widgets.pair_view import Cut, PairView

AT_ONCE = 1_000
"""Characters of a pair: so many are counted before it is drawn, in some 2 ms. A longer pair is drawn first."""
REST_SECONDS = 0.05
"""A long pair is counted when one has stayed at it so long."""

Measure = tuple[dict[str, int | None], dict[str, Cut]]
"""Tokens of prompt, chosen and rejected; and the answers that are cut."""


class Measuring(PairsBase):
    """Counts with the recipe's tokenizer, once it is loaded."""

    tokenizer: PairTokenizer | None = None
    tokenizer_problem: SmoltuiError | None = None
    _measure: tuple[str, PairTokenizer, Measure] | None = None
    """The last one, and of which pair (its content hash) and by which tokenizer."""
    _resting: Timer | None = None

    def measure(self, key: str, pair: Pair) -> Measure | None:
        """Of the pair with this content hash, where it is known or quickly had. Else None: it is drawn when it is."""
        if self._resting is not None:
            self._resting.stop()
        tokenizer = self.tokenizer
        if tokenizer is None or not pair.readable or pair.problem:
            return None
        if self._measure is not None and self._measure[0] == key and self._measure[1] is tokenizer:
            return self._measure[2]
        if _characters(pair) > AT_ONCE:
            self._resting = self.set_timer(REST_SECONDS, partial(self._measure_behind, key, pair, tokenizer))
            return None
        try:
            return self._take(key, tokenizer, *tokenizer.measure(pair))
        except SmoltuiError as error:
            self.tokenizer, self.tokenizer_problem = None, error
            return None

    @work(exclusive=True, group="measure")
    async def _measure_behind(self, key: str, pair: Pair, tokenizer: PairTokenizer) -> None:
        try:
            counts, kept = await in_thread(partial(tokenizer.measure, pair))
        except SmoltuiError as error:
            if tokenizer is self.tokenizer:
                self.tokenizer, self.tokenizer_problem = None, error
            return
        known = self.known_pair()
        if tokenizer is self.tokenizer and known is not None and known[0] == key:
            self.query_one(PairView).show_measure(*self._take(key, tokenizer, counts, kept))

    def _take(self, key: str, tokenizer: PairTokenizer, counts: Counts, kept: dict[str, int]) -> Measure:
        tokens: dict[str, int | None] = dict(zip(("prompt", "chosen", "rejected"), counts, strict=True))
        cuts = {side: Cut(at, tokenizer.max_length or 0) for side, at in kept.items()}
        self._measure = key, tokenizer, (tokens, cuts)
        return tokens, cuts


def _characters(pair: Pair) -> int:
    return sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected))
