"""Records the animated picture at the top of README.md: the app is driven in a terminal, with keys, on a demo project.

    python -m tests.record_demo

writes screenshots/demo.gif, of less than 1 MB. It takes about two minutes, most of it training, which the picture shows
faster. Needs the train extra and the font DejaVu Sans Mono. A GIF, because every page and editor plays it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.benchmarks.terminal import Terminal
from tests.emulator import Cell
from tests.pictures import FONT, font_folder

OUT = Path(__file__).parents[1] / "screenshots" / "demo.gif"
MOST_BYTES = 1 << 20
SIZE = (104, 30)
"""Columns and lines."""
FONT_SIZE, CELL_WIDTH, CELL_HEIGHT = 15, 9, 18
"""Pixels."""
CAPTION_HEIGHT = 34
INK, PAPER = "#d4d4d4", "#16181d"
"""Where a cell has the terminal's own colors."""
CAPTION_INK, CAPTION_PAPER, KEY_PAPER = "#e8e8e8", "#2b3040", "#4c6ef5"
NAMED = {
    "black": "#1e1e1e",
    "red": "#f14c4c",
    "green": "#23d18b",
    "brown": "#e5c07b",
    "blue": "#3b8eea",
    "magenta": "#d670d6",
    "cyan": "#29b8db",
    "white": "#e5e5e5",
}
"""pyte's names of the first eight colors; brown is its yellow."""
BRAILLE = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of the dot for each bit."""
COLOURS = 64
"""Of the whole picture: a terminal has few, and letters have edges in between."""
Cells = list[list[Cell]]


@dataclass
class Frame:
    """What is seen for a while."""

    cells: Cells
    key: str
    words: str
    seconds: float


class Recording:
    """Frames of a terminal, each with the key that was pressed and what it does."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.frames: list[Frame] = []
        self._key = self._words = ""

    def say(self, key: str, words: str) -> None:
        """What the line below the screen says from now on."""
        self._key, self._words = key, words

    def take(self, seconds: float) -> None:
        """Adds the screen as it is now. The same as before is shown longer."""
        cells = self.terminal.screen.cells()
        last = self.frames[-1] if self.frames else None
        if last is not None and (last.cells, last.key, last.words) == (cells, self._key, self._words):
            last.seconds += seconds
        else:
            self.frames.append(Frame(cells, self._key, self._words, seconds))

    def press(self, key: str, words: str, pattern: str, seconds: float, shown: str = "") -> None:
        """Presses a key, waits for what it brings, and shows it for a while; the key is named a moment before."""
        self.say(shown or key, words)
        self.take(0.7)
        self.terminal.send(key.encode())
        self.terminal.wait_for(pattern, 60)
        self.terminal.settle(0.4, 5)
        self.take(seconds)

    def watch(self, pattern: str, every: float, seconds: float, limit: float = 600.0) -> None:
        """Takes the screen `every` so many seconds until it matches, each shown for `seconds`."""
        until = time.monotonic() + limit
        while not re.search(pattern, self.terminal.text()):
            if time.monotonic() > until:
                raise TimeoutError(f"never seen: {pattern}\n{self.terminal.text()}")
            self.terminal.settle(every, every)
            self.take(seconds)


# -- the story


def story(recording: Recording) -> None:
    """From the pairs to the answers before and after."""
    terminal = recording.terminal
    terminal.wait_for(r"1 Device|1 Home|0 Home", 60)
    terminal.settle(2.5, 20)
    recording.say("", "smoltui demo: a project that trains in a minute, on any processor")
    recording.take(2.5)
    recording.press("2", "look at the preference pairs", r"pair 1 of 768", 2.5)
    recording.press("t", "train: everything is checked first", r"enter Start", 2.5)
    recording.press("\r", "train", r"RUNNING|QUEUED|SCHEDULING", 0.5, shown="enter")
    recording.say("", "training in another process: it continues if you quit")
    recording.watch(r"press a to compare|press a: ", 3.0, 0.35)
    recording.say("", "done: loss falls, reward margin grows, held-out pairs agree")
    terminal.settle(1.0, 5)
    recording.take(2.5)
    recording.press("a", "ask both models", r"How do I look after tomatoes", 0.8)
    recording.watch(r"answers, saved|Courteous", 2.0, 0.3, 180)
    terminal.settle(3.0, 60)
    recording.say("", "the same prompts, before and after")
    recording.take(4.0)


# -- the picture


class Painter:
    """Draws frames with one font."""

    def __init__(self) -> None:
        folder = font_folder()
        if folder is None:
            raise RuntimeError(f"{FONT} is not installed. On Debian: apt-get install fonts-dejavu")
        self._fonts = {
            bold: ImageFont.truetype(str(folder / name), FONT_SIZE)
            for bold, name in ((False, FONT), (True, FONT.replace(".ttf", "-Bold.ttf")))
        }
        self._width, self._height = SIZE[0] * CELL_WIDTH, SIZE[1] * CELL_HEIGHT

    def painted(self, frame: Frame) -> Image.Image:
        """One frame, with the line below it."""
        image = Image.new("RGB", (self._width, self._height + CAPTION_HEIGHT), PAPER)
        draw = ImageDraw.Draw(image)
        for y, row in enumerate(frame.cells):
            for x, cell in enumerate(row):
                self._cell(draw, x * CELL_WIDTH, y * CELL_HEIGHT, cell)
        self._caption(draw, frame)
        return image

    def _cell(self, draw: ImageDraw.ImageDraw, x: int, y: int, cell: Cell) -> None:
        text, ink, paper, attributes = cell
        front, back = colour(ink, INK), colour(paper, PAPER)
        if "reverse" in attributes:
            front, back = back, front
        if back != PAPER:
            draw.rectangle((x, y, x + CELL_WIDTH - 1, y + CELL_HEIGHT - 1), fill=back)
        if "\u2800" <= text[:1] <= "\u28ff":
            self._braille(draw, x, y, ord(text) - 0x2800, front)
        elif text.strip():
            draw.text((x, y), text, fill=front, font=self._fonts["bold" in attributes])
        if "underscore" in attributes:
            draw.line((x, y + CELL_HEIGHT - 2, x + CELL_WIDTH - 1, y + CELL_HEIGHT - 2), fill=front)

    @staticmethod
    def _braille(draw: ImageDraw.ImageDraw, x: int, y: int, dots: int, ink: str) -> None:
        """The curves: a dot for each bit of the character's place in Unicode. The font has none of them."""
        for bit, (column, row) in enumerate(BRAILLE):
            if dots >> bit & 1:
                left, top = x + 1 + column * 5, y + 1 + row * 4.5
                draw.rectangle((left, top, left + 1.5, top + 1.5), fill=ink)

    def _caption(self, draw: ImageDraw.ImageDraw, frame: Frame) -> None:
        top = self._height
        draw.rectangle((0, top, self._width, top + CAPTION_HEIGHT), fill=CAPTION_PAPER)
        left, font = 12, self._fonts[True]
        if frame.key:
            width = round(font.getlength(frame.key)) + 16
            draw.rounded_rectangle((left, top + 5, left + width, top + CAPTION_HEIGHT - 6), 4, fill=KEY_PAPER)
            draw.text((left + 8, top + 8), frame.key, fill="#ffffff", font=font)
            left += width + 12
        draw.text((left, top + 8), frame.words, fill=CAPTION_INK, font=self._fonts[False])


def colour(name: str, default: str) -> str:
    """A color of the emulator as Pillow takes it."""
    if name == "default":
        return default
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return NAMED.get(name.removeprefix("bright"), default)


def save(frames: Sequence[Frame], path: Path) -> int:
    """Writes the GIF; returns its bytes. One palette for all frames, so that only the pixels that change are stored."""
    painter = Painter()
    images = [painter.painted(frame) for frame in frames]
    sample = Image.new("RGB", (images[0].width, images[0].height * min(len(images), 12)))
    for place in range(min(len(images), 12)):
        sample.paste(images[place * len(images) // min(len(images), 12)], (0, place * images[0].height))
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    times = [max(20, round(frame.seconds * 100) * 10) for frame in frames]
    path.parent.mkdir(parents=True, exist_ok=True)
    small[0].save(path, save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True, disposal=1)
    return path.stat().st_size


def main(arguments: Sequence[str]) -> None:
    """Records the story into the file that is named, or into `OUT`."""
    out = Path(arguments[0]) if arguments else OUT
    with tempfile.TemporaryDirectory(prefix="smoltui-demo-") as home:
        env = {"HOME": home, "SMOLTUI_HOME": f"{home}/data", "HF_HUB_OFFLINE": "1", "TEXTUAL_ANIMATIONS": "none"}
        env |= {name: f"{home}/{name}" for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        folder = Path(home) / "smoltui-demo"
        command = [sys.executable, "-m", "smoltui", "demo", str(folder)]
        with Terminal(command, SIZE, {**env, "PYTHONPATH": str(Path.cwd())}) as terminal:
            recording = Recording(terminal)
            story(recording)
    size = save(recording.frames, out)
    print(f"{out}: {len(recording.frames)} frames, {size / 1024:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"Larger than {MOST_BYTES >> 10} kB: shorten the story, or use fewer colors.")


if __name__ == "__main__":
    main(sys.argv[1:])
