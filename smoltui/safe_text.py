"""Makes foreign text safe to draw: the only barrier between dataset rows, logs, server messages and the terminal.

Textual passes ESC and C1 controls to the terminal unchanged, in every widget that shows text, so each foreign string
goes through `safe` (or `safe_line`) before it reaches one, and is drawn as `rich.text.Text` or with `markup=False`.
"""

from __future__ import annotations

import re

from smoltui.redaction import redact as redact

TAB_SIZE = 4
MAX_SHOWN = 20_000
"""Characters of one string handed to a widget: a line of 1 MB takes Textual seconds to lay out."""

# Bidirectional overrides, isolates and marks reorder the text around them; zero-width characters are invisible;
# U+2028/2029 and U+0085 end a line for some programs and not for others.
_MARKED = {
    0x00AD: "SHY",
    0x034F: "CGJ",
    0x061C: "ALM",
    0x115F: "HCF",
    0x1160: "HJF",
    0x17B4: "KIV",
    0x17B5: "KIV",
    0x180E: "MVS",
    0x200B: "ZWSP",
    0x200C: "ZWNJ",
    0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LS",
    0x2029: "PS",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2060: "WJ",
    0x2061: "FA",
    0x2062: "IT",
    0x2063: "IS",
    0x2064: "IP",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0x206A: "ISS",
    0x206B: "ASS",
    0x206C: "IAFS",
    0x206D: "AAFS",
    0x206E: "NADS",
    0x206F: "NODS",
    0x3164: "HF",
    0xFEFF: "BOM",
    0xFFA0: "HHF",
    0xFFF9: "IAA",
    0xFFFA: "IAS",
    0xFFFB: "IAT",
}

_TABLE: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_TABLE[0x7F] = "␡"
_TABLE |= {code: f"⟨{code:02X}⟩" for code in range(0x80, 0xA0)}
_TABLE |= {code: f"⟨{name}⟩" for code, name in _MARKED.items()}
_TABLE |= {0xE0000 + code: f"⟨TAG{code:02X}⟩" for code in range(0x80)}

_HIDING = "".join(chr(code) for code in _MARKED) + "\U000e0000-\U000e007f"
_HIDDEN = re.compile(f"[{_HIDING}]")
_ESCAPED = re.compile(f"[\x7f-\x9f\u200d{_HIDING}\ud800-\udfff]")
_UNSAFE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_HIDING}\ud800-\udfff]")
# A joiner between two emoji is part of a picture; anywhere else it is merely invisible.
_LONE_JOINER = re.compile(
    "(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2600-\u27bf\U0001f000-\U0001faff])"
)


def hides(text: str) -> bool:
    """Whether `text` has invisible characters or ones that reorder it; a joiner inside an emoji does not count."""
    if text.isascii():
        return False
    return _HIDDEN.search(text) is not None or ("\u200d" in text and _LONE_JOINER.search(text) is not None)


def _replacement(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else _TABLE[code]


def safe(text: str, limit: int | None = MAX_SHOWN) -> str:
    r"""`text` with every character visible that is invisible or could act on a terminal.

    C0 and DEL become control pictures (`␛`), C1 `⟨9B⟩`, bidirectional and zero-width characters a name in angle
    brackets, lone surrogates `\ufffd`. Newlines stay, tabs are expanded. At most `limit` characters of `text` are kept,
    followed by "… N more characters"; None means no limit.
    """
    more = 0
    if limit is not None and len(text) > limit:
        more, text = len(text) - limit, text[:limit]
    text = text.replace("\r\n", "\n")
    if _UNSAFE.search(text):
        text = _UNSAFE.sub(_replacement, text)
    if "\u200d" in text:
        text = _LONE_JOINER.sub("⟨ZWJ⟩", text)
    if "\t" in text:
        text = text.expandtabs(TAB_SIZE)
    return f"{text}… {more:,} more characters" if more else text


def safe_line(text: str, limit: int = 400) -> str:
    """`safe` on one line: newlines become `↵`, and at most `limit` characters are kept, followed by an ellipsis."""
    cut = text[: limit + 1]
    shown = safe(cut.replace("\r\n", "\n").replace("\n", "↵").replace("\t", " "), None)
    return f"{shown[:limit]}…" if len(shown) > limit or len(text) > limit else shown


def escaped(json_text: str) -> str:
    r"""A JSON document with every character that `safe` would show as a symbol written as `\uXXXX`: the same value.

    C0 controls are already escaped in JSON, and the others can only be inside its strings.
    """
    return json_text if json_text.isascii() and "\x7f" not in json_text else _ESCAPED.sub(_as_escape, json_text)


def _as_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
