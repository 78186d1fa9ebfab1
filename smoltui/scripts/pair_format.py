"""Any known shape of a preference pair → a conversation: prompt messages, a chosen answer, a rejected answer.

Standard library only: it travels into a Job beside dpo.py (with pair_turns.py, pair_columns.py, pair_answers.py and
pair_choices.py), and the app reads pairs through it too, so the room shows exactly what is trained. Known shapes
(`SCHEMAS`) are told from the columns of a row. Where chosen and rejected hold whole conversations, they are split at
the last assistant turn, or where they differ if that is earlier; TRL splits at the longest common prefix
(`trl_prompt_cut`), which in text ends inside the answer when both answers begin alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_answers import AS_IT_IS, How, answer_groups, answers_of
    from smoltui.scripts.pair_choices import LeftOut, choice_schema, deep_key, unfold
    from smoltui.scripts.pair_columns import Layout, MappedRow, cell, kwargs_of, layout_of, plain, tools_of
    from smoltui.scripts.pair_turns import (
        Message,
        NotAPairError,
        Rendered,
        answer,
        columns,
        is_list,
        is_transcript,
        kind,
        last_answer_at,
        messages_of,
        not_text,
        rendered,
        text_of,
        transcript,
        transcripts,
    )
else:  # in a Job, beside dpo.py
    from pair_answers import AS_IT_IS, How, answer_groups, answers_of
    from pair_choices import LeftOut, choice_schema, deep_key, unfold
    from pair_columns import Layout, MappedRow, cell, kwargs_of, layout_of, plain, tools_of
    from pair_turns import (
        Message,
        NotAPairError,
        Rendered,
        answer,
        columns,
        is_list,
        is_transcript,
        kind,
        last_answer_at,
        messages_of,
        not_text,
        rendered,
        text_of,
        transcript,
        transcripts,
    )

SCHEMAS: dict[str, str] = {
    "standard": "prompt, chosen and rejected as text",
    "standard-implicit": "chosen and rejected as text with a shared beginning, no prompt column",
    "conversational": "prompt, chosen and rejected as messages",
    "messages": "prompt and answers as messages, in other columns or another form than TRL's",
    "conversational-implicit": "chosen and rejected as whole conversations, no prompt column",
    "text-prompt": "prompt as text, chosen and rejected as messages (UltraFeedback)",
    "hh-rlhf": "transcripts with Human: and Assistant: turns",
    "sharegpt": "conversations, chosen and rejected with from and value (ShareGPT ranking)",
    "instruction": "instruction, question, query or input, chosen and rejected as text",
    "openai": "input.messages, preferred_output and non_preferred_output",
    "messages-rejected": "messages with the chosen answer as last turn, and a rejected answer (ms-swift)",
    "templated": "prompt as text that a chat template has rendered; it is taken apart",
    "several-rejected": "one chosen answer and a list of rejected ones: one pair for each",
    "ranked": "answers with a winner, scores or ranks, from which pairs are made",
}
"""Name of each shape that is recognised, and what it looks like."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
_EXPECTED = "chosen and rejected, with a separate prompt or one inside both"
_MESSAGES = (str, list, tuple, dict)
"""Types of an answer."""


@dataclass(frozen=True)
class Reading:
    """Everything one row says about itself."""

    schema: str
    """A key of `SCHEMAS`."""
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


# ---------------------------------------------------------------------------------------------------- public functions


def schema_of(row: Any, how: How = AS_IT_IS) -> str:
    """The shape of `row`, a key of `SCHEMAS`; told from columns and types, the content is not checked.

    Raises:
        NotAPairError: not a row (not_a_row), a shape without pairs (unpaired, missing_column), with values that are
            neither text nor messages (wrong_type), or with two columns that may be the prompt, or no word on which
            answer is better (ambiguous).
    """
    return _choice(row, how) or _parts(row).schema


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
    parts = _parts(row)
    if (name := parts.layout.pictures) is not None and row[name]:
        raise not_text(f"Column {name} holds images")
    if parts.schema == "standard-implicit":
        return replace(_examine_plain(parts.chosen, parts.rejected), kwargs=parts.kwargs)
    prompt, chosen, rejected = _READERS[parts.schema](parts)
    problems = _problems(prompt, chosen, rejected)
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
    parts, layout = _parts(pair), layout_of(tuple(pair))
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
    cut = _common_prefix(chosen, rejected)
    return cut - 1 if chosen[cut - 1] == " " else cut


# --------------------------------------------------------------------------------------------------- parts of a row


class _Parts(NamedTuple):
    """The values of a row by meaning."""

    schema: str
    chosen: Any
    rejected: Any
    prompt: Any
    prompt_name: str
    """Column of the prompt; empty without one."""
    row: Mapping[str, Any]
    layout: Layout
    tools: list[Any] | None
    kwargs: dict[str, Any] | None


def _parts(row: Any) -> _Parts:
    if not isinstance(row, Mapping):
        raise NotAPairError("not_a_row", f"A row must be an object with columns; found {kind(row)}.")
    layout = layout_of(tuple(row))
    names = layout.answers or ("chosen", "rejected")
    chosen, rejected = (cell(row.get(name)) for name in names)
    if chosen is None or rejected is None:
        raise _missing(row, names, chosen is None)
    if layout.others:
        _refuse_other_answers(row, layout, (chosen, rejected))
    name = _prompt_name(row, layout, chosen, rejected)
    prompt = cell(row[name]) if name is not None else None
    kwargs = kwargs_of(row, layout.kwargs) if layout.kwargs is not None else None
    tools = tools_of(row, layout.tools) if layout.tools is not None else None
    if isinstance(prompt, Mapping):
        tools = tools or tools_of(prompt, "tools")
    schema = _schema(row, names, (chosen, rejected), prompt, name)
    return _Parts(schema, chosen, rejected, prompt, name or "", row, layout, tools, kwargs)


def _refuse_other_answers(row: Mapping[str, Any], layout: Layout, sides: tuple[Any, Any]) -> None:
    """Raises: NotAPairError (ambiguous); other columns hold two answers too, and they don't say the same."""
    said = [_said(side) for side in sides]
    for names in layout.others:
        other = [_said(cell(row[name])) for name in names]
        if None not in other and other != said:
            both = " or in ".join(" and ".join(pair) for pair in (layout.answers or (), names))
            raise NotAPairError(
                "ambiguous",
                f"The answers may be in {both}: say which.",
                f"--columns chosen={names[0]},rejected={names[1]}",
            )


def _said(side: Any) -> str | None:
    """The last words of an answer, to compare two; None for what is no answer."""
    if is_list(side) and side:
        side = side[-1]
    if isinstance(side, Mapping):
        side = next((side[key] for key in ("content", "value") if side.get(key) is not None), None)
    return side.strip() if isinstance(side, str) else None


def _missing(row: Mapping[str, Any], names: tuple[str, str], chosen: bool) -> NotAPairError:
    if any(name in row for name in ("label", "completion")):
        return NotAPairError(
            "unpaired",
            f"Unpaired: a row needs a chosen and a rejected answer to one prompt; found columns {columns(row)}.",
        )
    name = names[0] if chosen else names[1]
    said = "is empty" if name in row else "is missing"
    return NotAPairError("missing_column", f"Column {name} {said}: expected {_EXPECTED}; found columns {columns(row)}.")


def _schema(
    row: Mapping[str, Any], names: tuple[str, str], sides: tuple[Any, Any], prompt: Any, name: str | None
) -> str:
    """A key of `SCHEMAS`. Raises: NotAPairError (wrong_type)."""
    chosen, rejected = sides
    if not isinstance(chosen, _MESSAGES) or not isinstance(rejected, _MESSAGES):
        side, value = (names[0], chosen) if not isinstance(chosen, _MESSAGES) else (names[1], rejected)
        raise NotAPairError("wrong_type", f"{side} must be text or messages; found {kind(value)}.")
    if special := _SPECIAL.get(names[0]):
        return special
    if name is not None and plain(name) == "conversations":
        return "sharegpt"
    if isinstance(chosen, str) and isinstance(rejected, str):
        schema = _schema_of_texts(chosen, rejected, prompt, name)
        if schema == "standard-implicit" and names != ("chosen", "rejected"):
            raise NotAPairError("ambiguous", f"No column is known to hold the prompt; found columns {columns(row)}.")
        own = names == ("chosen", "rejected") and not isinstance(row, MappedRow)
        return "instruction" if schema == "standard" and not own else schema
    return _schema_of_messages(row, names, sides, prompt, name)


_SPECIAL = {"preferred_output": "openai", "messages": "messages-rejected"}
"""Column of the chosen answer → schema, where the name alone tells."""


def _schema_of_messages(
    row: Mapping[str, Any], names: tuple[str, str], sides: tuple[Any, Any], prompt: Any, name: str | None
) -> str:
    if name is None:
        if any(isinstance(side, str) for side in sides):
            raise NotAPairError(
                "wrong_type",
                f"chosen and rejected must have the same type; found {kind(sides[0])} and {kind(sides[1])}.",
            )
        return "conversational-implicit"
    if isinstance(prompt, str):
        return "text-prompt"
    own = (name, *names) == ("prompt", "chosen", "rejected")
    return "conversational" if own and all(is_list(row[column]) for column in ("prompt", *names)) else "messages"


def _schema_of_texts(chosen: str, rejected: str, prompt: Any, name: str | None) -> str:
    if name is None:
        return "hh-rlhf" if is_transcript(chosen) and is_transcript(rejected) else "standard-implicit"
    if not isinstance(prompt, str):
        return "messages" if is_list(prompt) else "instruction"
    if is_transcript(prompt):
        return "hh-rlhf"
    if rendered(prompt) is not None:
        return "templated"
    return "standard" if name == "prompt" else "instruction"


def _prompt_name(row: Mapping[str, Any], layout: Layout, chosen: Any, rejected: Any) -> str | None:
    """The column of the prompt; None if there is none, or the answers hold it themselves.

    Raises:
        NotAPairError: ambiguous; two columns may be it, and they don't say the same.
    """
    if not layout.prompts:
        return None
    found = [name for name in layout.prompts if row[name] is not None]
    if found == ["prompt"]:
        return "prompt"
    if not found:
        return None
    if plain(found[0]) == "prompt":
        conversations = next((name for name in found if plain(name) == "conversations"), None)
        return conversations or found[0]
    return None if _whole(chosen) and _whole(rejected) else _likely_prompt(row, found)


def _likely_prompt(row: Mapping[str, Any], found: list[str]) -> str:
    """The one of several columns that is the prompt. Raises: NotAPairError (ambiguous)."""
    said = [name for name in found if not (isinstance(row[name], str) and not row[name].strip())]
    if not said:
        return found[0]
    words = [plain(name) for name in said]
    if words == ["instruction", "input"]:
        return said[0]
    if "conversations" in words and is_list(cell(row[said[words.index("conversations")]])):
        return said[words.index("conversations")]
    asked = {_asked(row[name]) for name in said}
    if len(asked) > 1:
        raise NotAPairError(
            "ambiguous",
            f"The prompt may be in column {' or '.join(said)}: say which one it is.",
            f"--columns prompt={said[0]}",
        )
    return said[0]


def _asked(value: Any) -> str:
    """The last thing a possible prompt asks, to compare two of them."""
    value = cell(value)
    if isinstance(value, str):
        return value.strip()
    try:
        turns = messages_of("", value)
    except NotAPairError:
        return repr(value)
    return next((turn["content"].strip() for turn in reversed(turns) if turn["role"] == "user"), repr(value))


def _whole(side: Any) -> bool:
    """Whether an answer is a whole conversation, with the prompt."""
    if isinstance(side, str):
        return is_transcript(side)
    first = side[0] if is_list(side) and len(side) > 1 else None
    if not isinstance(first, Mapping):
        return False
    role = first.get("role") or first.get("from")
    return isinstance(role, str) and role.strip().lower() in ("user", "human", "system", "prompter", "developer")


# ------------------------------------------------------------------------------------------------------ one per schema

_Sides = tuple[list[Message] | None, list[Message], list[Message]]
"""Prompt, chosen, rejected; without a prompt, both sides are whole conversations that end with their answer."""


def _read_transcript(parts: _Parts) -> _Sides:
    if not isinstance(parts.prompt, str):
        return None, *transcripts(parts.chosen, parts.rejected)
    turns = transcript(parts.prompt)
    if turns and turns[-1] == answer(""):
        turns.pop()  # the open "Assistant:" that the answers follow
    return turns, [answer(parts.chosen.strip())], [answer(parts.rejected.strip())]


def _read_standard(parts: _Parts) -> _Sides:
    return _text_prompt(parts), [answer(parts.chosen)], [answer(parts.rejected)]


def _text_prompt(parts: _Parts) -> list[Message]:
    """A prompt in a column of its own as turns, after the system text and the history."""
    text = text_of(parts.prompt_name, parts.prompt)
    extra = parts.row.get("input")
    if parts.prompt_name == "instruction" and isinstance(extra, str) and extra.strip():
        text = f"{text}\n\n{extra}"
    return [*_system(parts), *_history(parts), {"role": "user", "content": text}]


def _read_templated(parts: _Parts) -> _Sides:
    found = rendered(parts.prompt) or Rendered([{"role": "user", "content": parts.prompt}], ())
    return found.turns, [answer(found.answer(parts.chosen))], [answer(found.answer(parts.rejected))]


def _read_messages(parts: _Parts) -> _Sides:
    chosen, rejected = (
        messages_of(side, value, strings=True)
        for side, value in (("chosen", parts.chosen), ("rejected", parts.rejected))
    )
    if not parts.prompt_name:
        return _split(0, chosen, rejected)
    if isinstance(parts.prompt, str):
        return _with_prompt(_text_prompt(parts), chosen, rejected)
    prompt = messages_of(parts.prompt_name, parts.prompt)
    if parts.prompt_name != "prompt" and prompt and prompt[0]["role"] != "system":
        prompt = [*_system(parts), *prompt]
    return _with_prompt(prompt, chosen, rejected)


def _read_messages_rejected(parts: _Parts) -> _Sides:
    whole = messages_of("messages", parts.chosen)
    if whole and whole[0]["role"] != "system":
        whole = [*_system(parts), *whole]
    rejected = messages_of("rejected", parts.rejected, strings=True)
    at = next((at for at in range(len(whole), 0, -1) if whole[at - 1]["role"] == "user"), 0)
    if rejected[0]["role"] == "assistant":
        return whole[:at], whole[at:], rejected
    return _split(0, whole, rejected)


def _read_openai(parts: _Parts) -> _Sides:
    prompt = messages_of("input.messages", parts.prompt)
    names = parts.layout.answers or ("", "")
    sides = [
        messages_of(name, value, strings=True)
        for name, value in zip(names, (parts.chosen, parts.rejected), strict=True)
    ]
    return _with_prompt(prompt, *sides)


_READERS: dict[str, Callable[[_Parts], _Sides]] = {
    "standard": _read_standard,
    "instruction": _read_standard,
    "templated": _read_templated,
    "hh-rlhf": _read_transcript,
    "conversational": _read_messages,
    "messages": _read_messages,
    "conversational-implicit": _read_messages,
    "text-prompt": _read_messages,
    "sharegpt": _read_messages,
    "messages-rejected": _read_messages_rejected,
    "openai": _read_openai,
}


def _with_prompt(prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> _Sides:
    """The sides of a pair with a prompt column: the answers alone, or whole conversations that repeat the prompt.

    Raises:
        NotAPairError: prompt_differs; a side holds another conversation than the prompt column.
    """
    whole = [_repeats(side, prompt, turns) for side, turns in (("chosen", chosen), ("rejected", rejected))]
    if not any(whole):
        return prompt, chosen, rejected
    sides = [turns if repeats else [*prompt, *turns] for repeats, turns in zip(whole, (chosen, rejected), strict=True)]
    return _split(len(prompt), *sides)


def _repeats(side: str, prompt: list[Message], turns: list[Message]) -> bool:
    """Whether the turns of a side repeat the prompt. Raises: NotAPairError (prompt_differs)."""
    before = turns[:-1]
    if not before or before[0]["role"] == "assistant":
        return False
    if before[-len(prompt) :] == prompt or before[: len(prompt)] == prompt:
        return True
    raise NotAPairError(
        "prompt_differs", f"The conversation in {side} does not contain the prompt from the prompt column."
    )


def _split(least: int, chosen: list[Message], rejected: list[Message]) -> _Sides:
    """Two whole conversations, split at the last turn, or where they part if both have an assistant turn there.

    The prompt has `least` turns at least.
    """
    if chosen[:-1] == rejected[:-1]:
        return None, chosen, rejected
    cut = max(_common_prefix(chosen, rejected), least)
    if 0 < cut < min(len(chosen), len(rejected)):
        parted = chosen[cut], rejected[cut]
        if all(turn["role"] == "assistant" for turn in parted) and chosen[:cut] == rejected[:cut]:
            return chosen[:cut], chosen[cut:], rejected[cut:]
    return None, chosen, rejected


def _system(parts: _Parts) -> list[Message]:
    name = parts.layout.system
    text = parts.row[name] if name is not None else None
    return [{"role": "system", "content": text}] if isinstance(text, str) and text.strip() else []


def _history(parts: _Parts) -> list[Message]:
    """Earlier exchanges ([[user, assistant], …], or messages) that are in a column of their own."""
    name = parts.layout.history
    value = cell(parts.row[name]) if name is not None else None
    if not isinstance(value, list | tuple):
        return []
    if value and all(isinstance(turn, Mapping) for turn in value):
        return messages_of("history", value)
    turns: list[Message] = []
    for exchange in value:
        if not (is_list(exchange) and len(exchange) == 2 and all(isinstance(said, str) for said in exchange)):
            raise NotAPairError("wrong_type", "history must be a list of exchanges: the user's text and the answer.")
        turns += [{"role": "user", "content": exchange[0]}, answer(exchange[1])]
    return turns


def _examine_plain(chosen: str, rejected: str) -> Reading:
    """Two texts that begin alike and nothing else: the shared words are the prompt, cut where a word begins."""
    shared = _common_prefix(chosen, rejected)
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


def _cuts(parts: _Parts) -> tuple[int | None, int | None, bool]:
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


# --------------------------------------------------------------------------------------------------------------- checks


def _problems(prompt: list[Message] | None, chosen: list[Message], rejected: list[Message]) -> list[NotAPairError]:
    """What keeps the sides, as a reader gives them, from being a pair; most telling first."""
    problems = []
    if not (chosen and rejected and chosen[-1]["role"] == rejected[-1]["role"] == "assistant"):
        return [problem for problem in (_no_answer("chosen", chosen), _no_answer("rejected", rejected)) if problem]
    before = (chosen[:-1], rejected[:-1]) if prompt is None else (prompt, prompt)
    alike = before[0] == before[1]
    if not alike:
        problems.append(_prompts_differ(*before))
    if missing := _no_prompt(before[0]):
        problems.append(missing)
    elif prompt is None:
        problems += _wrong_orders(chosen, None if alike else rejected)
    else:
        several = len(chosen) + len(rejected) > 2
        problems += _wrong_orders([*prompt, *chosen], [*prompt, *rejected] if several else None)
    for side, turns in (("chosen", chosen), ("rejected", rejected)):
        if not turns[-1]["content"].strip() and not turns[-1].get("tool_calls"):
            problems.append(NotAPairError("empty_answer", f"The {side} answer is empty."))
    return problems


def _wrong_orders(chosen: list[Message], rejected: list[Message] | None) -> list[NotAPairError]:
    """Whose turn it isn't, on the chosen or else the rejected side; None for a side that has the same roles."""
    wrong = _wrong_order("chosen", chosen)
    if wrong is None and rejected is not None:
        wrong = _wrong_order("rejected", rejected)
    return [] if wrong is None else [wrong]


def _no_answer(side: str, turns: list[Message]) -> NotAPairError | None:
    if turns and turns[-1]["role"] == "assistant":
        return None
    found = f"its last turn is by {turns[-1]['role']}" if turns else "it has no turns"
    return NotAPairError("no_answer", f"{side} must end with an assistant turn; {found}.")


def _prompts_differ(chosen: list[Message], rejected: list[Message]) -> NotAPairError:
    turn = _common_prefix(chosen, rejected) + 1
    return NotAPairError(
        "prompt_differs",
        f"The text before the last assistant turn differs between chosen and rejected, from turn {turn}.",
    )


def _no_prompt(before: list[Message]) -> NotAPairError | None:
    said = "no user turn comes before the answers"
    for turn in before:
        if turn["role"] == "user":
            said = "every turn before the answers is empty"
            break
    else:
        return NotAPairError("no_prompt", f"The pair has no prompt: {said}.")
    for turn in before:
        if turn["content"].strip():
            return None
    return NotAPairError("no_prompt", f"The pair has no prompt: {said}.")


def _wrong_order(side: str, turns: list[Message]) -> NotAPairError | None:
    """Whose turn it isn't: user and assistant alternate; results of tools follow the turn that calls them."""
    roles = [turn["role"] for turn in turns]
    talk = roles[1:] if roles[0] == "system" else roles
    if talk[::2] == ["user"] * ((len(talk) + 1) // 2) and talk[1::2] == ["assistant"] * (len(talk) // 2):
        return None
    skipped = len(roles) - len(talk)
    expected = {"user"}
    for number, (turn, role) in enumerate(zip(turns[skipped:], talk, strict=True), skipped + 1):
        if role not in expected:
            return NotAPairError(
                "roles",
                f"The roles of {side} do not alternate between user and assistant: turn {number} is by {role}, not by "
                f"{' or '.join(sorted(expected))}.",
            )
        if role == "assistant":
            expected = {"tool"} if turn.get("tool_calls") else {"user"}
        else:
            expected = {"assistant", "tool"} if role == "tool" else {"assistant"}
    return None


def _common_prefix(left: Sequence[Any], right: Sequence[Any]) -> int:
    """How many items both begin with. Halving finds it in few comparisons of slices, which run in C."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
