"""What is known of every pair of a set, column by column: the one list behind `where`, sorting and the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """One column of the pairs."""

    kind: str
    """text, number, share (0..1) or yes/no."""
    words: str
    """What it says, for a person."""


TEXTS: Mapping[str, Column] = {
    "prompt": Column("text", "all turns before the answers"),
    "chosen": Column("text", "the preferred answer"),
    "rejected": Column("text", "the other answer"),
}
"""Texts of a pair as they are read here: the answer is the last assistant turn alone."""

NUMBERS: Mapping[str, Column] = {
    "row": Column("number", "the row in the set, from 0"),
    "turns": Column("number", "turns of the prompt"),
    "prompt_chars": Column("number", "characters of the prompt"),
    "chosen_chars": Column("number", "characters of the chosen answer"),
    "rejected_chars": Column("number", "characters of the rejected answer"),
    "gap": Column("number", "characters by which chosen is longer than rejected"),
    "similarity": Column("share", "how alike the two answers are, 1 when they are the same"),
    "prompt_tokens": Column("number", "tokens of the prompt by the recipe's tokenizer"),
    "chosen_tokens": Column("number", "tokens of the chosen answer"),
    "rejected_tokens": Column("number", "tokens of the rejected answer"),
}
"""Numbers of a pair; null where a row cannot be read, or where tokens are not counted (yet)."""

FLAGS: Mapping[str, Column] = {
    "empty_chosen": Column("yes/no", "the chosen answer is empty or white space"),
    "empty_rejected": Column("yes/no", "the rejected answer is empty or white space"),
    "prompt_differs": Column("yes/no", "the text before the last assistant turn differs between the sides"),
    "roles_wrong": Column("yes/no", "the roles do not alternate on some side"),
    "identical": Column("yes/no", "both answers are the same"),
    "cut_inside_answer": Column("yes/no", "TRL's own cut of the prompt would fall inside the answer"),
    "refusal_chosen": Column("yes/no", "the chosen answer begins like a refusal"),
    "refusal_rejected": Column("yes/no", "the rejected answer begins like a refusal"),
    "control_chars": Column("yes/no", "a text holds control characters"),
    "bidi_chars": Column("yes/no", "a text holds bidirectional or zero-width characters"),
    "mixed_scripts": Column("yes/no", "prompt and answers are written in different scripts"),
}
"""What one row says about itself."""

AUDITED: Mapping[str, Column] = {
    "duplicate": Column("yes/no", "the same pair stood earlier in the set"),
    "repeated_prompt": Column("yes/no", "the same prompt stood earlier in the set"),
    "near_duplicate_prompt": Column("yes/no", "nearly the same prompt stood earlier in the set"),
    "contradicts": Column("yes/no", "another pair prefers what this one rejects"),
    "in_held_out": Column("yes/no", "the prompt is among the held-out pairs too"),
    "in_evaluation_prompts": Column("yes/no", "the prompt is one of the evaluation prompts"),
}
"""What only a pass over the whole set tells; null before the audit."""

CURATED: Mapping[str, Column] = {
    "excluded": Column("yes/no", "left out of the training"),
    "swapped": Column("yes/no", "chosen and rejected are exchanged"),
    "pinned": Column("yes/no", "pinned"),
    "noted": Column("yes/no", "has a note"),
    "held_out": Column("yes/no", "held out by the carved split"),
}
"""Decisions of a person, from curation.jsonl."""

REASON = {"reason": Column("text", "code of what makes a row unusable, null for a usable pair")}

COLUMNS: Mapping[str, Column] = {**TEXTS, **NUMBERS, **REASON, **FLAGS, **AUDITED, **CURATED}
"""Every column that a condition may name, besides the further columns of the rows."""

SORTABLE = ("row", *(name for name in NUMBERS if name != "row"))
TOKEN_COLUMNS = ("prompt_tokens", "chosen_tokens", "rejected_tokens")
