"""Graphic rendition (SGR): attributes and colors of a cell, and the shortest change from one to another.

The codes are defined in ECMA-48, section 8.3.117, and in xterm's control sequences.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_OFF = {
    1: 22,
    2: 22,
    3: 23,
    4: 24,
    21: 24,
    5: 25,
    6: 25,
    7: 27,
    8: 28,
    9: 29,
    51: 54,
    52: 54,
    53: 55,
}
"""Attribute → the code that resets it; some codes reset two."""
_SEEN_ON_BLANK = frozenset({4, 7, 9, 21, 51, 52, 53})
"""Attributes that are visible on a blank: lines, frames, and reverse, which fills it with the foreground color."""


class Rendition(NamedTuple):
    """The look of a cell."""

    attributes: tuple[int, ...] = ()
    """SGR codes of the active attributes, ascending."""
    foreground: str = ""
    """SGR codes of the color, such as `31` or `38;2;1;2;3`; empty for the terminal's default."""
    background: str = ""


PLAIN = Rendition()


@lru_cache(4096)
def rendition(codes: str) -> Rendition:
    """The rendition of an SGR sequence after a reset, with `codes` as rendered by Rich: `1;38;5;12;48;2;0;0;0`.

    Unknown codes are ignored.
    """
    attributes: set[int] = set()
    colours = {"3": "", "4": ""}
    parts = codes.split(";")
    while parts:
        code = parts.pop(0)
        if code in ("38", "48"):
            length = 4 if parts[:1] == ["2"] else 2
            colour, parts = parts[:length], parts[length:]
            if len(colour) == length and all(part.isdigit() for part in colour):
                colours[code[0]] = ";".join((code, *colour))
        elif code.isdigit() and int(code) in _OFF:
            attributes.add(int(code))
        elif code.isdigit() and (30 <= int(code) <= 37 or 90 <= int(code) <= 97):
            colours["3"] = code
        elif code.isdigit() and (40 <= int(code) <= 47 or 100 <= int(code) <= 107):
            colours["4"] = code
    return Rendition(tuple(sorted(attributes)), colours["3"], colours["4"])


@lru_cache(4096)
def of_blank(style: Rendition) -> Rendition:
    """The simplest rendition in which a blank looks the same; usually only the background is visible."""
    if _SEEN_ON_BLANK.isdisjoint(style.attributes):
        return Rendition((), "", style.background)
    return style


@lru_cache(16384)
def change(old: Rendition, new: Rendition) -> str:
    """The shortest SGR sequence that changes one rendition to another; empty if they are equal."""
    if old == new:
        return ""
    by_steps, by_reset = ";".join(_steps(old, new)), _by_reset(new)
    return f"\x1b[{by_steps if len(by_steps) < len(by_reset) else by_reset}m"


def _by_reset(new: Rendition) -> str:
    """The codes that set a rendition after a reset, which they include; a reset alone is empty."""
    codes = [*map(str, new.attributes), *filter(None, (new.foreground, new.background))]
    return ";".join(["0", *codes]) if codes else ""


def _steps(old: Rendition, new: Rendition) -> list[str]:
    """The codes that reset and set only what differs."""
    off = {_OFF[code] for code in old.attributes if code not in new.attributes}
    on = [code for code in new.attributes if code not in old.attributes or _OFF[code] in off]
    steps = [str(code) for code in (*sorted(off), *on)]
    if old.foreground != new.foreground:
        steps.append(new.foreground or "39")
    if old.background != new.background:
        steps.append(new.background or "49")
    return steps
