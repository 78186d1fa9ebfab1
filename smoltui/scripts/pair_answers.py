"""The answers of a row that are not a pair yet: which columns hold them, and which one is better.

    answers_of({"question": q, "answer_0": a, "answer_1": b, "score_0": 0.5, "score_1": -0.5})

Standard library only: it travels into a Job beside `dpo.py` and `pair_choices.py`, which makes pairs of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_columns import at_path, layout_of, plain
    from smoltui.scripts.pair_how import AS_IT_IS, How
    from smoltui.scripts.pair_turns import NotAPairError, columns, in_cell, is_list, short
else:  # in a Job, beside dpo.py
    from pair_columns import at_path, layout_of, plain
    from pair_how import AS_IT_IS, How
    from pair_turns import NotAPairError, columns, in_cell, is_list, short

TEXT_KEYS = ("answer", "response", "completion", "output", "text", "summary", "content", "generated_text", "message")
"""Keys of an answer's text in a list of objects."""
SCORE_KEYS = (
    "overall_score",
    "score",
    "rating",
    "reward",
    "quality",
    "preference_score",
    "value",
    "fine_grained_score",
)
"""Keys and columns of a score, where more is better."""
RANK_KEYS = ("rank", "ranking")
"""Likewise of a rank, where less is better."""
LISTS = ("answers", "completions", "responses", "outputs", "summaries", "candidates", "generations", "choices")
"""Columns that hold a list of answers."""
WINNERS = (
    "better_response_id",
    "winner",
    "preferred",
    "preference",
    "overall_preference",
    "preference_strength",
    "choice",
    "chosen",
    "better",
    "best",
    "label",
)
"""Columns that name the better one of two answers."""
SCALES = ("preference_strength", "overall_preference")
"""Of those, scales from minus to plus: below zero, the first answer is better (HelpSteer2 and 3)."""
TIES = frozenset(
    {"tie", "both", "both_bad", "tie_(bothbad)", "bothbad", "neither", "equal", "same", "draw", "none", ""}
)
_ANSWER = re.compile(r"(response|answer|completion|output|conversation|summary|candidate|text)_?(model_)?([a-d]|\d)")
_NUMBER = re.compile(r"\s*[-+]?\d{1,15}(\.\d{1,15})?\s*")
_LABEL_CHARS = 20
"""A longer text is an answer, not the name of one."""
WINNER_OPTION = "--winner COLUMN, --score COLUMN or --rank COLUMN"
ANSWERS_OPTION = "--answers COLUMN,COLUMN"


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one row and what they are worth."""

    columns: tuple[str, ...]
    """Those that hold the answers, or the one with a list of them."""
    texts: tuple[Any, ...]
    """Text or messages."""
    worth: tuple[float, ...]
    """More is better."""
    scores: tuple[float, ...] | None
    """The scores or ranks as the row has them; None where only a winner is known."""
    kind: str
    """What tells which one is better: winner, score or rank."""
    by: tuple[str, ...]
    """The columns or the key that tell it."""

    @property
    def used(self) -> frozenset[str]:
        """Columns of the row that hold the answers."""
        return frozenset({*self.columns, *(name.split(".")[0] for name in self.columns)})


class _Worth(NamedTuple):
    values: tuple[float, ...]
    scores: tuple[float, ...] | None
    kind: str
    by: tuple[str, ...]

    @property
    def best(self) -> int | None:
        """Place of the best answer; None if several are equally good."""
        most = max(self.values)
        return self.values.index(most) if self.values.count(most) == 1 else None


def answers_of(row: Mapping[str, Any], how: How = AS_IT_IS) -> Answers | None:
    """The answers of a row that has a winner, scores or ranks; None for a row that has a pair already, or none.

    Raises:
        NotAPairError: ambiguous (it isn't told what the answers are, or which one is better), missing_column, tie.
    """
    if not how.names_columns and _has_pair(row):
        return None
    names = how.answers or _detected(row)
    if not names:
        if how.names_columns:
            raise NotAPairError("ambiguous", "No columns are known to hold the answers.", ANSWERS_OPTION)
        return None
    _check_named(row, how)
    texts, worth = _beside(row, names, how) if len(names) > 1 else _in_a_list(row, names[0], how)
    if worth is not None:
        return Answers(tuple(names), texts, *worth)
    if how.names_columns:
        told = how.winner or how.score or how.rank
        said = f"{short(told)} does not say" if told else "It isn't told"
        raise NotAPairError("ambiguous", f"{said} which of the answers is better.", WINNER_OPTION)
    return None


def _check_named(row: Mapping[str, Any], how: How) -> None:
    """Raises: NotAPairError (missing_column); the row lacks a column that a person named."""
    for name in (*how.answers, *(how.winner or "").split(",")):
        if name and name not in row and name.split(".")[0] not in row:
            raise NotAPairError("missing_column", f"There is no column {short(name)}; found columns {columns(row)}.")


# ----------------------------------------------------------------------------------------------- which columns they are


def _has_pair(row: Mapping[str, Any]) -> bool:
    answers = layout_of(tuple(row)).answers
    if answers is None:
        return False
    chosen, rejected = (row.get(name) for name in answers)
    if answers == ("chosen", "rejected"):
        known = chosen is not None and not isinstance(chosen, int | float) and rejected is not None
    else:
        known = all(isinstance(value, str | list | tuple | Mapping) for value in (chosen, rejected))
    return known and not are_labels(row, chosen, rejected)


def are_labels(row: Mapping[str, Any], chosen: Any, rejected: Any) -> bool:
    """Whether both sides only name answers that are in other columns: `response_a` and `response_b`."""
    if not (isinstance(chosen, str) and isinstance(rejected, str) and max(len(chosen), len(rejected)) <= _LABEL_CHARS):
        return False
    names = next(iter(answer_groups(tuple(row))), ())
    marks = _marks(names)
    return bool(names) and all(_named_by(plain(side), names, marks) is not None for side in (chosen, rejected))


@lru_cache(maxsize=256)
def answer_groups(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Columns of a kind such as response_a and response_b, each group in its order; () without two of a kind."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        if found := _ANSWER.fullmatch(plain(name)):
            kinds.setdefault(found[1], []).append(name)
    return tuple(tuple(sorted(found)) for found in kinds.values() if len(found) > 1)


def _detected(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns with the answers, or the one with a list of them; () without any.

    Raises:
        NotAPairError: ambiguous; different columns may be them.
    """
    groups = answer_groups(tuple(row))
    if len(groups) > 1:
        groups = tuple(group for group in groups if all(_may_be_answer(row[name]) for name in group)) or groups[:1]
    if not groups:
        groups = tuple((name,) for name in row if plain(name) in LISTS and _listed(row[name]))
    if len(groups) > 1 and len({tuple(_said(row[name]) for name in group) for group in groups}) > 1:
        shown = " or in ".join(" and ".join(map(short, group)) for group in groups[:3])
        raise NotAPairError(
            "ambiguous", f"The answers may be in {shown}: say which.", f"--answers {','.join(groups[0])}"
        )
    return groups[0] if groups else ()


def _may_be_answer(value: Any) -> bool:
    return _number(value) is None and isinstance(value, str | list | tuple | Mapping)


def _said(value: Any) -> str:
    """The last words of an answer or of a list of them, to compare two."""
    if isinstance(value, Mapping):
        return _said(next((value[key] for key in (*TEXT_KEYS, "value") if value.get(key) is not None), None))
    if is_list(value) and value:
        return _said(value[-1])
    return str(value).strip()


def _listed(value: Any) -> bool:
    value = in_cell(value) if isinstance(value, str) else value
    return is_list(value) and len(value) > 1


def _marks(names: Sequence[str]) -> list[str]:
    """What tells each answer's column from its sisters: `a` of response_a."""
    found = [_ANSWER.fullmatch(plain(name)) for name in names]
    if all(found):
        return [match[3] for match in found if match]
    words = [plain(name) for name in names]
    alike = next((at for at, signs in enumerate(zip(*words, strict=False)) if len(set(signs)) > 1), 0)
    cut = words[0].rfind("_", 0, alike) + 1 if len({len(word) for word in words}) > 1 else alike
    return [word[cut:] or word for word in words]


# ------------------------------------------------------------------------------------------------ beside one another


_Found = tuple[tuple[Any, ...], _Worth | None]
"""The texts of the answers, and what they are worth; None if it isn't told."""


def _beside(row: Mapping[str, Any], names: tuple[str, ...], how: How) -> _Found:
    texts = tuple(_answer(at_path(row, name)) for name in names)
    marks = _marks(names)
    if how.winner is not None:
        return texts, _won(row, how.winner, names, marks)
    scored = _scores(row, marks, how)
    if how.score or how.rank:
        return texts, scored
    return texts, _agreed(scored, row, names, marks)


def _scores(row: Mapping[str, Any], marks: Sequence[str], how: How) -> _Worth | None:
    """From columns such as score_a and score_b."""
    known = {plain(name): name for name in row}
    for kind, words in _measures(how):
        for word in words:
            names = word.split(",") if "," in word else [f"{word}_{mark}" for mark in marks]
            found = [known.get(plain(name)) for name in names]
            there = [name for name in found if name is not None]
            if len(there) == len(marks) and (worth := _signed([_number(row[name]) for name in there], kind, there)):
                return worth
    return None


def _measures(how: How) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names of scores and ranks to look for."""
    if how.score or how.rank:
        return (("score", (how.score,)),) if how.score else (("rank", (how.rank or "",)),)
    return ("score", SCORE_KEYS), ("rank", RANK_KEYS)


def _signed(numbers: Sequence[float | None], kind: str, by: Sequence[str]) -> _Worth | None:
    """Scores or ranks as a worth; None if one of them is missing."""
    scores = tuple(number for number in numbers if number is not None)
    if not scores or len(scores) < len(numbers):
        return None
    return _Worth(tuple(-score for score in scores) if kind == "rank" else scores, scores, kind, tuple(by))


def _agreed(scored: _Worth | None, row: Mapping[str, Any], names: Sequence[str], marks: Sequence[str]) -> _Worth | None:
    """What scores say, or else the column that names the winner; None if nothing says.

    Raises:
        NotAPairError: ambiguous; two of them name different winners. Without scores also as `_won`.
    """
    first, problem = scored, None
    for column in _winner_columns(row, names, marks):
        try:
            won = _won(row, column, names, marks)
        except NotAPairError as error:
            if error.reason == "tie" and first is None:
                raise
            problem = problem or error
            continue
        if first is not None and first.best is not None and first.best != won.best:
            raise NotAPairError(
                "ambiguous",
                f"{' and '.join(map(short, first.by))} and {short(column)} name different winners: say which counts.",
                f"--{first.kind} {first.by[0]} or --winner {column}",
            )
        first = first or won
    if first is None and problem is not None:
        raise problem
    return first


def _winner_columns(row: Mapping[str, Any], answers: Sequence[str], marks: Sequence[str]) -> Iterator[str]:
    """Columns that name the winner; those with yes and no for each answer as one name, separated by commas."""
    known = {plain(name): name for name in row if name not in answers}
    flags = [next((known[word] for word in _flags(mark) if word in known), None) for mark in marks]
    if flags and None not in flags:
        yield ",".join(flag for flag in flags if flag)
    yield from (known[word] for word in WINNERS if word in known)


def _flags(mark: str) -> tuple[str, ...]:
    return f"winner_{mark}", f"winner_model_{mark}", f"winner_response_{mark}", f"is_better_{mark}"


def _won(row: Mapping[str, Any], column: str, names: Sequence[str], marks: Sequence[str]) -> _Worth:
    """1 for the answer that won and 0 for the others.

    Raises:
        NotAPairError: tie, ambiguous.
    """
    if "," in column and column not in row:
        by = tuple(column.split(","))
        values = tuple(_number(at_path(row, name)) or 0.0 for name in by)
        if len(values) != len(names):
            raise NotAPairError("ambiguous", f"{len(by)} columns cannot name the winner of {len(names)} answers.")
        if len(set(values)) == 1:
            raise tie()
        return _Worth(values, None, "winner", by)
    place = _place_of(at_path(row, column), plain(column), names, marks)
    return _Worth(tuple(1.0 if at == place else 0.0 for at in range(len(names))), None, "winner", (column,))


def _place_of(value: Any, column: str, names: Sequence[str], marks: Sequence[str]) -> int:
    """Which of the answers `value` names.

    Raises:
        NotAPairError: tie, ambiguous.
    """
    if column in SCALES and len(names) == 2 and (number := _number(value)) is not None:
        if number == 0:
            raise tie()
        return 0 if number < 0 else 1
    if value is None:
        raise tie()
    word = plain(int(value) if isinstance(value, bool | float) and float(value).is_integer() else value)
    if word in TIES:
        raise tie()
    if (place := _named_by(word, names, marks)) is not None:
        return place
    said = f"Column {short(column)} says {short(value)}, which is none of {', '.join(names)}."
    raise NotAPairError("ambiguous", said, WINNER_OPTION)


def _named_by(word: str, names: Sequence[str], marks: Sequence[str]) -> int | None:
    """The place of the answer with this name; None if it names none."""
    for at, (name, mark) in enumerate(zip(names, marks, strict=True)):
        if word in (mark, plain(name), f"model_{mark}", f"response_{mark}", f"answer_{mark}", f"assistant_{mark}"):
            return at
    return None


# ------------------------------------------------------------------------------------------------------------ in a list


def _in_a_list(row: Mapping[str, Any], column: str, how: How) -> _Found:
    items = at_path(row, column)
    items = in_cell(items) if isinstance(items, str) else items
    if not is_list(items) or len(items) < 2:
        raise tie("There are not two answers to compare.")
    return tuple(_answer(_text_in(item)) for item in items), _worth_in(row, column, items, how)


def _text_in(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    known = {plain(name): name for name in item}
    return next((item[known[word]] for word in TEXT_KEYS if word in known), None)


def _worth_in(row: Mapping[str, Any], column: str, items: Sequence[Any], how: How) -> _Worth | None:
    """From the objects of a list, or a list of numbers beside it, or the place of the best."""
    marks = [str(place) for place in range(len(items))]
    if how.winner is not None:
        return _won(row, how.winner, marks, _letters(row, how.winner, marks))
    scored = next(_measured(row, items, how), None)
    if scored is not None or how.score or how.rank:
        return scored
    return _agreed(None, {name: value for name, value in row.items() if name != column}, marks, marks)


def _letters(row: Mapping[str, Any], column: str, marks: list[str]) -> list[str]:
    """The answers' names: `a`, `b` … where the column with the winner has no number, else their places."""
    word = plain(at_path(row, column))
    return marks if any(sign.isdigit() for sign in word) else [chr(ord("a") + int(mark)) for mark in marks]


def _measured(row: Mapping[str, Any], items: Sequence[Any], how: How) -> Iterator[_Worth]:
    for kind, words in _measures(how):
        for word in words:
            numbers, by = [_keyed(item, word) for item in items], word
            if all(number is None for number in numbers):
                numbers, by = _parallel(row, word, len(items))
            if worth := _signed(numbers, kind, (by,)):
                yield worth


def _keyed(item: Any, word: str) -> float | None:
    if not isinstance(item, Mapping):
        return None
    return _number(next((item[name] for name in item if plain(name) == plain(word)), None))


def _parallel(row: Mapping[str, Any], word: str, count: int) -> tuple[list[float | None], str]:
    """The numbers of a list beside the list of answers (`scores`, `all_rm_scores`), and its column."""
    exact = [name for name in row if plain(name) == plain(word)]
    for name in (*exact, *(name for name in row if plain(name).rstrip("s").endswith(plain(word)))):
        value = in_cell(row[name]) if isinstance(row[name], str) else row[name]
        if is_list(value) and len(value) == count:
            return [_number(item) for item in value], name
    return [], word


# --------------------------------------------------------------------------------------------------------- small things


def _answer(value: Any) -> Any:
    """An answer as text or messages: a list of one text is that text."""
    found = in_cell(value) if isinstance(value, str) and value[:1] == "[" else value
    if is_list(found) and found and all(isinstance(text, str) for text in found):
        return found[0] if len(found) == 1 else list(found)
    return value


def _number(value: Any) -> float | None:
    """A finite number, also one that a CSV file keeps as text; None for anything else."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        value = float(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def tie(said: str = "Both answers are equally good.") -> NotAPairError:
    return NotAPairError("tie", said)
