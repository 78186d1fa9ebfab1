"""What a judge's reply says. A reply that does not say it clearly is never taken for a tie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from smoltui.core.evaluation.answer_figures import refuses
from smoltui.core.evaluation.thoughts import split
from smoltui.core.foreign import foreign_json

Verdict = Literal["a", "b", "tie"]
Trouble = Literal["refusal", "nonsense", "empty", "cut", "beyond"]
Kind = Verdict | Trouble
VERDICTS: tuple[str, ...] = get_args(Verdict)
TROUBLES: Mapping[str, str] = {
    "refusal": "refused to judge",
    "nonsense": "no clear verdict",
    "empty": "empty",
    "cut": "cut off before a verdict",
    "beyond": "longer than the judge's context",
}
"""Replies without a verdict, in words."""

_MARK = re.compile(r"\[\[\s*([A-Za-z]{1,6})\s*\]\]")
_WORDS = {"a": "a", "b": "b", "c": "tie", "tie": "tie"}
_ALONE = re.compile(r"[\s*_`\"'(\[]*(a|b|c|tie)[\s*_`\"')\].!]*", re.IGNORECASE)
_LAST = re.compile(
    r"[\s*_#>-]*(?:my |the |final )*(?:verdict|winner|choice|answer)(?: is)?[\s*_:=-]*"
    r"(?:answer )?[\s*_`\"'(\[]*(a|b|c|tie)[\s*_`\"')\].!]*",
    re.IGNORECASE,
)
_KEYS = ("winner", "verdict", "choice", "better", "preferred")
MOST_REPLY_CHARS = 200_000
"""Of a reply that is read; more is nonsense."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one call."""

    text: str
    """With thoughts, if any (`thoughts.split`)."""
    finish: str = "stop"
    """Why it ended: stop, length, content_filter, refusal or beyond."""
    tokens_in: int | None = None
    """As the endpoint counts them; None if it does not say."""
    tokens_out: int | None = None


def kind_of(reply: Reply) -> Kind:
    """The verdict in a reply, about the answers in the order in which they were shown; or what is wrong with it."""
    if reply.finish == "beyond":
        return "beyond"
    said = split(reply.text)
    text = "" if said.thinking else said.answer.strip()
    verdict = _verdict(text) if len(text) <= MOST_REPLY_CHARS else None
    if verdict is not None:
        return verdict
    if reply.finish in ("content_filter", "refusal"):
        return "refusal"
    if reply.finish == "length":
        return "cut"
    if not text:
        return "empty"
    return "refusal" if refuses(text) else "nonsense"


def _verdict(text: str) -> Verdict | None:
    """The one verdict that a text gives; None if it gives none, or different ones."""
    marks = [mark.casefold() for mark in _MARK.findall(text)]
    if marks:
        named = {_WORDS.get(mark) for mark in marks}
        return _as_verdict(named.pop()) if len(named) == 1 else None
    if found := _ALONE.fullmatch(text):
        return _as_verdict(_WORDS[found[1].casefold()])
    if (inside := _in_json(text)) is not None:
        return inside
    last = text.rsplit("\n", 1)[-1]
    found = _LAST.fullmatch(last) if len(last) < 200 else None
    return _as_verdict(_WORDS[found[1].casefold()]) if found else None


def _in_json(text: str) -> Verdict | None:
    """The verdict of a reply that is a JSON object, perhaps in a fenced block."""
    bare = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not bare.startswith("{"):
        return None
    try:
        data = foreign_json.decode(bare, most_bytes=MOST_REPLY_CHARS * 4)
    except ValueError:
        return None
    values = {str(data[key]).casefold() for key in _KEYS if key in data} if isinstance(data, dict) else set()
    return _as_verdict(_WORDS.get(values.pop())) if len(values) == 1 else None


def _as_verdict(word: str | None) -> Verdict | None:
    match word:
        case "a":
            return "a"
        case "b":
            return "b"
        case "tie":
            return "tie"
    return None
