"""A pair as the trainer sees it: rendered and tokenized."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from smoltui.backends.pairs.session import Here
from smoltui.backends.pairs.token_service import TokenService
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.rendering import TrainerView
from smoltui.errors import SmoltuiError
from smoltui.screens.pairs.measuring import refused
from smoltui.screens.pairs.pane import SetPane, tell
from smoltui.screens.pairs.trainer_view import TrainerPane
from smoltui.widgets.actions import bindings

SAY_SECONDS = 0.2
"""Rendering is announced only if it takes longer, so that nothing flickers."""


class TokensPane(SetPane):
    """Shows the current pair, with its sides exchanged if it is swapped."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("tokens")

    class Skipped(Message):
        """The trainer skips the pair, so there is nothing to show."""

    tokenizer: TokenService | None = None
    """The recipe's tokenizer with its `max_length`; None until it is loaded."""
    _shown: Pair | None = None

    def compose(self) -> ComposeResult:
        yield TrainerPane()

    def draw(self) -> None:
        """Renders the pair in the background and shows it."""
        tokenizer = self.tokenizer
        self.workers.cancel_group(self, "view")
        if tokenizer is None:
            return
        try:
            pair = self._shown = as_trained(self.session.here(), self.session.curation.swapped)
        except SmoltuiError as error:
            tell(self.host, error)
            return
        if not pair.readable or pair.problem:
            self.host.say(f"This pair is skipped in training: {pair.problem}", severity="warning")
            self.post_message(self.Skipped())
        else:
            self._view_behind(pair, tokenizer)

    @work(exclusive=True, group="view")
    async def _view_behind(self, pair: Pair, tokenizer: TokenService) -> None:
        saying = self.set_timer(SAY_SECONDS, lambda: self._show("Rendering and tokenizing this pair…"))
        asked = tokenizer.ask_view(pair)
        try:
            view: TrainerView | str = await asyncio.wrap_future(asked)
        except SmoltuiError as error:
            view = refused(error)
        finally:
            saying.stop()
        if pair is self._shown and tokenizer is self.tokenizer:
            self._show(view)

    def _show(self, view: TrainerView | str) -> None:
        pane = self.query_one(TrainerPane)
        pane.say(view) if isinstance(view, str) else pane.show(view)

    def action_scroll_text(self, lines: int, pages: int) -> None:
        self.query_one(TrainerPane).scroll_by(lines, pages)


def as_trained(here: Here, swapped: set[str]) -> Pair:
    """The pair as it is used in training: with chosen and rejected exchanged if it is swapped."""
    pair = here.pair
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen) if here.key in swapped else pair
