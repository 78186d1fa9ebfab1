"""Facts about one row of a set: its stored texts, and the numbers and flags derived from them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rapidfuzz.distance import Indel

from smoltui.core.pairs.flags import has_bidi, has_control, has_thoughts, is_refusal, mixed_scripts
from smoltui.core.pairs.preference import Message, Pair, pair_from_reading
from smoltui.scripts.pair_columns import own_columns
from smoltui.scripts.pair_format import Reading, examine, hash_of
from smoltui.scripts.pair_turns import NotAPairError

Columns = dict[str, Any]
"""Name of a column (`backends/pairs/store.py`) → value of one row."""
TURN_JOINT = "\n\n"
"""Separates the turns of a prompt stored as one text."""
ROLE_LETTERS = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}
"""Other roles, such as the text before the first turn of a transcript, are `p`."""
LETTER_ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool", "p": "preamble"}
_LONE = re.compile("[\ud800-\udfff]")
MAX_COMPARED = 4_000
"""Characters of an answer compared for `similarity`: the cost grows with the product of the lengths."""


def sound(text: str) -> str:
    """`text` with lone surrogates, which no encoding can represent, replaced by U+FFFD."""
    return _LONE.sub("\ufffd", text) if not text.isascii() and _LONE.search(text) else text


def row_facts(index: int, row: object) -> Columns:
    """All stored columns of one row, texts and facts, named as in the store (`backends/pairs/store.py`)."""
    try:
        reading = examine(row)
    except NotAPairError as error:
        pair = Pair(index, problem=str(error), reason=error.reason)
        return {**_unreadable(pair, row), "hash": bytes.fromhex(hash_of(None, row))}
    pair = pair_from_reading(index, reading, row)
    return {**_texts(pair, reading, row), **_facts(pair, reading), "hash": bytes.fromhex(hash_of(reading, row))}


def broken_facts(problem: str, text: str) -> Columns:
    """The columns of a row that could not be decoded."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
    return {**_nothing(problem, "broken", text), "hash": digest}


def _texts(pair: Pair, reading: Reading, row: object) -> Columns:
    contents = [sound(turn.content) for turn in pair.prompt]
    return {
        "prompt": TURN_JOINT.join(contents),
        "roles": "".join(ROLE_LETTERS.get(turn.role, "p") for turn in pair.prompt),
        "turn_chars": [len(content) for content in contents],
        "chosen": sound(pair.chosen_text),
        "rejected": sound(pair.rejected_text),
        "more": _more(pair),
        "raw": None,
        "problem": sound(pair.problem) if pair.problem else None,
        "trl_cut": sound(pair.trl_cut) if pair.trl_cut else None,
        "answer_at": reading.answer_at,
        "trl_at": reading.trl_cut,
        "extra": extra_of(row),
    }


def _more(pair: Pair) -> str | None:
    """What the texts alone don't hold, as JSON for `with_more`; None for a pair that is just texts."""
    more: dict[str, Any] = {}
    if not pair.is_plain:
        more = {side: [turn.as_json() for turn in getattr(pair, side)] for side in ("prompt", "chosen", "rejected")}
    if pair.tools:
        more["tools"] = list(pair.tools)
    if pair.kwargs is not None:
        more["kwargs"] = pair.kwargs
    return sound(json.dumps(more, ensure_ascii=False, default=str)) if more else None


def with_more(pair: Pair, more: str) -> Pair:
    """`pair`, read from its texts, with what `_more` kept of it."""
    found = json.loads(more)
    pair = replace(pair, tools=tuple(found.get("tools", ())), kwargs=found.get("kwargs"))
    if "prompt" not in found:
        return pair
    prompt, chosen, rejected = (tuple(map(Message.of, found[side])) for side in ("prompt", "chosen", "rejected"))
    return replace(pair, prompt=prompt, chosen=chosen, rejected=rejected)


def _facts(pair: Pair, reading: Reading) -> Columns:
    chosen, rejected = pair.chosen_text, pair.rejected_text
    prompt = TURN_JOINT.join(turn["content"] for turn in reading.prompt)
    reasons = {problem.reason for problem in reading.problems}
    comparable = "no_answer" not in reasons and "identical" not in reasons
    same = chosen == rejected and comparable and "prompt_differs" not in reasons
    everything = f"{prompt}\n{chosen}\n{rejected}"
    return {
        "prompt_hash": short_hash(json.dumps([[turn["role"], turn["content"]] for turn in reading.prompt])),
        "chosen_hash": short_hash(chosen),
        "rejected_hash": short_hash(rejected),
        "reason": pair.reason,
        "turns": len(reading.prompt),
        "prompt_chars": sum(len(turn["content"]) for turn in reading.prompt),
        "chosen_chars": len(chosen),
        "rejected_chars": len(rejected),
        "similarity": 1.0 if same else likeness(chosen, rejected),
        "empty_chosen": comparable and not chosen.strip(),
        "empty_rejected": comparable and not rejected.strip(),
        "prompt_differs": "prompt_differs" in reasons,
        "roles_wrong": "roles" in reasons,
        "identical": "identical" in reasons or same,
        "cut_inside_answer": reading.cut_inside_answer,
        "refusal_chosen": is_refusal(chosen),
        "refusal_rejected": is_refusal(rejected),
        "control_chars": has_control(everything),
        "bidi_chars": has_bidi(everything),
        "mixed_scripts": mixed_scripts(prompt, chosen, rejected),
        **_thoughts(reading, chosen, rejected),
    }


def _thoughts(reading: Reading, chosen: str, rejected: str) -> Columns:
    """Whether answers contain thoughts that training doesn't expect, or lack those that it does.

    Training turns thinking off in converted rows that say nothing about it (`scripts/dpo.py`).
    """
    thinking = (reading.kwargs or {}).get("enable_thinking")
    if thinking is None and reading.kwargs is None and reading.schema not in ("standard", "conversational"):
        thinking = False
    thoughts = has_thoughts(chosen) or has_thoughts(rejected)
    return {
        "thoughts_unwanted": thoughts and thinking is False,
        "thoughts_missing": not thoughts and thinking is True,
    }


def _unreadable(pair: Pair, row: object) -> Columns:
    text = json.dumps(row, ensure_ascii=False, indent=2, default=str)
    return _nothing(pair.problem or "", pair.reason or "not_a_row", text) | {"extra": extra_of(row)}


_UNKNOWN = (
    "prompt",
    "chosen",
    "rejected",
    "more",
    "trl_cut",
    "answer_at",
    "trl_at",
    "extra",
    "prompt_hash",
    "chosen_hash",
    "rejected_hash",
    "turns",
    "prompt_chars",
    "chosen_chars",
    "rejected_chars",
    "similarity",
)
"""Columns that are null for a row without a readable pair."""
_FALSE = (
    "empty_chosen",
    "empty_rejected",
    "prompt_differs",
    "roles_wrong",
    "identical",
    "cut_inside_answer",
    "refusal_chosen",
    "refusal_rejected",
    "mixed_scripts",
    "thoughts_unwanted",
    "thoughts_missing",
)
"""Columns that are false for such a row."""


def _nothing(problem: str, reason: str, raw: str) -> Columns:
    """The columns of a row without a readable pair, whose text is `raw`."""
    raw = sound(raw)
    return {
        **dict.fromkeys(_UNKNOWN),
        **dict.fromkeys(_FALSE, False),
        "roles": "",
        "turn_chars": [],
        "raw": raw,
        "problem": sound(problem),
        "reason": reason,
        "control_chars": has_control(raw),
        "bidi_chars": has_bidi(raw),
    }


def extra_of(row: object) -> str | None:
    """The further columns of a row as a JSON object; None when there are none."""
    if not isinstance(row, Mapping):
        return None
    own = own_columns(tuple(row))
    if len(own) == len(row):
        return None
    return sound(_EXTRA.encode({str(name): value for name, value in row.items() if name not in own}))


_EXTRA = json.JSONEncoder(ensure_ascii=False, default=str)


def short_hash(text: str) -> int:
    """64 bits of a SHA-256 as a signed number: a set of 1.6 million texts has a collision once in 10⁷ sets."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def likeness(left: str, right: str) -> float:
    """0..1: twice the longest common subsequence over both lengths (Indel), of the starts of long texts."""
    return float(Indel.normalized_similarity(left[:MAX_COMPARED], right[:MAX_COMPARED]))
