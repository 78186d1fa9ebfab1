"""Keys from what a terminal sends.

On a slow connection, escape and the next key arrive in one packet. Textual takes them for alt and the key, or for the
beginning of a sequence that swallows the keys behind it. Here only what terminals send as a sequence is one; whatever
else follows an escape is two keys. Alt with a letter therefore needs a terminal with kitty's keyboard protocol; alt
with an arrow or backspace works everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

from textual import constants, events, messages
from textual._parser import ParseEOF, ParseTimeout, Peek1, Read1, TokenCallback
from textual._xterm_parser import (
    BRACKETED_PASTE_END,
    BRACKETED_PASTE_START,
    FOCUSIN,
    FOCUSOUT,
    IS_ITERM,
    XTermParser,
    _re_cursor_position,
    _re_in_band_window_resize,
    _re_mouse_event,
    _re_terminal_mode_response,
)
from textual.keys import Keys
from textual.message import Message

ESC = "\x1b"
LONGEST = 64
"""Characters of a sequence; what is longer is none."""
ALT_BACKSPACE = "\x1b\x7f"
LINUX_BACKTAB = "\x1b\t"
"""Shift and tab on the console of Linux, which is escape and tab everywhere else."""

Reading = Generator[Read1 | Peek1, str, tuple[str, str]]
"""Reads characters; returns a sequence, and the character that was read behind it but is not part of it."""


class KeyParser(XTermParser):
    """Textual's parser, with another idea of where a sequence ends."""

    def __init__(self, debug: bool = False, environ: Mapping[str, str] = os.environ) -> None:
        self._short = {ALT_BACKSPACE, LINUX_BACKTAB} if environ.get("TERM") == "linux" else {ALT_BACKSPACE}
        super().__init__(debug)

    def parse(self, token_callback: TokenCallback[Message]) -> Generator[Read1 | Peek1, str, None]:
        pasted: list[str] | None = None
        behind = ""
        try:
            while not self.is_eof:
                character = behind or (yield self.read1())
                behind = ""
                if character != ESC:
                    if pasted is not None:
                        pasted.append(character)
                    else:
                        self._tell(token_callback, self._keys(character))
                    continue
                sequence, behind = yield from self._sequence()
                if sequence == BRACKETED_PASTE_START:
                    pasted = []
                elif sequence == BRACKETED_PASTE_END:
                    if pasted is not None:
                        token_callback(events.Paste("".join(pasted).replace("\x00", "")))
                    pasted = None
                elif pasted is not None:
                    pasted.append(sequence)
                else:
                    self._tell(token_callback, self._meaning(sequence))
        except ParseEOF:
            return

    # -- where a sequence ends

    def _sequence(self) -> Reading:
        """Reads what follows an escape, if it is a sequence. An escape alone is one, too."""
        try:
            character = yield self.read1(constants.ESCAPE_DELAY)
            if character == "[":
                return (yield from self._control_sequence(ESC + character))
            if character == "O":
                return (yield from self._until(ESC + character, "0123456789;"))
        except ParseTimeout:
            return ESC, ""
        return (ESC + character, "") if ESC + character in self._short else (ESC, character)

    def _control_sequence(self, begun: str) -> Reading:
        sequence, behind = yield from self._until(begun, "".join(map(chr, range(0x20, 0x40))))
        if behind or sequence not in ("\x1b[[", "\x1b[M"):  # F1 on the console of Linux; the oldest mouse protocol
            return sequence, behind
        for _ in range(1 if sequence == "\x1b[[" else 3):
            sequence, behind = yield from self._until(sequence, "")
            if behind:
                break
        return sequence, behind

    def _until(self, sequence: str, goes_on: str) -> Reading:
        """Reads on until a character that ends the sequence; one that cannot belong to it is returned behind it."""
        while len(sequence) < LONGEST:
            try:
                character = yield self.read1(constants.ESCAPE_DELAY)
            except ParseTimeout:
                break
            if character < " ":
                return sequence, character
            sequence += character
            if character not in goes_on:
                break
        return sequence, ""

    # -- what it means

    def _tell(self, token_callback: TokenCallback[Message], found: list[Message]) -> None:
        for message in found:
            if not (isinstance(message, events.Key) and message.key == Keys.Ignore):
                token_callback(message)

    def _keys(self, sequence: str) -> list[Message]:
        return list(self._sequence_to_key_events(sequence))

    def _meaning(self, sequence: str) -> list[Message]:
        """The events of a sequence; for an unknown one without parameters, the keys that it consists of."""
        if sequence == ESC:
            return [events.Key("escape", ESC)]
        if sequence in (FOCUSIN, FOCUSOUT):
            return [events.AppFocus() if sequence == FOCUSIN else events.AppBlur()]
        if (report := self._report(sequence)) is not None:
            return report
        if found := self._keys(sequence):
            return found
        if _re_mouse_event.match(sequence):
            mouse = self.parse_mouse_code(sequence)
            return [] if mouse is None else [mouse]
        if len(sequence) > len("\x1b[x"):  # the answer to a question that nobody here has asked
            return []
        return [event for character in sequence for event in self._meaning_of_one(character)]

    def _meaning_of_one(self, character: str) -> list[Message]:
        return [events.Key("escape", ESC)] if character == ESC else self._keys(character)

    def _report(self, sequence: str) -> list[Message] | None:
        """What the terminal says about itself; None if it is something else."""
        if resized := _re_in_band_window_resize.fullmatch(sequence):
            height, width, pixel_height, pixel_width = (int(part.partition(":")[0]) for part in resized.groups())
            event = events.Resize.from_dimensions((width, height), (pixel_width, pixel_height))
            self.terminal_size, self.terminal_pixel_size = event.size, event.pixel_size
            self.mouse_pixels = True
            return [event]
        if placed := _re_cursor_position.match(sequence):
            row, column = map(int, placed.groups())
            return [events.CursorPosition(column - 1, row - 1)]
        if mode := _re_terminal_mode_response.match(sequence):
            setting = int(mode["setting_parameter"])
            if mode["mode_id"] == "2026" and setting > 0:
                return [messages.TerminalSupportsSynchronizedOutput()]
            if mode["mode_id"] == "2048" and constants.SMOOTH_SCROLL and not IS_ITERM:
                return [messages.InBandWindowResize.from_setting_parameter(setting)]
            return []
        return None
