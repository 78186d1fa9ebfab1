"""Foreign JSON, decoded within limits, so that a small text cannot exhaust memory or stack."""

from __future__ import annotations

import json
import re
from typing import Any

MOST_BYTES = 64 << 20
"""Bytes of one document."""
MOST_PARTS = 4_000_000
"""Values of one document: an empty object takes 2 bytes of text and 64 bytes of memory."""
DEEPEST = 100
"""Nesting depth of objects and arrays. Writing a value takes a frame of Python's stack per level."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class JSONLimitError(ValueError):
    """JSON beyond one of the limits; the message completes a sentence about its location."""


def decode(source: bytes | str, *, most_bytes: int = MOST_BYTES, deepest: int = DEEPEST) -> Any:
    """Like `json.loads`, but every failure is a ValueError.

    Lone surrogates, which `\\ud800` makes, are kept: `core.pairs.facts.sound` replaces them where necessary.

    Raises:
        ValueError: not JSON, not UTF-8, a whole number of more than 4,300 digits, or beyond a limit (`JSONLimitError`).
    """
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    check_size(data, most_bytes)
    try:
        # Decoded here, because json would guess UTF-16 or UTF-32 from the bytes.
        value = json.loads(source if isinstance(source, str) else source.decode("utf-8"))
    except RecursionError as error:
        raise too_deep() from error
    except MemoryError as error:
        raise JSONLimitError("too large for the available memory") from error
    if data.count(b"{") + data.count(b"[") > deepest:
        check_depth(value, deepest)
    return value


def check_size(data: bytes | bytearray, most_bytes: int = MOST_BYTES, most_parts: int = MOST_PARTS) -> None:
    """Raises JSONLimitError for a text that is too long or has too many values."""
    if len(data) > most_bytes:
        raise JSONLimitError(f"larger than {most_bytes >> 20} MB")
    if len(data) > most_parts and _signs(data) > most_parts and _signs(_STRING.sub(b"", data)) > most_parts:
        raise JSONLimitError(f"more than {most_parts:,} values")


def _signs(data: bytes | bytearray) -> int:
    """An upper bound for the number of values in a text: separators inside strings count too."""
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def check_depth(value: object, deepest: int = DEEPEST) -> None:
    """Raises JSONLimitError for a decoded value that is nested too deeply."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(deepest):
        if not level:
            return
        parts = (part for item in level for part in (item.values() if isinstance(item, dict) else item))
        level = [part for part in parts if isinstance(part, dict | list)]
    if level:
        raise too_deep()


def too_deep() -> JSONLimitError:
    """The error for a value that is nested too deeply."""
    return JSONLimitError("nested too deeply")
