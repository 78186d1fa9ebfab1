"""What the columns of a set may be: detected from their names, or guessed and proposed to a person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from smoltui.core.pairs.mapping import mapped
from smoltui.scripts.pair_answers import LISTS, TEXT_KEYS, WINNERS, answer_groups
from smoltui.scripts.pair_choices import unfold
from smoltui.scripts.pair_columns import HISTORY, PROMPTS, SYSTEM, plain
from smoltui.scripts.pair_format import columns_read
from smoltui.scripts.pair_how import AS_IT_IS, PARTS, How
from smoltui.scripts.pair_turns import NotAPairError, in_cell

_NAMES: Mapping[str, tuple[str, ...]] = {
    "rejected": (
        "rejected",
        "dispreferred",
        "non_preferred",
        "bad",
        "worse",
        "worst",
        "lose",
        "loser",
        "negative",
        "declined",
    ),
    "chosen": ("chosen", "preferred", "good", "better", "best", "win", "winner", "positive", "accepted"),
    "system": SYSTEM,
    "history": HISTORY,
    "prompt": (*PROMPTS, "history"),
}
"""Words in column names, the most specific first; in this order, as "non_preferred" contains "preferred"."""
_LABELS = frozenset(
    {
        "model",
        "models",
        "id",
        "ids",
        "uuid",
        "name",
        "names",
        "source",
        "policy",
        "annotator",
        "worker",
        "user",
        "language",
        "lang",
        "hash",
        "index",
        "idx",
        "url",
        "path",
        "date",
        "time",
        "timestamp",
        "split",
        "category",
        "topic",
        "domain",
        "score",
        "scores",
        "rating",
        "ratings",
        "rank",
        "ranks",
        "reward",
        "label",
        "labels",
    }
)
"""Last words of the names of columns that hold no answers."""
_IDENTIFIER = re.compile(r"[\w.:/+-]*[\d_:/-][\w.:/+-]*")
"""The name of a model, an id: one word with a digit or a sign in it."""
_MARK = re.compile(r"(?P<stem>.+?)_?(?P<mark>[a-d]|\d)")
_NUMBER = re.compile(r"\s*[-+]?[\d.,]+\s*%?\s*")
_BETTER = ("winner", "better", "preferred", "preference", "choice", "best", "label", "labels")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Guess:
    """How a set may be read."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Part → column."""
    how: How = AS_IT_IS
    tools: str = ""
    """The column of tools; empty without one."""
    detected: bool = False
    """It is read like this already; otherwise a person decides."""


def guess(rows: Sequence[object], columns: Mapping[str, str] | None = None, how: How = AS_IT_IS) -> Guess:
    """What the parts of a set are read from: as set (`columns`, `how`) and detected, or else guessed from names.

    `rows` are the first ones, as in the file.
    """
    for row in rows:
        with suppress(NotAPairError):
            found = columns_read(mapped(row, columns or {}, how), how)
            parts = {part: (columns or {}).get(part, column) for part, column in found.items()}
            return Guess(
                {part: column for part, column in parts.items() if part in _NAMES},
                replace(
                    how,
                    answers=tuple(found["answers"].split(",")) if "answers" in found else (),
                    winner=found.get("winner"),
                    score=found.get("score"),
                    rank=found.get("rank"),
                ),
                found.get("tools", ""),
                detected=True,
            )
    return _guessed([row for row in rows if isinstance(row, Mapping)], columns or {}, how)


def _guessed(rows: Sequence[Row], columns: Mapping[str, str], how: How) -> Guess:
    named = {**guess_columns(rows), **columns}
    if {"chosen", "rejected"} <= named.keys() or not (groups := answer_choices(rows)):
        return Guess(named, how)
    parts = {part: column for part, column in named.items() if part not in ("chosen", "rejected")}
    answers = how.answers or tuple(groups[0].split(","))
    if how.winner or how.score or how.rank:
        return Guess(parts, replace(how, answers=answers))
    ways = [replace(how, answers=answers, winner=name) for name in winner_choices(rows, answers)]
    ways += [replace(how, answers=answers, score=name) for name in score_choices(rows, answers)]
    first = ways[0] if ways else replace(how, answers=answers)
    return Guess(parts, next((way for way in ways if _tells(rows, way)), first))


def _tells(rows: Sequence[Row], how: How) -> bool:
    """Whether this says which answer is better, in one of the rows."""
    for row in rows:
        with suppress(NotAPairError):
            return bool(unfold(row, how))
    return False


def guess_columns(rows: Sequence[object]) -> dict[str, str]:
    """Part → column, as far as names and values of the first rows allow."""
    found = [row for row in rows if isinstance(row, Mapping)]
    free = list(dict.fromkeys(str(name) for row in found for name in row))
    answers = set(answer_columns(found))
    lists = {name for name, values in _values(found) if any(map(_items, values))}
    fits = {"chosen": answers, "rejected": answers, "history": lists}
    guessed: dict[str, str] = {}
    for part, words in _NAMES.items():
        among = [name for name in free if part not in fits or name in fits[part]]
        if name := next(filter(None, (_called(word, among) for word in words)), None):
            guessed[part] = name
            free.remove(name)
    return {part: guessed[part] for part in PARTS if part in guessed}


def _called(word: str, names: Sequence[str]) -> str | None:
    """The name that is `word`, or else the first one with `word` in it; None without one."""
    exact = [name for name in names if plain(name) == word]
    return next(iter(exact or [name for name in names if word in plain(name)]), None)


# --------------------------------------------------------------------------------------------------- what is proposed


def answer_columns(rows: Sequence[Row]) -> list[str]:
    """Columns that may be an answer: text or messages, but no numbers and no names of models or the like."""
    return [name for name, values in _values(rows) if values and _may_be_answer(name, values)]


def answer_choices(rows: Sequence[Row]) -> list[str]:
    """What may be the answers to compare: columns of a kind, separated by commas, or one with a list of answers."""
    texts = answer_columns(rows)
    groups = [group for group in answer_groups(tuple(texts)) if len(group) > 1]
    groups += [group for group in _alike(texts) if group not in groups]
    lists = [name for name, values in _values(rows) if values and any(_answers_in(value) for value in values)]
    lists.sort(key=lambda name: plain(name) not in LISTS)
    return [*(",".join(group) for group in groups), *lists]


def winner_choices(rows: Sequence[Row], answers: Sequence[str]) -> list[str]:
    """Columns that may name the better answer, the most likely first."""
    names = [name for name, _ in _values(rows) if name not in answers]
    flags = [group for group in _alike(names) if "winner" in plain(group[0]) and len(group) >= len(answers)]
    known = [name for word in WINNERS for name in names if plain(name) == word]
    more = [name for name in names if name not in known and set(plain(name).split("_")) & set(_BETTER)]
    return [*(",".join(group[: len(answers)]) for group in flags if len(answers) > 1), *known, *more]


def score_choices(rows: Sequence[Row], answers: Sequence[str]) -> list[str]:
    """What may be the scores or ranks: columns of numbers, one for each answer; keys in a list; or a list beside it."""
    numbers = [name for name, values in _values(rows) if values and all(_is_number(value) for value in values)]
    if len(answers) > 1:
        return [",".join(group) for group in _alike(numbers) if len(group) == len(answers)]
    first = next((row for row in rows if answers and _answers_in(row.get(answers[0]))), None)
    if first is None:
        return []
    items = _items(first[answers[0]])
    return [*_number_keys(items), *(name for name in _number_lists(first, len(items)) if name not in answers)]


def _number_keys(items: Sequence[object]) -> list[str]:
    """Keys under which all objects of a list have a number."""
    objects = [item for item in items if isinstance(item, Mapping)]
    names = list(objects[0]) if objects and len(objects) == len(items) else []
    return [str(name) for name in names if all(_is_number(item.get(name)) for item in objects)]


def _number_lists(row: Row, count: int) -> list[str]:
    """Columns with a list of so many numbers."""
    found = ((str(name), _items(value)) for name, value in row.items())
    return [name for name, items in found if len(items) == count and all(map(_is_number, items))]


def _values(rows: Sequence[Row]) -> Iterator[tuple[str, list[object]]]:
    """Each column with its values that are not null."""
    for name in dict.fromkeys(str(name) for row in rows for name in row):
        yield name, [row[name] for row in rows if row.get(name) is not None]


def _alike(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Columns whose names differ in a letter or digit at the end: human_ref_A and human_ref_B."""
    stems: dict[str, list[str]] = {}
    for name in names:
        if found := _MARK.fullmatch(plain(name)):
            stems.setdefault(found["stem"], []).append(name)
    return [tuple(sorted(group)) for group in stems.values() if len(group) > 1]


def _may_be_answer(name: str, values: Sequence[object]) -> bool:
    if any(isinstance(value, int | float) for value in values):
        return False
    words = plain(name).split("_")
    last = words[-2] if len(words) > 1 and len(words[-1]) == 1 else words[-1]
    if last in _LABELS:
        return False
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values):
        return not (all(map(_is_number, texts)) or all(_IDENTIFIER.fullmatch(text.strip()) for text in texts))
    items = [item for value in values for item in (_items(value) or [value])]
    return all(isinstance(item, str) or (isinstance(item, Mapping) and _has_text(item)) for item in items)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)


def _items(value: object) -> list[object]:
    """The texts, numbers or objects of a list, also of one that a cell keeps as text; empty for anything else."""
    found = in_cell(value) if isinstance(value, str) else value
    return list(found) if isinstance(found, list | tuple) else []


def _has_text(item: Row) -> bool:
    """Whether an object may be an answer or a turn: it has a key for text."""
    return any(plain(key) in (*TEXT_KEYS, "value") for key in item)


def _answers_in(value: object) -> bool:
    """Whether this is a list of at least two answers, not the turns of a conversation."""
    items = _items(value)
    if len(items) < 2:
        return False
    if all(isinstance(item, Mapping) for item in items):
        return all(
            isinstance(item, Mapping) and not {"role", "from"} & item.keys() and _has_text(item) for item in items
        )
    return all(isinstance(item, str) for item in items) and not all(
        _is_number(item) or _IDENTIFIER.fullmatch(str(item)) for item in items
    )
