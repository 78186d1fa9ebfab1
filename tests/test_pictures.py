"""The pictures of README and documentation, and the PNG that is made of each screenshot."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from tests.pictures import font_folder, png_of

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"

SVG = """<svg viewBox="0 0 60 30" xmlns="http://www.w3.org/2000/svg">
<text x="5" y="20" font-family="Fira Code, monospace" font-size="20" fill="#98e024">{text}</text></svg>"""


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_braille_and_boxes_are_drawn_as_themselves() -> None:
    """A font without these characters draws the same box for each of them."""
    if font_folder() is None:
        pytest.skip("DejaVu Sans Mono is not installed (Debian: fonts-dejavu)")
    pictures = [png_of(SVG.format(text=text)) for text in ("⠁⡀", "⡀⠁", "╭─", "│╰", "  ")]
    assert size_of(pictures[0]) == (60, 30)
    assert len(set(pictures)) == len(pictures)


def test_every_screenshot_has_its_png() -> None:
    names = {path.stem for path in SCREENSHOTS.glob("*.svg")}
    assert names and names == {path.stem for path in SCREENSHOTS.glob("*.png")}
    for name in names:
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', (SCREENSHOTS / f"{name}.svg").read_text(encoding="utf-8"))
        assert box is not None
        wanted = (round(float(box[1])), round(float(box[2])))
        found = size_of((SCREENSHOTS / f"{name}.png").read_bytes())
        assert all(abs(a - b) <= 1 for a, b in zip(wanted, found, strict=True)), f"{name}.png is of another screenshot"
