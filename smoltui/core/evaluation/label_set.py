"""Answers sampled for labelling, and the tasks they make: for each prompt, choose the best and the worst answer.

Samples are kept as one JSON object per line, only ever appended:

    {"v": 1, "set": "prompts", "models": {"aligned": "/…/out"}, "n": 4, "sampling": {…}, "date": "2026-11-30",
     "prompts": [[turns], …], "at": seconds}
    {"v": 1, "prompt": [turns], "model": "aligned", "sample": 0, "text", "tokens", "ended"}

An answer depends on model, prompt and seed alone (`scripts/answering.py`): that of sample 2 is the seed plus 2. A later
first line replaces the earlier one, for example with more prompts. Choices are kept as votes (`vote_log`): A is the
best answer, B the worst.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.evaluation.thoughts import split
from smoltui.core.evaluation.vote_ballot import Answer, Turns, turns_from_json, turns_json
from smoltui.core.evaluation.vote_log import (
    MOST_LINE_BYTES,
    VERSION,
    Choice,
    Vote,
    answer_from_json,
    answer_json,
    text,
    whole,
)
from smoltui.core.foreign import foreign_json

MOST_MODELS = 2
MOST_ANSWERS = 8
"""Of one prompt: more can't be kept in mind, and each has a letter."""
MOST_PROMPTS = 2_000
"""Of one set: with two answers each, more than a day of choosing."""


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """What is sampled."""

    name: str
    models: Mapping[str, str]
    """Model → origin of its weights."""
    n: int
    """Answers of each model to each prompt."""
    sampling: Mapping[str, Any]
    """`sheet.sampling_as_json`, with the seed of the first sample."""
    date: str
    """What chat templates take for today, such as 2026-11-30."""
    prompts: tuple[Turns, ...]
    at: float
    """Seconds since the epoch."""

    @property
    def settings(self) -> tuple[Any, ...]:
        """What must be the same for more prompts in the same set."""
        return dict(self.models), self.n, dict(self.sampling)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled answer."""

    prompt: Turns
    model: str
    number: int
    """From 0 to n − 1."""
    answer: Answer


@dataclass(slots=True)
class LabelSet:
    """The state after a number of lines."""

    plan: LabelPlan | None = None
    samples: dict[tuple[Turns, str, int], Sample] = field(default_factory=dict)
    unreadable: int = 0

    def take(self, entry: LabelPlan | Sample) -> None:
        """Applies one more line."""
        if isinstance(entry, LabelPlan):
            self.plan = entry
        else:
            self.samples[entry.prompt, entry.model, entry.number] = entry

    def take_lines(self, data: bytes) -> None:
        """Applies the lines of a file."""
        for line in data.split(b"\n"):
            if line and not line.isspace():
                entry = parse(line)
                if entry is None:
                    self.unreadable += 1
                else:
                    self.take(entry)

    def missing(self, model: str, number: int) -> list[Turns]:
        """The prompts to which a model has not given its answer of this number yet."""
        prompts = dict.fromkeys(self.plan.prompts) if self.plan is not None else ()
        return [prompt for prompt in prompts if (prompt, model, number) not in self.samples]


def line_of(entry: LabelPlan | Sample) -> bytes:
    """The line for an entry, which `parse` reads back, with its newline."""
    if isinstance(entry, LabelPlan):
        data: dict[str, Any] = {
            "v": VERSION,
            "set": entry.name,
            "models": dict(entry.models),
            "n": entry.n,
            "sampling": dict(entry.sampling),
            "date": entry.date,
            "prompts": [turns_json(prompt) for prompt in entry.prompts],
            "at": entry.at,
        }
    else:
        data = {
            "v": VERSION,
            "prompt": turns_json(entry.prompt),
            "model": entry.model,
            "sample": entry.number,
            **answer_json(entry.answer),
        }
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def parse(line: bytes) -> LabelPlan | Sample | None:
    """The entry in one line; None for anything else."""
    try:
        data = foreign_json.decode(line, most_bytes=MOST_LINE_BYTES)
        if not isinstance(data, dict) or data.get("v") != VERSION:
            return None
        return _plan(data) if "set" in data else _sample(data)
    except (ValueError, KeyError, TypeError):
        return None


def _plan(data: Mapping[str, Any]) -> LabelPlan:
    models, sampling, prompts = data["models"], data["sampling"], data["prompts"]
    if not isinstance(models, dict) or not isinstance(sampling, dict) or not isinstance(prompts, list):
        raise TypeError("not a plan")
    whole(sampling.get("seed", 0))
    return LabelPlan(
        text(data["set"]),
        {name: text(place) for name, place in models.items()},
        whole(data["n"]),
        sampling,
        text(data["date"]),
        tuple(turns_from_json(prompt) for prompt in prompts),
        float(data["at"]),
    )


def _sample(data: Mapping[str, Any]) -> Sample:
    prompt, model = turns_from_json(data["prompt"]), text(data["model"])
    return Sample(prompt, model, whole(data["sample"]), answer_from_json(data))


# -- tasks


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer to choose from."""

    model: str
    """The first one that gave it."""
    answer: Answer
    times: int
    """How many samples had this text."""


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt with its different answers, in the order in which they are shown."""

    id: str
    """Hash of the prompt and of its answers: 32 hexadecimal digits."""
    prompt: Turns
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Tasks:
    """What can be labelled."""

    tasks: tuple[Task, ...]
    same: int = 0
    """Prompts left out because all their answers are the same."""
    incomplete: int = 0
    """Prompts left out because answers are missing."""


def tasks_of(found: LabelSet) -> Tasks:
    """The tasks of a set, in the order of its prompts. The order of the answers is drawn from seed and prompt."""
    if (plan := found.plan) is None:
        return Tasks(())
    tasks: list[Task] = []
    same = incomplete = 0
    for prompt in dict.fromkeys(plan.prompts):
        keys = [(prompt, model, number) for model in plan.models for number in range(plan.n)]
        samples = [found.samples[key] for key in keys if key in found.samples]
        candidates = _candidates(samples)
        if len(samples) < len(keys):
            incomplete += 1
        elif len(candidates) < 2:
            same += 1
        else:
            tasks.append(_task(prompt, candidates, int(plan.sampling.get("seed", 0))))
    return Tasks(tuple(tasks), same, incomplete)


def _candidates(samples: Iterable[Sample]) -> list[Candidate]:
    """Samples without repetitions."""
    by_text: dict[str, Candidate] = {}
    for sample in samples:
        key = split(sample.answer.text).answer.strip()
        known = by_text.get(key)
        times = known.times if known else 0
        by_text[key] = Candidate(known.model if known else sample.model, sample.answer, times + 1)
    return list(by_text.values())


def _task(prompt: Turns, candidates: Sequence[Candidate], seed: int) -> Task:
    listed = sorted((one.model, one.answer.text) for one in candidates)
    digest = hashlib.sha256(json.dumps([prompt, listed]).encode("ascii")).hexdigest()[:32]
    drawn = random.Random(f"{seed} {digest}").sample(list(candidates), len(candidates))
    return Task(digest, prompt, tuple(drawn))


def label_of(task: Task, choice: Choice, at: float, best: int = 0, worst: int = 1) -> Vote:
    """The line for a choice on a task: `a` with the places of the best and of the worst answer, or why there is none.

    `tie`: all answers are alike; `bad`: none is good; `skip`: no choice.
    """
    first, second = task.candidates[best], task.candidates[worst]
    return Vote(choice, task.id, task.prompt, (first.model, second.model), first.answer, second.answer, at)
