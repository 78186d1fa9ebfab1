"""The 256 colors of xterm, and which of them is closest to a color.

Source: xterm's `256colres.pl` (a cube of 6 × 6 × 6 and a ramp of 24 grays) and its default colors 0–15.
"""

from __future__ import annotations

from functools import lru_cache

from smoltui.core.looks.contrast import RGB

_SIX = (0, 95, 135, 175, 215, 255)

SIXTEEN: tuple[RGB, ...] = (
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
)
"""Colors 0–15 of an xterm without settings. Terminals differ; people change them."""


def rgb_of(number: int) -> RGB:
    """The color with this number, 0..255."""
    if number < 16:
        return SIXTEEN[number]
    if number < 232:
        place = number - 16
        return _SIX[place // 36], _SIX[place // 6 % 6], _SIX[place % 6]
    gray = 8 + 10 * (number - 232)
    return gray, gray, gray


FIXED: tuple[RGB, ...] = tuple(rgb_of(number) for number in range(16, 256))
"""Colors 16–255, which look the same in all terminals."""


@lru_cache(4096)
def nearest(color: RGB) -> int:
    """The number of the closest color among 16–255, by squared distance."""
    return 16 + min(range(len(FIXED)), key=lambda at: sum((a - b) ** 2 for a, b in zip(color, FIXED[at], strict=True)))
