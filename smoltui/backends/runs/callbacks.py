"""How the code that watches runs calls back the app or command it works for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

Severity = Literal["information", "warning", "error"]
"""How important a message is; Textual's values."""
Say = Callable[[str, Severity], object]
"""Shows one sentence to the person, made safe for the terminal."""


class Spawned(Protocol):
    """A task that was started and can be cancelled."""

    def cancel(self) -> object: ...


Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], Spawned]
"""Starts a task. Takes a function, not a coroutine: a task cancelled before it starts would leave a coroutine that was
never awaited."""
