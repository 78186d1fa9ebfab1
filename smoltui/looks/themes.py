"""Our palettes as themes of Textual."""

from __future__ import annotations

from textual.theme import Theme

from smoltui.core.looks.palette import PALETTES, Palette
from smoltui.core.looks.xterm import rgb_of


def themes() -> list[Theme]:
    """The themes to register, the dark one first."""
    return [_theme(palette) for palette in PALETTES.values()]


def _hex(number: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb_of(number))


def _theme(palette: Palette) -> Theme:
    colors = {name: _hex(number) for name, number in vars(palette).items() if isinstance(number, int)}
    return Theme(
        name=palette.name,
        dark=palette.dark,
        primary=colors["info"],
        secondary=colors["note"],
        accent=colors["key"],
        warning=colors["warn"],
        error=colors["bad"],
        success=colors["good"],
        foreground=colors["text"],
        background=colors["background"],
        surface=colors["surface"],
        panel=colors["panel"],
        variables=_variables(colors),
    )


def _variables(colors: dict[str, str]) -> dict[str, str]:
    """What Textual would derive: blends between the 256 colors, and text of too little contrast."""
    roles = {
        "primary": "info",
        "secondary": "note",
        "accent": "key",
        "warning": "warn",
        "error": "bad",
        "success": "good",
    }
    blocks = {
        "primary": "info_block",
        "secondary": "note_block",
        "accent": "note_block",
        "warning": "warn_block",
        "error": "bad_block",
        "success": "good_block",
    }
    text, cursor, strong, muted = colors["text"], colors["cursor"], colors["strong"], colors["muted"]
    return {
        **{f"text-{name}": colors[role] for name, role in roles.items()},
        **{f"{name}-muted": colors[block] for name, block in blocks.items()},
        **{f"{name}-{shade}": colors[name] for name in ("panel", "surface") for shade in _SHADES},
        "text": text,
        "text-muted": muted,
        "text-disabled": muted,
        "foreground-muted": muted,
        "foreground-disabled": muted,
        "block-cursor-background": cursor,
        "block-cursor-foreground": strong,
        "block-cursor-blurred-background": colors["resting"],
        "block-cursor-blurred-foreground": text,
        "block-hover-background": colors["panel"],
        "border": colors["key"],
        "border-blurred": colors["panel"],
        "surface-active": colors["panel"],
        "scrollbar": colors["muted"],
        "scrollbar-hover": colors["muted"],
        "scrollbar-active": colors["key"],
        "scrollbar-background": colors["panel"],
        "scrollbar-background-hover": colors["panel"],
        "scrollbar-background-active": colors["panel"],
        "scrollbar-corner-color": colors["panel"],
        "input-cursor-background": text,
        "input-cursor-foreground": colors["background"],
        "input-selection-background": cursor,
        "input-selection-foreground": strong,
        "screen-selection-background": cursor,
        "screen-selection-foreground": strong,
        "link-color": colors["key"],
        "link-color-hover": colors["key"],
        "link-background-hover": colors["panel"],
        "footer-key-foreground": colors["key"],
        **{f"markdown-h{level}-color": colors["key"] for level in range(1, 7)},
    }


_SHADES = ("darken-1", "darken-2", "darken-3", "lighten-1", "lighten-2", "lighten-3")
