"""How what watches runs reaches the app or the command that it works for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

Severity = Literal["information", "warning", "error"]
"""How a sentence to the person is meant; Textual's words."""
Say = Callable[[str, Severity], object]
"""Says one sentence to the person, and makes it safe."""


class Spawned(Protocol):
    """A task that was started and can be cancelled."""

    def cancel(self) -> object: ...


Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], Spawned]
"""Starts a task. It takes a function, not a coroutine: one that is cancelled before it begins then leaves no coroutine
that nobody awaits."""
