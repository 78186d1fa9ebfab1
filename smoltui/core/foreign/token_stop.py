"""Detects tokens where none belong, before a recipe, a setting or a label is copied anywhere."""

from __future__ import annotations

import re
from typing import NamedTuple

from smoltui.redaction import secret_in

# A value in another format is still meant to be a token, except YAML's null values.
_HUB_TOKEN = re.compile(
    r"^[ \t]*[\"']?hub_token[\"']?[ \t]*:[ \t]*(?!(?:null|~|none|\"\"|'')?[ \t]*(?:#.*)?$)\S", re.M | re.I
)


class Leak(NamedTuple):
    """The problem and the next step; neither contains any part of the token."""

    sentence: str
    next_step: str


def leak_in_file(name: str, text: str, *, is_recipe: bool = False) -> Leak | None:
    """The first token in a file; None without one. `name` is the file's name for the message.

    In a recipe, any value of `hub_token` counts.
    """
    if found := secret_in(text):
        return Leak(
            f"{name}, line {_line(text, found.start)} contains what looks like {found.kind}", _next_step(found.kind)
        )
    if is_recipe and (key := _HUB_TOKEN.search(text)):
        return Leak(f"{name}, line {_line(text, key.end())} contains a token: hub_token", _next_step(HUGGING_FACE))
    return None


def leak_in_value(where: str, text: str) -> Leak | None:
    """The same for a value outside files; `where` describes it."""
    found = secret_in(text)
    return Leak(f"{where} contains what looks like {found.kind}", _next_step(found.kind)) if found else None


HUGGING_FACE = "a Hugging Face token"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _next_step(kind: str) -> str:
    if kind == HUGGING_FACE or kind.startswith("the "):
        return "Remove it; use `hf auth login` or HF_TOKEN instead."
    return "Remove it and set it as an environment variable instead."
