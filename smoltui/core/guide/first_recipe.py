"""The first recipe of a new project: every value with the reason why it is proposed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.guide.models import DEMO_LENGTH, DEMO_MODEL, LENGTH, Method, at_once, is_large, method_values
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.runs.place import Target
from smoltui.scripts.curve_remarks import percent
from smoltui.scripts.pair_how import AS_IT_IS, How


@dataclass(frozen=True, slots=True)
class PairsFacts:
    """What is known of the pairs of a new project."""

    dataset: str
    """As recipe.yaml names it: a path relative to the project, an absolute path, or owner/name."""
    builder: str = ""
    """For a single file, or files matching a pattern: the builder of `load_dataset` that reads it, such as json; empty
    for a folder and the Hub."""
    config: str = ""
    """Configuration of a set on the Hub; empty for the default."""
    train_split: str = "train"
    test_split: str = ""
    """Split that is held out by its author; empty if there is none."""
    rows: int | None = None
    """Pairs for training; None if they were not counted."""
    exact: bool = True
    """`rows` is counted; otherwise it is what a share of the prompts leaves, about."""
    held_out_share: float = 0.0
    """Share of the prompts that a decision holds out; 0: none."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Part of a pair → column, as `[pairs.columns]`; empty: detected."""
    how: How = AS_IT_IS


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen for a new project."""

    pairs: PairsFacts | None = None
    """None: chosen later, in Pairs."""
    model: str = ""
    """Hub id, path, or `DEMO_MODEL`; empty: chosen later, in Recipe."""
    shape: ModelShape | None = None
    longest: int | None = None
    """Longest sequence of the model, tokens; None if unknown."""
    method: Method = Method.FULL
    target: Target = Target.LOCAL
    processor: bool = False
    """It will train without an accelerator."""
    account: str = ""
    """Owner of the repository that a Job pushes to; empty if nobody is logged in."""
    project: str = "project"
    """Name of the project folder."""


@dataclass(frozen=True, slots=True)
class Line:
    """One value of the recipe, and why."""

    key: str
    value: Any
    reason: str


MODEL_FOLDER = "model"
"""Folder of the project that the demo's model is copied to."""
WANTED_STEPS = 60
"""Steps that a short run should have: with fewer, curves show little."""


def first_recipe(choices: Choices) -> list[Line]:
    """The recipe, in the order in which it is written."""
    return [
        *_model(choices),
        *_pairs(choices),
        *_learning(choices),
        *_length(choices),
        *_measuring(choices),
        *_machine(choices),
        *_keeping(choices),
    ]


def values_of(lines: list[Line]) -> dict[str, Any]:
    """Key → value."""
    return {line.key: line.value for line in lines}


def _model(choices: Choices) -> list[Line]:
    lines = []
    if choices.model:
        name = MODEL_FOLDER if choices.model == DEMO_MODEL else choices.model
        lines.append(Line("model_name_or_path", name, "the model to align; it is also the reference"))
    reasons = {
        "dtype": "all weights: in bfloat16, steps this small would be lost to rounding"
        if choices.method is Method.FULL
        else "an adapter keeps its own weights in float32, so the base can be small"
        if not choices.processor
        else "a processor computes in float32",
        "use_peft": "an adapter instead of all weights",
        "lora_r": "TRL's and PEFT's usual rank; higher learns more and needs more memory",
        "lora_alpha": "twice the rank, the usual scale",
        "lora_target_modules": "every linear layer; SmolLM has no default in PEFT",
        "load_in_4bit": "the base in 4 bits, which needs an NVIDIA GPU",
    }
    values = method_values(choices.method, processor=choices.processor)
    return lines + [Line(key, value, reasons[key]) for key, value in values.items()]


def _pairs(choices: Choices) -> list[Line]:
    return [] if choices.pairs is None else pair_lines(choices.pairs)


def pair_lines(pairs: PairsFacts) -> list[Line]:
    """What a recipe says of its pairs."""
    if not pairs.test_split:
        return _one_split(pairs)
    lines = [Line("dataset_name", pairs.dataset, "the pairs")]
    if pairs.config:
        lines.append(Line("dataset_config", pairs.config, "its configuration"))
    lines.append(Line("dataset_train_split", pairs.train_split, "what is trained on"))
    return [*lines, Line("dataset_test_split", pairs.test_split, "held out: measured, never trained on")]


def _one_split(pairs: PairsFacts) -> list[Line]:
    """Pairs without a split of their own to measure on, so that a share is held out."""
    entry = {"path": pairs.builder, "data_files": pairs.dataset} if pairs.builder else {"path": pairs.dataset}
    if pairs.config:
        entry["name"] = pairs.config
    lines = [Line("datasets", [{**entry, "split": pairs.train_split}], "the pairs")]
    if pairs.held_out_share:
        why = "of the prompts are held out: measured, never trained on"
        lines.append(Line("test_split_size", pairs.held_out_share, f"{percent(pairs.held_out_share)} {why}"))
    return lines


def _batch(choices: Choices) -> tuple[int, int]:
    """Pairs at once, and batches per step: 16 pairs per step, 8 for a small set."""
    rows = choices.pairs.rows if choices.pairs is not None else None
    per_step = 8 if rows is not None and rows < 16 * WANTED_STEPS // 2 else 16
    if choices.model == DEMO_MODEL:
        return per_step, 1
    pairs = at_once(choices.shape)
    return pairs, per_step // pairs


def _learning(choices: Choices) -> list[Line]:
    rows = choices.pairs.rows if choices.pairs is not None else None
    pairs, batches = _batch(choices)
    rate, why = {
        Method.FULL: (1e-6, "TRL's default for DPO; ten times higher breaks answers quickly"),
        Method.LORA: (1e-5, "recipes of the course and the Alignment Handbook use 5e-6 to 5e-5 with LoRA"),
        Method.QLORA: (5e-5, "TRL keeps this adapter in bfloat16, where smaller steps would be lost to rounding"),
    }[choices.method]
    beta, pull = 0.1, "pull towards the reference model, TRL's default; higher stays closer"
    if choices.model == DEMO_MODEL:
        rate, why = 1.5e-4, "high for DPO, right for a model this small"
        beta, pull = 0.5, "pull towards the reference model; a model this small needs a strong one"
    return [
        Line("beta", beta, pull),
        Line("learning_rate", rate, why),
        Line("lr_scheduler_type", "cosine", "falls to zero, so that the last steps settle"),
        Line("warmup_steps", 0.1, "a tenth of the steps, while Adam has no history"),
        _duration(rows, pairs * batches),
        Line("per_device_train_batch_size", pairs, "pairs at once; the first thing to lower when memory is short"),
        Line("gradient_accumulation_steps", batches, f"{pairs * batches} pairs per step"),
        Line("seed", 42, "repeatable"),
    ]


def _duration(rows: int | None, per_step: int) -> Line:
    if rows is None:
        return Line("max_steps", 500, "the set was not counted; raise it once the curves look healthy")
    epochs = min(3, max(1, round(WANTED_STEPS * per_step / max(rows, 1))))
    steps = max(math.ceil(rows / per_step), 1) * epochs
    seen = "once" if epochs == 1 else f"{epochs} times, because the set is small"
    return Line("num_train_epochs", epochs, f"each pair is seen {seen}: about {steps:,} steps")


def _length(choices: Choices) -> list[Line]:
    longest = DEMO_LENGTH if choices.model == DEMO_MODEL else choices.longest
    length = min(LENGTH, longest) if longest else LENGTH
    why = "TRL's default; a longer answer is cut" if length == LENGTH else "the longest that this model takes"
    return [Line("max_length", length, f"tokens in prompt and answer together: {why}")]


def _measuring(choices: Choices) -> list[Line]:
    pairs = choices.pairs
    lines = [
        Line("logging_steps", 1, "a point of the curves for each step"),
        Line("logging_nan_inf_filter", False, "show NaN as NaN"),
    ]
    if pairs is not None and (pairs.test_split or pairs.held_out_share):
        share = "a held-out split" if pairs.test_split else f"{percent(pairs.held_out_share)} of the prompts, held out"
        lines += [
            Line("eval_strategy", "steps", f"measure on {share}: accuracy there is what counts"),
            Line("eval_steps", 0.5, "half-way and at the end"),
            Line("per_device_eval_batch_size", _batch(choices)[0], "as in training"),
        ]
    return lines


def _machine(choices: Choices) -> list[Line]:
    large = is_large(choices.shape)
    saves = "less memory, 30 % slower" if large else "a small model fits without"
    if choices.target is Target.LOCAL and choices.processor:
        return [
            Line("use_cpu", True, "this machine has no accelerator"),
            Line("bf16", False, "a processor computes in float32"),
            Line("activation_checkpointing", large, saves),
        ]
    return [
        Line("bf16", True, "compute in bfloat16; write false if the accelerator doesn't support it"),
        Line("activation_checkpointing", large, saves),
    ]


def _keeping(choices: Choices) -> list[Line]:
    lines = [Line("output_dir", "aligned", "the aligned model goes here")]
    if choices.target is Target.JOB:
        owner = choices.account or "<you>"
        lines += [
            Line("push_to_hub", True, "a Job's disk is deleted at its end"),
            Line("hub_model_id", f"{owner}/{choices.project}-dpo", "where the model is pushed"),
            Line("hub_private_repo", True, "nobody else sees it until you decide"),
            Line("hub_strategy", "every_save", "checkpoints are pushed too, so a killed Job leaves the newest"),
            Line("save_steps", 0.5, "half-way and at the end"),
            Line("save_total_limit", 1, "the disk of a Job is small"),
        ]
    else:
        lines.append(Line("save_strategy", "no", "a short run needs no checkpoints; the model is saved anyway"))
    lines += [
        Line("report_to", "none", 'smoltui draws the curves itself; "trackio" also keeps them in its own dashboard'),
        Line("run_name", choices.project, "the name of its runs"),
    ]
    return lines
