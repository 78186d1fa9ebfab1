"""How well a color is read on another: relative luminance and contrast ratio, as WCAG 2.2 defines them.

Sources: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance and #dfn-contrast-ratio; 4.5 is the minimum of success
criterion 1.4.3 (level AA) for text of normal size.
"""

from __future__ import annotations

from functools import lru_cache

RGB = tuple[int, int, int]
"""Red, green and blue, 0..255."""

LEAST = 4.5
"""Minimum contrast ratio of text."""
_STEPS = 20
DIM = 1 / 3
"""Share of the background in dim text, as Textual draws it (`textual.constants.DIM_FACTOR` is 0.66)."""


def luminance(color: RGB) -> float:
    """Relative luminance, 0 (black) to 1 (white)."""
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


@lru_cache(4096)
def contrast(one: RGB, other: RGB) -> float:
    """Contrast ratio of two colors, 1 (equal) to 21; the order does not matter."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def blend(one: RGB, other: RGB, share: float) -> RGB:
    """The color between two: `one` at share 0, `other` at 1."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def legible(color: RGB, background: RGB) -> RGB:
    """`color`, or the nearest one on the way to white or black that reaches `LEAST` on this background.

    One of the two always does: on any background, white or black has a contrast of 4.58 at least.
    """
    if contrast(color, background) >= LEAST:
        return color
    pole = max(((255, 255, 255), (0, 0, 0)), key=lambda end: contrast(end, background))
    for step in range(1, _STEPS):
        lifted = blend(color, pole, step / _STEPS)
        if contrast(lifted, background) >= LEAST:
            return lifted
    return pole


def dimmed(color: RGB, background: RGB) -> RGB:
    """`color` moved towards the background by `DIM`, and not below `LEAST`."""
    return legible(blend(color, background, DIM), background)


def is_dark(background: RGB) -> bool:
    """Whether white text is easier to read on this background than black text."""
    return contrast((255, 255, 255), background) > contrast((0, 0, 0), background)
