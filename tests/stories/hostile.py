"""Texts that try to control a terminal, and the invariants of every line drawn from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from hypothesis import strategies as st
from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b]52;c;aGk=\x1b\\",
    "\x9b31mred\x9d0;title\x9c",
    "[red]x[/red] [/b] [@click=app.quit]x[/] [link=http://x]y[/link]",
    f"a{BIDI}b",
    "👩‍👩‍👧‍👦👍🏽🇫🇷✂️",
    "a\u200db\u200d",
    "日本語の長い文" * 60,
    "tab\tand\ttab\r\nline\rover\x0bvertical",
    "nul\x00bel\x07del\x7f",
    "lone \ud83d and \udc00",
    "e\u0301\u0301\u0301\ufe0f\u20e3",
    "nbsp\u00a0em\u2003ideographic\u3000",
    "\ufeffbom\u2028ls\u2029ps\u0085nel",
    "x" * 1_000_000,
    "",
)
ANY_TEXT = st.text(
    st.characters() | st.sampled_from("\x00\t\n\r\x1b\x7f\x9b\ud800\u200d\ufe0f日👩é\u0301\u00a0 " + BIDI)
)


def lines_of(widget: Widget) -> list[Strip]:
    """All lines of a widget as currently drawn."""
    return [widget.render_line(y) for y in range(widget.size.height)]


def assert_clean(strips: Iterable[Strip], width: int) -> None:
    """Each line is exactly `width` cells wide, and contains nothing that controls a terminal or is hidden."""
    for number, strip in enumerate(strips):
        measured = sum(cell_len(segment.text) for segment in strip)
        assert strip.cell_length == measured == width, (
            f"line {number} has {measured} cells, not {width}: {strip.text!r}"
        )
        assert not any(segment.control for segment in strip)
        assert_safe(strip.text)


def assert_safe(text: str) -> None:
    """No control characters, lone surrogates or bidirectional controls."""
    for char in text:
        assert unicodedata.category(char) not in ("Cc", "Cs"), f"{char!r} in {text!r:.200}"
        assert char not in BIDI + "\u200b\u2028\u2029\ufeff", f"{char!r} in {text!r:.200}"
