"""A terminal in memory: pyte, with what it lacks of what terminals have, and its cells as a person sees them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar

import pyte
from pyte.screens import Char, Margins
from wcwidth import wcwidth

from smoltui.wire.clusters import clusters

# Sequences that pyte would print as text.
NOT_FOR_PYTE = re.compile(
    r"\x1b\[[<=>][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[\?u|\x1b\[[0-9;]* q|\x1bP[^\x1b]*\x1b\\"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|P[^\x1b]*\x1b?)?\Z")
"""The beginning of a sequence."""
_SEQUENCE = re.compile(r"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|[\x00-\x1f\x7f])\Z")
BLANK = Char(" ")
Cell = tuple[str, str, str, frozenset[str]]
"""Text, foreground, background, attributes."""


class _Stream(pyte.Stream):
    csi: ClassVar[dict[str, str]] = {**pyte.Stream.csi, "S": "scroll_up", "T": "scroll_down", "b": "repeat"}
    events = frozenset(itertools.chain(pyte.Stream.events, ["scroll_up", "scroll_down", "repeat"]))


class Emulator(pyte.Screen):
    """A screen that bytes or text are fed to.

    `clustered`: widths are those of Rich, as on a terminal that agrees with Textual; otherwise each character has its
    own width, as on one that joins no emoji. `background_erase`: erased cells get the background that is set.
    """

    def __init__(self, columns: int, lines: int, *, clustered: bool = True, background_erase: bool = True) -> None:
        self._clustered = clustered
        self._background_erase = background_erase
        self._last = " "
        super().__init__(columns, lines)
        self._stream = _Stream(self)
        self._undecoded = b""
        self._ends_in_text = self._continues = False

    def feed(self, data: str | bytes) -> None:
        """Takes what was written.

        A read can end anywhere: a character or a sequence that is cut off at the end of bytes waits for its rest, and a
        mark at the beginning of bytes joins the character that the bytes before ended with.
        """
        if isinstance(data, bytes):
            data, self._undecoded = _decoded(self._undecoded + data)
            self._continues = self._ends_in_text
            if data:
                self._ends_in_text = not _SEQUENCE.search(data)
        self._stream.feed(NOT_FOR_PYTE.sub("", data))
        self._continues = False

    def _send_back(self) -> str:
        """The text of the character before the cursor, to which the cursor returns."""
        line, column = self.buffer[self.cursor.y], self.cursor.x
        while column:
            column -= 1
            if text := line[column].data:
                self.cursor.x = column
                return text
        return ""

    def draw(self, data: str) -> None:
        if self._continues and self._clustered:
            data = self._send_back() + data
        self._continues = False
        if data.isascii() and len(data) <= self.columns - self.cursor.x:
            pieces: Any = zip(data, itertools.repeat(1))
        elif self._clustered:
            pieces = clusters(data)
        else:
            pieces = ((char, max(0, wcwidth(char))) for char in data)
        line = self.buffer[self.cursor.y]
        for text, width in pieces:
            if width == 0:
                if self.cursor.x:
                    before = line[self.cursor.x - 1]
                    line[self.cursor.x - 1] = before._replace(data=before.data + text)
                continue
            self.cursor.x = min(self.cursor.x, self.columns - width)  # no wrapping: Textual switches it off
            for column in range(self.cursor.x, self.cursor.x + width):
                self._halve(line, column)
                line[column] = self.cursor.attrs._replace(data="")
            line[self.cursor.x] = self.cursor.attrs._replace(data=text)
            self.cursor.x += width
            self._last = text
        self.dirty.add(self.cursor.y)

    def _halve(self, line: dict[int, Char], column: int) -> None:
        """What is left of a wide character that is written over is blank."""
        if column in line and line[column].data == "":
            line[column - 1] = line[column - 1]._replace(data=" ")
        after = column + 1
        while after < self.columns and after in line and line[after].data == "":
            line[after] = line[after]._replace(data=" ")
            after += 1

    def repeat(self, count: int | None = None) -> None:
        """As tmux 3.3 does, which repeats ASCII alone."""
        if self._last.isascii():
            self.draw(self._last * (count or 1))

    def scroll_up(self, count: int | None = None) -> None:
        self._scroll(count or 1)

    def scroll_down(self, count: int | None = None) -> None:
        self._scroll(-(count or 1))

    def _scroll(self, by: int) -> None:
        top, bottom = self.margins or Margins(0, self.lines - 1)
        rows = {y: self.buffer.pop(y) for y in range(top, bottom + 1) if y in self.buffer}
        for y in range(top, bottom + 1):
            if top <= y + by <= bottom and y + by in rows:
                self.buffer[y] = rows[y + by]
            else:
                for column in range(self.columns):
                    self.buffer[y][column] = self._erased()
        self.dirty.update(range(top, bottom + 1))

    def _erased(self) -> Char:
        return self.cursor.attrs._replace(data=" ") if self._background_erase else BLANK

    def erase_characters(self, count: int | None = None) -> None:
        line = self.buffer[self.cursor.y]
        for column in range(self.cursor.x, min(self.cursor.x + (count or 1), self.columns)):
            self._halve(line, column)
            line[column] = self._erased()

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        kept = self.cursor.attrs
        if not self._background_erase:
            self.cursor.attrs = BLANK
        super().erase_in_line(how, private)
        self.cursor.attrs = kept

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """What is no longer on the screen is lost, the upper left corner stays; pyte would keep the lower rows."""
        self.lines, self.columns = lines or self.lines, columns or self.columns
        for y in [y for y in self.buffer if y >= self.lines]:
            del self.buffer[y]
        for line in self.buffer.values():
            for x in [x for x in line if x >= self.columns]:
                del line[x]
        self.set_margins()
        self.cursor.x, self.cursor.y = min(self.cursor.x, self.columns - 1), min(self.cursor.y, self.lines - 1)
        self.dirty = set(range(self.lines))

    def report_device_status(self, *_: Any, **__: Any) -> None:
        """pyte does not know the private questions."""

    def cells(self, rows: Iterable[int] | None = None) -> list[list[Cell]]:
        """Each cell as it looks: of a blank only the background, and what is drawn on it without a character.

        `rows`: those asked for; None: all.
        """
        lines = (self.buffer[y] for y in (range(self.lines) if rows is None else rows))
        return [[_seen(line[x]) for x in range(self.columns)] for line in lines]

    @property
    def text(self) -> str:
        return "\n".join(self.display_lines())

    def display_lines(self) -> list[str]:
        """The lines as text. (pyte's own `display` fails at clusters.)"""
        return ["".join(self.buffer[y][x].data for x in range(self.columns)) for y in range(self.lines)]


@lru_cache(1 << 16)
def _seen(char: Char) -> Cell:
    attributes = frozenset(
        name for name in ("bold", "italics", "underscore", "strikethrough", "reverse", "blink") if getattr(char, name)
    )
    if char.data == " " and attributes.isdisjoint({"underscore", "strikethrough", "reverse"}):
        return " ", "", char.bg, frozenset()
    return char.data, char.fg, char.bg, attributes


def _decoded(data: bytes) -> tuple[str, bytes]:
    """Text, and the bytes of what is not complete: a character, a sequence, or a joiner without what it joins."""
    for cut in range(min(4, len(data) + 1)):
        end = len(data) - cut
        try:
            text = data[:end].decode()
        except UnicodeDecodeError:
            continue
        unfinished = _UNFINISHED.search(text)
        whole = text[: unfinished.start()] if unfinished else text.rstrip("\u200d")
        return whole, data[len(whole.encode()) :]
    return data.decode(errors="replace"), b""


def differences(ours: Emulator, theirs: Emulator) -> list[str]:
    """What differs between two screens in what was drawn since this was last asked: place, and the cell of each."""
    drawn = sorted(ours.dirty | theirs.dirty)
    ours.dirty.clear()
    theirs.dirty.clear()
    mine, other = ours.cells(drawn), theirs.cells(drawn)
    if mine == other and (ours.cursor.x, ours.cursor.y) == (theirs.cursor.x, theirs.cursor.y):
        return []
    found = [
        f"row {y} column {x}: {cell!r} and not {its!r}"
        for y, row, its_row in zip(drawn, mine, other, strict=True)
        for x, (cell, its) in enumerate(zip(row, its_row, strict=True))
        if cell != its
    ]
    return found or [f"cursor {ours.cursor.x, ours.cursor.y} and not {theirs.cursor.x, theirs.cursor.y}"]
