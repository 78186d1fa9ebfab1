"""The text of a leaderboard pull request, with the commands of training and evaluation."""

from __future__ import annotations

import shlex

from smoltui.core.publish.results import COURSE_TASKS
from smoltui.core.publish.submission import Entry

PINS = ("lighteval==0.13.0", "huggingface_hub<2", "xxhash<4", "transformers==5.23.0")
"""Packages with which LightEval 0.13 runs to written results: hub 2 lacks what its registry calls, xxhash 4 ends it
after the whole evaluation (lighteval #1330)."""
FLAVOR, TIMEOUT = "a10g-large", "3h"


def evaluation_command(entry: Entry) -> str:
    """The command that measures the model as the course does, with pins that run, and pushes public results."""
    words = ["hf", "jobs", "uv", "run", "--flavor", FLAVOR, "--timeout", TIMEOUT, "--secrets", "HF_TOKEN"]
    words += ["--python", "3.11"]
    for pin in PINS:
        words += ["--with", pin]
    owner = entry.results_dataset.partition("/")[0] or entry.username
    model = f"model_name={entry.model_id},dtype=bfloat16,batch_size=8,system_prompt=/no_think"
    tasks = ",".join(f"{task}|0" for task in COURSE_TASKS)
    words += ["lighteval", "accelerate", model, tasks, "--push-to-hub", "--results-org", owner, "--public-run"]
    return shlex.join([*words, "--save-details"])


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
