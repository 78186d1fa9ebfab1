"""Which column of a row is what: its prompt, its two answers, system text, history, tools, template arguments.

Names are compared in lower case, without blanks at their ends, and with `_` for blanks and dashes. Standard library
only: it travels into a Job beside `dpo.py` and `pair_format.py`, which builds on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_turns import conversation_in, in_cell, is_list
else:  # in a Job, beside dpo.py
    from pair_turns import conversation_in, in_cell, is_list

ANSWERS: tuple[tuple[str, str], ...] = (
    ("chosen", "rejected"),
    ("preferred_output", "non_preferred_output"),  # OpenAI
    ("chosen_messages", "rejected_messages"),  # LLaMA-Factory v1
    ("chosen_conversations", "rejected_conversations"),  # torchtune
    ("chosen_conversation", "rejected_conversation"),
    ("chosen_response", "rejected_response"),  # NeMo-Aligner
    ("chosen_answer", "rejected_answer"),
    ("response_chosen", "response_rejected"),  # MedicalGPT
    ("chosen_text", "rejected_text"),
    ("preferred", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "non_preferred"),
    ("accepted", "rejected"),
    ("chosen", "reject"),
    ("correct", "wrong"),
    ("positive", "negative"),
    ("good", "bad"),
    ("better", "worse"),
    ("best", "worst"),
    ("response", "rejected_response"),  # ms-swift
    ("messages", "rejected_messages"),  # ms-swift: the last turn of messages is the chosen answer
    ("messages", "rejected_response"),
)
"""Names of the columns with the chosen and the rejected answer, the most specific first."""
PROMPTS = (
    "prompt",
    "instruction",
    "question",
    "query",
    "messages",
    "conversation",
    "conversations",
    "input",
    "context",
    "user_prompt",
    "user_input",
    "user",
)
"""Names of columns that can hold the prompt, the most specific first."""
_ONLY_PROMPTS = frozenset({"prompt", "instruction", "question", "input", "conversations"})
"""Of those, the ones that hold nothing else where another one is the prompt."""
SYSTEM = ("system", "system_prompt", "system_message", "sys")
HISTORY = ("history",)
TOOLS = ("tools",)
PICTURES = ("images", "image", "videos")
KWARGS = "chat_template_kwargs"
"""TRL's column of arguments for the chat template, such as `enable_thinking`."""
_GAP = re.compile(r"[\s-]+")


def plain(name: object) -> str:
    """The name by which a column is known: `Prompt`, ` prompt` and `PROMPT` are `prompt`."""
    text = str(name)
    return text if text.isidentifier() and text.islower() else _GAP.sub("_", text.strip()).lower()


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a row by meaning, as its names show; None for what it does not have."""

    answers: tuple[str, str] | None
    others: tuple[tuple[str, str], ...]
    """Further columns that may be the two answers, none of them in `answers`."""
    prompts: tuple[str, ...]
    """All that may hold the prompt, the most specific first; without the answers."""
    system: str | None
    history: str | None
    tools: str | None
    kwargs: str | None
    pictures: str | None


@lru_cache(maxsize=1024)
def layout_of(names: tuple[str, ...]) -> Layout:
    """What the columns with these names are."""
    known: dict[str, str] = {}
    for name in names:
        if name == plain(name) or plain(name) not in known:
            known[plain(name)] = name
    pairs = [(known[good], known[bad]) for good, bad in ANSWERS if good in known and bad in known]
    pair = pairs[0] if pairs else None
    used = set(pair or ())
    others = tuple(one for one in pairs[1:] if used.isdisjoint(one))

    def one(words: Sequence[str]) -> str | None:
        return next((known[word] for word in words if word in known and known[word] not in used), None)

    prompts = tuple(known[word] for word in PROMPTS if word in known and known[word] not in used)
    return Layout(pair, others, prompts, one(SYSTEM), one(HISTORY), one(TOOLS), one((KWARGS,)), one(PICTURES))


@lru_cache(maxsize=1024)
def own_columns(names: tuple[str, ...]) -> frozenset[str]:
    """Of the columns with these names, those that form the pair; all others are its further columns."""
    layout = layout_of(names)
    prompts = [name for name in layout.prompts if plain(name) in _ONLY_PROMPTS] or layout.prompts[:1]
    found = (*(layout.answers or ()), *prompts, layout.system, layout.history, layout.tools)
    return frozenset(name for name in found if name is not None)


class MappedRow(dict[str, Any]):
    """A row whose columns a person named: it is not in TRL's form, whatever they are called now."""


def at_path(row: Any, path: str) -> Any:
    """The value at a dotted path of object keys and list indices (`answers.0.text`); None without one."""
    if isinstance(row, Mapping) and path in row:
        return row[path]  # a column's name may contain dots
    value: Any = row
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif is_list(value) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def cell(value: Any) -> Any:
    """A value of a column that may hold messages: a conversation that is kept as text is taken out of it."""
    if isinstance(value, str):
        found = conversation_in(value)
        return value if found is None else found
    return value


def kwargs_of(row: Mapping[str, Any], name: str | None) -> dict[str, Any] | None:
    """The row's own arguments for the chat template; None where it is silent: no column, null, or only nulls."""
    value = row.get(name) if name is not None else None
    if isinstance(value, str):
        value = in_cell(value)
    if not isinstance(value, Mapping) or all(item is None for item in value.values()):
        return None
    return {str(key): item for key, item in value.items()}


def tools_of(row: Mapping[str, Any], name: str | None) -> list[Any] | None:
    """The tools that the row offers to the model; None without any."""
    value = row.get(name) if name is not None else None
    if isinstance(value, str):
        value = in_cell(value)
    return list(value) if is_list(value) and value else None
