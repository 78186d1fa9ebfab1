"""The important fields: meaning, unit, range and source. The form, the help, the checks and
the table of the documentation all come from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from smoltui.core.recipe.help import help_of, section_of
from smoltui.core.recipe.keys import LOSSES, Key, snapshot

DPO_CONFIG = "TRL 1.16 DPOConfig"
TRAINING = "transformers 5.23 TrainingArguments"
MODEL = "TRL 1.16 ModelConfig"
SCRIPT = "TRL 1.16 ScriptArguments"
MIXTURE = "TRL 1.16 DatasetMixtureConfig"
SOURCES: Mapping[str, str] = {
    "DPOConfig": DPO_CONFIG,
    "ModelConfig": MODEL,
    "ScriptArguments": SCRIPT,
    "DatasetMixtureConfig": MIXTURE,
}
"""Class of TRL → its name and version."""
PAPER = "DPO paper, arXiv 2305.18290"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form."""

    key: str
    label: str
    group: str
    help: str
    kind: str
    """text, int, float, bool, choice, list (one word or several), words (always several), numbers, steps (a whole
    number, or a share below 1), mapping (JSON, or a path), mixed (a word, number or boolean, whichever TRL takes),
    datasets, or file for values that are edited only in the file."""
    unit: str = ""
    low: float | None = None
    """Smallest value; None for no bound."""
    high: float | None = None
    """Largest value; None for no bound."""
    above: bool = False
    """The value must be larger than `low`, not equal to it."""
    below: bool = False
    """The value must be smaller than `high`, not equal to it."""
    extra: tuple[float, ...] = ()
    """Valid values outside the range, such as -1 for max_steps."""
    ours: Any = None
    """What smoltui's presets write if TRL's default is unsuitable; otherwise None."""
    unset: Any = None
    """What TRL uses if the key is null or missing and its default is null, if that is a value."""
    why: str = ""
    """Why `ours` differs."""
    source: str = TRAINING

    @property
    def default(self) -> Any:
        """TRL's value if the recipe does not set the key; None for a key unknown to TRL."""
        return snapshot().keys[self.key].default if self.key in snapshot().keys else None

    @property
    def choices(self) -> tuple[str, ...]:
        if self.key == "loss_type":
            return LOSSES
        return snapshot().keys[self.key].choices if self.key in snapshot().keys else ()

    @property
    def optional(self) -> bool:
        """Whether null is a value."""
        return self.key in snapshot().keys and "none" in snapshot().keys[self.key].types

    @property
    def range_text(self) -> str:
        """The range in words; empty without limits."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "steps":
            return "a whole number of steps, or a share of all steps if below 1"
        if self.low is None and self.high is None:
            return ""
        parts = []
        if self.low is not None:
            parts.append(f"{'above' if self.above else 'from'} {self.low:g}")
        if self.high is not None:
            parts.append(f"{'below' if self.below else 'to'} {self.high:g}")
        text = " ".join(parts)
        if self.kind == "int":
            text = f"a whole number {text}"
        return f"{text}, or {', '.join(f'{value:g}' for value in self.extra)}" if self.extra else text


FIELDS: tuple[Field, ...] = (
    Field(
        "model_name_or_path",
        "Model",
        "Model",
        "The model to align: a Hub id or a folder. It must already follow instructions. A copy from before the "
        "training is the reference model.",
        "text",
        source=MODEL,
    ),
    Field(
        "model_revision", "Revision", "Model", "Branch, tag or commit of the model on the Hub.", "text", source=MODEL
    ),
    Field(
        "dtype",
        "Weights in",
        "Model",
        "Type in which the weights are loaded. Full fine-tuning needs float32: in bfloat16, a step of DPO's size is "
        "lost to rounding and almost no weight moves. A LoRA adapter stays in float32, so its base can be bfloat16.",
        "choice",
        source=f"{MODEL}; measured on a small SmolLM3",
    ),
    Field(
        "datasets",
        "Dataset mixture",
        "Pairs",
        "The preference pairs: a Hub id or a file, then the split, such as "
        "Anthropic/hh-rlhf train[:1000] or pairs.jsonl train. Join several with +.",
        "datasets",
        source=MIXTURE,
    ),
    Field(
        "dataset_name",
        "Dataset",
        "Pairs",
        "A Hub id or a folder with the splits below. If datasets is also set, datasets wins.",
        "text",
        source=SCRIPT,
    ),
    Field("dataset_train_split", "Training split", "Pairs", "Split to train on.", "text", source=SCRIPT),
    Field(
        "dataset_test_split",
        "Held-out split",
        "Pairs",
        "Split to measure on, read when evaluation is on.",
        "text",
        source=SCRIPT,
    ),
    Field(
        "max_length",
        "Longest sequence",
        "Pairs",
        "Longest prompt and answer together. A longer answer is cut at "
        "its end; a pair with a longer prompt is left out.",
        "int",
        unit="tokens",
        low=2,
        source=DPO_CONFIG,
    ),
    Field(
        "beta",
        "Beta",
        "Preference",
        "Pull towards the reference model: a higher value stays closer to it, a lower one moves further away.",
        "float",
        low=0,
        above=True,
        source=f"{DPO_CONFIG}; {PAPER}",
    ),
    Field(
        "loss_type",
        "Loss",
        "Preference",
        "How a pair becomes a loss. sigmoid is DPO; sigmoid with sft keeps the chosen answers from losing "
        "probability; apo_zero is what SmolLM3 was aligned with.",
        "list",
        source=DPO_CONFIG,
    ),
    Field(
        "precompute_ref_log_probs",
        "Precompute reference",
        "Preference",
        "Run the reference model over all pairs once before training and then unload it: saves its memory, costs one "
        "pass.",
        "bool",
        source=DPO_CONFIG,
    ),
    Field(
        "learning_rate",
        "Learning rate",
        "Training",
        "Size of a step. DPO needs far smaller ones than supervised fine-tuning: the course uses 5e-7, TRL 1e-6. If "
        "it is too high, the loss improves while the answers deteriorate.",
        "float",
        low=0,
        above=True,
        high=1,
        source=DPO_CONFIG,
    ),
    Field("lr_scheduler_type", "Schedule", "Training", "How the learning rate decreases over the run.", "choice"),
    Field(
        "warmup_steps",
        "Warm-up",
        "Training",
        "Steps during which the learning rate rises from 0.",
        "steps",
        unit="steps",
        low=0,
    ),
    Field(
        "max_steps",
        "Steps",
        "Training",
        "Number of optimizer steps; takes precedence over epochs. -1 uses the epochs.",
        "int",
        unit="steps",
        low=1,
        extra=(-1,),
    ),
    Field(
        "num_train_epochs",
        "Epochs",
        "Training",
        "Passes over the pairs, if the number of steps isn't set.",
        "float",
        unit="epochs",
        low=0,
        above=True,
    ),
    Field(
        "per_device_train_batch_size",
        "Batch",
        "Training",
        "Pairs in memory at once, per device. Each pair is two sequences.",
        "int",
        unit="pairs",
        low=1,
    ),
    Field(
        "gradient_accumulation_steps",
        "Accumulation",
        "Training",
        "Batches per step. One step learns from batch × accumulation × devices pairs. Above 1, "
        "gradients stay in memory during a step; further batches then cost time only.",
        "int",
        unit="batches",
        low=1,
    ),
    Field(
        "seed",
        "Seed",
        "Training",
        "Seed of the order of the pairs and of everything else that is random.",
        "int",
        low=0,
    ),
    Field(
        "bf16",
        "Compute in bf16",
        "Memory",
        "Mixed precision. TRL turns it on unless the recipe says otherwise, "
        "which fails without a capable accelerator: write false there.",
        "bool",
        unset=True,
        source=f"{DPO_CONFIG} (on unless fp16)",
    ),
    Field(
        "activation_checkpointing",
        "Checkpointing",
        "Memory",
        "Keep few activations and recompute the others: far less memory, about a quarter more time. TRL turns it on.",
        "bool",
        unset=True,
        source=DPO_CONFIG,
    ),
    Field(
        "use_peft",
        "LoRA adapter",
        "Memory",
        "Train a small adapter on frozen weights: needs no second copy for "
        "the reference and about a tenth of the memory.",
        "bool",
        source=MODEL,
    ),
    Field("lora_r", "LoRA rank", "Memory", "Rank of the adapter's matrices.", "int", low=1, source=MODEL),
    Field(
        "lora_alpha",
        "LoRA alpha",
        "Memory",
        "Weight of the adapter, which is scaled by alpha / rank.",
        "int",
        low=1,
        source=MODEL,
    ),
    Field(
        "lora_target_modules",
        "LoRA target modules",
        "Memory",
        "Layers that get an adapter. PEFT has no default for SmolLM3.",
        "list",
        ours="all-linear",
        why="without it, LoRA on SmolLM3 fails after loading",
        source=f"{MODEL}; PEFT 0.21",
    ),
    Field(
        "output_dir",
        "Output folder",
        "Saving",
        "Where checkpoints and the model go. An existing model is never replaced silently.",
        "text",
    ),
    Field(
        "save_strategy",
        "Checkpoints",
        "Saving",
        "When checkpoints are written. In the file, 'no' must be quoted.",
        "choice",
    ),
    Field("save_steps", "Save every", "Saving", "Steps between checkpoints.", "steps", unit="steps", low=0, above=True),
    Field(
        "save_total_limit",
        "Keep",
        "Saving",
        "Number of checkpoints to keep; without a limit, all are kept.",
        "int",
        unit="checkpoints",
        low=1,
        ours=2,
        why="a checkpoint of SmolLM3-3B takes 37 GB",
    ),
    Field(
        "logging_steps",
        "Log every",
        "Measuring",
        "Steps between two points of the curves.",
        "steps",
        unit="steps",
        low=0,
        above=True,
        source=DPO_CONFIG,
    ),
    Field(
        "logging_nan_inf_filter",
        "Hide NaN in logs",
        "Measuring",
        "Hide NaN: a ruined run then shows a loss of 0.0.",
        "bool",
        ours=False,
        why="NaN must show as NaN",
    ),
    Field(
        "eval_strategy",
        "Evaluation",
        "Measuring",
        "When the held-out pairs are measured. In the file, 'no' must be quoted.",
        "choice",
    ),
    Field(
        "eval_steps",
        "Evaluate every",
        "Measuring",
        "Steps between two evaluations; if empty, as often as metrics are logged.",
        "steps",
        unit="steps",
        low=0,
        above=True,
    ),
    Field(
        "report_to",
        "Tracker",
        "Measuring",
        "Where TRL also sends its metrics: trackio or none. smoltui needs no tracker.",
        "list",
    ),
    Field("project", "Project", "Measuring", "Name of the project in the tracker.", "text"),
    Field(
        "run_name",
        "Run name",
        "Measuring",
        "Name of the run, here and in the tracker; if empty, the tracker invents one.",
        "text",
    ),
    Field(
        "push_to_hub",
        "Push to the Hub",
        "Publishing",
        "Upload the model at the end. A Job's disk is deleted, so a Job that pushes nothing keeps nothing.",
        "bool",
    ),
    Field("hub_model_id", "Model on the Hub", "Publishing", "Repository to push to, as owner/name.", "text"),
    Field(
        "hub_private_repo",
        "Private",
        "Publishing",
        "Make the repository private; if empty, the default of the account or organization applies.",
        "bool",
    ),
)

BY_KEY: dict[str, Field] = {field.key: field for field in FIELDS}

RANGES: dict[str, Field] = {
    field.key: field
    for field in (
        Field("label_smoothing", "", "", "", "float", low=0, high=0.5, below=True),
        Field("ld_alpha", "", "", "", "float", low=0, high=1),
        Field("weight_decay", "", "", "", "float", low=0),
        Field("max_grad_norm", "", "", "", "float", low=0),
        Field("adam_beta1", "", "", "", "float", low=0, high=1, below=True),
        Field("adam_beta2", "", "", "", "float", low=0, high=1, below=True),
        Field("adam_epsilon", "", "", "", "float", low=0, above=True),
        Field("discopop_tau", "", "", "", "float", low=0, above=True),
        Field("lora_dropout", "", "", "", "float", low=0, high=1, below=True),
        Field("per_device_eval_batch_size", "", "", "", "int", low=1),
        Field("precompute_ref_batch_size", "", "", "", "int", low=1),
        Field("ref_model_mixup_alpha", "", "", "", "float", low=0, high=1),
        Field("ref_model_sync_steps", "", "", "", "int", low=1),
        Field("torch_empty_cache_steps", "", "", "", "int", low=1),
        Field("test_split_size", "", "", "", "steps", low=0, above=True),
    )
}
"""Limits of keys that are not in the form; TRL checks none of them, but warns about the first."""


OTHERS = "Also in the file"
"""Group of the recipe's keys that are not among the important ones."""

_KINDS = {"bool": "bool", "int": "int", "float": "float", "str": "text", "list[str]": "words", "list[float]": "numbers"}


@lru_cache(maxsize=1024)
def field_for(key: str) -> Field:
    """The field of any key: an important one, any other one of TRL, or an unknown one."""
    if key in BY_KEY:
        return BY_KEY[key]
    known = snapshot().keys.get(key)
    if known is None:
        return Field(key, key, OTHERS, "Not one of TRL's keys.", "file", source="")
    field = RANGES.get(key) or Field(key, "", "", "", _kind(known))
    text = help_of(key).replace("`", "")
    return replace(field, label=key, group=section_of(key), help=text, source=f"{SOURCES[known.owner]}, its own words")


def all_fields() -> tuple[Field, ...]:
    """Every key of TRL: the important ones first, the others section by section."""
    others = [field_for(key) for key in snapshot().keys if key not in BY_KEY]
    groups = list(dict.fromkeys(field.group for field in others))
    return (*FIELDS, *sorted(others, key=lambda field: groups.index(field.group)))


def _kind(key: Key) -> str:
    """How a value of a key is typed that is not an important one."""
    types = set(key.types) - {"none"}
    if key.choices:
        return "choice"
    if "dict" in types:
        return "mapping"
    if types == {"str", "list[str]"}:
        return "list"
    return "mixed" if len(types) > 1 else _KINDS.get(next(iter(types)), "file")
