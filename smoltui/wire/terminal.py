"""What the terminal on the other end can do, told by its name.

A name is all that travels over a line to another machine, where the terminal's own terminfo entry may be missing. What
is said of a family is what every terminal does that goes by the name, as ncurses' terminfo has it (`infocmp NAME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Terminal:
    """What it has beyond moving the cursor, SGR and erasing to the end of a line (CUP, SGR, EL)."""

    background_erase: bool = False
    """Erased cells get the background colour that is set (terminfo `bce`); else they may get the default one."""
    erase_characters: bool = False
    """ECH (`ech`)."""
    repeat: bool = False
    """REP (`rep`): the last character again and again, as far as it is of ASCII."""
    scroll: bool = False
    """A scroll region and scrolling in it: DECSTBM, SU and SD (`csr`, `indn`, `rin`)."""


_ALL = Terminal(background_erase=True, erase_characters=True, repeat=True, scroll=True)
_NO_REPEAT = replace(_ALL, repeat=False)
_TMUX = Terminal(repeat=True, scroll=True)
_FAMILIES = {
    "xterm": _ALL, "alacritty": _ALL, "foot": _ALL, "wezterm": _ALL, "vte": _ALL, "ghostty": _ALL, "kitty": _ALL,
    "rxvt": _NO_REPEAT, "konsole": _NO_REPEAT, "st": _NO_REPEAT, "putty": _NO_REPEAT, "nsterm": _NO_REPEAT,
    "iterm2": _NO_REPEAT, "mintty": _NO_REPEAT,
    "tmux": _TMUX,
    "screen": Terminal(scroll=True),
    "linux": Terminal(background_erase=True, erase_characters=True),
}  # fmt: skip


def terminal_of(environ: Mapping[str, str]) -> Terminal | None:
    """The terminal that `TERM` names; None where nothing is known of it, as of `dumb`."""
    known = _FAMILIES.get(environ.get("TERM", "").split("-")[0])
    if known is None:
        return None
    if environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return replace(known, repeat=False)  # it says xterm-256color, and has no REP
    if environ.get("TMUX"):
        return _TMUX  # often under the name of screen
    return known
