"""A picture of lines and words as PNG, with nothing but zlib: the Hub shows a PNG in every card."""

from __future__ import annotations

import struct
import zlib

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

GLYPH_WIDTH, GLYPH_HEIGHT = 5, 7
_GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "a": "00000 00000 01110 00001 01111 10001 01111",
    "b": "10000 10000 11110 10001 10001 10001 11110",
    "c": "00000 00000 01110 10000 10000 10000 01110",
    "d": "00001 00001 01111 10001 10001 10001 01111",
    "e": "00000 00000 01110 10001 11111 10000 01110",
    "f": "00110 01000 11100 01000 01000 01000 01000",
    "g": "00000 01111 10001 10001 01111 00001 01110",
    "h": "10000 10000 11110 10001 10001 10001 10001",
    "i": "00100 00000 01100 00100 00100 00100 01110",
    "j": "00010 00000 00110 00010 00010 10010 01100",
    "k": "10000 10000 10010 10100 11000 10100 10010",
    "l": "01100 00100 00100 00100 00100 00100 01110",
    "m": "00000 00000 11010 10101 10101 10101 10101",
    "n": "00000 00000 11110 10001 10001 10001 10001",
    "o": "00000 00000 01110 10001 10001 10001 01110",
    "p": "00000 00000 11110 10001 11110 10000 10000",
    "q": "00000 00000 01111 10001 01111 00001 00001",
    "r": "00000 00000 10110 11000 10000 10000 10000",
    "s": "00000 00000 01111 10000 01110 00001 11110",
    "t": "01000 01000 11100 01000 01000 01000 00110",
    "u": "00000 00000 10001 10001 10001 10001 01111",
    "v": "00000 00000 10001 10001 10001 01010 00100",
    "w": "00000 00000 10101 10101 10101 10101 01010",
    "x": "00000 00000 10001 01010 00100 01010 10001",
    "y": "00000 00000 10001 10001 01111 00001 01110",
    "z": "00000 00000 11111 00010 00100 01000 11111",
    "-": "00000 00000 00000 11111 00000 00000 00000",
    "+": "00000 00100 00100 11111 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    ",": "00000 00000 00000 00000 01100 00100 01000",
    "%": "11001 11010 00010 00100 01000 01011 10011",
    "/": "00001 00010 00010 00100 01000 01000 10000",
    "(": "00010 00100 01000 01000 01000 00100 00010",
    ")": "01000 00100 00010 00010 00010 00100 01000",
    ":": "00000 01100 01100 00000 01100 01100 00000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
"""Character → its seven rows of five pixels. Words are in lower case; anything else is a blank."""


class Picture:
    """Pixels, drawn upon from the top left."""

    def __init__(self, width: int, height: int, colour: Colour = (255, 255, 255)) -> None:
        self.width, self.height = width, height
        self._rows = [bytearray(bytes(colour) * width) for _ in range(height)]

    def box(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """A filled rectangle; what is outside the picture is cut."""
        left, right = max(0, x), min(self.width, x + width)
        if right <= left:
            return
        fill = bytes(colour) * (right - left)
        for row in self._rows[max(0, y) : max(0, y + height)]:
            row[3 * left : 3 * right] = fill

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, thick: int = 2) -> None:
        """A straight line between two places (x, y)."""
        (x, y), (to_x, to_y) = start, end
        steps = max(1, round(max(abs(to_x - x), abs(to_y - y))))
        for step in range(steps + 1):
            share = step / steps
            self.box(round(x + (to_x - x) * share), round(y + (to_y - y) * share), thick, thick, colour)

    def words(self, x: int, y: int, text: str, colour: Colour, scale: int = 2) -> None:
        """Text whose top left corner is at (x, y); each pixel of a glyph is `scale` wide."""
        for place, sign in enumerate(text.lower()):
            rows = _GLYPHS.get(sign, _GLYPHS[" "]).split()
            left = x + place * (GLYPH_WIDTH + 1) * scale
            for down, row in enumerate(rows):
                for right, bit in enumerate(row):
                    if bit == "1":
                        self.box(left + right * scale, y + down * scale, scale, scale, colour)

    def words_width(self, text: str, scale: int = 2) -> int:
        """Pixels that a text takes."""
        return len(text) * (GLYPH_WIDTH + 1) * scale

    def encoded(self) -> bytes:
        """The PNG: 8 bits per colour, no filter (PNG specification, RFC 2083)."""

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self._rows), 9)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
