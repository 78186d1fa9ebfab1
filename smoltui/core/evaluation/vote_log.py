"""Votes as they are kept: one JSON object per line, only ever appended.

    {"v": 1, "ballot": [ids], "models": {"reference": "model", …}, "sampling": {…}, "set": "", "seed": 0,
     "at": seconds}
    {"v": 1, "vote": "a" | "b" | "tie" | "bad" | "skip", "id": "32 hex digits", "prompt": [turns],
     "a": {"model", "text", "tokens", "ended"}, "b": {…}, "at": seconds}
    {"v": 1, "undo": "32 hex digits", "at": seconds}

A vote holds what was voted on, so it stays readable when the answers are generated again. A later vote on the same
matchup counts instead of the earlier one; `undo` takes back the latest of a matchup. A line that is none of these, such
as a truncated last one, is counted and skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import Answer, Ballot, Matchup, Turns, turns_from_json, turns_json
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.foreign import foreign_json

VERSION = 1
MOST_LINE_BYTES = 8 << 20
"""Limit of one vote with its two answers; a longer line is not one."""
Choice = Literal["a", "b", "tie", "bad", "skip"]
"""Which answer is better; tie: both are equally good; bad: neither is good; skip: no vote."""
CHOICES: tuple[Choice, ...] = get_args(Choice)
_HASH = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Vote:
    """One decision on a matchup."""

    choice: Choice
    id: str
    prompt: Turns
    models: tuple[str, str]
    """Whose answer was A, whose was B."""
    a: Answer
    b: Answer
    at: float
    """Seconds since the epoch."""

    @property
    def winner(self) -> str | None:
        """The model whose answer is better; None for a tie, both bad and skip."""
        return {"a": self.models[0], "b": self.models[1]}.get(self.choice)

    def chars(self, model: str) -> int:
        """Characters of a model's answer, without thoughts."""
        return len(split((self.a if model == self.models[0] else self.b).text).answer)


@dataclass(frozen=True, slots=True)
class BallotKept:
    """What a ballot was, without its texts."""

    ids: tuple[str, ...]
    models: Mapping[str, str]
    """Model → origin of its weights, in the order of the columns."""
    sampling: Mapping[str, Any]
    """How the answers were generated (`sheet.sampling_as_json`)."""
    seed: int
    """Of the draw of sides and of pairs of models."""
    at: float
    prompt_set: str = ""
    """Name or path of the set of prompts; empty if unknown."""


@dataclass(slots=True)
class VoteLog:
    """The state after a number of lines."""

    ballots: list[BallotKept] = field(default_factory=list)
    history: list[Vote] = field(default_factory=list)
    """Votes and skips that were not undone, oldest first."""
    unreadable: list[int] = field(default_factory=list)
    """Numbers of the lines that are not of this format, from 1."""
    lines: int = 0

    @property
    def votes(self) -> dict[str, Vote]:
        """Matchup → the vote that counts."""
        return {vote.id: vote for vote in self.history}

    def take(self, entry: BallotKept | Vote | Undo) -> None:
        """Applies one more line."""
        if isinstance(entry, BallotKept):
            self.ballots.append(entry)
        elif isinstance(entry, Vote):
            self.history.append(entry)
        elif (at := self.latest({entry.id})) is not None:
            del self.history[at]

    def latest(self, ids: Iterable[str]) -> int | None:
        """Place in the history of the latest vote on one of these matchups; None without one."""
        wanted = frozenset(ids)
        return next((at for at in range(len(self.history) - 1, -1, -1) if self.history[at].id in wanted), None)

    def take_lines(self, data: bytes) -> None:
        """Applies the lines of a file."""
        for line in data.split(b"\n"):
            self.lines += 1
            if line and not line.isspace():
                entry = parse(line)
                if entry is None:
                    self.unreadable.append(self.lines)
                else:
                    self.take(entry)


@dataclass(frozen=True, slots=True)
class Undo:
    """Takes back the latest vote on a matchup."""

    id: str
    at: float


Entry = BallotKept | Vote | Undo


def kept_ballot(ballot: Ballot, answers: Answers, at: float) -> BallotKept:
    """The line for a ballot that was drawn from these answers."""
    ids = tuple(one.id for one in ballot.matchups)
    return BallotKept(ids, dict(answers.places), dict(answers.sampling), ballot.seed, at, answers.prompt_set)


def vote_on(matchup: Matchup, choice: Choice, at: float) -> Vote:
    """The line for a vote."""
    return Vote(choice, matchup.id, matchup.prompt, matchup.models, matchup.a, matchup.b, at)


# -- lines


def line_of(entry: Entry) -> bytes:
    """The line for an entry, which `parse` reads back, with its newline."""
    # A lone surrogate, which cannot be encoded, is escaped as \udc80, which is valid JSON.
    return json.dumps(_as_json(entry), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _as_json(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Undo):
        return {"v": VERSION, "undo": entry.id, "at": entry.at}
    if isinstance(entry, BallotKept):
        return {
            "v": VERSION,
            "ballot": list(entry.ids),
            "models": dict(entry.models),
            "sampling": dict(entry.sampling),
            "set": entry.prompt_set,
            "seed": entry.seed,
            "at": entry.at,
        }
    sides = zip(("a", "b"), entry.models, (entry.a, entry.b), strict=True)
    return {
        "v": VERSION,
        "vote": entry.choice,
        "id": entry.id,
        "prompt": turns_json(entry.prompt),
        **{side: {"model": model, **answer_json(answer)} for side, model, answer in sides},
        "at": entry.at,
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer as in a stored sheet."""
    return {"text": answer.text, "tokens": answer.tokens, "ended": answer.ended}


def parse(line: bytes) -> Entry | None:
    """The entry in one line; None for anything else."""
    try:
        data = foreign_json.decode(line, most_bytes=MOST_LINE_BYTES)
        if not isinstance(data, dict) or data.get("v") != VERSION:
            return None
        if "ballot" in data:
            return _ballot(data)
        return Undo(_id(data["undo"]), _time(data)) if "undo" in data else _vote(data)
    except (ValueError, KeyError, TypeError):
        return None


def _ballot(data: Mapping[str, Any]) -> BallotKept:
    models, sampling = data["models"], data.get("sampling", {})
    if not isinstance(models, dict) or not isinstance(sampling, dict):
        raise TypeError("not tables")
    ids = tuple(_id(one) for one in data["ballot"])
    named = {name: text(place) for name, place in models.items()}
    return BallotKept(ids, named, sampling, whole(data["seed"]), _time(data), text(data.get("set", "")))


def _vote(data: Mapping[str, Any]) -> Vote:
    if data["vote"] not in CHOICES:
        raise ValueError("not a choice")
    return Vote(
        cast("Choice", data["vote"]),
        _id(data["id"]),
        turns_from_json(data["prompt"]),
        (text(data["a"]["model"]), text(data["b"]["model"])),
        answer_from_json(data["a"]),
        answer_from_json(data["b"]),
        _time(data),
    )


def answer_from_json(data: Mapping[str, Any]) -> Answer:
    """The answer that `answer_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return Answer(text(data["text"]), whole(data.get("tokens", 0)), data.get("ended") is True)


def text(value: object) -> str:
    """`value` if it is a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def whole(value: object) -> int:
    """`value` if it is a whole number. Raises TypeError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value


def _id(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("not a hash")
    return value


def _time(data: Mapping[str, Any]) -> float:
    at = data["at"]
    if not isinstance(at, int | float) or not 0 <= at < 1e11:
        raise ValueError("not a time")
    return float(at)


# -- groups


@dataclass(frozen=True, slots=True)
class BallotVotes:
    """The votes that belong to one ballot."""

    ballot: BallotKept
    votes: tuple[Vote, ...]
    """Those that count, in the order of the ballot; skips included."""
    moved: int = 0
    """Voted matchups that a newer ballot has too, where they count."""
    current: bool = True
    """No newer ballot has votes."""


def by_ballot(log: VoteLog) -> list[BallotVotes]:
    """The votes of each ballot, newest ballot first; ballots without votes are left out.

    A vote belongs to the newest ballot with its matchup: when a prompt or an answer changes, the votes on the others
    move on, and those on what is gone stay with the older ballot.
    """
    votes = log.votes
    left, groups = dict(votes), list[BallotVotes]()
    for ballot in reversed(log.ballots):
        ids = dict.fromkeys(ballot.ids)
        own = tuple(left.pop(one) for one in ids if one in left)
        if own:
            moved = sum(one in votes for one in ids) - len(own)
            groups.append(BallotVotes(ballot, own, moved, not groups))
    if left:  # the line of their ballot cannot be read
        names = dict.fromkeys(name for vote in left.values() for name in vote.models)
        first = min(vote.at for vote in left.values())
        unknown = BallotKept(tuple(left), {name: name for name in names}, {}, 0, first)
        groups.append(BallotVotes(unknown, tuple(left.values()), current=not groups))
    return groups
