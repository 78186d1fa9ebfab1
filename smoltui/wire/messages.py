"""What the driver tells the app, besides keys and the mouse."""

from __future__ import annotations

from textual.message import Message


class TerminalBackground(Message):
    """The terminal has said what its background is. Many never do."""

    def __init__(self, color: tuple[int, int, int]) -> None:
        super().__init__()
        self.color = color
        """Red, green and blue, 0..255."""
