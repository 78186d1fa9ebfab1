"""Screenshots as PNG. A page that shows an SVG loads no font for it, and the curves drawn in braille fall apart."""

from __future__ import annotations

import re
from pathlib import Path

FONT = "DejaVuSansMono.ttf"
"""A monospace font with box drawing and braille."""
FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
)


def font_folder() -> Path | None:
    """The folder with `FONT` and its bold face; None where the font is not installed."""
    for folder in FONT_FOLDERS:
        for path in Path(folder).expanduser().rglob(FONT):
            return path.parent
    return None


def png_of(svg: str) -> bytes:
    """The PNG of a screenshot, as large as its view box.

    Raises:
        RuntimeError: the font is not installed; another one would show boxes in place of braille.
    """
    import resvg_py

    folder = font_folder()
    if folder is None:
        raise RuntimeError(f"{FONT} is not installed. On Debian: apt-get install fonts-dejavu")
    image = resvg_py.svg_to_bytes(
        svg_string=svg,
        skip_system_fonts=True,
        font_dirs=[str(folder)],
        monospace_family="DejaVu Sans Mono",
        sans_serif_family="DejaVu Sans",
    )
    return bytes(image)


def without_home(svg: str, home: str) -> str:
    """The picture with `~` for a home folder; each line keeps its length, so that nothing is stretched."""
    if len(home) < 2:
        return svg
    pad = "&#160;" * (len(home) - 1)
    return re.sub(rf"{re.escape(home)}([^<]*)", lambda found: f"~{found[1]}{pad}", svg)


def write_png(svg: Path) -> Path:
    """Writes the PNG beside a screenshot and returns its path. Raises as `png_of`."""
    path = svg.with_suffix(".png")
    path.write_bytes(png_of(svg.read_text(encoding="utf-8")))
    return path
