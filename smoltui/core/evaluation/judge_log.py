"""A judge's replies as they are kept: one JSON object per line, only ever appended.

    {"v": 1, "judge": {…}, "ballot": [ids], "models": {"reference": "model", …}, "sampling": {…}, "set": "", "seed": 0,
     "at": seconds}
    {"v": 1, "matchup": "32 hex digits", "prompt": [turns], "a": {"model", "text", "tokens", "ended"}, "b": {…},
     "keys": [key as drawn, key with the answers swapped]}
    {"v": 1, "call": key, "reply": "text", "finish": "stop", "in": tokens, "out": tokens, "at": seconds}

A key is the hash of everything that a reply depends on (`judge_plan.Judge.key`), so a reply is found again whenever the
same question comes up. A line that is none of these, such as a truncated last one, is counted and skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.evaluation.judge_plan import Judge
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.vote_ballot import Matchup, turns_from_json, turns_json
from smoltui.core.evaluation.vote_log import (
    MOST_LINE_BYTES,
    BallotKept,
    answer_from_json,
    answer_json,
    parse,
    text,
    whole,
)
from smoltui.core.foreign import foreign_json
from smoltui.core.foreign.server_values import number_in

VERSION = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A ballot that a judge was asked about."""

    judge: Judge
    ballot: BallotKept


@dataclass(frozen=True, slots=True)
class Judged:
    """A matchup, and the keys of its two calls."""

    matchup: Matchup
    keys: tuple[str, str]
    """As drawn; with the answers swapped."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One call and its reply."""

    key: str
    reply: Reply
    at: float
    """Seconds since the epoch."""


Entry = Asked | Judged | Answered


@dataclass(slots=True)
class JudgeLog:
    """The state after a number of lines."""

    asked: list[Asked] = field(default_factory=list)
    judged: dict[str, Judged] = field(default_factory=dict)
    """By id of the matchup."""
    answered: dict[str, Answered] = field(default_factory=dict)
    """By key of the call; the first reply counts."""
    unreadable: list[int] = field(default_factory=list)
    """Numbers of the lines that are not of this format, from 1."""
    lines: int = 0

    def take(self, entry: Entry) -> None:
        """Applies one more line."""
        match entry:
            case Asked():
                self.asked.append(entry)
            case Judged():
                self.judged[entry.matchup.id] = entry
            case Answered():
                self.answered.setdefault(entry.key, entry)

    def take_lines(self, data: bytes) -> None:
        """Applies the lines of a file."""
        for line in data.split(b"\n"):
            self.lines += 1
            if line and not line.isspace():
                entry = parse_line(line)
                if entry is None:
                    self.unreadable.append(self.lines)
                else:
                    self.take(entry)


def line_of(entry: Entry) -> bytes:
    """The line for an entry, which `parse_line` reads back, with its newline."""
    # A lone surrogate, which cannot be encoded, is escaped as \udc80, which is valid JSON.
    return json.dumps(_as_json(entry), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _as_json(entry: Entry) -> dict[str, Any]:
    match entry:
        case Asked(judge, ballot):
            return {
                "v": VERSION,
                "judge": judge.as_json(),
                "ballot": list(ballot.ids),
                "models": dict(ballot.models),
                "sampling": dict(ballot.sampling),
                "set": ballot.prompt_set,
                "seed": ballot.seed,
                "at": ballot.at,
            }
        case Judged(matchup, keys):
            sides = zip(("a", "b"), matchup.models, (matchup.a, matchup.b), strict=True)
            return {
                "v": VERSION,
                "matchup": matchup.id,
                "prompt": turns_json(matchup.prompt),
                **{side: {"model": model, **answer_json(answer)} for side, model, answer in sides},
                "keys": list(keys),
            }
        case Answered(key, reply, at):
            return {
                "v": VERSION,
                "call": key,
                "reply": reply.text,
                "finish": reply.finish,
                "in": reply.tokens_in,
                "out": reply.tokens_out,
                "at": at,
            }


def parse_line(line: bytes) -> Entry | None:
    """The entry in one line; None for anything else."""
    try:
        data = foreign_json.decode(line, most_bytes=MOST_LINE_BYTES)
        if not isinstance(data, dict) or data.get("v") != VERSION:
            return None
        if "call" in data:
            return _answered(data)
        return _judged(data) if "matchup" in data else _asked(data, line)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _asked(data: Mapping[str, Any], line: bytes) -> Asked | None:
    ballot, judge = parse(line), data["judge"]
    if not isinstance(ballot, BallotKept):
        return None
    temperature = number_in(judge["temperature"])
    if temperature is None:
        return None
    endpoint, model, template = (text(judge[name]) for name in ("endpoint", "model", "template"))
    tokens, seed = whole(judge["max_tokens"]), whole(judge["seed"])
    return Asked(Judge(endpoint, model, template, temperature, tokens, seed, text(judge.get("weights", ""))), ballot)


def _judged(data: Mapping[str, Any]) -> Judged:
    a, b = data["a"], data["b"]
    models = text(a["model"]), text(b["model"])
    first, second = map(text, data["keys"])
    sides = answer_from_json(a), answer_from_json(b)
    return Judged(Matchup(text(data["matchup"]), turns_from_json(data["prompt"]), models, *sides), (first, second))


def _answered(data: Mapping[str, Any]) -> Answered:
    tokens = [None if (value := data.get(name)) is None else whole(value) for name in ("in", "out")]
    at = number_in(data["at"])
    if at is None:
        raise ValueError("not a time")
    return Answered(text(data["call"]), Reply(text(data["reply"]), text(data["finish"]), *tokens), at)
