"""Keys are handled one after the other, however many arrive in one packet.

Textual passes a key to the widget that has the focus at that moment, and looks up its binding when the key has bubbled
up to the app. The next key of the packet is passed on before that: what is typed right after a key that opens a dialog,
an input or another view would reach the old one, and be lost there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from textual import on
from textual.app import App
from textual.events import Event, Key, Paste
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

ReturnType = TypeVar("ReturnType")
LOOK_SECONDS = 0.25
"""Seconds until the next check whether a key can still be handled. Checks are counted rather than seconds, because a
busy machine may stand still: then the app's own work comes before the next check."""
LOST_LOOKS = 2
"""After so many checks a key counts as handled if the widget that had it is gone."""
STUCK_LOOKS = 12
"""After so many checks it does in any case."""
START_SECONDS = 0.05
"""How long a key waits, again and again, for the first screen."""
HELD_LOOKS = 8
"""After so many checks, keys no longer wait for a dialog that is being prepared."""


class Handled(Message):
    """Follows a key on its way from the widget with the focus to the app: when it arrives, the key was handled.

    It goes twice: the second time behind what the widget posted when it got the key, such as `Input.Submitted`.
    """

    bubble = True

    def __init__(self, number: int, screen: Screen[Any], target: Widget | Screen[Any], again: bool = False) -> None:
        super().__init__()
        self.number, self.screen, self.target, self.again = number, screen, target, again


class KeysInTurn(App[ReturnType], Generic[ReturnType]):
    """An app that passes a key on when the previous one was handled, to whatever is in front then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: deque[Event] = deque()
        """Keys and pasted texts that arrived while another key was being handled."""
        self._number = 0
        self._in_hand: Widget | Screen[Any] | None = None
        """What the key with the number above was passed to, or later its `Handled`; None once it was handled."""
        self._holds = 0
        """Dialogs that are being prepared."""

    async def on_event(self, event: Event) -> None:
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._in_hand is not None or self._holds or self._waiting:
            self._waiting.append(event)
            if len(self._waiting) == 1:
                self._look_again(self._number)
        else:
            await self._pass_on(event)

    async def _pass_on(self, event: Event) -> None:
        """Passes on a key, and sends a message after it on the same way."""
        if not self.screen_stack:
            if self.return_code is None and self.is_running:  # it has just started: nobody is there to take the key
                self._waiting.appendleft(event)
                self.set_timer(START_SECONDS, self._next)
            return  # it is ending
        screen: Screen[Any] = self.screen
        target = self.focused or screen
        self._in_hand = target
        self._number += 1
        await super().on_event(event)
        if not target.post_message(Handled(self._number, screen, target)):
            self._in_hand = None

    @on(Handled)
    async def _handled(self, message: Handled) -> None:
        if message.number != self._number or self._in_hand is None:
            return
        if not message.again and message.target.post_message(
            Handled(self._number, message.screen, message.target, again=True)
        ):
            return
        moved = bool(self.screen_stack) and self.screen is not message.screen
        # A screen that the key opened takes the focus when it has been composed.
        if moved and self.screen.post_message(Handled(self._number, self.screen, self.screen)):
            self._in_hand = self.screen
            return
        self._in_hand = None
        await self._next()

    async def _next(self) -> None:
        if self._waiting and self._in_hand is None and not self._holds:
            await self._pass_on(self._waiting.popleft())
            if self._waiting:
                self._look_again(self._number)

    def _look_again(self, number: int, looks: int = 1) -> None:
        """Gives up waiting for a key whose widget was removed before it handled it."""

        async def look() -> None:
            if number != self._number or self._in_hand is None:
                return
            if looks >= (LOST_LOOKS if _is_gone(self._in_hand) else STUCK_LOOKS):
                self._in_hand = None
                await self._next()
            else:
                self._look_again(number, looks + 1)

        self.set_timer(LOOK_SECONDS, look)

    def _after_looks(self, looks: int, act: Callable[[], None]) -> None:
        self.set_timer(LOOK_SECONDS, act if looks == 1 else partial(self._after_looks, looks - 1, act))

    @contextmanager
    def hold_keys(self) -> Iterator[None]:
        """Keys wait until this ends, but at most for `HELD_LOOKS`: a dialog is being prepared, which they are for."""
        self._holds += 1
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._holds -= 1
                self.call_later(self._next)

        self._after_looks(HELD_LOOKS, release)
        try:
            yield
        finally:
            release()


def _is_gone(node: Widget | Screen[Any]) -> bool:
    return not (node.is_running and node.is_attached)
