r"""What a reader sees of a text, and where each visible character is in it.

Colours, zero-width characters, escapes (`\u005f`, `%5F`) and full-width letters hide a secret from a search but not
from a reader. So the search runs on a view without them, and what it finds is removed from the text itself.
"""

from __future__ import annotations

import re
from array import array

from smoltui.redaction.patterns import Pattern

Span = tuple[int, int]
"""First character, and the one after the last."""

MASK = "***"

_WIDE = "\uff01-\uff5e\U0001d400-\U0001d7ff"
# What `safe` puts in place of a control character (pictures, ⟨names⟩) hides as much as the character did.
_INVISIBLE = (
    "\x80-\x9f\u2400-\u2421\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
)
_PERCENT = "%(?:25)*(?P<percent>[2-7][0-9a-fA-F])"
_BACKSLASH = r"\\(?:u00|x)(?P<escape>[2-7][0-9a-fA-F])"

_COLOUR = Pattern(r"\x1b\[[0-9;:]*m")
_PERCENTS = Pattern(_PERCENT)
_BACKSLASHES = Pattern(_BACKSLASH)
_NOT_ASCII = Pattern(f"[{_WIDE}{_INVISIBLE}⟨]")
_HIDDEN = Pattern(
    rf"[\x1b␛]\[[0-?]*[ -/]*[@-~]|\\*{_BACKSLASH}|{_PERCENT}|&\#x(?P<html>[2-7][0-9a-fA-F]);"
    rf"|&\#(?P<decimal>[0-9]{{2,3}});|(?P<wide>[{_WIDE}])|⟨[0-9A-Z]{{1,6}}⟩|[\x00-\x08\x0b-\x1f\x7f{_INVISIBLE}]"
)

# A log can bring 100 000 lines per second, and every word that is searched for costs time. So a text is first mapped to
# classes: w for the characters of a token except _, ! for controls.
_CONTROLS = {*range(0x20), 0x7F} - {9, 10}
_CLASSES = "".join(
    "!" if code in _CONTROLS else "w" if code == 0x2D or (code < 0x80 and chr(code).isalnum()) else " "
    for code in range(256)
).encode("ascii")


def classes_of(text: str) -> bytes:
    """One letter per byte of `text`: w for letters, digits and -, ! for control characters, otherwise a space."""
    return text.encode("utf-8", "surrogatepass").translate(_CLASSES)


def without_colours(text: str) -> str:
    return _COLOUR.re.sub("", text) if "\x1b" in text else text


def hides(text: str, classes: bytes) -> bool:
    """Whether the view of `text` differs from it; `classes` are those of `text`."""
    return bool(
        b"!" in classes
        or ("%" in text and _PERCENTS.re.search(text))
        or ("\\" in text and _BACKSLASHES.re.search(text))
        or "&#" in text
        or (not text.isascii() and _NOT_ASCII.re.search(text))
    )


def seen(text: str) -> str:
    """The view of `text`; `text` itself if nothing is hidden in it."""
    return shown(text) if hides(text, classes_of(text)) else text


def shown(text: str) -> str:
    """As `seen`, for a text that is known to hide something."""
    return _HIDDEN.re.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    """What a reader, or the program that the text is for, makes of something hidden."""
    group = match.lastgroup
    if group is None:
        return ""
    if group == "wide":
        import unicodedata

        return unicodedata.normalize("NFKC", match[0])
    code = int(match[group], 10 if group == "decimal" else 16)
    return chr(code) if 0x20 <= code < 0x7F else match[0]


class View:
    """What is seen of a text, and where its characters are in the text."""

    def __init__(self, text: str) -> None:
        self.text = seen(text)
        self._places = None if self.text is text else _places(text)

    def span(self, start: int, end: int) -> Span:
        """The place in the text of characters `start` to `end` - 1 of the view, at least one character."""
        if self._places is None:
            return start, end
        starts, ends = self._places
        return starts[start], ends[end - 1]


def _places(text: str) -> tuple[array[int], array[int]]:
    """Where each character of the view starts and ends in `text`."""
    starts, ends = array("I"), array("I")
    at = 0
    for match in _HIDDEN.re.finditer(text):
        starts.extend(range(at, match.start()))
        ends.extend(range(at + 1, match.start() + 1))
        at = match.end()
        characters = len(_shown(match))
        starts.extend([match.start()] * characters)
        ends.extend([at] * characters)
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return starts, ends


def masked(text: str, spans: list[Span]) -> str:
    """`text` with `MASK` in place of each of the sorted `spans`, at least one; overlapping ones become one mask."""
    parts, at = [], 0
    begin, end = spans[0]
    for start, stop in [*spans[1:], (len(text) + 1, 0)]:
        if start <= end:
            end = max(end, stop)
            continue
        parts += [text[at:begin], MASK]
        at, begin, end = end, start, stop
    return "".join([*parts, text[at:]])
