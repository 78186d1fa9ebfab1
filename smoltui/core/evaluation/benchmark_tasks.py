"""The table of benchmark tasks: what each really does, and about how long it takes."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any


class Harness(StrEnum):
    """The program that runs benchmarks. Figures of different harnesses are never comparable: prompts differ."""

    LIGHTEVAL = "lighteval"
    """As a Job; its results dataset is what the course's leaderboard reads."""
    LM_EVAL = "lm_eval"
    """On this machine, day to day; LoRA adapters without merging."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a flavor's accelerator can do, from its data sheet."""

    tflops: float
    """Dense bfloat16 (T4: float16) operations, 10^12 per second."""
    gigabytes_per_second: float
    """Memory bandwidth."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a harness."""

    harness: Harness
    name: str
    """As the harness expects it; for LightEval without the number of shots."""
    what: str
    """What it really does, in one sentence."""
    scored: str
    """log-prob (the likeliest choice), one token (a generated letter) or generated."""
    items: int | None
    """Questions in the split that is used; None if unknown."""
    items_source: str
    """Where that number is from; empty if unknown."""
    metrics: tuple[str, ...]
    """As results name them."""
    rows: int
    """Texts per question that the model reads: its choices, or one prompt."""
    prompt_tokens: int
    """About how many tokens each of them has."""
    new_tokens: int
    """Most generated tokens per question; 0 if none."""
    shots: int = 0
    """Solved examples before each question, the harness's default."""
    needs_judge: bool = False
    """Another model judges the answers, which needs its own access and costs extra."""
    is_default: bool = False

    @property
    def text(self) -> str:
        """As it is written in a command: `hellaswag|0` for LightEval, `hellaswag` for lm_eval."""
        return f"{self.name}|{self.shots}" if self.harness is Harness.LIGHTEVAL else self.name


@dataclass(frozen=True, slots=True)
class TaskTable:
    """All tasks, and what the estimates are made of."""

    tasks: tuple[Task, ...]
    lighteval_names: frozenset[str]
    """All English tasks in the registry of LightEval 0.13.0; it has many more in other languages."""
    speeds: Mapping[str, Speed]
    """Flavor → speed."""
    how_estimated: str
    """One sentence for the place where an estimate is shown."""
    setup_minutes: float
    parameters: float
    """Of the model that estimates are for."""
    share_of_tflops: float
    share_of_bandwidth: float
    seconds_per_step: float
    """Least seconds per generated token of a batch: the time that Python needs to start the kernels."""
    batch_size: int

    def of(self, harness: Harness) -> list[Task]:
        """The tasks of a harness, in order."""
        return [task for task in self.tasks if task.harness is harness]

    def default(self, harness: Harness) -> tuple[str, ...]:
        """The task strings of the default set: the tasks of the course, spelled as the harness expects them."""
        return tuple(task.text for task in self.of(harness) if task.is_default)

    def find(self, harness: Harness, text: str) -> Task | None:
        """The task of this string, with any number of shots; None if the table does not have it."""
        name = bare_name(harness, text)
        return next((task for task in self.of(harness) if task.name == name), None)

    def near(self, harness: Harness, text: str) -> list[str]:
        """Up to three task strings similar to `text`, the closest first."""
        names = {task.name: task.text for task in self.of(harness)}
        if harness is Harness.LIGHTEVAL:
            names = {name: f"{name}|0" for name in self.lighteval_names} | names
        plain = bare_name(harness, text).lower()
        found = difflib.get_close_matches(plain, names, n=3, cutoff=0.5)
        return [names[name] for name in found]

    def lighteval_has(self, name: str) -> bool | None:
        """Whether LightEval 0.13.0 has a task of this name, or several that start with it (`mmlu` for `mmlu:…`).

        None for what may be one in another language.
        """
        if name in self.lighteval_names or any(each.startswith(f"{name}:") for each in self.lighteval_names):
            return True
        return None if _OTHER_LANGUAGE.search(name) else False

    def minutes(self, task: Task, flavor: str, items: int | None = None) -> float | None:
        """Estimated minutes of a task on a flavor, without setup; None if its size or the flavor's speed is unknown.

        `items`: run only so many. Reading takes 2 operations per parameter and token; a generated token reads all
        weights (2 bytes per parameter) once per batch, and takes at least `seconds_per_step`.
        """
        speed, all_items = self.speeds.get(flavor), task.items
        if speed is None or all_items is None:
            return None
        count = all_items if items is None else min(items, all_items)
        read = count * task.rows * task.prompt_tokens * 2 * self.parameters
        seconds = read / (speed.tflops * 1e12 * self.share_of_tflops)
        step = 2 * self.parameters / (speed.gigabytes_per_second * 1e9 * self.share_of_bandwidth)
        batches = -(-count // self.batch_size)
        return (seconds + batches * task.new_tokens * max(step, self.seconds_per_step)) / 60

    def total_minutes(self, tasks: Sequence[Task], flavor: str, items: int | None = None) -> float | None:
        """Estimated minutes of several tasks with setup; None if one of them is unknown."""
        each = [self.minutes(task, flavor, items) for task in tasks]
        known = [minutes for minutes in each if minutes is not None]
        return self.setup_minutes + sum(known) if len(known) == len(each) else None


def bare_name(harness: Harness, text: str) -> str:
    """The name in a task string: `truthfulqa:mc` in `truthfulqa:mc|0`, or in `lighteval|truthfulqa:mc|0`."""
    parts = text.strip().split("|")
    if harness is not Harness.LIGHTEVAL or len(parts) == 1:
        return text.strip()
    return parts[1] if len(parts) > 2 and parts[0] in SUITES else parts[0]


_OTHER_LANGUAGE = re.compile(r"_[a-z]{3}(?:_|:|$)")
"""Such as hellaswag_fra_mcf: a code of ISO 639-3."""
SUITES = ("lighteval", "leaderboard", "helm", "bigbench", "harness", "original", "community", "custom", "extended")
"""First part of the task strings of older LightEval versions."""


@cache
def task_table() -> TaskTable:
    """The table shipped with smoltui."""
    data = json.loads(Path(__file__).with_name("benchmark_tasks.json").read_text(encoding="utf-8"))
    estimate: Mapping[str, Any] = data["estimate"]
    tasks = []
    for harness, entries in data["tasks"].items():
        for entry in entries:
            values: dict[str, Any] = {**entry, "metrics": tuple(entry["metrics"])}
            tasks.append(Task(harness=Harness(harness), **values))
    return TaskTable(
        tasks=tuple(tasks),
        lighteval_names=frozenset(data["lighteval_names"]),
        speeds={name: Speed(*speed) for name, speed in estimate["flavors"].items()},
        how_estimated=estimate["how"],
        setup_minutes=estimate["setup_minutes"],
        parameters=estimate["parameters"],
        share_of_tflops=estimate["share_of_tflops"],
        share_of_bandwidth=estimate["share_of_bandwidth"],
        seconds_per_step=estimate["seconds_per_step"],
        batch_size=estimate["batch_size"],
    )
