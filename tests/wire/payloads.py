"""Texts that could control a terminal, one of each kind: complete and partial sequences, markup, hidden characters."""

from __future__ import annotations

import re

PAYLOADS = {
    "clipboard": "a\x1b]52;c;aGk=\x1b\\b",
    "clipboard, BEL": "a\x1b]52;c;aGk=\x07b",
    "title": "a\x1b]0;owned\x07b",
    "title, no end": "a\x1b]0;owned",
    "clear": "a\x1b[2Jb",
    "colour": "a\x1b[31mb",
    "reset and colour": "a\x1b[0m\x1b[7;31mb",
    "cursor home": "a\x1b[Hb",
    "cursor to 5, 5": "a\x1b[0m\x1b[5;5Hb",
    "scroll region": "a\x1b[3;5r\x1b[2Sb",
    "erase line": "a\x1b[Kb\x1b[1Kc",
    "main screen": "a\x1b[?1049lb",
    "wrap and mouse": "a\x1b[?7h\x1b[?1003lb",
    "hyperlink": "a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b",
    "device control": "a\x1bP$qm\x1b\\b",
    "device query": "a\x1b[6n\x1b[cb",
    "full reset": "a\x1bcb",
    "charset": "a\x1b(0lqqk\x0eb",
    "half a sequence": "a\x1b",
    "C1 CSI": "a\x9b31mb\x9b2J",
    "C1 OSC": "a\x9d0;owned\x9cb",
    "C1 DCS": "a\x90qm\x9cb",
    "NUL": "a\x00b",
    "controls": "a\x07\x08\x0b\x0c\x0e\x0fb\x7f",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "bidi": "a\u202eb\u2066c\u200fd",
    "zero width": "a\u200bb\u2060c\ufeffd",
    "line separators": "a\u2028b\u2029c\u0085d",
    "surrogates": "a\ud83db\udc00c",
    "markup": "[red]x[/red] [/b] [@click=app.quit]x[/] [link=http://x]y[/link]",
}
"""31 of them, by name."""

# All that a frame may consist of: SGR, moves, EL, ECH, REP, a scroll region and scrolling in it, and text.
_OWN = re.compile(r"(?:\x1b\[(?:[0-9;]*[mHCD]|[0-9]*[KXbST]|[0-9]+;[0-9]+r|r)|\r)")
_FOREIGN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def foreign(written: str) -> list[str]:
    """Characters in a frame that control, reorder or hide, apart from the driver's own sequences."""
    return _FOREIGN.findall(_OWN.sub("", written))
