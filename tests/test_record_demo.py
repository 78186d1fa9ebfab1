"""The animated picture: a frame per change, with the key and what it does, small enough for a README."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.emulator import Emulator
from tests.pictures import font_folder
from tests.record_demo import INK, SIZE, Frame, Recording, colour, save

pytestmark = pytest.mark.skipif(font_folder() is None, reason="the font DejaVu Sans Mono is not installed")


class Screen:
    """A terminal that shows what it is fed."""

    def __init__(self) -> None:
        self.screen = Emulator(*SIZE)


def test_frames_become_a_picture(tmp_path: Path) -> None:
    """Two screens, the second one for two moments that are the same."""
    terminal = Screen()
    recording = Recording(terminal)  # type: ignore[arg-type]
    terminal.screen.feed("\x1b[1;32mgreen\x1b[0m \x1b[7mreversed\x1b[0m \x1b[38;2;10;20;30mown\x1b[0m \u28ff")
    recording.take(0.5)
    recording.say("t", "train")
    recording.take(0.5)
    recording.take(1.0)
    assert [(frame.key, frame.seconds) for frame in recording.frames] == [("", 0.5), ("t", 1.5)]
    out = tmp_path / "demo.gif"
    assert 1_000 < save(recording.frames, out) < 40_000
    with Image.open(out) as image:
        assert (image.n_frames, image.is_animated, image.info["duration"]) == (2, True, 500)
        found = {pixel for _, pixel in image.convert("RGB").getcolors(1 << 20) or []}
        assert any(green > 180 and red < 90 for red, green, _ in found)
        image.seek(1)
        assert image.info["duration"] == 1_500


def test_colours_of_the_emulator() -> None:
    assert (colour("default", INK), colour("0a141e", INK), colour("brightred", INK)) == (INK, "#0a141e", "#f14c4c")
    assert Frame([], "", "", 1.0).seconds == 1.0
