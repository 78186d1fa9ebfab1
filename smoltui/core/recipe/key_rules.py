"""Problems of single keys: those that TRL doesn't read, and values that it would refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from smoltui.core.recipe.finding import Finding, stop, warn
from smoltui.core.recipe.fix import Fix, deletes, moves, writes
from smoltui.core.recipe.keys import GONE, MOVED, RENAMED, near, snapshot
from smoltui.core.recipe.values import field_of, problem, typed, wrong_type


def unread_keys(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys that TRL doesn't read."""
    known = snapshot()
    for key in values:
        if key == "env":
            yield from _environment(values["env"])
        elif key in known.keys:
            yield from _renamed(key, values)
        else:
            yield _unread(key, values)


def _environment(env: object) -> Iterator[Finding]:
    if not isinstance(env, Mapping):
        yield stop("env", "env must be a mapping of names to values", "Write env: {NAME: value}")
    elif secret := [name for name in env if re.search(r"(?i)token|key|secret|password", str(name))]:
        yield stop(
            "env",
            f"A secret does not belong in a recipe: {secret[0]}",
            "Delete it and log in: hf auth login",
            _without(env, secret),
        )


def _without(env: Mapping[Any, Any], names: list[Any]) -> Fix:
    """Deletes entries of env, and env if nothing is left."""
    rest = {name: value for name, value in env.items() if name not in names}
    return writes(env=rest) if rest else deletes("env")


def _renamed(key: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    if new := RENAMED.get(key):
        both = f", and {new} wins if both are set" if new in values else ""
        yield warn(
            key,
            f"{key} is called {new} since transformers 5.23{both}",
            f"Write {new} instead.",
            moves(values, key, new),
        )


def _unread(key: str, values: Mapping[str, Any]) -> Finding:
    known = snapshot()
    release = f"TRL {known.versions['trl']}"
    if key in GONE:
        why, next_step = GONE[key]
        new = MOVED.get(key)
        return stop(
            key, f"{release} no longer has {key}: {why}", next_step, moves(values, key, new) if new else deletes(key)
        )
    if key in known.launch:
        said = f"Only trl dpo reads {key}, an option of accelerate launch; smoltui ignores it"
        return warn(key, said, fix=deletes(key))
    if "-" in key and (plain := key.replace("-", "_")) in known.keys:
        said = f"Keys are written with underscores: {key}"
        return stop(key, said, f"Write {plain}.", moves(values, key, plain))
    names = near(key)
    next_step = f"Did you mean {' or '.join(names)}?" if names else "Delete the line, or move it to smoltui.toml."
    fix = moves(values, key, names[0]) if names else deletes(key)
    return stop(key, f"{release} has no such key: {key}", next_step, fix)


def wrong_values(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Values of a wrong type, unknown choices, and values out of range."""
    known = snapshot().keys
    for name, value in values.items():
        key = known.get(name)
        if key is None:
            continue
        if said := wrong_type(key, value):
            if "write" in said:
                yield stop(name, f"{name}: {said}")
            else:
                yield stop(name, f"{name}: {said}", "Delete the line to take TRL's default.", deletes(name))
            continue
        if value is None:
            continue
        value = typed(key, value)
        if key.choices and isinstance(value, str) and value not in key.choices:
            yield stop(name, f"{name}: unknown choice: {value}", f"Write one of {', '.join(key.choices)}.")
        elif (field := field_of(name)) and (said := problem(field, value)):
            yield stop(name, f"{name}: {said}")
