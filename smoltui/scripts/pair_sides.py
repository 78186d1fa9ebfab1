"""Prompt and answers of a row as turns, read by its shape.

Standard library only: it travels into a Job beside dpo.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_columns import cell
    from smoltui.scripts.pair_shapes import Parts
    from smoltui.scripts.pair_turns import (
        Message,
        NotAPairError,
        Rendered,
        answer,
        common_prefix,
        is_list,
        messages_of,
        rendered,
        text_of,
        transcript,
        transcripts,
    )
else:  # in a Job, beside dpo.py
    from pair_columns import cell
    from pair_shapes import Parts
    from pair_turns import (
        Message,
        NotAPairError,
        Rendered,
        answer,
        common_prefix,
        is_list,
        messages_of,
        rendered,
        text_of,
        transcript,
        transcripts,
    )

Sides = tuple[list[Message] | None, list[Message], list[Message]]
"""Prompt, chosen, rejected; without a prompt, both sides are whole conversations that end with their answer."""


def _read_transcript(parts: Parts) -> Sides:
    if not isinstance(parts.prompt, str):
        return None, *transcripts(parts.chosen, parts.rejected)
    turns = transcript(parts.prompt)
    if turns and turns[-1] == answer(""):
        turns.pop()  # the open "Assistant:" that the answers follow
    return turns, [answer(parts.chosen.strip())], [answer(parts.rejected.strip())]


def _read_standard(parts: Parts) -> Sides:
    return _text_prompt(parts), [answer(parts.chosen)], [answer(parts.rejected)]


def _text_prompt(parts: Parts) -> list[Message]:
    """A prompt in a column of its own as turns, after the system text and the history."""
    text = text_of(parts.prompt_name, parts.prompt)
    extra = parts.row.get("input")
    if parts.prompt_name == "instruction" and isinstance(extra, str) and extra.strip():
        text = f"{text}\n\n{extra}"
    return [*_system(parts), *_history(parts), {"role": "user", "content": text}]


def _read_templated(parts: Parts) -> Sides:
    found = rendered(parts.prompt) or Rendered([{"role": "user", "content": parts.prompt}], ())
    return found.turns, [answer(found.answer(parts.chosen))], [answer(found.answer(parts.rejected))]


def _read_messages(parts: Parts) -> Sides:
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


def _read_messages_rejected(parts: Parts) -> Sides:
    whole = messages_of("messages", parts.chosen)
    if whole and whole[0]["role"] != "system":
        whole = [*_system(parts), *whole]
    rejected = messages_of("rejected", parts.rejected, strings=True)
    at = next((at for at in range(len(whole), 0, -1) if whole[at - 1]["role"] == "user"), 0)
    if rejected[0]["role"] == "assistant":
        return whole[:at], whole[at:], rejected
    return _split(0, whole, rejected)


def _read_openai(parts: Parts) -> Sides:
    prompt = messages_of("input.messages", parts.prompt)
    names = parts.layout.answers or ("", "")
    sides = [
        messages_of(name, value, strings=True)
        for name, value in zip(names, (parts.chosen, parts.rejected), strict=True)
    ]
    return _with_prompt(prompt, *sides)


READERS: dict[str, Callable[[Parts], Sides]] = {
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


def _with_prompt(prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> Sides:
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


def _split(least: int, chosen: list[Message], rejected: list[Message]) -> Sides:
    """Two whole conversations, split at the last turn, or where they part if both have an assistant turn there.

    The prompt has `least` turns at least.
    """
    if chosen[:-1] == rejected[:-1]:
        return None, chosen, rejected
    cut = max(common_prefix(chosen, rejected), least)
    if 0 < cut < min(len(chosen), len(rejected)):
        parted = chosen[cut], rejected[cut]
        if all(turn["role"] == "assistant" for turn in parted) and chosen[:cut] == rejected[:cut]:
            return chosen[:cut], chosen[cut:], rejected[cut:]
    return None, chosen, rejected


def _system(parts: Parts) -> list[Message]:
    name = parts.layout.system
    text = parts.row[name] if name is not None else None
    return [{"role": "system", "content": text}] if isinstance(text, str) and text.strip() else []


def _history(parts: Parts) -> list[Message]:
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
