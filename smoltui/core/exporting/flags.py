"""The values of a recipe as options of `trl dpo`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.recipe.keys import Key, snapshot
from smoltui.core.recipe.values import show_number, typed


@dataclass(frozen=True, slots=True)
class Flags:
    """A recipe, divided into what a command line can say and what it cannot."""

    options: tuple[tuple[str, ...], ...]
    """One group of words per key: `--loss_type sigmoid sft`, in the recipe's order."""
    rest: Mapping[str, Any]
    """Keys that TRL reads only from a file: datasets, null for a key with another default, env, and true or false for a
    key that may also be a text."""


def flags(values: Mapping[str, Any]) -> Flags:
    """The options with which TRL's parser gets the values that it would read from the recipe."""
    options: list[tuple[str, ...]] = []
    rest: dict[str, Any] = {}
    for name, value in values.items():
        key = snapshot().keys.get(name)
        if value is None and key is not None and key.default is None:
            continue
        words = _words(key, name, typed(key, value) if key is not None else value)
        if words is None:
            rest[name] = value
        else:
            options.append(words)
    return Flags(tuple(options), rest)


def _words(key: Key | None, name: str, value: Any) -> tuple[str, ...] | None:
    """The words of one option; None if no option says this."""
    types = key.types if key is not None else ()
    match value:
        case bool() if "str" in types:
            return None  # the word true would be a text
        case bool():
            return f"--{name}", "true" if value else "false"
        case int() | float():
            return _one(name, show_number(float(value)) if isinstance(value, float) else str(value))
        case str():
            wants_list = bool(types) and not {"str", "dict"} & set(types) and types[0].startswith("list")
            return (f"--{name}", value) if wants_list and not value.startswith("-") else _one(name, value)
        case list() if value and all(_plain(part) for part in value) and any(kind[:5] == "list[" for kind in types):
            words = [show_number(part) if isinstance(part, float) else str(part) for part in value]
            return None if any(word.startswith("-") for word in words) else (f"--{name}", *words)
        case dict() if "dict" in types and "str" in types:
            return _one(name, json.dumps(value))
    return None


def _plain(part: object) -> bool:
    return isinstance(part, str | int | float) and not isinstance(part, bool)


def _one(name: str, word: str) -> tuple[str, ...]:
    """A word that begins with a dash, or an empty one, is joined to its option."""
    return (f"--{name}={word}",) if word.startswith("-") or not word else (f"--{name}", word)
