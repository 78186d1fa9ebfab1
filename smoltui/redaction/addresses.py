"""Passwords and signatures in addresses: `https://user:password@host`, `?sig=…`."""

from __future__ import annotations

from collections.abc import Iterator

from smoltui.redaction.names import is_placeholder
from smoltui.redaction.patterns import Pattern
from smoltui.redaction.view import Span

_USERINFO = Pattern(r"://(?P<who>[^\s/?#\"'<>\\]{1,2000})@")
_QUERY = Pattern(r"(?i)[?&;](?:x-amz-|x-goog-)?(?:sig|signature|security-token)=(?P<secret>[^\s&\"'<>*\\]{6,})")


def may_hold_address(text: str) -> bool:
    """Whether `address_spans` could find anything in `text`."""
    return "://" in text and bool(_USERINFO.re.search(text) or _QUERY.re.search(text))


def address_spans(text: str) -> Iterator[Span]:
    """Spans of the passwords before a host and of the signatures after it, in a view."""
    if "://" not in text:
        return
    for match in _USERINFO.re.finditer(text):
        start, end = match.span("who")
        user, colon, password = match["who"].partition(":")
        if colon:
            if password and not is_placeholder(password):
                yield start + len(user) + 1, end
        elif len(user) >= 12 and user.isalnum() and any(map(str.isdigit, user)):
            yield start, end
    for match in _QUERY.re.finditer(text):
        yield match.span("secret")
