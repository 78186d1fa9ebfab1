r"""Removes tokens, keys and passwords from text, however they are written, and finds the first one in it.

A secret is recognized in four ways, one module each:

- `known.py`: it is registered (`register_secrets`), whatever its shape.
- `shapes.py`: its shape is unmistakable (`hf_…`, `ghp_…`, a private key).
- `names.py`: its name says so (`password=…`, `HF_TOKEN: …`).
- `addresses.py`: it is in an address (`https://user:password@host`, `?sig=…`).

All of them search what a reader sees of the text (`view.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smoltui.redaction.addresses import address_spans, may_hold_address
from smoltui.redaction.known import (
    MIN_KNOWN,
    MIN_TOKEN,
    Forms,
    all_known,
    forget_secrets,
    known_spans,
    known_tokens,
    known_with,
    may_hold_known,
    register_secrets,
)
from smoltui.redaction.names import may_be_name, may_hold_named, named_spans
from smoltui.redaction.shapes import BrokenTokens, certain_shapes, may_hold_shape, shape_spans
from smoltui.redaction.view import MASK, Span, View, classes_of, hides, masked, seen, shown, without_colours

__all__ = [
    "MASK",
    "MIN_KNOWN",
    "MIN_TOKEN",
    "BrokenTokens",
    "Secret",
    "forget_secrets",
    "may_hold_secret",
    "redact",
    "redact_json",
    "register_secrets",
    "secret_in",
    "without_tokens",
]

_ROUNDS = 4
"""Maximum number of passes over one text. One is nearly always enough; the next one finds that nothing is left."""


class Secret(NamedTuple):
    """A secret in a text."""

    start: int
    end: int
    kind: str
    """What it looks like, with its article: "a Hugging Face token"."""


def may_hold_secret(text: str) -> bool:
    """Whether `redact` could find anything. Many times faster than `redact`, for one line or a thousand at once."""
    bare = without_colours(text)
    classes = classes_of(bare)
    if _may_hold(bare, classes):
        return True
    if not hides(bare, classes):
        return False
    view = shown(bare)
    return _may_hold(view, classes_of(view))


def _may_hold(text: str, classes: bytes) -> bool:
    low = text.lower()
    return may_hold_named(low) or may_hold_address(text) or may_hold_shape(text, low, classes) or may_hold_known(text)


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without secrets: `secrets`, the registered ones, and everything that looks like one or is called one.

    Idempotent. Used on every log line, server message and exported file. A secret that is broken in two by a line end
    is found when both lines are in `text`.
    """
    more = known_with(secrets) if secrets else {}
    for _ in range(_ROUNDS):
        if not (may_hold_secret(text) or (more and _may_hold_any(text, more))):
            return text
        view = View(text)
        known = all_known(more)
        spans = [view.span(start, end) for start, end in _spans(view.text, known)]
        if view.text is not text:  # a sequence such as ESC [ h takes the first letter of the text behind it
            spans += _spans(text, known)
        if not spans:
            return text
        text = masked(text, sorted(spans))
    return text


def _may_hold_any(text: str, known: Mapping[str, Forms]) -> bool:
    view = seen(text)
    return any(form in view for forms in known.values() for form in forms)


def _spans(text: str, known: Mapping[str, Forms]) -> Iterator[Span]:
    """Spans of all secrets in a view, in no order."""
    low = text.lower()
    yield from known_spans(text, known)
    yield from shape_spans(text, low)
    if may_be_name(low):
        yield from named_spans(text)
    yield from address_spans(text)


def redact_json(data: Any, name: str = "") -> Any:
    """`data`, as decoded from JSON, with every text redacted, and masked whole if its key says that it is a secret.

    `name` is the key of `data` itself.
    """
    if isinstance(data, Mapping):
        return {key: redact_json(value, str(key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [redact_json(value, name) for value in data]
    if not isinstance(data, str):
        return data
    return MASK if _is_named_secret(name, data) else redact(data)


def _is_named_secret(name: str, value: str) -> bool:
    if not name or not may_be_name(name.lower()):
        return False
    plain = re.sub(r"[\"\\\n]", " ", value)
    return any(named_spans(f'{name}="{plain}"'))


def without_tokens(data: Any) -> Any:
    """Like `redact_json`, but removes only what `secret_in` finds: for what a person or a model wrote."""
    if isinstance(data, Mapping):
        return {key: without_tokens(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_tokens(value) for value in data]
    if isinstance(data, str):
        while found := secret_in(data):
            data = f"{data[: found.start]}{MASK}{data[found.end :]}"
    return data


def secret_in(text: str) -> Secret | None:
    """The first secret in `text` that nothing else looks like, or the first registered token; None without one.

    Stricter than `redact`, which removes too much rather than too little: this is a reason to stop.
    """
    if not may_hold_secret(text):
        return None
    view = View(text)
    found = [Secret(*view.span(start, end), kind) for start, end, kind in _certain(view.text)]
    if view.text is not text:
        found += map(Secret._make, _certain(text))
    return min(found, default=None)


def _certain(text: str) -> Iterator[tuple[int, int, str]]:
    for start, end in known_spans(text, known_tokens()):
        yield start, end, "the token of this machine"
    yield from certain_shapes(text)
