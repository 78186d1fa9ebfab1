"""Searches in a set: a text, a regular expression, or a condition over the columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.pairs.facts import sound

_WHERE = re.compile(r"\s*where\b\s*(.*)", re.IGNORECASE | re.DOTALL)
_COSTLY = re.compile(r"\)[*+?{]|(?:[*+{].*){3}", re.DOTALL)
_REGEX = re.compile(r"/(.+)/(i?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PairQuery:
    """One search."""

    kind: Literal["text", "regex", "where"]
    words: str
    """The text, the expression or the condition, without its marker."""
    ignores_case: bool = True

    @property
    def shown(self) -> str:
        """As typed."""
        if self.kind == "regex":
            return f"/{self.words}/{'i' if self.ignores_case else ''}"
        return f"where {self.words}" if self.kind == "where" else self.words

    def pattern(self) -> re.Pattern[str] | None:
        """Pattern that highlights matches in a text; None for a condition, or an expression that Python should not run.

        RE2 searches in linear time; Python's own engine, which highlights matches, may take forever on
        repeated groups and many repetitions, and supports less of RE2's syntax.
        """
        if self.kind == "where" or (self.kind == "regex" and _COSTLY.search(self.words)):
            return None
        flags = re.IGNORECASE if self.ignores_case else re.NOFLAG
        try:
            return re.compile(re.escape(self.words) if self.kind == "text" else self.words, flags)
        except re.error:
            return None


def parse_query(text: str) -> PairQuery | None:
    """`where …` is an SQL condition, `/…/` a regular expression (`/…/i` ignores case), else text, ignoring case.

    None for an empty text.
    """
    if found := _WHERE.fullmatch(text):
        return PairQuery("where", sound(found[1].strip())) if found[1].strip() else None
    if found := _REGEX.fullmatch(text.strip()):
        return PairQuery("regex", sound(found[1]), ignores_case=bool(found[2]))
    return PairQuery("text", sound(text)) if text.strip() else None


def named_columns(condition: str, further: dict[str, str]) -> tuple[set[str], dict[str, str]]:
    """(our columns, the rows' further columns → kind) that an SQL condition may use.

    Quoted words count as names too: reading an extra column does no harm.
    """
    words = {word.lower() for word in re.findall(r"[^\W\d]\w*", condition)}
    quoted = {name.replace('""', '"').lower() for name in re.findall(r'"((?:[^"]|"")+)"', condition)}
    ours = {name for name in COLUMNS if name in words}
    others = {name: kind for name, kind in further.items() if {name.lower(), f"row_{name}".lower()} & (quoted | words)}
    return ours, others
