"""The text of a leaderboard pull request, with the commands of training and evaluation."""

from __future__ import annotations

import shlex

from smoltui.core.evaluation.benchmark_command import LightEvalCommand, in_shell
from smoltui.core.publish.results import course_tasks
from smoltui.core.publish.submission import Entry

FLAVOR, TIMEOUT = "a10g-large", "3h"


def evaluation_command(entry: Entry) -> str:
    """The command that measures the model as the course does, with packages that run, and pushes public results."""
    command = LightEvalCommand(
        entry.model_id,
        tuple(f"{task}|0" for task in course_tasks()),
        results_org=entry.results_dataset.partition("/")[0] or entry.username,
        flavor=FLAVOR,
        timeout=TIMEOUT,
    )
    return in_shell(command.hf_jobs())


def training_command(flavor: str | None, seconds: int | None, trl: str) -> str:
    """The command that trains the recipe without smoltui; `flavor` None: on the machine where it is typed.

    `seconds`: the Job's timeout; `trl`: its version, empty if unknown.
    """
    train = ["trl", "dpo", "--config", "recipe.yaml"]
    if flavor is None:
        return shlex.join(train)
    words = ["hf", "jobs", "uv", "run", "--flavor", flavor, "--secrets", "HF_TOKEN"]
    words += ["--timeout", f"{seconds}s"] if seconds else []
    return shlex.join([*words, "--with", f"trl[peft]=={trl}" if trl else "trl[peft]", *train])


def description(entry: Entry, *, training: str, recipe: str, evaluation: str) -> str:
    """The pull request's text, Markdown. `training` and `evaluation` are shell commands, `recipe` is recipe.yaml."""
    fence = "`" * max(3, _longest_fence(recipe) + 1)
    return "\n".join(
        [
            f"Adds [{entry.model_id}](https://huggingface.co/{entry.model_id}), chapter {entry.chapter}, method "
            f"{entry.method}. Base model: {entry.base_model}. Preference pairs: {entry.preference_dataset}.",
            "",
            f"Results: https://huggingface.co/datasets/{entry.results_dataset}",
            "",
            "## Training",
            "",
            "```sh",
            training,
            "```",
            "",
            "with `recipe.yaml`:",
            "",
            f"{fence}yaml",
            recipe.strip("\n"),
            fence,
            "",
            "## Evaluation",
            "",
            "```sh",
            evaluation,
            "```",
            "",
        ]
    )


def _longest_fence(text: str) -> int:
    """Backticks in the longest run of them."""
    longest = current = 0
    for sign in text:
        current = current + 1 if sign == "`" else 0
        longest = max(longest, current)
    return longest
