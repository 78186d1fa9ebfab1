"""Any known shape of a preference pair → a conversation: prompt messages, one chosen answer, one rejected answer.

Standard library only, one file: it travels into a Job beside dpo.py, and the app reads pairs through it too, so the
room shows exactly what is trained. Known shapes (`SCHEMAS`) are told from the columns of a row. Where chosen and
rejected hold whole conversations, they are split at the last assistant turn; TRL would split at the longest common
prefix (`trl_prompt_cut`), which ends inside the answer when both answers begin alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}"""

SCHEMAS: dict[str, str] = {
    "standard": "prompt, chosen and rejected as text",
    "standard-implicit": "chosen and rejected as text with a shared beginning, no prompt column",
    "conversational": "prompt, chosen and rejected as messages",
    "conversational-implicit": "chosen and rejected as whole conversations, no prompt column",
    "text-prompt": "prompt as text, chosen and rejected as messages (UltraFeedback)",
    "hh-rlhf": "transcripts with Human: and Assistant: turns",
    "sharegpt": "conversations, chosen and rejected with from and value (ShareGPT ranking)",
    "instruction": "instruction or question, chosen and rejected as text",
    "openai": "input.messages, preferred_output and non_preferred_output",
}
"""Name of each shape that is recognised, and what it looks like."""

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
}
_TOOL_ROLES = {"tool", "function", "function_call", "observation", "ipython"}
_UNSUPPORTED = (("tools", "tools"), ("images", "images"), ("image", "images"))
"""Columns that make a row one that is shown as it is, and the reason."""
_PARTS = {
    "image": "images",
    "image_url": "images",
    "input_image": "images",
    "tool_use": "tools",
    "tool_call": "tools",
    "tool_result": "tools",
}
"""Types of content parts likewise."""
_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"\n\n(Human|Assistant):")
"""In a text that begins with an empty line, see `_led`."""
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
_EXPECTED = "chosen and rejected, with a separate prompt or one inside both"


class NotAPairError(ValueError):
    """A row that cannot be trained on as a preference pair.

    `reason` is a short code for counting: not_a_row, unpaired, missing_column, wrong_type, tools, images, unknown_role,
    no_answer, no_prompt, prompt_differs, roles, empty_answer, identical. The message is one sentence.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Reading:
    """Everything one row says about itself."""

    schema: str
    """A key of `SCHEMAS`."""
    prompt: list[Message]
    chosen: str
    rejected: str
    problems: list[NotAPairError]
    """Why the row is not a usable pair, most telling first; empty for a pair."""
    answer_at: int | None = None
    """Where the chosen answer begins in the row's own `chosen` (characters of a text, turns of a list); None when the
    prompt has its own column."""
    trl_cut: int | None = None
    """Where TRL would cut it, in the same unit; None when TRL cuts nothing or fails."""
    cut_inside_answer: bool = False
    """TRL's cut would move the beginning of an answer into the prompt."""


# ---------------------------------------------------------------------------------------------------- public functions


def schema_of(row: Any) -> str:
    """The shape of `row`, a key of `SCHEMAS`; told from columns and types, the content is not checked.

    Raises:
        NotAPairError: not a row (not_a_row), a shape without pairs (unpaired, missing_column) or with values that are
            neither text nor messages (wrong_type).
    """
    if not isinstance(row, Mapping):
        raise NotAPairError("not_a_row", f"A row must be an object with columns; found {_kind(row)}.")
    if "preferred_output" in row and "non_preferred_output" in row:
        return "openai"
    if missing := [name for name in ("chosen", "rejected") if row.get(name) is None]:
        if "label" in row or "completion" in row:
            raise NotAPairError(
                "unpaired",
                f"Unpaired: a row needs a chosen and a rejected answer to one prompt; found columns {_columns(row)}.",
            )
        said = "is empty" if missing[0] in row else "is missing"
        raise NotAPairError(
            "missing_column",
            f"Column {missing[0]} {said}: expected {_EXPECTED}; found columns {_columns(row)}.",
        )
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, str) and isinstance(rejected, str):
        if row.get("conversations") is not None:
            return "sharegpt"
        name = _prompt_column(row)
        if name is None:
            return "hh-rlhf" if _is_transcript(chosen) and _is_transcript(rejected) else "standard-implicit"
        prompt = row[name]
        if isinstance(prompt, str) and name == "prompt":
            return "hh-rlhf" if _is_transcript(prompt) else "standard"
        return "conversational" if _is_list(prompt) else "instruction"
    if _is_list(chosen) != _is_list(rejected) or _is_turn(chosen) != _is_turn(rejected):
        raise NotAPairError(
            "wrong_type",
            f"chosen and rejected must have the same type; found {_kind(chosen)} and {_kind(rejected)}.",
        )
    if not (_is_list(chosen) or _is_turn(chosen)):
        raise NotAPairError("wrong_type", f"chosen must be text or messages; found {_kind(chosen)}.")
    if row.get("conversations") is not None:
        return "sharegpt"
    name = _prompt_column(row)
    if name is None:
        return "conversational-implicit"
    return "conversational" if _is_list(row[name]) else "text-prompt"


def examine(row: Any) -> Reading:
    """What `row` holds, with all its problems rather than the first one.

    Raises:
        NotAPairError: prompt and answers cannot even be told apart; see `schema_of`, and for messages also wrong_type,
            tools, images and unknown_role.
    """
    schema = schema_of(row)
    for name, reason in _UNSUPPORTED:
        if row.get(name):
            raise _unsupported(reason, f"Column {name} holds {reason}")
    if schema == "standard-implicit":
        return _examine_plain(row["chosen"], row["rejected"])
    chosen, rejected = _READERS[schema](row)
    before_chosen, before_rejected = chosen[:-1], rejected[:-1]
    problems = []
    if not (chosen and rejected and chosen[-1]["role"] == rejected[-1]["role"] == "assistant"):
        problems = [problem for problem in (_no_answer("chosen", chosen), _no_answer("rejected", rejected)) if problem]
    else:
        alike = before_chosen == before_rejected
        if not alike:
            problems.append(_prompts_differ(before_chosen, before_rejected))
        if missing := _no_prompt(before_chosen):
            problems.append(missing)
        elif wrong := _wrong_order("chosen", chosen) or (None if alike else _wrong_order("rejected", rejected)):
            problems.append(wrong)
        for side, turns in (("chosen", chosen), ("rejected", rejected)):
            if not turns[-1]["content"].strip():
                problems.append(NotAPairError("empty_answer", f"The {side} answer is empty."))
    answer_at, cut, inside = _cuts(schema, row)
    return Reading(
        schema=schema,
        prompt=before_chosen,
        chosen=chosen[-1]["content"] if chosen else "",
        rejected=rejected[-1]["content"] if rejected else "",
        problems=problems,
        answer_at=answer_at,
        trl_cut=cut,
        cut_inside_answer=inside,
    )


def to_conversation(row: Any) -> dict[str, list[Message]]:
    """The pair in TRL's conversational form: {"prompt": [message, …], "chosen": [message], "rejected": [message]}.

    The answers are one assistant message each; the prompt ends with a user message. A row in this form comes back
    as it is. Identical answers are a pair (one that teaches nothing), unless two bare texts leave no prompt to be told.

    Raises:
        NotAPairError: with the reason, see the class.
    """
    reading = examine(row)
    if reading.problems:
        raise reading.problems[0]
    return {
        "prompt": reading.prompt,
        "chosen": [{"role": "assistant", "content": reading.chosen}],
        "rejected": [{"role": "assistant", "content": reading.rejected}],
    }


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
    """`content_hash` of a row that was examined already; `reading` is None where that failed."""
    usable = reading is not None and not reading.problems
    parts: Any = [reading.prompt, reading.chosen, reading.rejected] if reading is not None and usable else row
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


# ------------------------------------------------------------------------------------------------------ one per schema

_Sides = tuple[list[Message], list[Message]]


def _read_transcript(row: Mapping[str, Any]) -> _Sides:
    prompt = row.get("prompt")
    if not isinstance(prompt, str):
        chosen, rejected = row["chosen"], row["rejected"]
        turns = _transcript(chosen)
        ends = _last_marker_end(chosen), _last_marker_end(rejected)
        tail = rejected[ends[1] :]
        # The usual row: both sides are the same up to their last answer, so they are taken apart once.
        if turns[-1]["role"] == "assistant" and chosen[: ends[0]] == rejected[: ends[1]] and _HUMAN not in tail:
            return turns, [*turns[:-1], _answer(tail.strip())]
        return turns, _transcript(rejected)
    turns = _transcript(prompt)
    if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"]:
        turns.pop()  # the open "Assistant:" that the answers follow
    return [*turns, _answer(row["chosen"].strip())], [*turns, _answer(row["rejected"].strip())]


def _read_standard(row: Mapping[str, Any]) -> _Sides:
    name = _prompt_column(row) or "prompt"
    text = _text(name, row[name])
    if isinstance(extra := row.get("input"), str) and extra.strip() and name == "instruction":
        text = f"{text}\n\n{extra}"
    prompt = [*_history(row), {"role": "user", "content": text}]
    return [*prompt, _answer(row["chosen"])], [*prompt, _answer(row["rejected"])]


def _read_messages(row: Mapping[str, Any]) -> _Sides:
    name = _prompt_column(row)
    chosen, rejected = (_messages(side, row[side], strings=True) for side in ("chosen", "rejected"))
    if name is None:
        return chosen, rejected
    if _is_list(row[name]):
        prompt = _messages(name, row[name])
    else:
        prompt = [*_history(row), {"role": "user", "content": _text(name, row[name])}]
    return _after_prompt("chosen", prompt, chosen), _after_prompt("rejected", prompt, rejected)


def _read_sharegpt(row: Mapping[str, Any]) -> _Sides:
    prompt = _messages("conversations", row["conversations"])
    if prompt and prompt[0]["role"] != "system":
        prompt = [*_system(row), *prompt]
    chosen, rejected = (_messages(side, row[side], strings=True) for side in ("chosen", "rejected"))
    return _after_prompt("chosen", prompt, chosen), _after_prompt("rejected", prompt, rejected)


def _read_openai(row: Mapping[str, Any]) -> _Sides:
    source = row.get("input")
    if isinstance(source, Mapping) and source.get("tools"):
        raise _unsupported("tools", "Column input contains tools")
    prompt = _messages("input.messages", source.get("messages") if isinstance(source, Mapping) else source)
    sides = [_messages(name, row[name], strings=True) for name in ("preferred_output", "non_preferred_output")]
    return _after_prompt("preferred_output", prompt, sides[0]), _after_prompt("non_preferred_output", prompt, sides[1])


_READERS: dict[str, Callable[[Mapping[str, Any]], _Sides]] = {
    "standard": _read_standard,
    "instruction": _read_standard,
    "hh-rlhf": _read_transcript,
    "conversational": _read_messages,
    "conversational-implicit": _read_messages,
    "text-prompt": _read_messages,
    "sharegpt": _read_sharegpt,
    "openai": _read_openai,
}


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
        chosen=chosen[at:].strip(),
        rejected=rejected[at:].strip(),
        problems=problems,
        answer_at=at,
        trl_cut=cut,
        cut_inside_answer=cut is not None and (cut > at or cut < 0),
    )


def _cuts(schema: str, row: Mapping[str, Any]) -> tuple[int | None, int | None, bool]:
    """(where the chosen answer begins, where TRL cuts, whether that is inside an answer) in a row without a prompt."""
    if schema == "hh-rlhf" and not isinstance(row.get("prompt"), str):
        ends = [_last_marker_end(row["chosen"]), _last_marker_end(row["rejected"])]
        cut = trl_prompt_cut(row["chosen"], row["rejected"])
        return ends[0], cut, cut is not None and (cut > min(ends) or cut < 0)
    if schema == "conversational-implicit" and _is_list(row["chosen"]) and _is_list(row["rejected"]):
        own = len(row["chosen"]) - 1
        cut = trl_prompt_cut(row["chosen"], row["rejected"])
        return own, cut, cut is not None and cut > own
    return None, None, False


# ------------------------------------------------------------------------------------------------------------- messages


def _transcript(text: str) -> list[Message]:
    """Turns of an hh-rlhf transcript; text before the first turn is a turn of role "preamble", which is no role."""
    parts = _TURN.split(_led(text))
    start = parts[0].strip()
    turns = [{"role": "preamble", "content": start}] if start else []
    turns += [
        {"role": _SPEAKERS[speaker], "content": said.strip()}
        for speaker, said in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return turns


def _messages(where: str, value: Any, *, strings: bool = False) -> list[Message]:
    """Messages out of a list of turns, one turn, or (with `strings`) the text of an answer.

    Raises:
        NotAPairError: wrong_type, unknown_role or tools.
    """
    if strings and isinstance(value, str):
        return [_answer(value)]
    if _is_turn(value):
        value = [value]
    if not _is_list(value):
        raise NotAPairError("wrong_type", f"{where} must be messages; found {_kind(value)}.")
    return [_message(where, turn) for turn in value]


def _message(where: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise NotAPairError("wrong_type", f"{where} must be messages with role and content; found {_kind(turn)}.")
    role = turn.get("role")
    if role is None:
        role = turn.get("from")
    if role is None or not ("content" in turn or "value" in turn):
        raise NotAPairError(
            "wrong_type", f"A message in {where} needs role and content; found {_columns(turn) or 'nothing'}."
        )
    if turn.get("tool_calls") or turn.get("function_call") or (isinstance(role, str) and role in _TOOL_ROLES):
        raise _unsupported("tools", f"{where} contains tool calls")
    if not isinstance(role, str) or role not in _ROLES:
        raise NotAPairError(
            "unknown_role", f"The role of a message in {where} must be user, assistant or system: {_short(role)}"
        )
    content = turn.get("content")
    if content is None:
        content = turn.get("value")
    if not isinstance(content, str):
        content = _text(f"A message in {where}", content)
    return {"role": _ROLES[role], "content": content}


def _text(where: str, content: Any) -> str:
    """Text, or the text of typed content parts.

    Raises:
        NotAPairError: images, tools; wrong_type: null or anything else is not text.
    """
    if isinstance(content, str):
        return content
    if _is_list(content) and content:
        texts = []
        for part in content:
            kind = part.get("type", "text") if isinstance(part, Mapping) else _kind(part)
            for name, reason in _PARTS.items():
                if kind == name or (isinstance(part, Mapping) and part.get(name) is not None):
                    raise _unsupported(reason, f"{where} contains a part of type {name}")
            text = part.get("text") if isinstance(part, Mapping) else None
            if not isinstance(text, str):
                raise NotAPairError("wrong_type", f"{where} must be text; found a part of type {_short(kind)}.")
            texts.append(text)
        return "".join(texts)
    raise NotAPairError("wrong_type", f"{where} must be text; found {_kind(content)}.")


def _after_prompt(side: str, prompt: list[Message], answer: list[Message]) -> list[Message]:
    """The whole conversation of one side, which may or may not repeat the prompt.

    Raises:
        NotAPairError: prompt_differs; the side holds another conversation than the prompt column.
    """
    before = answer[:-1]
    if not before or before[0]["role"] == "assistant":
        return [*prompt, *answer]
    if before[-len(prompt) :] == prompt or before[: len(prompt)] == prompt:
        return answer
    raise NotAPairError(
        "prompt_differs", f"The conversation in {side} does not contain the prompt from the prompt column."
    )


def _unsupported(reason: str, said: str) -> NotAPairError:
    return NotAPairError(reason, f"{said}: such rows are shown unchanged and cannot be trained on.")


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _system(row: Mapping[str, Any]) -> list[Message]:
    text = row.get("system")
    return [{"role": "system", "content": text}] if isinstance(text, str) and text.strip() else []


def _history(row: Mapping[str, Any]) -> list[Message]:
    """System text and earlier exchanges ([[user, assistant], …]) that stand in columns of their own."""
    turns = _system(row)
    for exchange in row["history"] if _is_list(row.get("history")) else ():
        if not (_is_list(exchange) and len(exchange) == 2 and all(isinstance(said, str) for said in exchange)):
            raise NotAPairError("wrong_type", "history must be a list of exchanges: the user's text and the answer.")
        turns += [{"role": "user", "content": exchange[0]}, _answer(exchange[1])]
    return turns


# --------------------------------------------------------------------------------------------------------------- checks


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
    roles = [turn["role"] for turn in turns]
    talk = roles[1:] if roles[0] == "system" else roles
    if talk[::2] == ["user"] * ((len(talk) + 1) // 2) and talk[1::2] == ["assistant"] * (len(talk) // 2):
        return None
    first = next(place for place, role in enumerate(talk) if role != ("assistant" if place % 2 else "user"))
    number = first + 1 + (roles[0] == "system")
    expected = "assistant" if first % 2 else "user"
    return NotAPairError(
        "roles",
        f"The roles of {side} do not alternate between user and assistant: turn {number} is by {talk[first]}, not by "
        f"{expected}.",
    )


# --------------------------------------------------------------------------------------------------------- small things


def _prompt_column(row: Mapping[str, Any]) -> str | None:
    """The first of the columns that hold a prompt in known sets."""
    return next((name for name in ("prompt", "instruction", "question") if row.get(name) is not None), None)


def _is_transcript(text: str) -> bool:
    return text.startswith((_HUMAN, _ASSISTANT, "Human:", "Assistant:")) and "Assistant:" in text


def _led(text: str) -> str:
    """A transcript that begins with the mark of its first turn, after the empty line that stands before all others."""
    return f"\n\n{text}" if text.startswith(("Human:", "Assistant:")) else text


def _last_marker_end(text: str) -> int:
    at = text.rfind(_ASSISTANT)
    if at >= 0:
        return at + len(_ASSISTANT)
    return len("Assistant:") if text.startswith("Assistant:") else len(text)


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


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_turn(value: Any) -> bool:
    return isinstance(value, Mapping)


def _kind(value: Any) -> str:
    """What a value is, in words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if _is_list(value) else f"a value of type {type(value).__name__}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _columns(row: Mapping[str, Any]) -> str:
    names = [_short(name) for name in row]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"
