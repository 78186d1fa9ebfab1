"""Columns that complete the word at the cursor of a `where` condition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.pairs.further import further_name, nearest, sql_name
from smoltui.safe_text import safe_line

MOST, MOST_FURTHER = 200, 2_000
"""Maximum number of proposals, and of further columns that they are chosen from."""
_CONDITION = re.compile(r"\s*where\s+", re.IGNORECASE)
_IN_QUOTES = re.compile(r"""(?P<quote>['"])(?:(?!(?P=quote)).|(?P=quote){2})*(?P<end>(?P=quote)?)""", re.DOTALL)
"""A literal or a name in quotes; `end` is empty while it is open."""
_WORD = re.compile(r"[^\W\d]\w*\Z")
_REST, _QUOTED_REST = re.compile(r"\w*"), re.compile(r'[\w ]*"|\w*')
"""What follows the cursor and still belongs to the name."""
_AWAITS = re.compile(r"(?:\A|\(|(?<!\w)(?:and|or|not))\s*\Z", re.IGNORECASE)
"""Where a condition that ends so continues with a column."""


class Proposal(NamedTuple):
    """One column."""

    name: str
    """As it is written in a condition."""
    kind: str
    """text, number, share, yes/no or json; empty if unknown."""
    words: str
    """Description; empty for a further column of the rows."""


class Completion(NamedTuple):
    """Proposals for a stretch of a text."""

    start: int
    end: int
    proposals: list[Proposal]

    def applied(self, text: str, choice: int) -> tuple[str, int]:
        """`text` with a proposal in place of the stretch and a space after it, and the place of the cursor."""
        begin = f"{text[: self.start]}{self.proposals[choice].name} "
        return begin + text[self.end :].lstrip(), len(begin)


def completion(text: str, cursor: int, further: Mapping[str, str]) -> Completion | None:
    """Columns for the word at `cursor` in a search; None if none is expected there.

    `further`: the rows' further columns → kind. They come first. Without a matching name, similar ones are proposed.
    """
    condition = _CONDITION.match(text[:cursor])
    if condition is None:
        return None
    start = _word_start(text, condition.end(), cursor)
    if start is None:
        return None
    word = text[start:cursor].lstrip('"').replace('""', '"')
    rest = (_QUOTED_REST if text[start:cursor].startswith('"') else _REST).match(text, cursor)
    end = rest.end() if rest is not None else cursor
    proposals = _matching(word, further)
    return Completion(start, end, proposals) if proposals else None


def _word_start(text: str, begin: int, cursor: int) -> int | None:
    """Where the name at the cursor starts; None inside a literal, in a number, and where no name is expected."""
    place, code = begin, []
    while place < cursor:
        found = _IN_QUOTES.match(text, place, cursor)
        if found is None:
            code.append(text[place])
            place += 1
        elif not found["end"]:
            return place if text[place] == '"' else None
        else:
            code.append("x" * len(found[0]))
            place = found.end()
    written = "".join(code)
    if word := _WORD.search(written):
        return cursor - len(word[0]) if not written[: word.start()].endswith(tuple("0123456789")) else None
    return cursor if _AWAITS.search(written) else None


def _matching(word: str, further: Mapping[str, str]) -> list[Proposal]:
    """Names that start with the word, then those that contain it, or else similar ones."""
    known = {proposal.name.strip('"').lower(): proposal for proposal in _all(further)}
    sought = word.lower()
    begin = [name for name in known if name.startswith(sought)]
    inside = [name for name in known if sought in name and not name.startswith(sought)] if sought else []
    names = (begin + inside)[:MOST] or nearest(sought, known, 3)
    return [known[name] for name in names]


def _all(further: Mapping[str, str]) -> Iterator[Proposal]:
    for name, kind in islice(further.items(), MOST_FURTHER):
        if safe_line(name, 200) == name:  # others would act on the input; the list of columns has them
            yield Proposal(sql_name(further_name(name)), kind, "")
    for name, column in COLUMNS.items():
        yield Proposal(name, column.kind, column.words)
