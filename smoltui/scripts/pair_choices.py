"""Answers with a winner, scores or ranks → preference pairs.

    unfold({"question": q, "answer_0": a, "answer_1": b, "score_0": 0.5, "score_1": -0.5})
    [{"question": q, "chosen": a, "rejected": b, "score_chosen": 0.5, "score_rejected": -0.5, "margin": 1.0}]

Standard library only: it travels into a Job beside `dpo.py` and `pair_format.py`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_answers import Answers, answers_of, tie
    from smoltui.scripts.pair_columns import PROMPTS, layout_of, plain
    from smoltui.scripts.pair_how import AS_IT_IS, How
    from smoltui.scripts.pair_turns import NotAPairError, in_cell, is_list
else:  # in a Job, beside dpo.py
    from pair_answers import Answers, answers_of, tie
    from pair_columns import PROMPTS, layout_of, plain
    from pair_how import AS_IT_IS, How
    from pair_turns import NotAPairError, in_cell, is_list

DEEP = ("full_text", "text", "post", "question", "prompt", "content")
"""Where the text of a prompt is when its column holds an object (WebGPT, summaries of posts)."""


class LeftOut(dict[str, Any]):
    """A row of which no pair is made. It says so wherever it is read, whatever its own columns show."""

    def __init__(self, row: Mapping[str, Any], error: NotAPairError) -> None:
        super().__init__(row)
        self.error = error


def unfold(row: Any, how: How = AS_IT_IS) -> list[Any]:
    """The rows of pairs that `row` stands for, with its other columns; the row itself if it has no answers to rank.

    Raises:
        NotAPairError: tie (equally good), too_close (closer than the margin), ambiguous (not told which one is better),
            missing_column (one that `how` names).
    """
    if not isinstance(row, Mapping):
        return [row]
    several = _several_rejected(row, how)
    if several is not None:
        return several
    answers = answers_of(row, how)
    return [row] if answers is None else pairs_of(row, answers, how)


def choice_schema(row: Any, how: How = AS_IT_IS) -> str | None:
    """`several-rejected` or `ranked` (see `pair_shapes.SCHEMAS`) for a row that `unfold` unfolds; None for any other.

    Raises:
        NotAPairError: ambiguous; it has answers, but it isn't told which one is better. missing_column.
    """
    if not isinstance(row, Mapping):
        return None
    if _several_rejected(row, how) is not None:
        return "several-rejected"
    try:
        return "ranked" if answers_of(row, how) is not None else None
    except NotAPairError as error:
        if error.reason == "tie":  # `answers_of` knows no margin
            return "ranked"
        raise


def _several_rejected(row: Mapping[str, Any], how: How) -> list[Any] | None:
    """One row for each rejected answer, where there are several beside one chosen text; None for any other row."""
    layout = layout_of(tuple(row))
    if layout.answers is None or how.names_columns:
        return None
    chosen, rejected = layout.answers
    others = row.get(rejected)
    if isinstance(others, str) and others[:1] == "[" and isinstance(row.get(chosen), str):
        others = in_cell(others)
    if not (is_list(others) and others and isinstance(row.get(chosen), str)):
        return None
    if not all(isinstance(text, str) for text in others):
        return None
    if how.pick == "best-random":
        others = [_drawn(others, [row[chosen], *others], how.seed)]
    return [{**row, rejected: text} for text in others]


# ------------------------------------------------------------------------------------------------------------- pairs


def pairs_of(row: Mapping[str, Any], answers: Answers, how: How = AS_IT_IS) -> list[dict[str, Any]]:
    """The pairs of a row's answers; each with the row's other columns, and with scores where there are any.

    Raises:
        NotAPairError: tie; too_close: no two answers differ by the margin.
    """
    picked = _picked(answers, how)
    if not picked:
        raise tie()
    kept = [(good, bad) for good, bad in picked if answers.worth[good] - answers.worth[bad] >= how.min_margin]
    if not kept:
        said = f"The {answers.kind}s differ by less than the margin of {how.min_margin:g}."
        raise NotAPairError("too_close", said)
    others = {name: value for name, value in row.items() if name not in answers.used}
    return [_pair(others, answers, good, bad) for good, bad in kept]


def _picked(answers: Answers, how: How) -> list[tuple[int, int]]:
    """The places of the better and the worse answer of each pair; none if all are equally good."""
    order = sorted(range(len(answers.worth)), key=lambda at: -answers.worth[at])
    best = order[0]
    worse = [at for at in order[1:] if answers.worth[at] < answers.worth[best]]
    if how.pick == "all":
        return [pair for pair in combinations(order, 2) if answers.worth[pair[0]] > answers.worth[pair[1]]]
    if not worse or how.pick == "best-each":
        return [(best, at) for at in worse]
    if how.pick == "best-random":
        return [(best, _drawn(worse, answers.texts, how.seed))]
    return [(best, order[-1])]


def _drawn(among: Sequence[Any], texts: Sequence[Any], seed: int) -> Any:
    """One of `among`, the same for the same texts and seed on every machine."""
    text = json.dumps([seed, list(texts)], sort_keys=True, default=str)
    return random.Random(hashlib.sha256(text.encode()).digest()).choice(among)


def _pair(others: Mapping[str, Any], answers: Answers, good: int, bad: int) -> dict[str, Any]:
    """One pair; `others` are the row's columns without the answers."""
    pair = {name: value for name, value in others.items() if plain(name) not in ("chosen", "rejected")}
    texts = answers.texts[good], answers.texts[bad]
    prompt = next((name for name in pair if plain(name) in PROMPTS and pair[name] is not None), None)
    if prompt is None:
        deep = next(((name, found) for name, value in pair.items() if (found := deep_text(value))), None)
        if deep is not None:
            pair["prompt"] = deep[1]
    elif isinstance(pair[prompt], Mapping) and (found := deep_text(pair[prompt])):
        pair[prompt] = found
    else:
        pair |= _turn_by_turn(prompt, pair[prompt], texts)
    if "chosen" not in pair:
        pair["chosen"], pair["rejected"] = texts
    if answers.scores is not None:
        pair["score_chosen"], pair["score_rejected"] = answers.scores[good], answers.scores[bad]
        pair["margin"] = answers.worth[good] - answers.worth[bad]
    return pair


def deep_text(value: Any) -> str | None:
    """The text in an object that holds a prompt."""
    key = deep_key(value)
    return None if key is None else value[key]


def deep_key(value: Any) -> str | None:
    """The key of that text."""
    if not isinstance(value, Mapping):
        return None
    return next((key for key in DEEP if isinstance(value.get(key), str) and value[key].strip()), None)


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
