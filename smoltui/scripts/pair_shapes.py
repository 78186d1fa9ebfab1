"""The shape of a row: which columns hold its prompt and answers, and what they hold.

Standard library only: it travels into a Job beside dpo.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_columns import Layout, MappedRow, cell, kwargs_of, layout_of, plain, tools_of
    from smoltui.scripts.pair_turns import NotAPairError, columns, is_list, is_transcript, kind, messages_of, rendered
else:  # in a Job, beside dpo.py
    from pair_columns import Layout, MappedRow, cell, kwargs_of, layout_of, plain, tools_of
    from pair_turns import NotAPairError, columns, is_list, is_transcript, kind, messages_of, rendered

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

_EXPECTED = "chosen and rejected, with a separate prompt or one inside both"
_MESSAGES = (str, list, tuple, dict)
"""Types of an answer."""


class Parts(NamedTuple):
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


def parts_of(row: Any) -> Parts:
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
    return Parts(schema, chosen, rejected, prompt, name or "", row, layout, tools, kwargs)


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
