"""Patterns that are compiled on first use: the start of the app needs none of them."""

from __future__ import annotations

import re
from functools import cached_property


class Pattern:
    """A regular expression, next to the code that uses it."""

    def __init__(self, source: str) -> None:
        self._source = source

    @cached_property
    def re(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self._source)
