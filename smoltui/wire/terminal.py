"""The capabilities of the terminal, derived from its name.

Only the name is sent over a connection to another machine, where the terminal's terminfo entry may be missing. The
capabilities of a family are those that all terminals of this name have in ncurses' terminfo (`infocmp NAME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Terminal:
    """Capabilities beyond cursor movement, SGR and erasing to the end of a line (CUP, SGR, EL)."""

    background_erase: bool = False
    """Erased cells get the current background color (terminfo `bce`); otherwise possibly the default one."""
    erase_characters: bool = False
    """ECH (`ech`)."""
    repeat: bool = False
    """REP (`rep`): repeats the last character, if it is ASCII."""
    scroll: bool = False
    """Scroll regions: DECSTBM, SU and SD (`csr`, `indn`, `rin`)."""
    answers: bool = True
    """May be asked for its colors (OSC 11); a terminal that does not know the question ignores it."""


_ALL = Terminal(background_erase=True, erase_characters=True, repeat=True, scroll=True)
_NO_REPEAT = replace(_ALL, repeat=False)
_TMUX = Terminal(repeat=True, scroll=True)
_FAMILIES = {
    "xterm": _ALL,
    "alacritty": _ALL,
    "foot": _ALL,
    "wezterm": _ALL,
    "vte": _ALL,
    "ghostty": _ALL,
    "kitty": _ALL,
    "rxvt": _NO_REPEAT,
    "konsole": _NO_REPEAT,
    "st": _NO_REPEAT,
    "putty": _NO_REPEAT,
    "nsterm": _NO_REPEAT,
    "iterm2": _NO_REPEAT,
    "mintty": _NO_REPEAT,
    "tmux": _TMUX,
    "screen": Terminal(scroll=True),
    "linux": Terminal(background_erase=True, erase_characters=True, answers=False),
}


def terminal_of(environ: Mapping[str, str]) -> Terminal | None:
    """The terminal named by `TERM`; None if it is unknown, like `dumb`."""
    known = _FAMILIES.get(environ.get("TERM", "").split("-")[0])
    if known is None:
        return None
    if environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return replace(known, repeat=False)  # identifies as xterm-256color, but has no REP
    if environ.get("TMUX"):
        return _TMUX  # often named screen
    return known
