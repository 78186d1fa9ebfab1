"""Turns of a conversation in every way of writing them: messages, transcripts, rendered templates, text in a cell.

Standard library only: it travels into a Job beside `dpo.py` and `pair_format.py`, which builds on it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Message = dict[str, Any]
"""{"role": "system" | "user" | "assistant" | "tool", "content": text}; `tool_calls` on an assistant turn that calls
tools, `name` and `tool_call_id` on a tool turn, where the row has them."""

MAX_CELL_CHARS = 6_300_000
"""A longer cell is text. 6 MB is the largest row that is read."""
MAX_REPR_CHARS = 400_000
"""Python's parser takes about 100 bytes of memory per character."""

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
    "ai": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
"""Names of roles, in lower case, and the role each one is."""
_PLAIN_ROLES = ("user", "assistant", "system")
_ROLE_KEYS, _TEXT_KEYS = ("role", "from", "speaker"), ("content", "value", "text")
_IMAGES = ("image", "image_url", "input_image")
"""Types of content parts that are images."""
_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}
_BRACKET = re.compile(r"\s*[\[{]")
_TURN = re.compile(r"\n\n(Human|Assistant):")
"""In a text that begins with an empty line, see `_led`."""


class NotAPairError(ValueError):
    """A row that cannot be trained on as a preference pair.

    `reason` is a short code for counting: not_a_row, unpaired, missing_column, wrong_type, ambiguous, tie, too_close,
    images, unknown_role, templated, no_answer, no_prompt, prompt_differs, roles, empty_answer, identical. The message
    is one sentence. `option` is the command-line option that says how to read the row; empty if none helps.
    """

    def __init__(self, reason: str, message: str, option: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.option = option


# ------------------------------------------------------------------------------------------------------------- messages


def messages_of(where: str, value: Any, *, strings: bool = False) -> list[Message]:
    """Messages from a list of turns, one turn, an object with `messages`, or (with `strings`) the text of an answer.

    Raises:
        NotAPairError: wrong_type, unknown_role or images.
    """
    if strings and isinstance(value, str):
        return [answer(value)]
    if isinstance(value, Mapping):
        value = value["messages"] if is_list(value.get("messages")) else [value]
    if not is_list(value):
        raise NotAPairError("wrong_type", f"{where} must be messages; found {kind(value)}.")
    return [_message(where, turn) for turn in value]


def _message(where: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise NotAPairError("wrong_type", f"{where} must be messages with role and content; found {kind(turn)}.")
    if len(turn) == 2 and isinstance(content := turn.get("content"), str) and turn.get("role") in _PLAIN_ROLES:
        return {"role": turn["role"], "content": content}
    role = _first(turn, _ROLE_KEYS)
    calls = _calls(where, turn)
    content = "" if calls and role == "function_call" else _first(turn, _TEXT_KEYS)
    if role is None or (content is None and not calls and turn.keys().isdisjoint(_TEXT_KEYS)):
        raise NotAPairError(
            "wrong_type", f"A message in {where} needs role and content; found {columns(turn) or 'nothing'}."
        )
    message: Message = {"role": _role(where, role), "content": _content(where, content, calls is not None)}
    if calls:
        message["tool_calls"] = calls
    if message["role"] == "tool":
        message |= _answered_call(turn)
    return message


def _content(where: str, content: Any, has_calls: bool) -> str:
    """The text of a message; it may be null beside calls. Raises as `text_of`."""
    if isinstance(content, str):
        return content
    return "" if content is None and has_calls else text_of(f"A message in {where}", content)


def _answered_call(turn: Mapping[str, Any]) -> Message:
    """Which tool a tool turn is from, and which call it answers, as far as it says."""
    return {key: turn[key] for key in ("name", "tool_call_id") if isinstance(turn.get(key), str)}


def _role(where: str, role: Any) -> str:
    """The role with this name. Raises: NotAPairError (unknown_role)."""
    known = _ROLES.get(role) or _ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise NotAPairError(
            "unknown_role", f"The role of a message in {where} must be user, assistant, system or tool: {short(role)}"
        )
    return known


def _first(values: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _calls(where: str, turn: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The tools that a turn calls, as transformers' templates expect them; None if it calls none."""
    found = turn.get("tool_calls")
    if isinstance(found, str):
        found = in_cell(found)
    if not found:
        found = turn.get("function_call")
        if not found and turn.get("from") == "function_call":
            found = in_cell(turn.get("value"))
    if not found:
        return None
    calls = []
    for call in found if is_list(found) else [found]:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise NotAPairError("wrong_type", f"A tool call in {where} needs a name; found {columns_or_kind(call)}.")
        arguments = function.get("arguments")
        if isinstance(arguments, str):  # as OpenAI writes them; templates expect an object
            parsed = in_cell(arguments)
            arguments = arguments if parsed is None else parsed
        made: dict[str, Any] = {
            "type": "function",
            "function": {"name": function["name"], "arguments": {} if arguments is None else arguments},
        }
        if isinstance(call.get("id"), str):
            made["id"] = call["id"]
        calls.append(made)
    return calls


def text_of(where: str, content: Any) -> str:
    """Text, or the text of typed content parts.

    Raises:
        NotAPairError: images; wrong_type: null or anything else is not text.
    """
    if isinstance(content, str):
        return content
    if is_list(content) and content:
        return "".join(_part(where, part) for part in content)
    raise NotAPairError("wrong_type", f"{where} must be text; found {kind(content)}.")


def _part(where: str, part: Any) -> str:
    if isinstance(part, str):
        return part
    named = part.get("type", "text") if isinstance(part, Mapping) else kind(part)
    if isinstance(part, Mapping):
        for name in _IMAGES:
            if named == name or part.get(name) is not None:
                raise not_text(f"{where} contains a part of type {name}")
        text = _first(part, ("text", "value", "content"))
        if isinstance(text, str):
            return text
    raise NotAPairError("wrong_type", f"{where} must be text; found a part of type {short(named)}.")


def not_text(said: str) -> NotAPairError:
    """The error of a row with images or the like; `said` begins the sentence."""
    return NotAPairError("images", f"{said}: such rows are shown unchanged and cannot be trained on.")


def answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


# ------------------------------------------------------------------------------------------------------- text in a cell


def in_cell(text: Any) -> Any:
    """The list or object that `text` holds as JSON or as Python writes it; None for any other text.

    CSV files and some Parquet files keep conversations like this.
    """
    if not isinstance(text, str) or len(text) > MAX_CELL_CHARS:
        return None
    core = text.strip()
    if not core or core[0] + core[-1] not in ("[]", "{}"):
        return None
    try:
        return json.loads(core)
    except (ValueError, RecursionError):
        pass
    if len(core) > MAX_REPR_CHARS:
        return None
    try:
        return ast.literal_eval(core)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def conversation_in(text: str) -> Any:
    """The messages that a cell holds as text, see `in_cell`; None if it holds none: an answer may well be a list."""
    if not _BRACKET.match(text):
        return None
    found = in_cell(text)
    if isinstance(found, Mapping) and is_list(found.get("messages")):
        return found["messages"]
    if isinstance(found, Mapping):
        found = [found]
    if is_list(found) and found and all(isinstance(turn, Mapping) and _first(turn, _ROLE_KEYS) for turn in found):
        return found
    return None


# ---------------------------------------------------------------------------------------------------------- transcripts


def is_transcript(text: str) -> bool:
    return text.startswith((_HUMAN, _ASSISTANT, "Human:", "Assistant:")) and "Assistant:" in text


def transcript(text: str) -> list[Message]:
    """Turns of an hh-rlhf transcript; text before the first turn is a turn of role "preamble", which is no role."""
    parts = _TURN.split(_led(text))
    start = parts[0].strip()
    turns = [{"role": "preamble", "content": start}] if start else []
    turns += [
        {"role": _SPEAKERS[speaker], "content": said.strip()}
        for speaker, said in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return turns


def transcripts(chosen: str, rejected: str) -> tuple[list[Message], list[Message]]:
    """Both sides of an hh-rlhf row in turns."""
    turns = transcript(chosen)
    ends = last_answer_at(chosen), last_answer_at(rejected)
    tail = rejected[ends[1] :]
    # The usual row: both sides are the same up to their last answer, so they are taken apart once.
    if turns[-1]["role"] == "assistant" and chosen[: ends[0]] == rejected[: ends[1]] and _HUMAN not in tail:
        return turns, [*turns[:-1], answer(tail.strip())]
    return turns, transcript(rejected)


def last_answer_at(text: str) -> int:
    """Where the text of the last assistant turn of a transcript begins."""
    at = text.rfind(_ASSISTANT)
    if at >= 0:
        return at + len(_ASSISTANT)
    return len("Assistant:") if text.startswith("Assistant:") else len(text)


def _led(text: str) -> str:
    """A transcript that begins with the mark of its first turn, after the empty line that is before all others."""
    return f"\n\n{text}" if text.startswith(("Human:", "Assistant:")) else text


# -------------------------------------------------------------------------------------------------- rendered templates


class _Template(NamedTuple):
    """A chat template whose text is recognised."""

    start: str
    """What a rendered conversation begins with, after a <s> or the like."""
    turn: re.Pattern[str]
    """One turn, with groups `role` and `content`; the last one may be open."""
    end: tuple[str, ...]
    """What ends an answer."""


_BOS = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>)?\s*")
_TEMPLATES = (
    _Template(
        "<|im_start|>",
        re.compile(r"<\|im_start\|>(?P<role>\w+)\n(?P<content>.*?)(?:<\|im_end\|>\s*|\Z)", re.DOTALL),
        ("<|im_end|>",),
    ),
    _Template(
        "<|start_header_id|>",
        re.compile(
            r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\s*(?P<content>.*?)(?:<\|eot_id\|>\s*|\Z)", re.DOTALL
        ),
        ("<|eot_id|>",),
    ),
    _Template(
        "<start_of_turn>",
        re.compile(r"<start_of_turn>(?P<role>\w+)\n(?P<content>.*?)(?:<end_of_turn>\s*|\Z)", re.DOTALL),
        ("<end_of_turn>",),
    ),
    _Template(
        "<extra_id_",
        re.compile(r"<extra_id_[01]>(?P<role>\w+)\n(?P<content>.*?)(?=<extra_id_[01]>|\Z)", re.DOTALL),
        ("<extra_id_1>", "\n"),
    ),
    _Template(
        "<|user|>",
        re.compile(
            r"<\|(?P<role>user|assistant|system)\|>\s*(?P<content>.*?)(?:</s>\s*|<\|end\|>\s*|(?=<\|)|\Z)", re.S
        ),
        ("</s>", "<|end|>"),
    ),
    _Template(
        "<|system|>",
        re.compile(
            r"<\|(?P<role>user|assistant|system)\|>\s*(?P<content>.*?)(?:</s>\s*|<\|end\|>\s*|(?=<\|)|\Z)", re.S
        ),
        ("</s>", "<|end|>"),
    ),
)
_INST = re.compile(
    r"\[INST\]\s*(?:<<SYS>>(?P<system>.*?)<</SYS>>)?(?P<user>.*?)\[/INST\](?P<said>.*?)(?=(?:<s>)?\s*\[INST\]|\Z)", re.S
)


class Rendered(NamedTuple):
    """A prompt that a chat template had already rendered, taken apart."""

    turns: list[Message]
    ends: tuple[str, ...]
    """What may end an answer that follows it."""

    def answer(self, text: str) -> str:
        """An answer without what the template puts after it."""
        core = text.rstrip()
        for end in self.ends:
            if core.endswith(end):
                return core[: -len(end)].strip()
        return text.strip()


def rendered(text: str) -> Rendered | None:
    """The turns of a prompt that begins like a rendered template; None for any other text.

    Raises:
        NotAPairError: templated; it begins like one, but cannot be taken apart.
    """
    if "<" not in text[:40] and "[INST]" not in text[:40]:
        return None
    at = _BOS.match(text)
    core = text[at.end() :] if at else text
    if core.startswith("[INST]"):
        return Rendered(list(_inst_turns(core)), ("</s>",))
    for template in _TEMPLATES:
        if core.startswith(template.start):
            return Rendered(_template_turns(template, core), template.end)
    return None


def _inst_turns(text: str) -> Iterator[Message]:
    end = 0
    for found in _INST.finditer(text):
        if system := (found["system"] or "").strip():
            yield {"role": "system", "content": system}
        yield {"role": "user", "content": found["user"].strip()}
        if said := found["said"].replace("</s>", "").replace("<s>", "").strip():
            yield answer(said)
        end = found.end()
    if not end or text[end:].strip():
        raise _templated("[INST]")


def _template_turns(template: _Template, text: str) -> list[Message]:
    turns: list[Message] = []
    end = 0
    for found in template.turn.finditer(text):
        if text[end : found.start()].strip():
            raise _templated(template.start)
        role = _ROLES.get(found["role"].lower())
        if role is None:
            raise _templated(template.start)
        content = found["content"].strip()
        if content or role != "system":
            turns.append({"role": role, "content": content})
        end = found.end()
    if not turns or text[end:].strip():
        raise _templated(template.start)
    if turns[-1] == answer(""):
        turns.pop()  # the open turn that the answers continue
    return turns


def _templated(mark: str) -> NotAPairError:
    return NotAPairError(
        "templated",
        f"The prompt was already rendered by a chat template ({mark}) and cannot be taken apart; "
        "training would wrap it in a second one.",
    )


# --------------------------------------------------------------------------------------------------------- small things


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def kind(value: Any) -> str:
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
    return "a list" if is_list(value) else f"a value of type {type(value).__name__}"


def short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def columns(row: Mapping[str, Any]) -> str:
    """The names of a row's columns for a sentence: at most twelve."""
    names = [short(name) for name in row]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"


def columns_or_kind(value: Any) -> str:
    return columns(value) if isinstance(value, Mapping) else kind(value)


def common_prefix(left: Sequence[Any], right: Sequence[Any]) -> int:
    """How many items both begin with. Halving finds it in few comparisons of slices, which run in C."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
