"""What is voted on: prompts with the answers of two or more models, drawn into blind matchups."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from smoltui.core.evaluation.thoughts import split


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer."""

    text: str
    """With its thoughts, if any (`thoughts.split`)."""
    tokens: int = 0
    """0 if not known."""
    ended: bool = True
    """False: the token limit cut it off."""


Turns = tuple[tuple[str, str], ...]
"""A prompt: (role, text) of each turn."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt with the complete answers of some models."""

    prompt: Turns
    answers: Mapping[str, Answer]
    """Model → its answer."""


@dataclass(frozen=True, slots=True)
class Matchup:
    """Two answers to one prompt, in the order in which they are shown."""

    id: str
    """Hash of the prompt, of both models' names and of their answers, in either order: 32 hexadecimal digits."""
    prompt: Turns
    models: tuple[str, str]
    """Whose answer is A, whose is B."""
    a: Answer
    b: Answer


@dataclass(frozen=True, slots=True)
class Ballot:
    """All matchups, in the order in which they are voted on."""

    models: tuple[str, ...]
    seed: int
    matchups: tuple[Matchup, ...]
    rounds: int
    """How often each prompt comes: once for every two models."""
    identical: int = 0
    """Matchups left out because both answers are the same."""
    incomplete: int = 0
    """Matchups left out because a model has not answered."""

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(matchup.id for matchup in self.matchups)


def matchup_id(prompt: Turns, first: tuple[str, str], second: tuple[str, str]) -> str:
    """`Matchup.id`; `first` and `second` are a model's name and its answer's text."""
    text = json.dumps([prompt, sorted([first, second])])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def draw(questions: Sequence[Question], models: Sequence[str], seed: int) -> Ballot:
    """The ballot of these questions.

    Each prompt comes once before any comes again. Which two models it shows is drawn so that every two come equally
    often, and which of them is A is drawn for each matchup from `seed` and its id: neither depends on what was voted,
    and a matchup keeps its sides when other prompts are added.
    """
    pairs = list(combinations(models, 2))
    matchups: list[Matchup] = []
    identical = incomplete = 0
    seen: set[str] = set()
    for turn in range(len(pairs)):
        for at, question in enumerate(questions):
            block, place = divmod(at, len(pairs))
            order = random.Random(f"{seed} {block}").sample(pairs, len(pairs))
            names = order[(place + turn) % len(pairs)]
            found = _matchup(question, names, seed)
            if found is None:
                incomplete += 1
            elif split(found.a.text).answer.strip() == split(found.b.text).answer.strip():
                identical += 1
            elif found.id not in seen:
                seen.add(found.id)
                matchups.append(found)
    return Ballot(tuple(models), seed, tuple(matchups), len(pairs), identical, incomplete)


def _matchup(question: Question, names: tuple[str, str], seed: int) -> Matchup | None:
    first, second = (question.answers.get(name) for name in names)
    if first is None or second is None:
        return None
    found = matchup_id(question.prompt, (names[0], first.text), (names[1], second.text))
    if random.Random(f"{seed} {found}").random() < 0.5:
        names, first, second = (names[1], names[0]), second, first
    return Matchup(found, question.prompt, names, first, second)


def turns_json(prompt: Turns) -> list[dict[str, Any]]:
    """A prompt as chat templates take it."""
    return [{"role": role, "content": text} for role, text in prompt]


def turns_from_json(data: object) -> Turns:
    """The prompt that `turns_json` wrote. Raises ValueError for anything else."""
    if not isinstance(data, list):
        raise ValueError("not a list of turns")
    turns = []
    for turn in data:
        role, text = (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        if not isinstance(role, str) or not isinstance(text, str):
            raise ValueError("not a turn")
        turns.append((role, text))
    return tuple(turns)
