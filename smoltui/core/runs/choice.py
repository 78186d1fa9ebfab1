"""One of the values that a place offers for a setting."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """A value, and what is known about it."""

    value: str
    words: str
    """Empty: nothing."""
