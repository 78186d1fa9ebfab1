"""`row_facts` of many rows as columns: usual rows are read quickly, all others one by one, as `facts.py` reads them.

What holds for a whole batch is decided once, such as that no text of it contains a control character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from struct import unpack
from typing import Any

import orjson
from rapidfuzz.distance import Indel

from smoltui.core.pairs.facts import MAX_COMPARED, TURN_JOINT, extra_of, row_facts, sound
from smoltui.core.pairs.flags import (
    has_bidi,
    has_control,
    has_thoughts,
    is_refusal,
    is_unremarkable,
    mixed_scripts,
)
from smoltui.core.pairs.preference import cut_sentence
from smoltui.core.pairs.quick_reading import ROLES, Quick, quick_reading

ColumnLists = dict[str, list[Any]]
"""Column (`backends/pairs/store.py`) → values of all rows."""
_AS_IT_IS = ("standard", "conversational")
"""Shapes that training does not convert, so that it does not turn thinking off."""


def facts_columns(start: int, rows: Sequence[object]) -> ColumnLists:
    """All stored columns of `rows`, the first of which has number `start`: what `row_facts` gives of each."""
    read = [quick_reading(row) for row in rows]
    found = [(pair, row) for pair, row in zip(read, rows, strict=True) if pair is not None and isinstance(row, dict)]
    columns = _columns([pair for pair, _ in found], [row for _, row in found])
    if len(found) == len(rows):
        return columns
    others = [(at, row_facts(start + at, rows[at])) for at, pair in enumerate(read) if pair is None]
    if not found:
        return {name: [facts[name] for _, facts in others] for name in columns}
    merged = {name: values.copy() for name, values in columns.items()}
    for at, facts in others:
        for name, values in merged.items():
            values.insert(at, facts[name])
    return merged


def _columns(pairs: Sequence[Quick], rows: Sequence[Mapping[str, Any]]) -> ColumnLists:
    prompts = [TURN_JOINT.join(pair.contents) for pair in pairs]
    everything = [f"{prompt}\n{pair.chosen}\n{pair.rejected}" for prompt, pair in zip(prompts, pairs, strict=True)]
    joined = "\n".join(everything)  # one look at all of them is cheaper than one at each
    odd = not is_unremarkable(joined)
    remarkable = [at for at, text in enumerate(everything) if odd and not is_unremarkable(text)]
    columns = _texts(pairs, prompts, rows) | _hashes(pairs) | _flags(pairs, thinks="<think>" in joined)
    if remarkable:
        names = ("control_chars", "bidi_chars", "mixed_scripts")
        columns |= {name: columns[name].copy() for name in names}  # until here, they are the same list
    for at in remarkable:
        _mark(columns, at, prompts[at], pairs[at])
    return columns


def _mark(columns: ColumnLists, at: int, prompt: str, pair: Quick) -> None:
    """Sets what odd characters in one pair say."""
    text = f"{prompt}\n{pair.chosen}\n{pair.rejected}"
    columns["control_chars"][at] = has_control(text)
    columns["bidi_chars"][at] = has_bidi(text)
    columns["mixed_scripts"][at] = mixed_scripts(prompt, pair.chosen, pair.rejected)
    for name in ("prompt", "chosen", "rejected", "trl_cut"):
        columns[name][at] = columns[name][at] and sound(columns[name][at])


def _texts(pairs: Sequence[Quick], prompts: list[str], rows: Sequence[Mapping[str, Any]]) -> ColumnLists:
    nothing = [None] * len(pairs)
    chars = [list(map(len, pair.contents)) for pair in pairs]
    return {
        "prompt": prompts.copy(),
        "roles": [pair.roles for pair in pairs],
        "turn_chars": chars,
        "chosen": [pair.chosen for pair in pairs],
        "rejected": [pair.rejected for pair in pairs],
        **dict.fromkeys(("more", "raw", "problem", "reason"), nothing),
        "trl_cut": [
            None if pair.answer_at == pair.trl_cut else cut_sentence(row["chosen"], pair.answer_at, pair.trl_cut)
            for pair, row in zip(pairs, rows, strict=True)
        ],
        "answer_at": [pair.answer_at for pair in pairs],
        "trl_at": [pair.trl_cut for pair in pairs],
        "extra": [extra_of(row) for row in rows],
        "turns": [len(pair.roles) for pair in pairs],
        "prompt_chars": [sum(counts) for counts in chars],
        "chosen_chars": [len(pair.chosen) for pair in pairs],
        "rejected_chars": [len(pair.rejected) for pair in pairs],
    }


def _hashes(pairs: Sequence[Quick]) -> ColumnLists:
    """As `pair_format.hash_of`, `core.pairs.curation.prompt_hash` and `facts.short_hash` make them."""
    whole, asked = [], []
    for pair in pairs:
        texts = tuple([_quoted(text) for text in pair.contents])
        form, prompt_form = _forms(pair.roles)
        whole.append(sha256(form % (*texts, _quoted(pair.chosen), _quoted(pair.rejected))).digest()[:16])
        asked.append(prompt_form % texts)
    return {
        "hash": whole,
        "prompt_hash": _short(asked),
        "chosen_hash": _short([pair.chosen.encode("utf-8", "surrogatepass") for pair in pairs]),
        "rejected_hash": _short([pair.rejected.encode("utf-8", "surrogatepass") for pair in pairs]),
    }


@lru_cache(maxsize=1024)
def _forms(roles: str) -> tuple[bytes, bytes]:
    """The JSON that is hashed of a pair and of its prompt, with `%b` for each text."""
    names = [ROLES[role].encode() for role in roles]
    turns = b",".join([b'{"content":%%b,"role":"%b"}' % name for name in names])
    return b"[[" + turns + b"],%b,%b]", b"[" + b", ".join([b'["%b", %%b]' % name for name in names]) + b"]"


def _quoted(text: str) -> bytes:
    """A text as `json` writes it in ASCII; of most texts, orjson writes the same in a tenth of the time."""
    if text.isascii() and "\x7f" not in text:
        return orjson.dumps(text)
    return encode_basestring_ascii(text).encode("ascii")


def _short(texts: Sequence[bytes]) -> list[int]:
    digests = b"".join([sha256(text).digest()[:8] for text in texts])
    return list(unpack(f"<{len(texts)}q", digests))


def _flags(pairs: Sequence[Quick], *, thinks: bool) -> ColumnLists:
    no = [False] * len(pairs)
    return {
        "similarity": [_likeness(pair.chosen, pair.rejected) for pair in pairs],
        **dict.fromkeys(("empty_chosen", "empty_rejected", "prompt_differs", "roles_wrong", "thoughts_missing"), no),
        **dict.fromkeys(("control_chars", "bidi_chars", "mixed_scripts"), no),
        "identical": [pair.chosen == pair.rejected for pair in pairs],
        "cut_inside_answer": [pair.cut_inside_answer for pair in pairs],
        "refusal_chosen": [is_refusal(pair.chosen) for pair in pairs],
        "refusal_rejected": [is_refusal(pair.rejected) for pair in pairs],
        "thoughts_unwanted": [_unwanted_thoughts(pair) for pair in pairs] if thinks else no,
    }


def _likeness(chosen: str, rejected: str) -> float:
    if chosen == rejected:
        return 1.0
    return Indel.normalized_similarity(chosen[:MAX_COMPARED], rejected[:MAX_COMPARED])


def _unwanted_thoughts(pair: Quick) -> bool:
    return pair.schema not in _AS_IT_IS and (has_thoughts(pair.chosen) or has_thoughts(pair.rejected))
