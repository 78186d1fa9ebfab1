"""Our two palettes. Every color in them is one of xterm's 16–255, so it is the same at 256 colors as at 16 million.

Code and style sheets name roles: in Rich styles the names of the terminal colors (`green` is `good`, `red` is `bad`,
`yellow` is `warn`, `cyan` is `key`, `blue` is `info`, `magenta` is `note`) and `dim`; in Textual's the variables that
`looks.themes` derives. What they look like is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from smoltui.core.looks.contrast import RGB
from smoltui.core.looks.xterm import rgb_of


@dataclass(frozen=True)
class Palette:
    """Colors by role, as numbers of xterm's 256."""

    name: str
    dark: bool
    background: int
    surface: int
    """Lists, status lines and dialogs."""
    panel: int
    """Bars and headings."""
    text: int
    muted: int
    """Text of less importance."""
    strong: int
    """Text on the cursor's line."""
    good: int
    warn: int
    bad: int
    key: int
    """Keys, titles, and what is chosen."""
    info: int
    note: int
    good_block: int
    """Background behind `good` text, such as the badge of a role; the others alike."""
    warn_block: int
    bad_block: int
    info_block: int
    note_block: int
    cursor: int
    """Background of the line or item with the cursor, and of selected text."""
    resting: int
    """Background of the cursor in a part of the screen that does not have the keys."""
    sixteen: tuple[int | None, ...]
    """The terminal color 0–15 for each of red, green, yellow, blue, magenta and cyan, in that order; None for the
    default. Chosen for contrast on the terminal's own background, in the colors of xterm and of VGA."""

    @cached_property
    def terminal(self) -> tuple[int, ...]:
        """What Rich's color numbers 0–15 look like, as numbers of the 256."""
        roles = (self.bad, self.good, self.warn, self.info, self.note, self.key)
        return (self.resting, *roles, self.text, self.muted, *roles, self.strong)

    @cached_property
    def roles(self) -> dict[RGB, int]:
        """Text color → number of the terminal color 1–6 that it stands for."""
        return {rgb_of(number): place for place, number in enumerate(self.terminal[1:7], 1)}

    @cached_property
    def marking(self) -> frozenset[RGB]:
        """Backgrounds that mark something, which are reversed where there are fewer colors."""
        return frozenset({rgb_of(self.cursor), rgb_of(self.resting)})

    @cached_property
    def quiet(self) -> frozenset[RGB]:
        """Backgrounds that only group, which are left out where there are fewer colors."""
        numbers = (self.background, self.surface, self.panel, self.good_block, self.warn_block)
        return frozenset(map(rgb_of, (*numbers, self.bad_block, self.info_block, self.note_block)))


DARK = Palette(
    name="smoltui-dark",
    dark=True,
    background=233,
    surface=234,
    panel=236,
    text=253,
    muted=248,
    strong=231,
    good=114,
    warn=221,
    bad=210,
    key=81,
    info=111,
    note=183,
    good_block=22,
    warn_block=58,
    bad_block=52,
    info_block=17,
    note_block=53,
    cursor=24,
    resting=238,
    sixteen=(9, 2, 11, 14, 13, 6),
)
LIGHT = Palette(
    name="smoltui-light",
    dark=False,
    background=231,
    surface=255,
    panel=254,
    text=234,
    muted=240,
    strong=16,
    good=22,
    warn=94,
    bad=124,
    key=25,
    info=19,
    note=90,
    good_block=194,
    warn_block=230,
    bad_block=224,
    info_block=189,
    note_block=225,
    cursor=153,
    resting=252,
    sixteen=(1, 4, 5, 4, 5, 4),
)
PALETTES = {palette.name: palette for palette in (DARK, LIGHT)}
