"""The pull request's text has both commands, and they are commands that run."""

from __future__ import annotations

import shlex

from smoltui.core.evaluation.benchmark_command import PINS
from smoltui.core.publish.pull_request import description, evaluation_command, training_command
from tests.core.publish.test_submission import ENTRY


def test_the_evaluation_command_has_the_pins_and_the_public_flag() -> None:
    """Each of the course's faults is avoided: pins, time limit, tasks that exist, thinking off, public results."""
    words = shlex.split(evaluation_command(ENTRY))
    assert words[:4] == ["hf", "jobs", "uv", "run"] and words[words.index("--timeout") + 1] == "3h"
    assert [words[place + 1] for place, word in enumerate(words) if word == "--with"] == list(PINS)
    assert "--public-run" in words and words[words.index("--results-org") + 1] == "ada"
    assert "truthfulqa:mc|0,hellaswag|0,arc:challenge|0,gsm8k|0" in words
    assert "model_name=ada/smollm3-dpo,dtype=bfloat16,batch_size=8,system_prompt=/no_think" in words


def test_the_training_command_is_trl_s() -> None:
    assert training_command(None, None, "1.16.0") == "trl dpo --config recipe.yaml"
    job = shlex.split(training_command("a100-large", 10800, "1.16.0"))
    assert job[-4:] == ["trl", "dpo", "--config", "recipe.yaml"] and "trl[peft]==1.16.0" in job and "10800s" in job


def test_the_text_has_both_commands_and_the_recipe() -> None:
    """A recipe with a fence of its own does not end ours."""
    text = description(ENTRY, training="trl dpo", recipe="beta: 0.1\n# ```\n", evaluation="lighteval x")
    assert (
        "```sh\ntrl dpo\n```" in text
        and "```sh\nlighteval x\n```" in text
        and "````yaml\nbeta: 0.1\n# ```\n````" in text
    )
    assert "https://huggingface.co/datasets/ada/details_ada__smollm3-dpo" in text
