"""Answers with a winner, scores or ranks → preference pairs.

    unfold({"question": q, "answer_0": a, "answer_1": b, "score_0": 0.5, "score_1": -0.5})
    [{"question": q, "chosen": a, "rejected": b, "score_chosen": 0.5, "score_rejected": -0.5, "margin": 1.0}]

Standard library only: it travels into a Job beside `dpo.py` and `pair_format.py`.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_columns import PROMPTS, layout_of, plain
    from smoltui.scripts.pair_turns import NotAPairError, in_cell, is_list, short
else:  # in a Job, beside dpo.py
    from pair_columns import PROMPTS, layout_of, plain
    from pair_turns import NotAPairError, in_cell, is_list, short

PICKS = {
    "best-worst": "the best answer against the worst",
    "best-random": "the best answer against one of the others, by chance but always the same one",
    "best-each": "the best answer against each of the others",
    "all": "every answer against every worse one",
}
"""How pairs are made of more than two answers."""
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
_DEEP = ("full_text", "text", "post", "question", "prompt", "content")
"""Where the text of a prompt is when its column holds an object (WebGPT, summaries of posts)."""


@dataclass(frozen=True, slots=True)
class How:
    """How pairs are made of the answers of a row, as a person set it; the defaults are what the row itself shows."""

    answers: tuple[str, ...] = ()
    """The columns with the answers, or the one with a list of them."""
    winner: str | None = None
    """The column that names the better one."""
    score: str | None = None
    """The key, column or columns (one for each answer, separated by commas) with the score; more is better."""
    rank: str | None = None
    """The same for a rank; less is better."""
    pick: str = "best-worst"
    """A key of `PICKS`."""
    min_margin: float = 0.0
    """Pairs whose scores differ by less are left out."""


AS_IT_IS = How()


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one row and what they are worth."""

    texts: tuple[Any, ...]
    """Text or messages."""
    worth: tuple[float, ...]
    """More is better."""
    scores: tuple[float, ...] | None
    """The scores or ranks as the row has them; None where only a winner is known."""
    used: frozenset[str]
    """Columns that hold the answers."""


def unfold(row: Any, how: How = AS_IT_IS) -> list[Any]:
    """The rows of pairs that `row` stands for, with its other columns; the row itself if it has no answers to rank.

    Raises:
        NotAPairError: tie (equally good, or closer than the margin), ambiguous (not told which one is better).
    """
    if not isinstance(row, Mapping):
        return [row]
    several = _several_rejected(row)
    if several is not None:
        return several
    answers = answers_of(row, how)
    return [row] if answers is None else pairs_of(row, answers, how)


def choice_schema(row: Any, how: How = AS_IT_IS) -> str | None:
    """`several-rejected` or `ranked` (see `pair_format.SCHEMAS`) for a row that `unfold` unfolds; None for any other.

    Raises:
        NotAPairError: ambiguous; it has answers, but it isn't told which one is better.
    """
    if not isinstance(row, Mapping):
        return None
    if _several_rejected(row) is not None:
        return "several-rejected"
    try:
        return "ranked" if answers_of(row, how) is not None else None
    except NotAPairError as error:
        if error.reason == "tie":
            return "ranked"
        raise


def _several_rejected(row: Mapping[str, Any]) -> list[Any] | None:
    """One row for each rejected answer, where there are several beside one chosen text; None for any other row."""
    layout = layout_of(tuple(row))
    if layout.answers is None:
        return None
    chosen, rejected = layout.answers
    others = row.get(rejected)
    if isinstance(others, str) and others[:1] == "[" and isinstance(row.get(chosen), str):
        others = in_cell(others)
    if not (is_list(others) and others and isinstance(row.get(chosen), str)):
        return None
    if not all(isinstance(text, str) for text in others):
        return None
    return [{**row, rejected: text} for text in others]


# ------------------------------------------------------------------------------------------------------- what they are


def answers_of(row: Mapping[str, Any], how: How = AS_IT_IS) -> Answers | None:
    """The answers of a row that has a winner, scores or ranks; None for a row that has a pair already, or none.

    Raises:
        NotAPairError: ambiguous; it has answers, but it isn't told which one is better.
    """
    if not how.answers and _has_pair(row):
        return None
    names = how.answers or _answer_columns(tuple(row))
    if len(names) >= 2:
        return _beside(row, names, how)
    listed = names[0] if names else next((name for name in row if plain(name) in LISTS and _listed(row[name])), None)
    return _in_a_list(row, listed, how) if listed is not None else None


def _has_pair(row: Mapping[str, Any]) -> bool:
    answers = layout_of(tuple(row)).answers
    if answers is None:
        return False
    chosen, rejected = (row.get(name) for name in answers)
    if answers == ("chosen", "rejected"):
        return chosen is not None and not isinstance(chosen, int | float) and rejected is not None
    return all(isinstance(value, str | list | tuple | Mapping) for value in (chosen, rejected))


@lru_cache(maxsize=256)
def _answer_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Columns such as response_a and response_b, in their order; () without two of a kind."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        if found := _ANSWER.fullmatch(plain(name)):
            kinds.setdefault(found[1], []).append(name)
    return tuple(sorted(next((found for found in kinds.values() if len(found) > 1), [])))


def _beside(row: Mapping[str, Any], names: tuple[str, ...], how: How) -> Answers | None:
    texts = tuple(_answer(row.get(name)) for name in names)
    marks = [_mark(name) for name in names]
    worth, scores = _scores(row, marks, how)
    if worth is None:
        worth = _won(row, names, marks, how)
    if worth is None:
        return None
    return Answers(texts, tuple(worth), scores, frozenset(names))


def _mark(name: str) -> str:
    """What tells an answer's column from its sisters: `a` of response_a."""
    found = _ANSWER.fullmatch(plain(name))
    return found[3] if found else plain(name)


_Worth = tuple[list[float] | None, tuple[float, ...] | None]
"""What each answer is worth, more is better, and the scores as written; None without."""


def _scores(row: Mapping[str, Any], marks: Sequence[str], how: How) -> _Worth:
    """From columns such as score_a and score_b."""
    if how.winner is not None:
        return None, None
    known = {plain(name): name for name in row}
    for words, sign in _measures(how):
        for word in words:
            names = word.split(",") if "," in word else [f"{word}_{mark}" for mark in marks]
            columns = [known.get(plain(name)) for name in names]
            numbers = [_number(row[column]) if column is not None else None for column in columns]
            if worth := _signed(numbers, sign):
                return worth
    return None, None


def _measures(how: How) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Names of scores and ranks to look for, each with the sign that makes more better."""
    if how.score or how.rank:
        return (((how.score,), 1.0) if how.score else ((how.rank or "",), -1.0),)
    return (SCORE_KEYS, 1.0), (RANK_KEYS, -1.0)


def _signed(numbers: Sequence[float | None], sign: float) -> _Worth | None:
    scores = tuple(number for number in numbers if number is not None)
    return ([sign * score for score in scores], scores) if numbers and len(scores) == len(numbers) else None


def _won(row: Mapping[str, Any], names: Sequence[str], marks: Sequence[str], how: How) -> list[float] | None:
    """1 for the answer that won and 0 for the other; None if no column says.

    Raises:
        NotAPairError: tie, ambiguous.
    """
    if how.winner is None and (flagged := _flagged(row, marks)) is not None:
        return flagged
    column = how.winner or _winner_column(row, names)
    if column is None:
        return None
    place = _place_of(row.get(column), plain(column), names, marks)
    return [1.0 if at == place else 0.0 for at in range(len(names))]


def _winner_column(row: Mapping[str, Any], answers: Sequence[str]) -> str | None:
    known = {plain(name): name for name in row if name not in answers}
    return next((known[word] for word in WINNERS if word in known), None)


def _flagged(row: Mapping[str, Any], marks: Sequence[str]) -> list[float] | None:
    """What columns such as winner_model_a say, one for each answer; None if there aren't any. Raises: tie."""
    known = {plain(name): name for name in row}
    flags = [next((known[word] for word in _flags(mark) if word in known), None) for mark in marks]
    values = [_number(row[flag]) or 0.0 for flag in flags if flag is not None]
    if len(values) < len(marks):
        return None
    if len(set(values)) == 1:
        raise _tie()
    return values


def _flags(mark: str) -> tuple[str, ...]:
    return f"winner_{mark}", f"winner_model_{mark}", f"winner_response_{mark}", f"is_better_{mark}"


def _place_of(value: Any, column: str, names: Sequence[str], marks: Sequence[str]) -> int:
    """Which of the answers `value` names.

    Raises:
        NotAPairError: tie, ambiguous.
    """
    if column in SCALES and len(names) == 2 and (number := _number(value)) is not None:
        if number == 0:
            raise _tie()
        return 0 if number < 0 else 1
    if value is None:
        raise _tie()
    word = plain(int(value) if isinstance(value, bool | float) and float(value).is_integer() else value)
    if word in TIES:
        raise _tie()
    for at, (name, mark) in enumerate(zip(names, marks, strict=True)):
        if word in (mark, plain(name), f"model_{mark}", f"response_{mark}", f"answer_{mark}", f"assistant_{mark}"):
            return at
    raise NotAPairError(
        "ambiguous", f"Column {short(column)} says {short(value)}, which is none of {', '.join(names)}."
    )


def _listed(value: Any) -> bool:
    value = in_cell(value) if isinstance(value, str) else value
    return is_list(value) and len(value) > 1


def _in_a_list(row: Mapping[str, Any], column: str, how: How) -> Answers | None:
    items = row[column]
    items = in_cell(items) if isinstance(items, str) else items
    if not is_list(items) or len(items) < 2:
        raise _tie("There are not two answers to compare.")
    texts = tuple(_answer(_text_in(item)) for item in items)
    worth, scores = _worth_in(row, items, how)
    return None if worth is None else Answers(texts, tuple(worth), scores, frozenset({column}))


def _text_in(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    known = {plain(name): name for name in item}
    return next((item[known[word]] for word in TEXT_KEYS if word in known), None)


def _worth_in(row: Mapping[str, Any], items: Sequence[Any], how: How) -> _Worth:
    """From the objects of a list, or a list of numbers beside it, or the place of the best."""
    for words, sign in _measures(how):
        for word in words:
            numbers = [_keyed(item, word) for item in items]
            if all(number is None for number in numbers):
                numbers = _parallel(row, word, len(items))
            if worth := _signed(numbers, sign):
                return worth
    column = how.winner or _winner_column(row, ())
    if column is None:
        return None, None
    place = _number(row.get(column))
    if place is None or place not in range(len(items)):
        said = short(row.get(column))
        raise NotAPairError("ambiguous", f"Column {short(column)} says {said}, which is no place in the list.")
    return [1.0 if at == place else 0.0 for at in range(len(items))], None


def _keyed(item: Any, word: str) -> float | None:
    if not isinstance(item, Mapping):
        return None
    return _number(next((item[name] for name in item if plain(name) == plain(word)), None))


def _parallel(row: Mapping[str, Any], word: str, count: int) -> list[float | None]:
    """The numbers of a list beside the list of answers: `scores`, `all_rm_scores`."""
    for name, value in row.items():
        if plain(name).rstrip("s").endswith(plain(word)) and is_list(value) and len(value) == count:
            return [_number(item) for item in value]
    return []


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


# ------------------------------------------------------------------------------------------------------------- pairs


def pairs_of(row: Mapping[str, Any], answers: Answers, how: How = AS_IT_IS) -> list[dict[str, Any]]:
    """The pairs of a row's answers; each with the row's other columns, and with scores where there are any.

    Raises:
        NotAPairError: tie; no two answers differ by more than the margin.
    """
    picked = _picked(answers, how.pick)
    if not picked:
        raise _tie()
    kept = [(good, bad) for good, bad in picked if answers.worth[good] - answers.worth[bad] >= how.min_margin]
    if not kept:
        raise _tie(f"The scores differ by less than the margin of {how.min_margin:g}.")
    others = {name: value for name, value in row.items() if name not in answers.used}
    return [_pair(others, answers, good, bad) for good, bad in kept]


def _picked(answers: Answers, pick: str) -> list[tuple[int, int]]:
    """The places of the better and the worse answer of each pair; none if all are equally good."""
    order = sorted(range(len(answers.worth)), key=lambda at: -answers.worth[at])
    best = order[0]
    worse = [at for at in order[1:] if answers.worth[at] < answers.worth[best]]
    if pick == "all":
        return [pair for pair in combinations(order, 2) if answers.worth[pair[0]] > answers.worth[pair[1]]]
    if not worse or pick == "best-each":
        return [(best, at) for at in worse]
    if pick == "best-random":
        seed = hashlib.sha256(repr(answers.texts).encode("utf-8", "surrogatepass")).digest()
        return [(best, random.Random(seed).choice(worse))]
    return [(best, order[-1])]


def _pair(others: Mapping[str, Any], answers: Answers, good: int, bad: int) -> dict[str, Any]:
    """One pair; `others` are the row's columns without the answers."""
    pair = {name: value for name, value in others.items() if plain(name) not in ("chosen", "rejected")}
    texts = answers.texts[good], answers.texts[bad]
    prompt = next((name for name in pair if plain(name) in PROMPTS and pair[name] is not None), None)
    if prompt is None:
        deep = next(((name, found) for name, value in pair.items() if (found := _deep(value))), None)
        if deep is not None:
            pair["prompt"] = deep[1]
    elif isinstance(pair[prompt], Mapping) and (found := _deep(pair[prompt])):
        pair[prompt] = found
    else:
        pair |= _turn_by_turn(prompt, pair[prompt], texts)
    if "chosen" not in pair:
        pair["chosen"], pair["rejected"] = texts
    if answers.scores is not None:
        pair["score_chosen"], pair["score_rejected"] = answers.scores[good], answers.scores[bad]
        pair["margin"] = answers.worth[good] - answers.worth[bad]
    return pair


def _deep(value: Any) -> str | None:
    """The text in an object that holds a prompt."""
    if not isinstance(value, Mapping):
        return None
    return next((value[key] for key in _DEEP if isinstance(value.get(key), str) and value[key].strip()), None)


def _turn_by_turn(prompt: str, asked: Any, texts: tuple[Any, Any]) -> dict[str, Any]:
    """Questions and answers of several turns, in lists of the same length (LMSYS Arena): whole conversations."""
    questions = in_cell(asked) if isinstance(asked, str) and asked[:1] == "[" else asked
    if not (is_list(questions) and questions and all(isinstance(text, str) for text in questions)):
        return {}
    if len(questions) == 1:
        return {prompt: questions[0]}
    sides = {}
    for name, text in zip(("chosen", "rejected"), texts, strict=True):
        said = text if is_list(text) else [text]
        if len(said) != len(questions):
            return {}
        turns: list[dict[str, Any]] = []
        for question, answer in zip(questions, said, strict=True):
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        sides[name] = turns[1:]
    return {prompt: questions[0], **sides}


def _tie(said: str = "Both answers are equally good.") -> NotAPairError:
    return NotAPairError("tie", said)
