"""JSON that others wrote: decoded within limits, so that a small text cannot fill the memory or the stack."""

from __future__ import annotations

import json
import re
from typing import Any

MOST_BYTES = 64 << 20
"""Of one document."""
MOST_PARTS = 4_000_000
"""Values of one document: an empty object takes 2 bytes of text and 64 bytes of memory."""
DEEPEST = 100
"""Objects and arrays inside one another. Writing a value out again takes a frame of Python's stack for each."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class JSONLimitError(ValueError):
    """JSON beyond one of the limits; the message ends a sentence about where it was found."""


def decode(source: bytes | str, *, most_bytes: int = MOST_BYTES) -> Any:
    """As `json.loads`, with every way to fail a ValueError.

    Lone surrogates, which `\\ud800` makes, are kept: `core.pairs.facts.sound` replaces them where they must not stay.

    Raises:
        ValueError: not JSON, not UTF-8, a whole number of more than 4,300 digits, or beyond a limit (`JSONLimitError`).
    """
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    check_size(data, most_bytes)
    try:
        # Decoded here: json itself would take bytes for UTF-16 or UTF-32 where they look like it.
        value = json.loads(source if isinstance(source, str) else source.decode("utf-8"))
    except RecursionError as error:
        raise too_deep() from error
    except MemoryError as error:
        raise JSONLimitError("too large for the memory") from error
    if data.count(b"{") + data.count(b"[") > DEEPEST:
        check_depth(value)
    return value


def check_size(data: bytes | bytearray, most_bytes: int = MOST_BYTES, most_parts: int = MOST_PARTS) -> None:
    """Raises JSONLimitError for a text that is too long, or that would become too many values."""
    if len(data) > most_bytes:
        raise JSONLimitError(f"larger than {most_bytes >> 20} MB")
    if _signs(data) > most_parts and _signs(_STRING.sub(b"", data)) > most_parts:
        raise JSONLimitError(f"more than {most_parts:,} values")


def _signs(data: bytes | bytearray) -> int:
    """An upper bound of the values in a text: those inside strings are counted too."""
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def check_depth(value: Any, deepest: int = DEEPEST) -> None:
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
    """What is said of a value that is nested too deeply."""
    return JSONLimitError("nested too deeply")
