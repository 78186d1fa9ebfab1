"""Secrets that are known because somebody registered them, whatever they look like."""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Iterator, Mapping
from functools import lru_cache

from smoltui.redaction.view import Span, seen

MIN_KNOWN = 6
"""Minimum length of a registered secret: a shorter one would remove harmless words from every text."""
MIN_TOKEN = 8
"""Minimum length of a registered token that is a reason to stop: a shorter one may be a word."""

Forms = tuple[str, ...]
"""The two halves of a secret, then its base64 (`forms_of`)."""

_known: dict[str, Forms] = {}
_tokens: set[str] = set()
_needles: list[str] = []
"""The forms of everything registered."""


def register_secrets(*values: str | None, is_token: bool = False) -> None:
    """From now on `redact` removes `values` everywhere. None and values shorter than `MIN_KNOWN` are ignored.

    `is_token`: they are nothing but tokens, so `secret_in` finds them too.
    """
    for value in values:
        stripped = (value or "").strip()
        if is_token and len(stripped) >= MIN_TOKEN:
            _tokens.add(stripped)
        _known.update({form: forms_of(form) for form in (stripped, seen(stripped)) if len(form) >= MIN_KNOWN})
    _needles[:] = dict.fromkeys(form for forms in _known.values() for form in forms)


def forget_secrets() -> None:
    """Undoes every `register_secrets`."""
    _known.clear()
    _tokens.clear()
    _needles.clear()


def known_with(secrets: tuple[str, ...]) -> dict[str, Forms]:
    """Those of `secrets` that are long enough and not registered, with their forms."""
    return {secret: forms_of(secret) for secret in secrets if len(secret) >= MIN_KNOWN and secret not in _known}


def all_known(more: Mapping[str, Forms]) -> dict[str, Forms]:
    """The registered secrets and `more`."""
    return {**_known, **more}


def known_tokens() -> dict[str, Forms]:
    return {token: forms_of(token) for token in _tokens}


def may_hold_known(text: str) -> bool:
    """Whether a form of a registered secret is in `text`."""
    return bool(_needles) and any(form in text for form in _needles)


@lru_cache(maxsize=64)
def forms_of(secret: str) -> Forms:
    """Texts of which one is present wherever the secret is: its halves, because it may be broken once, unless they are
    too short to mean anything; then `_in_base64`."""
    half = len(secret) // 2 if len(secret) >= 2 * MIN_TOKEN else 0
    return (secret[:half] or secret, secret[half:], *_in_base64(secret))


def _in_base64(secret: str) -> Forms:
    """What the base64 of any text with the secret in it contains.

    That depends on the secret's position modulo three. The characters at either end also depend on its neighbours and
    are left off.
    """
    data = secret.encode("utf-8", "surrogatepass")
    found = []
    for before in range(3):
        encoded = binascii.b2a_base64(b"\0" * before + data, newline=False).decode("ascii")
        inside = encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[(before + len(data)) % 3]]
        found += [inside, inside.translate(str.maketrans("+/", "-_"))]
    return tuple(dict.fromkeys(form for form in found if len(form) >= MIN_KNOWN))


_BASE64 = frozenset(string.ascii_letters + string.digits + "+/-_")


def known_spans(text: str, known: Mapping[str, Forms]) -> Iterator[Span]:
    """Spans of the `known` secrets in a view: unchanged, wrapped and in base64."""
    for secret, (first, second, *encoded) in known.items():
        if first in text or second in text:
            prefix = len("hf_") if secret[:3].lower() == "hf_" else 0  # it stays, as in front of an unknown token
            for match in _wrapped(secret).finditer(text):
                yield match.start() + prefix, match.end()
        for form in encoded:
            yield from _base64_spans(text, form)


def _base64_spans(text: str, form: str) -> Iterator[Span]:
    at = text.find(form)
    while at >= 0:
        start, end = at, at + len(form)
        while start > max(at - 3, 0) and text[start - 1] in _BASE64:  # what `_in_base64` left off
            start -= 1
        while end < min(at + len(form) + 3, len(text)) and text[end] in _BASE64:
            end += 1
        yield start, end
        at = text.find(form, at + len(form))


@lru_cache(maxsize=64)
def _wrapped(secret: str) -> re.Pattern[str]:
    """The secret, also with a line break inside it."""
    return re.compile(r"(?:[ \t]*[\n↵][ \t]*)?".join(map(re.escape, secret)))
