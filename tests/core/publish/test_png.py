"""The PNG is one that other programs read."""

from __future__ import annotations

import struct
import zlib

from smoltui.core.publish.png import Picture


def pixels(data: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and rows of a PNG without filters."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, kind) == (8, 2) and data.endswith(b"IEND\xaeB`\x82")
    length = struct.unpack(">I", data[33:37])[0]
    raw = zlib.decompress(data[41 : 41 + length])
    size = 3 * width + 1
    assert zlib.crc32(data[37 : 41 + length]) == struct.unpack(">I", data[41 + length : 45 + length])[0]
    return width, height, [raw[place + 1 : place + size] for place in range(0, len(raw), size)]


def test_boxes_and_lines_are_where_they_were_drawn() -> None:
    """What reaches over the edge is cut."""
    picture = Picture(6, 4)
    picture.box(4, 2, 9, 9, (1, 2, 3))
    picture.box(9, 9, 2, 2, (9, 9, 9))
    picture.line((0, 0), (2, 0), (5, 5, 5), 1)
    width, height, rows = pixels(picture.encoded())
    assert (width, height, len(rows)) == (6, 4, 4)
    assert rows[2][12:15] == bytes((1, 2, 3)) and rows[1][12:15] == b"\xff\xff\xff"
    assert rows[0][:9] == bytes([5]) * 9 and rows[0][9:12] == b"\xff\xff\xff"


def test_words_have_their_width() -> None:
    width = Picture(1, 1).words_width("aé", 1)
    picture = Picture(width, 8)
    picture.words(0, 0, "Aé", (0, 0, 0), 1)
    _, _, rows = pixels(picture.encoded())
    assert any(0 in row[:15] for row in rows) and not any(0 in row[18:] for row in rows), "é has no glyph: a blank"
