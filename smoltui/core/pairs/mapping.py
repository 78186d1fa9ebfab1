"""Sets of unknown shape: what each column means, set by a person or guessed from its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smoltui.core.pairs.preference import Pair, pair_of

PARTS = ("prompt", "chosen", "rejected", "system")
"""What a column can be; system is optional, and so is prompt if both answers contain it."""

_TELLING = frozenset(
    {*PARTS, "conversations", "instruction", "question", "input", "history", "preferred_output", "non_preferred_output"}
)
"""Columns that identify a shape: they must not override what a person sets."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "query", "instruction", "input", "user", "context", "messages", "conversation"),
    "chosen": (
        "chosen",
        "preferred",
        "good",
        "better",
        "best",
        "win",
        "winner",
        "positive",
        "accepted",
        "response_a",
        "answer_a",
        "response_1",
        "output_1",
        "completion_a",
    ),
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
        "response_b",
        "answer_b",
        "response_2",
        "output_2",
        "completion_b",
    ),
    "system": ("system", "system_prompt"),
}
"""Words in column names of known sets, the most specific first."""


def mapped(row: object, columns: Mapping[str, str]) -> object:
    """`row` with the columns of a pair; other columns are kept. A path without a value gives null.

    `columns`: part → column or dotted path (`answers.0.text`).
    """
    if not isinstance(row, Mapping):
        return row
    taken = {path.split(".")[0] for path in columns.values()}
    others = {name: value for name, value in row.items() if name not in taken and name not in _TELLING}
    return {**others, **{part: at_path(row, path) for part, path in columns.items()}}


def at_path(row: object, path: str) -> object:
    """The value at a dotted path of object keys and list indices; None without one."""
    if isinstance(row, Mapping) and path in row:
        return row[path]  # a column's name may contain dots
    value: object = row
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def guess_columns(rows: Sequence[object]) -> dict[str, str]:
    """Part → column, as far as the column names of the first row allow."""
    first: Mapping[str, object] = next((row for row in rows if isinstance(row, Mapping)), {})
    free = [str(name) for name in first]
    guess: dict[str, str] = {}
    for part in ("rejected", "chosen", "system", "prompt"):  # "non_preferred" contains "preferred"
        for word in _NAMES[part]:
            exact = [name for name in free if name.lower() == word]
            inside = [name for name in free if word in name.lower().replace("-", "_")]
            if found := next(iter(exact or inside), None):
                guess[part] = found
                free.remove(found)
                break
    return {part: guess[part] for part in PARTS if part in guess}


def preview(rows: Sequence[object], columns: Mapping[str, str]) -> list[Pair]:
    """The first pairs as they would be read with these columns; none while chosen or rejected is not set."""
    if not {"chosen", "rejected"} <= set(columns):
        return []
    return [pair_of(index, mapped(row, columns)) for index, row in enumerate(rows[:5])]
