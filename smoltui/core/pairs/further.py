"""Further columns of the rows, beside prompt and answers: their names in conditions, and their values as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import Indel

from smoltui.core.pairs.columns import COLUMNS

NEAR = 0.6
"""Similarity (Indel, 0..1) from which a name is proposed in place of an unknown one."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = re.compile(
    r"""
    all | analyse | analyze | and | anti | any | array | as | asc | asof | asymmetric | at | authorization | binary
    | both | by | case | cast | check | collate | collation | column | concurrently | constraint | create | cross |
    default | deferrable | desc | describe | distinct | do | else | end | except | false | fetch | for | foreign |
    freeze | from | full | glob | group | having | ilike | in | initially | inner | intersect | into | is | isnull |
    join | lambda | lateral | leading | left | like | limit | natural | not | notnull | null | offset | on | only |
    or | order | outer | overlaps | pivot | pivot_longer | pivot_wider | placing | positional | primary | qualify |
    references | returning | right | select | semi | show | similar | some | summarize | symmetric | table |
    tablesample | then | to | trailing | true | union | unique | unpack | unpivot | using | variadic | verbose |
    when | where | window | with
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Words of DuckDB's SQL that name a column only in quotes."""


def further_name(name: str) -> str:
    """The name of a further column in conditions: `row_NAME` if one of our columns has this name."""
    return f"row_{name}" if name.lower() in COLUMNS else name


def sql_name(name: str) -> str:
    """The name of a column as it is written in a condition, in quotes if it needs them."""
    return name if _PLAIN.fullmatch(name) and not RESERVED.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def nearest(word: str, names: Iterable[str], most: int = 1) -> list[str]:
    """Up to `most` names that are similar to `word`, the most similar first."""
    found = process.extract(
        word.lower(),
        list(names),
        scorer=Indel.normalized_similarity,
        processor=str.lower,
        limit=most,
        score_cutoff=NEAR,
    )
    return [name for name, _, _ in found]


def value_text(value: object) -> str | None:
    """A value as text; None for null. Numbers are not grouped, lists and objects are JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else f"{value:#x}"
    if isinstance(value, float):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def number_text(value: float) -> str:
    """A number without needless digits: 3, 0.25, 1.23457e+20."""
    if math.isfinite(value) and float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def values_of(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, str | None]:
    """The values of the columns `names` in a row's further columns, as text."""
    return {name: value_text(row.get(name)) for name in names}
