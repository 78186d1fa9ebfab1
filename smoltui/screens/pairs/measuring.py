"""The tokens of the pair that is shown, and where `max_length` cuts it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from textual import work
from textual.timer import Timer

from smoltui.backends.pairs.token_service import TokenService
from smoltui.backends.pairs.tokenizer import Counts
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.rendering import TrainerView
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.base import PairsBase
from smoltui.widgets.pair_view import Cut, PairView
from smoltui.widgets.trainer_view import TrainerPane

AT_ONCE = 1_000
"""Characters of a pair: the tokens of a shorter one come in some 2 ms, so it is drawn once, with them."""
WAIT_SECONDS = 0.02
"""The longest time that is waited for them; a pair that takes longer is drawn first, and its tokens when they come."""
REST_SECONDS = 0.05
"""A long pair is counted when one has stayed at it so long."""

SAY_SECONDS = 0.2
"""What the trainer sees is being made: said from then on, so that nothing flickers."""


class Measure(NamedTuple):
    """What the recipe's tokenizer says of a pair."""

    tokens: dict[str, int | None]
    """Of prompt, chosen and rejected."""
    cuts: dict[str, Cut]
    """The answers that are cut."""
    refused: str = ""
    """Why the trainer would stop at the pair; empty: it does not."""


class Measuring(PairsBase):
    """Counts with the recipe's tokenizer, once it is loaded."""

    tokenizer: TokenService | None = None
    tokenizer_problem: SmoltuiError | None = None
    _measure: tuple[str, TokenService, Measure] | None = None
    """The last one, and of which pair (its content hash) and by which tokenizer."""
    _resting: Timer | None = None
    _asked: Future[tuple[Counts, dict[str, int]]] | None = None
    """The last one that was asked for."""
    _is_quick = True
    """The last answer came within `WAIT_SECONDS`. Where it did not, the next one is not waited for."""

    def measure(self, key: str, pair: Pair) -> Measure | None:
        """Of the pair with this content hash, where it is known or quickly had. Else None: it is drawn when it is."""
        if self._resting is not None:
            self._resting.stop()
        tokenizer = self.tokenizer
        if tokenizer is None or not pair.readable or pair.problem:
            return None
        if self._measure is not None and self._measure[0] == key and self._measure[1] is tokenizer:
            return self._measure[2]
        if self._asked is not None:
            self._asked.cancel()  # nobody looks at that pair any more
        if _characters(pair) > AT_ONCE:
            self._resting = self.set_timer(REST_SECONDS, partial(self._measure_behind, key, pair, tokenizer))
            return None
        self._asked = asked = tokenizer.ask_measure(pair)
        if self._is_quick:
            try:
                return self._take(key, tokenizer, _measured(tokenizer, asked, WAIT_SECONDS))
            except TimeoutError:
                self._is_quick = False
        self._measure_behind(key, pair, tokenizer, asked)
        return None

    @work(exclusive=True, group="measure")
    async def _measure_behind(
        self,
        key: str,
        pair: Pair,
        tokenizer: TokenService,
        asked: Future[tuple[Counts, dict[str, int]]] | None = None,
    ) -> None:
        begun = time.monotonic()
        if asked is None:
            self._asked = asked = tokenizer.ask_measure(pair)
        with suppress(SmoltuiError):  # `_measured` says it
            await asyncio.wrap_future(asked)
        self._is_quick = _characters(pair) > AT_ONCE or time.monotonic() - begun < WAIT_SECONDS
        measure = _measured(tokenizer, asked)
        known = self.known_pair()
        if tokenizer is self.tokenizer and known is not None and known[0] == key:
            self.query_one(PairView).show_measure(*self._take(key, tokenizer, measure))

    def _take(self, key: str, tokenizer: TokenService, measure: Measure) -> Measure:
        self._measure = key, tokenizer, measure
        return measure

    def drop_tokenizer(self) -> None:
        """Another one is needed, or none any more."""
        if self.tokenizer is not None:
            self.tokenizer.close()
        self.tokenizer = self.tokenizer_problem = None

    def on_unmount(self) -> None:
        self.drop_tokenizer()

    # -- what the trainer sees

    def draw_trainer(self) -> None:
        """What the trainer sees of the pair, as soon as it is made."""
        pair, tokenizer = self.pair, self.tokenizer
        if tokenizer is None or pair is None:
            return
        self.workers.cancel_group(self, "trainer view")
        if not pair.readable or pair.problem:
            self.say(f"The trainer sees nothing of it: {pair.problem}", severity="warning")
            self.show_view("pair")
        else:
            self._view_behind(pair, tokenizer)

    @work(exclusive=True, group="trainer view")
    async def _view_behind(self, pair: Pair, tokenizer: TokenService) -> None:
        saying = self.set_timer(SAY_SECONDS, lambda: self._show_trainers("Rendering and tokenizing this pair…"))
        asked = tokenizer.ask_view(pair)
        try:
            view: TrainerView | str = await asyncio.wrap_future(asked)
        except SmoltuiError as error:
            view = _refused(error)
        finally:
            saying.stop()
        if pair is self.pair and tokenizer is self.tokenizer:
            self._show_trainers(view)

    def _show_trainers(self, view: TrainerView | str) -> None:
        pane = self.query_one(TrainerPane)
        pane.say(view) if isinstance(view, str) else pane.show(view)


def _measured(
    tokenizer: TokenService, asked: Future[tuple[Counts, dict[str, int]]], seconds: float | None = None
) -> Measure:
    """Raises TimeoutError when it is not there after `seconds`."""
    try:
        counts, kept = asked.result(seconds)
    except SmoltuiError as error:
        return Measure({}, {}, _refused(error))
    tokens: dict[str, int | None] = dict(zip(("prompt", "chosen", "rejected"), counts, strict=True))
    return Measure(tokens, {side: Cut(at, tokenizer.max_length or 0) for side, at in kept.items()})


def _refused(error: SmoltuiError) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip()


def _characters(pair: Pair) -> int:
    return sum(len(turn.content) for turn in (*pair.prompt, *pair.chosen, *pair.rejected))
