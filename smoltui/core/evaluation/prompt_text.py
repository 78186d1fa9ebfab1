"""Prompts in a text or JSONL file, with a count of everything that is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.evaluation.figures import read_prompts
from smoltui.core.evaluation.prompt import Prompt, conversation

MOST_PROMPTS = 20_000
"""Further prompts of a file are left out, and counted."""
TEXT_KEYS = ("prompt", "instruction", "question")
"""Keys of a row that hold the prompt as text; `prompt` may also be a list of messages, like `messages`."""
PURPOSE_KEYS = ("for", "purpose")
TOPIC_KEYS = ("topic", "category")

NOT_JSON, NO_PROMPT, EMPTY, HALF, REPEATED, BEYOND = (
    "not JSON",
    "without a prompt",
    "empty",
    "not UTF-8 text",
    "the same as an earlier one",
    f"beyond the first {MOST_PROMPTS:,}",
)
"""Reasons to leave out a row."""


@dataclass(slots=True)
class ReadPrompts:
    """The prompts of a file."""

    prompts: list[Prompt] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that are not asked, by reason."""
    cut: int = 0
    """Conversations that ended with an answer, which is not part of the prompt."""

    def in_words(self) -> str:
        """What is not asked, for the end of a sentence; empty if everything is."""
        said = [f"{count:,} {reason}" for reason, count in self.left_out.items()]
        parts = [f"{sum(self.left_out.values()):,} left out ({', '.join(said)})"] if said else []
        if self.cut:
            parts.append(f"the final answer of {self.cut:,} conversation{'' if self.cut == 1 else 's'} is not used")
        return "; ".join(parts)


def parse_prompts(text: str, *, as_json: bool | None = None) -> ReadPrompts:
    """The prompts of a file: one per line, one JSON value per line, or one JSON list.

    `as_json` None: JSON if the first character is { or [. A JSON value is a text, a list of messages, or an object with
    one of `TEXT_KEYS` or `messages`, and perhaps one of `PURPOSE_KEYS` and `TOPIC_KEYS`.
    """
    text = text.removeprefix("\ufeff")
    if as_json is None:
        as_json = text.lstrip()[:1] in ("{", "[")
    if not as_json:
        return _collected((Prompt(line), 0) for line in read_prompts(text))
    return _collected(_prompt_of(value) for value in _values(text))


_NOTHING = object()
"""A line that is not JSON."""


def _values(text: str) -> Iterable[Any]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            pass  # each line is a list
        else:
            if isinstance(listed, list) and conversation(listed) is None:
                return listed
            return [listed]
    return [_decoded(line) for line in text.splitlines() if line.strip()]


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _NOTHING


def _prompt_of(value: Any) -> tuple[Prompt | str, int]:
    """A prompt, or the reason why there is none; and how many messages after it were cut off."""
    if value is _NOTHING:
        return NOT_JSON, 0
    if isinstance(value, str):
        return Prompt(value.strip()), 0
    row: Mapping[str, Any] = value if isinstance(value, Mapping) else {"messages": value}
    purpose, topic = _first(row, PURPOSE_KEYS), _first(row, TOPIC_KEYS)
    for key in ("messages", "prompt"):
        if (messages := conversation(row.get(key))) is not None:
            kept = messages
            while kept and kept[-1][0] != "user":
                kept = kept[:-1]
            if not kept:
                return NO_PROMPT, 0
            return Prompt(kept[-1][1].strip(), tuple(kept[:-1]), purpose, topic), len(messages) - len(kept)
    text = _first(row, TEXT_KEYS)
    return (Prompt(text.strip(), (), purpose, topic), 0) if text else (NO_PROMPT, 0)


def _first(row: Mapping[str, Any], keys: Iterable[str]) -> str:
    return next((value for key in keys if isinstance(value := row.get(key), str) and value), "")


def _collected(found: Iterable[tuple[Prompt | str, int]]) -> ReadPrompts:
    read, seen = ReadPrompts(), set()
    for prompt, cut in found:
        if isinstance(prompt, Prompt):
            reason = _refused(prompt)
            if not reason and prompt.key in seen:
                reason = REPEATED
            if not reason and len(read.prompts) >= MOST_PROMPTS:
                reason = BEYOND
            if not reason:
                seen.add(prompt.key)
                read.prompts.append(prompt)
                read.cut += cut > 0
                continue
            prompt = reason
        read.left_out[prompt] += 1
    return read


def _refused(prompt: Prompt) -> str:
    """Why a prompt is not asked; empty if it is."""
    if not prompt.text:
        return EMPTY
    try:
        for text in (prompt.text, *(content for _, content in prompt.before)):
            text.encode()
    except UnicodeEncodeError:
        return HALF
    return ""
