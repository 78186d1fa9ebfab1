"""Finding fields by part of a name, by words of their help, or with typos; the decisive ones first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CLOSE = 78.0
"""Similarity (rapidfuzz, 0 to 100) from which a name is taken for a misspelled query."""
SHORTEST = 3
"""Characters from which a query is compared with misspelled names."""


@dataclass(frozen=True, slots=True)
class Findable:
    """A field, as it can be found."""

    key: str
    label: str
    help: str
    decisive: bool = False
    """One of the important fields, or a key that the file sets."""


def found(query: str, fields: Iterable[Findable]) -> list[str]:
    """Keys of the fields that match, the best first.

    In this order: the whole name, the beginning of the name or of a word in it, a part of it, all words in name and
    help, and a name similar to the query. Decisive fields come first within each.
    """
    wanted = _plain(query)
    if not wanted:
        return []
    ranked = [
        (*rank, not field.decisive, place, field.key)
        for place, field in enumerate(fields)
        if (rank := _rank(wanted, field)) is not None
    ]
    if not ranked and len(wanted) >= SHORTEST:
        return _similar(wanted, list(fields))
    return [key for *_, key in sorted(ranked)]


def _rank(wanted: str, field: Findable) -> tuple[int] | None:
    names = (_plain(field.key), _plain(field.label))
    if wanted in names:
        return (0,)
    if any(name.startswith(wanted) or f" {wanted}" in name for name in names):
        return (1,)
    if any(wanted in name for name in names):
        return (2,)
    whole = " ".join((*names, field.help.lower()))
    words = wanted.split()
    if all(_begins(word, whole) for word in words):
        return (3,)
    # abbreviations, such as lr for learning_rate, and pdtbs
    if len(wanted) > 1 and _initials(names[0]).startswith(wanted.replace(" ", "")):
        return (4,)
    return None


def _begins(word: str, text: str) -> bool:
    """Whether a word of the text begins so."""
    return text.startswith(word) or re.search(rf"[^a-z0-9]{re.escape(word)}", text) is not None


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split())


def _similar(wanted: str, fields: Sequence[Findable]) -> list[str]:
    from rapidfuzz import fuzz

    scored = [
        (max(fuzz.ratio(wanted, name), fuzz.partial_ratio(wanted, name) - 5), field)
        for field in fields
        for name in (_plain(field.key), _plain(field.label))
    ]
    close = [(-score, not field.decisive, field.key) for score, field in scored if score >= CLOSE]
    return list(dict.fromkeys(key for *_, key in sorted(close)))


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s_.-]+", text.lower().strip()))
