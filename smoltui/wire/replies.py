"""Takes the terminal's answers to a question about its colors (OSC 11) out of what it sends, which otherwise are keys.

The question is `ESC ] 11 ; ? BEL`; the answer has the same form, with a color as XParseColor reads it in place of the
question mark (xterm's control sequences, "Operating System Commands").
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

QUESTION = "\x1b]11;?\x07"
_ANSWER = re.compile(r"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_BEGINNING = re.compile(r"\x1b(?:\](?:1(?:1(?:;[^\x07\x1b]*\x1b?)?)?)?)?\Z")
_CERTAIN = "\x1b]11;"
_COLOR = re.compile(r"(?:rgba?:|#)?([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?", re.IGNORECASE)
_REST = re.compile(r"[0-9a-f/:#rgb]*(\x07|\x1b\\)?", re.IGNORECASE)
MOST = 64
"""Characters of an answer; a longer one is none."""
GIVE_UP_SECONDS = 5.0
"""How long the rest of an answer may take, on the slowest line."""

RGB = tuple[int, int, int]


def color_of(answer: str) -> RGB | None:
    """The color in `rgb:1c1c/1c1c/1c1c`, each part 0..255; None if it is not one."""
    found = _COLOR.fullmatch(answer.strip())
    if found is None:
        return None
    red, green, blue = (round(int(part, 16) * 255 / (16 ** len(part) - 1)) for part in found.groups())
    return red, green, blue


class Replies:
    """Passes on what was read, without answers. An answer may come in pieces, be nonsense, or never end."""

    def __init__(self, told: Callable[[RGB], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._told = told
        self._clock = clock
        self._held = ""
        """The beginning of an answer, or of a key that begins alike."""
        self._since = 0.0
        self._expects = False
        """The question was asked, and neither answered nor given up. Only then a lone ESC is held back: it delays the
        key."""
        self._skips = False
        """An answer was too long or took too long; its rest is dropped if it still comes."""

    def expect(self) -> None:
        """Called when the question is asked."""
        self._held, self._skips, self._expects, self._since = "", False, True, self._clock()

    def feed(self, text: str) -> str:
        """What is left of `text` for the keyboard."""
        if self._skips:
            text = self._without_rest(text)
        before, self._held = self._held, ""
        text = _ANSWER.sub(self._taken, before + text)
        begun = _BEGINNING.search(text)
        if begun and (self._expects or len(begun[0]) > 1):
            self._held = begun[0]
            if not before:
                self._since = self._clock()
            text = text[: begun.start()]
            if len(self._held) > MOST:
                self._held, self._skips = "", True
        return text

    def idle(self) -> str:
        """Called when nothing was sent for a moment: what was held back, unless it is surely an answer."""
        held = self._held
        if held and not held.startswith(_CERTAIN):
            self._held = ""
            return held
        if self._clock() - self._since > GIVE_UP_SECONDS:
            self._expects, self._skips = False, bool(held)
            self._held, self._since = "", self._clock()
        return ""

    def _without_rest(self, text: str) -> str:
        found = _REST.match(text)
        rest = found[0] if found is not None else ""
        if found is None or found[1] or len(rest) < len(text):
            self._skips = False
        return text[len(rest) :]

    def _taken(self, answer: re.Match[str]) -> str:
        if self._expects and len(answer[0]) <= MOST and (color := color_of(answer[1])) is not None:
            self._told(color)
        self._expects = False
        return ""
