"""A token where none belongs: what is said of it before a recipe, a setting or a label is copied anywhere."""

from __future__ import annotations

import re
from typing import NamedTuple

from smoltui.redaction import secret_in

# A value of another shape is still meant as the token. YAML's words for nothing are none.
_HUB_TOKEN = re.compile(
    r"^[ \t]*[\"']?hub_token[\"']?[ \t]*:[ \t]*(?!(?:null|~|none|\"\"|'')?[ \t]*(?:#.*)?$)\S", re.M | re.I
)


class Leak(NamedTuple):
    """What is wrong, and the next step; no part of the token is in either."""

    sentence: str
    mend: str


def leak_in_file(name: str, text: str, *, is_recipe: bool = False) -> Leak | None:
    """What to say of the first token in a file; None when it holds none. `name` is what the person calls the file.

    In a recipe, whatever stands behind `hub_token` counts as one.
    """
    if found := secret_in(text):
        return Leak(f"{name}, line {_line(text, found.start)} holds what looks like {found.kind}", _mend(found.kind))
    if is_recipe and (key := _HUB_TOKEN.search(text)):
        return Leak(f"{name}, line {_line(text, key.end())} holds a token: hub_token", _mend(HUGGING_FACE))
    return None


def leak_in_value(where: str, text: str) -> Leak | None:
    """The same for a value that is in no file: `where` says what it is."""
    found = secret_in(text)
    return Leak(f"{where} holds what looks like {found.kind}", _mend(found.kind)) if found else None


HUGGING_FACE = "a Hugging Face token"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _mend(kind: str) -> str:
    if kind == HUGGING_FACE or kind.startswith("the "):
        return "Remove it; use `hf auth login` or HF_TOKEN instead."
    return "Remove it, and set it as a variable of the environment instead."
