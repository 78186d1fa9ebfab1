"""What a person types for a sweep: `beta=0.05,0.1,0.5 learning_rate=1e-6,5e-6`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from smoltui.core.recipe import field_for, near, parse, snapshot
from smoltui.errors import InputError

_ASSIGNMENT = re.compile(r"\s*([\w-]+)\s*=\s*")
_VALUES = re.compile(r"\s*(\[[^\]]*\]|\{[^}]*\}|[^,]*)\s*(?:,|$)")
"""One value and the comma after it; a list or mapping in brackets is one value."""


def axes_of(assignments: Sequence[str]) -> dict[str, list[Any]]:
    """Key → values, of `KEY=VALUE,VALUE…`.

    Raises:
        InputError: no such key, a value that it cannot have, or no values.
    """
    axes: dict[str, list[Any]] = {}
    for text in assignments:
        found = _ASSIGNMENT.match(text)
        if found is None:
            raise InputError(f"Not KEY=VALUE,VALUE…: {text}", "For example: beta=0.05,0.1,0.5")
        key = found[1].replace("-", "_")
        if key not in snapshot().keys:
            hint = f"Similar: {', '.join(near(key))}." if near(key) else "smoltui docs recipe lists the keys."
            raise InputError(f"TRL has no such setting: {key}", hint)
        words = [word for word in _split(text[found.end() :]) if word]
        if not words:
            raise InputError(f"{key} has no values", "For example: beta=0.05,0.1,0.5")
        values = axes.setdefault(key, [])
        for word in words:
            try:
                value = parse(field_for(key), word)
            except ValueError as error:
                raise InputError(f"{key} cannot be {word}", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
            if value not in values:
                values.append(value)
    return axes


def assignments_in(line: str) -> list[str]:
    """The assignments in one line, which are separated by spaces; spaces after commas and in brackets are allowed."""
    starts = [found.start(1) for found in re.finditer(r"(?:^|\s)([\w-]+)\s*=", line)]
    starts = [0, *starts[1:]]  # what stands before the first is a mistake, which is reported
    return [line[at:end].strip() for at, end in zip(starts, [*starts[1:], len(line)], strict=True)]


def _split(text: str) -> list[str]:
    text = text.strip()
    found, at = [], 0
    while at < len(text):
        match = _VALUES.match(text, at)
        if match is None or match.end() == at:
            break
        found.append(match[1].strip())
        at = match.end()
    return found
