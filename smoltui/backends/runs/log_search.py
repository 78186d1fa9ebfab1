"""Searching a spooled log for a text or a regular expression, in pieces, and incrementally as the log grows.

Arrow searches without holding Python's lock, and RE2 takes linear time: Python's own engine would freeze the screen on
a bad expression, perhaps forever.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from smoltui.core.runs.log_lines import Searched
from smoltui.core.runs.log_text import CSI
from smoltui.errors import InputError
from smoltui.safe_text import safe

REPORT_SECONDS = 0.05
"""Minimum seconds between two reports of hits."""
_REGEX = re.compile(r"/(.+)/(i?)")
_BEGIN, _END = "\x02", "\x03"  # never occur in text that is drawn


class Search:
    """One search; see `core.runs.log_lines.LogSearch`."""

    def __init__(self, spool: Searched, query: str) -> None:
        self.shown = query
        self._spool = spool
        found = _REGEX.fullmatch(query.strip())
        self._is_text = found is None
        self._words = found[1] if found else query
        self._pattern = found[1] if found else "".join(_quoted(char) for char in query)
        self._ignore_case = found is None or bool(found[2])
        self._at = 0

    def run(self, report: Callable[[int, int, Sequence[int]], object], stopped: Callable[[], bool]) -> None:
        """Searches the lines added since the last call; see `LogSearch.run`.

        Raises:
            InputError: RE2 rejects the expression; the hint has its message.
        """
        self._matches(b"")  # an invalid expression is refused even if the log is empty
        first, found = self._at, array("Q")
        told = time.monotonic()
        while not stopped() and (part := self._spool.chunk(self._at)) is not None:
            found.extend([self._at + place for place in self._matches(part[1])])
            self._at = part[0]
            if time.monotonic() - told >= REPORT_SECONDS:
                report(first, self._at, found)
                first, found, told = self._at, array("Q"), time.monotonic()
        if stopped():
            return
        end = self._at
        if (last := self._spool.last()) is not None and last[0] == end:
            found.extend([end for _ in self._matches(f"{last[1]}\n".encode())])
            end += 1
        report(first, end, found)

    def _matches(self, data: bytes) -> list[int]:
        """Indexes of the matching lines in `data`."""
        import pyarrow as pa
        from pyarrow import compute as pc

        text = data[:-1]
        whole = pa.StringArray.from_buffers(1, pa.py_buffer(array("i", [0, len(text)])), pa.py_buffer(text))
        lines = pc.split_pattern(whole, "\n").flatten()
        if b"\x1b" in data:
            lines = pc.replace_substring_regex(lines, CSI, "")
        match = pc.match_substring if self._is_text else pc.match_substring_regex
        try:
            found: list[int] = pc.indices_nonzero(match(lines, self._words, ignore_case=self._ignore_case)).to_pylist()
        except pa.ArrowInvalid as error:
            said = str(error).split("Invalid regular expression: ")[-1]
            raise InputError(
                f"Not a valid regular expression (RE2): {safe(self._words, 200)}",
                f"{safe(said, 200)}. To search for plain text, leave out the slashes.",
            ) from error
        return found if data else []

    def marks(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """The hits in each of `texts`, as (begin, end) in characters; the texts are safe to draw."""
        import pyarrow as pa
        from pyarrow import compute as pc

        pattern = f"(?i:{self._pattern})" if self._ignore_case else f"(?:{self._pattern})"
        marked: Any = pc.replace_substring_regex(pa.array(texts, pa.string()), pattern, f"{_BEGIN}\\0{_END}")
        return [_places(text) for text in marked.to_pylist()]


def _quoted(char: str) -> str:
    """A character that is literal in RE2."""
    return f"\\{char}" if char.isascii() and not char.isalnum() and char != "_" else char


def _places(text: str) -> list[tuple[int, int]]:
    """Begin and end of each marked part, counted without the marks; empty parts are ignored."""
    found: list[tuple[int, int]] = []
    at = 0
    for part in text.split(_BEGIN)[:1]:
        at = len(part)
    for part in text.split(_BEGIN)[1:]:
        hit, _, rest = part.partition(_END)
        if hit:
            found.append((at, at + len(hit)))
        at += len(hit) + len(rest)
    return found
