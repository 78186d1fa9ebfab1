"""Any known shape of a preference pair → a conversation: prompt messages, a chosen answer, a rejected answer.

Standard library only: it travels into a Job beside dpo.py, with the other modules pair_*.py, and the app reads pairs
through it too, so the room shows exactly what is trained. Known shapes (`pair_shapes.SCHEMAS`) are told from the
columns of a row. Where chosen and rejected hold whole conversations, they are split at the last assistant turn, or
where they differ if that is earlier; TRL splits at the longest common prefix (`trl_prompt_cut`), which in text ends
inside the answer when both answers begin alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_answers import answer_groups, answers_of
    from smoltui.scripts.pair_checks import problems_of
    from smoltui.scripts.pair_choices import LeftOut, choice_schema, deep_key, unfold
    from smoltui.scripts.pair_columns import layout_of
    from smoltui.scripts.pair_how import AS_IT_IS, How
    from smoltui.scripts.pair_shapes import Parts, parts_of
    from smoltui.scripts.pair_sides import READERS
    from smoltui.scripts.pair_turns import (
        Message,
        NotAPairError,
        answer,
        common_prefix,
        is_list,
        last_answer_at,
        not_text,
    )
else:  # in a Job, beside dpo.py
    from pair_answers import answer_groups, answers_of
    from pair_checks import problems_of
    from pair_choices import LeftOut, choice_schema, deep_key, unfold
    from pair_columns import layout_of
    from pair_how import AS_IT_IS, How
    from pair_shapes import Parts, parts_of
    from pair_sides import READERS
    from pair_turns import Message, NotAPairError, answer, common_prefix, is_list, last_answer_at, not_text

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)


@dataclass(frozen=True)
class Reading:
    """Everything one row says about itself."""

    schema: str
    """A key of `pair_shapes.SCHEMAS`."""
    prompt: list[Message]
    chosen_turns: list[Message]
    """The chosen answer: one assistant turn, or several turns that begin and end with one; empty if there is none."""
    rejected_turns: list[Message]
    problems: list[NotAPairError]
    """Why the row is not a usable pair, most telling first; empty for a pair."""
    tools: list[Any] | None = None
    """What the row offers the model to call; None without tools."""
    kwargs: dict[str, Any] | None = None
    """The row's own arguments for the chat template; None if it is silent."""
    answer_at: int | None = None
    """Where the chosen answer begins in the row's own `chosen` (characters of a text, turns of a list); None when the
    prompt has its own column."""
    trl_cut: int | None = None
    """Where TRL would cut it, in the same unit; None when TRL cuts nothing or fails."""
    cut_inside_answer: bool = False
    """TRL's cut would move the beginning of an answer into the prompt."""


def schema_of(row: Any, how: How = AS_IT_IS) -> str:
    """The shape of `row`, a key of `pair_shapes.SCHEMAS`; told from columns and types, the content is not checked.

    Raises:
        NotAPairError: not a row (not_a_row), a shape without pairs (unpaired, missing_column), with values that are
            neither text nor messages (wrong_type), or with two columns that may be the prompt, or no word on which
            answer is better (ambiguous).
    """
    return _choice(row, how) or parts_of(row).schema


def examine(row: Any, how: How = AS_IT_IS) -> Reading:
    """What `row` holds, with all its problems rather than the first one.

    Of a row that stands for several pairs (`unfold`), the first is read.

    Raises:
        NotAPairError: prompt and answers cannot even be told apart; see `schema_of`, and also wrong_type, images,
            unknown_role, templated and tie.
    """
    schema = _choice(row, how)
    return _examine(row) if schema is None else replace(_examine(unfold(row, how)[0]), schema=schema)


def _choice(row: Any, how: How) -> str | None:
    """`choice_schema`, at once None for a row that shows one pair, as most do."""
    if isinstance(row, LeftOut):
        raise row.error
    if how is AS_IT_IS and isinstance(row, dict):
        chosen, rejected = row.get("chosen"), row.get("rejected")
        if isinstance(rejected, str) and isinstance(chosen, str) and rejected[:1] != "[":
            if len(chosen) > 20 or not answer_groups(tuple(row)):  # else they may be names of answers
                return None
            return choice_schema(row, how)
        if isinstance(chosen, list) and isinstance(rejected, list):
            return None
    return choice_schema(row, how)


def _examine(row: Any) -> Reading:
    parts = parts_of(row)
    if (name := parts.layout.pictures) is not None and row[name]:
        raise not_text(f"Column {name} holds images")
    if parts.schema == "standard-implicit":
        return replace(_examine_plain(parts.chosen, parts.rejected), kwargs=parts.kwargs)
    prompt, chosen, rejected = READERS[parts.schema](parts)
    problems = problems_of(prompt, chosen, rejected)
    answer_at, cut, inside = _cuts(parts)
    return Reading(
        schema=parts.schema,
        prompt=prompt if prompt is not None else chosen[:-1],
        chosen_turns=chosen if prompt is not None else chosen[-1:],
        rejected_turns=rejected if prompt is not None else rejected[-1:],
        problems=problems,
        tools=parts.tools,
        kwargs=parts.kwargs,
        answer_at=answer_at,
        trl_cut=cut,
        cut_inside_answer=inside,
    )


def columns_read(row: Any, how: How = AS_IT_IS) -> dict[str, str]:
    """What each part of a row is read from: prompt, system, history, tools, then chosen and rejected, or answers and
    what tells the better one (winner, score or rank) → column, columns separated by commas, or a dotted path.

    Raises:
        NotAPairError: as `schema_of`, and tie.
    """
    pair = unfold(row, how)[0]
    parts, layout = parts_of(pair), layout_of(tuple(pair))
    found: dict[str, str | None] = {"prompt": _prompt_path(row, pair, parts.prompt_name)}
    found |= {"system": layout.system, "history": layout.history, "tools": layout.tools}
    answers = answers_of(row, how)
    if answers is not None:
        found |= {"answers": ",".join(answers.columns), answers.kind: ",".join(answers.by)}
    else:
        found["chosen"], found["rejected"] = layout.answers or ("chosen", "rejected")
    return {part: column for part, column in found.items() if column}


def _prompt_path(row: Mapping[str, Any], pair: Mapping[str, Any], name: str) -> str:
    """The column of the prompt, or the path to it in the row that a pair was made of; empty without one."""
    for column, value in row.items():
        if isinstance(value, Mapping) and (key := deep_key(value)) and name and pair[name] == value[key]:
            return f"{column}.{key}"
    return name if name in row else ""


def to_conversation(row: Any) -> dict[str, list[Message]]:
    """The pair in TRL's conversational form: {"prompt": [message, …], "chosen": [message, …], "rejected": …}.

    The answers are one assistant message each, or several turns that begin and end with one. A row in this form comes
    back as it is. Identical answers are a pair (one that teaches nothing), unless two bare texts leave no prompt to be
    told.

    Raises:
        NotAPairError: with the reason, see the class.
    """
    return conversation_of(examine(row))


def conversation_of(reading: Reading) -> dict[str, list[Message]]:
    """`to_conversation` of a row that was examined already. Raises: NotAPairError."""
    if reading.problems:
        raise reading.problems[0]
    return {"prompt": reading.prompt, "chosen": reading.chosen_turns, "rejected": reading.rejected_turns}


def is_trl_form(reading: Reading, row: Mapping[str, Any]) -> bool:
    """Whether TRL takes the row as it is, with an explicit prompt: three texts, or three lists of messages.

    A transcript or a rendered template in `prompt` is no such row, nor a prompt that comes again at the start of the
    answers: TRL would train on it twice. Nor are texts with a system text or a history beside them, which TRL ignores.
    """
    if "prompt" not in row or "chosen" not in row or "rejected" not in row:
        return False
    if reading.schema == "standard":
        return len(reading.prompt) == 1
    sides = (reading.prompt, reading.chosen_turns, reading.rejected_turns)
    return reading.schema == "conversational" and all(
        _same_turns(row[name], turns) for name, turns in zip(("prompt", "chosen", "rejected"), sides, strict=True)
    )


def _same_turns(value: Any, turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a value of a row holds these turns in TRL's own words; what is null in it counts as missing."""
    return (
        isinstance(value, list)
        and len(value) == len(turns)
        and all(
            isinstance(item, Mapping) and {key: part for key, part in item.items() if part is not None} == turn
            for item, turn in zip(value, turns, strict=True)
        )
    )


def content_hash(row: Any) -> str:
    """32 hexadecimal digits over the normalised conversation: the same for every shape a pair is written in.

    A row that is not a pair is hashed as it is, so that it can be pointed at too.
    """
    try:
        reading: Reading | None = examine(row)
    except NotAPairError:
        reading = None
    return hash_of(reading, row)


def hash_of(reading: Reading | None, row: Any) -> str:
    """`content_hash` of a row that was examined already; `reading` is None where that failed.

    Tools count, as they are part of what is trained on; arguments of the template do not: a hash of the texts stays
    valid when they change.
    """
    usable = reading is not None and not reading.problems
    parts: Any = row
    if reading is not None and usable:
        sides = [
            turns[0]["content"] if len(turns) == 1 and len(turns[0]) == 2 else turns
            for turns in (reading.chosen_turns, reading.rejected_turns)
        ]
        parts = [reading.prompt, *sides, *([reading.tools] if reading.tools else [])]
    return hashlib.sha256(_ENCODER.encode(parts).encode("ascii")).hexdigest()[:32]


def trl_prompt_cut(chosen: Sequence[Any], rejected: Sequence[Any]) -> int | None:
    """Where TRL ends the prompt of a pair without a prompt column: characters for text, turns for lists of messages.

    The rule of `trl.data_utils.extract_prompt` (1.16): the longest common prefix, less one space before the cut. When
    one side is the beginning of the other, its last item belongs to the answers. -1 when the sides differ at once and
    chosen ends with a space (TRL then cuts at the end). None where TRL fails: a side is empty.
    """
    shared = min(len(chosen), len(rejected))
    if shared == 0:
        return None
    if chosen[:shared] == rejected[:shared]:
        return shared - 1
    cut = common_prefix(chosen, rejected)
    return cut - 1 if chosen[cut - 1] == " " else cut


def _examine_plain(chosen: str, rejected: str) -> Reading:
    """Two texts that begin alike and nothing else: the shared words are the prompt, cut where a word begins."""
    shared = common_prefix(chosen, rejected)
    at = max(chosen.rfind(" ", 0, shared), chosen.rfind("\n", 0, shared)) + 1
    cut = trl_prompt_cut(chosen, rejected)
    problems = []
    if chosen == rejected:
        problems.append(
            NotAPairError("identical", "chosen and rejected are the same text, so the prompt cannot be determined.")
        )
    for side, text in (("chosen", chosen), ("rejected", rejected)):
        if not problems and not text[at:].strip():
            problems.append(NotAPairError("empty_answer", f"The {side} answer is empty."))
    if not problems and not chosen[:at].strip():
        problems.append(
            NotAPairError("no_prompt", "The pair has no prompt: there is no prompt column and no shared start.")
        )
    return Reading(
        schema="standard-implicit",
        prompt=[{"role": "user", "content": chosen[:at].strip()}],
        chosen_turns=[answer(chosen[at:].strip())],
        rejected_turns=[answer(rejected[at:].strip())],
        problems=problems,
        answer_at=at,
        trl_cut=cut,
        cut_inside_answer=cut is not None and (cut > at or cut < 0),
    )


def _cuts(parts: Parts) -> tuple[int | None, int | None, bool]:
    """(where the chosen answer begins, where TRL cuts, whether that is inside an answer) in a row without a prompt."""
    chosen, rejected = parts.chosen, parts.rejected
    if parts.schema == "hh-rlhf" and not isinstance(parts.prompt, str):
        ends = [last_answer_at(chosen), last_answer_at(rejected)]
        cut = trl_prompt_cut(chosen, rejected)
        return ends[0], cut, cut is not None and (cut > min(ends) or cut < 0)
    if parts.schema == "conversational-implicit" and is_list(chosen) and is_list(rejected):
        cut = trl_prompt_cut(chosen, rejected)
        own = len(chosen) - 1
        if cut is not None and chosen[:own] != rejected[:own]:
            own = min(own, cut)
        return own, cut, cut is not None and cut > own
    return None, None, False
