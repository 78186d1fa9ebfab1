"""Keys: their names in Textual, and how they are written."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

RENAMED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Name of a character in Unicode → Textual's, where they differ."""


def _name_of(character: str) -> str:
    """Textual's name of the key that types this character."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return RENAMED.get(name, name)


WRITTEN = {
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "delete": "del",
    **{_name_of(character): character for character in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
}
"""Textual's name → how it is written, where that is not the name."""
NAMES = {
    **{written: name for name, written in WRITTEN.items()},
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "bs": "backspace",
    " ": "space",
}
"""How a person may write a key → Textual's name."""
NAMED = frozenset(
    (
        *("enter", "escape", "space", "tab", "backspace", "delete", "insert"),
        *("home", "end", "pageup", "pagedown", "up", "down", "left", "right"),
        *(f"f{number}" for number in range(1, 25)),
    )
)
"""Keys that have a name."""
MODIFIERS = ("alt", "ctrl", "shift", "super", "meta", "hyper")


@lru_cache(maxsize=1024)
def written(key: str) -> str:
    """How a key is written: `?` for `question_mark`, `pgdn` for `pagedown`, `ctrl+p` and `gg` as they are."""
    if "+" in key:
        *modifiers, last = key.split("+")
        return "+".join([*modifiers, written(last)])
    if key in WRITTEN or len(key) <= 2 or key in NAMED:
        return WRITTEN.get(key, key)
    try:
        return unicodedata.lookup(key.replace("_", " "))
    except KeyError:
        return key  # unknown to Unicode


def is_chord(key: str) -> bool:
    """Whether this stands for two keys that are pressed one after the other, as `gg`: `at` is the key `@`."""
    return len(key) == 2 and key not in NAMED and key not in WRITTEN


def character_of(key: str) -> str:
    """The character that a key types; empty for one that types none, and for two keys."""
    if "+" in key or key in NAMED:
        return " " if key == "space" else ""
    found = written(key)
    return found if len(found) == 1 else ""


def key_name(text: str) -> str:
    """Textual's name of a key as a person writes it: `?`, `esc`, `ctrl+p`, `gg`.

    Raises:
        ValueError: there is no such key.
    """
    text = text.strip() or text
    if text in NAMES:
        return NAMES[text]
    if text.lower() in NAMED:
        return text.lower()
    if len(text) == 1 and text.isprintable():
        return _name_of(text)
    if len(text) == 2 and text.isalnum():
        return text
    *modifiers, last = text.lower().split("+") if not text.endswith("+") else [*text.lower()[:-1].split("+")[:-1], "+"]
    if modifiers and all(modifier in MODIFIERS for modifier in modifiers):
        return "+".join([*sorted(modifiers), key_name(last)])
    if text.isprintable() and character_of(text):
        return text
    raise ValueError(text)
