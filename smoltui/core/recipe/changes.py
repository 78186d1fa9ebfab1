"""What a change of the recipe was, in words: `beta 0.5 → 0.1 (TRL's default)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoltui.core.recipe.fields import field_for
from smoltui.core.recipe.values import show
from smoltui.safe_text import redact, safe_line

ABSENT = object()
"""The value of a key that is not in the file."""
LONGEST = 60
"""Characters of one value."""
SECRET = ("hub_token", "env")
"""Keys whose values are never shown."""


def changes_in_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Every key that differs; empty if none does."""
    keys = dict.fromkeys((*before, *after))
    parts = [
        change_in_words(key, old, new)
        for key in keys
        if (old := before.get(key, ABSENT)) is not (new := after.get(key, ABSENT)) and not _same(old, new)
    ]
    return " · ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def change_in_words(key: str, before: object, after: object) -> str:
    """One key; `ABSENT` for a key that is not in the file."""
    return f"{safe_line(key, 60)} {_value(key, before)} → {_value(key, after)}"


def _value(key: str, value: object) -> str:
    field = field_for(key)
    default = field.unset if field.default is None else field.default
    if value is ABSENT:
        return f"{show(field, default)} (TRL's default)" if default is not None else "not set"
    if key in SECRET:
        return "…"
    shown = safe_line(redact(show(field, value)), LONGEST) or "null"
    return f"{shown} (TRL's default)" if default is not None and _same(value, default) else shown


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right
