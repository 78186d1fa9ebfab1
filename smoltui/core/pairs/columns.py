"""The columns of a set of pairs: the one list behind `where`, sorting and the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """One column of the pairs."""

    kind: str
    """text, number, share (0..1) or yes/no."""
    words: str
    """Description for display."""


TEXTS: Mapping[str, Column] = {
    "prompt": Column("text", "all turns before the answers"),
    "chosen": Column("text", "the preferred answer"),
    "rejected": Column("text", "the other answer"),
}
"""Texts of a pair: the answer is only the last assistant turn."""

NUMBERS: Mapping[str, Column] = {
    "row": Column("number", "number of the row in the set, from 0"),
    "turns": Column("number", "turns in the prompt"),
    "prompt_chars": Column("number", "characters in the prompt"),
    "chosen_chars": Column("number", "characters in the chosen answer"),
    "rejected_chars": Column("number", "characters in the rejected answer"),
    "gap": Column("number", "characters by which chosen is longer than rejected"),
    "similarity": Column("share", "how similar the two answers are; 1 if they are the same"),
    "prompt_tokens": Column("number", "tokens in the prompt, by the recipe's tokenizer"),
    "chosen_tokens": Column("number", "tokens in the chosen answer"),
    "rejected_tokens": Column("number", "tokens in the rejected answer"),
}
"""Numbers of a pair; null if a row cannot be read, or tokens are not counted (yet)."""

FLAGS: Mapping[str, Column] = {
    "empty_chosen": Column("yes/no", "the chosen answer is empty or only white space"),
    "empty_rejected": Column("yes/no", "the rejected answer is empty or only white space"),
    "prompt_differs": Column("yes/no", "the text before the last assistant turn differs between the sides"),
    "roles_wrong": Column("yes/no", "the roles don't alternate on at least one side"),
    "identical": Column("yes/no", "both answers are the same"),
    "cut_inside_answer": Column("yes/no", "TRL's own split would end the prompt inside the answer"),
    "refusal_chosen": Column("yes/no", "the chosen answer starts like a refusal"),
    "refusal_rejected": Column("yes/no", "the rejected answer starts like a refusal"),
    "control_chars": Column("yes/no", "a text contains control characters"),
    "bidi_chars": Column("yes/no", "a text contains bidirectional or zero-width characters"),
    "mixed_scripts": Column("yes/no", "prompt and answers are written in different scripts"),
    "thoughts_unwanted": Column("yes/no", "an answer contains thoughts, but the row is trained with thinking off"),
    "thoughts_missing": Column("yes/no", "the row turns thinking on, but neither answer contains thoughts"),
}
"""Facts about a single row."""

AUDITED: Mapping[str, Column] = {
    "duplicate": Column("yes/no", "the same pair appears earlier in the set"),
    "repeated_prompt": Column("yes/no", "the same prompt appears earlier in the set"),
    "near_duplicate_prompt": Column("yes/no", "almost the same prompt appears earlier in the set"),
    "contradicts": Column("yes/no", "another pair prefers what this one rejects"),
    "in_held_out": Column("yes/no", "the prompt also appears in the held-out pairs"),
    "in_evaluation_prompts": Column("yes/no", "the prompt is one of the evaluation prompts"),
}
"""Facts that need a pass over the whole set; null before the audit."""

CURATED: Mapping[str, Column] = {
    "excluded": Column("yes/no", "excluded from training"),
    "swapped": Column("yes/no", "chosen and rejected are swapped"),
    "pinned": Column("yes/no", "pinned"),
    "noted": Column("yes/no", "has a note"),
    "held_out": Column("yes/no", "part of the test set that was split off"),
}
"""Decisions of a person, from curation.jsonl."""

REASON = {"reason": Column("text", "code of the reason why a row is unusable; null for a usable pair")}

COLUMNS: Mapping[str, Column] = {**TEXTS, **NUMBERS, **REASON, **FLAGS, **AUDITED, **CURATED}
"""All columns that a condition may use, in addition to the rows' further columns."""

SORTABLE = ("row", *(name for name in NUMBERS if name != "row"))
TOKEN_COLUMNS = ("prompt_tokens", "chosen_tokens", "rejected_tokens")
