"""Simple rules about a text: does it start like a refusal, does it contain odd characters, which script is it in."""

from __future__ import annotations

import re
from bisect import bisect_right

from smoltui.safe_text import hides

# "I'm sorry for your loss", "sorry you feel that way", "sorry for the confusion": sympathy, or an admitted mistake.
_NOT_PITY = (
    r"(?!,?\s+(?:for\s+(?:your|the|any|my|being)\b|about\s+(?:your|the|that)\b|to\s+hear\b|(?:that\s+)?you\b"
    r"|(?:that\s+)?your\b|if\b|i\s+(?:mis|was|got|did)))"
)
_REFUSAL = re.compile(
    r"\W*(?:(?:oh|well|hmm|um|okay|ok|no)\W+)*(?:"
    r"(?:i[’']?m|i am|we[’']?re|we are)\s+(?:\w+\s+)?"
    rf"(?:sorry\b{_NOT_PITY}|afraid|unable|not\s+(?:able|comfortable|going\s+to|allowed))"
    rf"|sorry\b{_NOT_PITY}|(?:my\s+)?apologies\b{_NOT_PITY}"
    r"|i\s+(?:can[’']?t|cannot|can\s+not)\b(?!\s+(?:wait|help\s+but|believe|agree\s+more|thank|stress))"
    r"|i\s+(?:won[’']?t|will\s+not)\b(?!\s+lie)"
    r"|i\s+don[’']?t\s+(?:think\s+i\s+(?:can|should)|feel\s+comfortable)"
    r"|as\s+an?\s+(?:ai|language\s+model|assistant)\b|unfortunately,?\s+i\b)",
    re.IGNORECASE,
)
_NO_REFUSAL = frozenset("bcdefgjklpqrtvxyzBCDEFGJKLPQRTVXYZ0123456789")
"""First characters with which `_REFUSAL` matches nothing, so that most answers need no search."""
_THOUGHT = re.compile(r"<think>(?!\s*</think>)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# First code points of the blocks of each script's letters (Unicode 17, Blocks.txt), to the start of the next entry.
_RANGES: tuple[tuple[int, str], ...] = (
    (0x0000, "Latin"),
    (0x0250, "Latin"),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0700, "Syriac"),
    (0x0750, "Arabic"),
    (0x0780, "Thaana"),
    (0x07C0, "NKo"),
    (0x0860, "Syriac"),
    (0x0870, "Arabic"),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "Gurmukhi"),
    (0x0A80, "Gujarati"),
    (0x0B00, "Oriya"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "Kannada"),
    (0x0D00, "Malayalam"),
    (0x0D80, "Sinhala"),
    (0x0E00, "Thai"),
    (0x0E80, "Lao"),
    (0x0F00, "Tibetan"),
    (0x1000, "Myanmar"),
    (0x10A0, "Georgian"),
    (0x1100, "Hangul"),
    (0x1200, "Ethiopic"),
    (0x13A0, "Cherokee"),
    (0x1400, "other"),
    (0x1780, "Khmer"),
    (0x1800, "Mongolian"),
    (0x18B0, "other"),
    (0x1C80, "Cyrillic"),
    (0x1C90, "Georgian"),
    (0x1CC0, "other"),
    (0x1D00, "Latin"),
    (0x1F00, "Greek"),
    (0x2000, "other"),
    (0x2C60, "Latin"),
    (0x2C80, "other"),
    (0x2DE0, "Cyrillic"),
    (0x2E00, "other"),
    (0x2E80, "Han"),
    (0x3040, "Kana"),
    (0x3100, "Bopomofo"),
    (0x3130, "Hangul"),
    (0x3190, "other"),
    (0x31F0, "Kana"),
    (0x3200, "other"),
    (0x3400, "Han"),
    (0xA000, "Yi"),
    (0xA4D0, "other"),
    (0xA640, "Cyrillic"),
    (0xA6A0, "other"),
    (0xA720, "Latin"),
    (0xA800, "other"),
    (0xAC00, "Hangul"),
    (0xD800, "other"),
    (0xF900, "Han"),
    (0xFB00, "Latin"),
    (0xFB1D, "Hebrew"),
    (0xFB50, "Arabic"),
    (0xFE00, "other"),
    (0xFE70, "Arabic"),
    (0xFF00, "Latin"),
    (0xFF65, "Kana"),
    (0xFFA0, "Hangul"),
    (0xFFE0, "other"),
    (0x20000, "Han"),
    (0x40000, "other"),
)
_STARTS = [start for start, _ in _RANGES]
_NOT_LATIN = re.compile("[^\x00-\u036f\u1e00-\u1eff\u2000-\u2bff]")
"""Anything but Latin letters, signs and punctuation."""
_LOOKED_AT = 2_000
"""Characters of a text examined for its script."""
_TOGETHER = {"Kana": "Han", "Bopomofo": "Han"}
"""Scripts that one language mixes: Japanese uses kana and Han together."""


def is_refusal(answer: str) -> bool:
    """Whether an English answer starts like a refusal ("I'm sorry, but", "I can't", "As an AI").

    A simple pattern: it misses other wordings and mistakes "Sorry, I misread" for a refusal, equally on both sides.
    """
    return answer[:1] not in _NO_REFUSAL and _REFUSAL.match(answer[:120]) is not None


def has_control(text: str) -> bool:
    """C0 controls except tab and line endings, DEL, and C1 controls."""
    return _CONTROL.search(text) is not None


def has_bidi(text: str) -> bool:
    """Characters that reorder or hide text: those shown by name wherever texts are shown."""
    return hides(text)


_PLAIN_BYTES = bytes(code for code in range(128) if not _CONTROL.match(chr(code)))


def is_unremarkable(text: str) -> bool:
    """Whether it is sure that a text has no control or hidden characters, no letters but Latin ones and no half
    characters, so that none of the other rules finds anything.

    Only what is not plain ASCII is looked at, which takes a tenth of the time.
    """
    rest = text.encode("utf-8", "surrogatepass").translate(None, _PLAIN_BYTES)
    if not rest:
        return True
    odd = rest.decode("utf-8", "surrogatepass")
    return not (has_control(odd) or "\u200d" in odd or hides(odd) or _NOT_LATIN.search(odd))


def main_script(text: str) -> str | None:
    """The Unicode script of most letters among the first 2 000 characters; None without letters."""
    text = text[:_LOOKED_AT]
    if text.isascii() or not _NOT_LATIN.search(text):
        return "Latin" if any(map(str.isalpha, text)) else None
    counts: dict[str, int] = {}
    for char in set(text):
        if char.isalpha():
            script = _RANGES[bisect_right(_STARTS, ord(char)) - 1][1]
            script = _TOGETHER.get(script, script)
            counts[script] = counts.get(script, 0) + text.count(char)
    return max(counts, key=lambda script: (counts[script], script)) if counts else None


def mixed_scripts(prompt: str, chosen: str, rejected: str) -> bool:
    """Whether the answers are mainly in different scripts, or both in a script other than the prompt's."""
    if prompt.isascii() and chosen.isascii() and rejected.isascii():
        return False
    asked, *answers = (main_script(text) for text in (prompt, chosen, rejected))
    known = [script for script in answers if script is not None]
    return len(set(known)) > 1 or bool(asked and known and asked not in known)


def has_thoughts(answer: str) -> bool:
    """Whether an answer contains a reasoning block with text in it, as SmolLM3 and Qwen3 write it."""
    return "<think>" in answer and _THOUGHT.search(answer) is not None
