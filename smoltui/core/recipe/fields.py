"""The fields that matter: what each is, its unit, its range and where that is said. The form, the help, the checks and
the README's table all come from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from smoltui.core.recipe.keys import LOSSES, snapshot

DPO_CONFIG = "TRL 1.16 DPOConfig"
TRAINING = "transformers 5.23 TrainingArguments"
MODEL = "TRL 1.16 ModelConfig"
SCRIPT = "TRL 1.16 ScriptArguments"
MIXTURE = "TRL 1.16 DatasetMixtureConfig"
PAPER = "DPO paper, arXiv 2305.18290"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form."""

    key: str
    label: str
    group: str
    help: str
    kind: str
    """text, int, float, bool, choice, list (of words), steps (a whole number, or a share below 1), datasets, or file
    for what is edited in the file alone."""
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
    """Values outside the range that have a meaning, such as -1 for max_steps."""
    ours: Any = None
    """What smoltui's presets write where TRL's default is not good; None where it is."""
    unset: Any = None
    """What TRL does when the key is null or missing and its default is null, where that is a value too."""
    why: str = ""
    """Why `ours` differs."""
    source: str = TRAINING

    @property
    def default(self) -> Any:
        """What TRL takes when the recipe does not hold the key; None for a key it does not know."""
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
        """The range in words; empty where anything goes."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "steps":
            return "a whole number of steps, or below 1 a share of all steps"
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
    Field("model_name_or_path", "Model", "Model", "The policy to align: a Hub id or a folder. It must already answer "
          "instructions; its copy before training is the reference model.", "text", source=MODEL),
    Field("model_revision", "Revision", "Model", "Branch, tag or commit of the model on the Hub.", "text",
          source=MODEL),
    Field("dtype", "Weights in", "Model", "Type the weights are loaded in. Full fine-tuning needs float32: in bfloat16 "
          "a DPO-sized step rounds away and almost no weight moves. A LoRA adapter stays in float32, so its base may "
          "be bfloat16.", "choice", source=f"{MODEL}; measured on a small SmolLM3"),
    Field("datasets", "Pairs", "Pairs", "Where the preference pairs come from: a Hub id or a file, then the split: "
          "Anthropic/hh-rlhf train[:1000], or pairs.jsonl train. Several are joined with +.", "datasets",
          source=MIXTURE),
    Field("dataset_name", "Pairs, one source", "Pairs", "A Hub id or folder with the splits below; `datasets` wins "
          "where both stand.", "text", source=SCRIPT),
    Field("dataset_train_split", "Training split", "Pairs", "Split of the pairs that are trained on.", "text",
          source=SCRIPT),
    Field("dataset_test_split", "Held-out split", "Pairs", "Split of the pairs that are only measured, read when "
          "evaluation is on.", "text", source=SCRIPT),
    Field("max_length", "Longest sequence", "Pairs", "Prompt and answer together. A longer answer is cut at its end, a "
          "prompt that is longer is left out.", "int", unit="tokens", low=2, source=DPO_CONFIG),
    Field("beta", "Beta", "Preference", "Pull towards the reference model: higher stays closer to it, lower moves "
          "further.", "float", low=0, above=True, source=f"{DPO_CONFIG}; {PAPER}"),
    Field("loss_type", "Loss", "Preference", "How a pair becomes a loss. sigmoid is DPO; sigmoid with sft guards "
          "against chosen answers losing probability; apo_zero is what SmolLM3 was aligned with.", "list",
          source=DPO_CONFIG),
    Field("precompute_ref_log_probs", "Reference first", "Preference", "Asks the reference model about every pair once "
          "before training, then drops it: saves its memory, costs one pass.", "bool", source=DPO_CONFIG),
    Field("learning_rate", "Learning rate", "Training", "Size of a step. DPO takes far smaller ones than fine-tuning: "
          "the course 5e-7, TRL 1e-6. Too much of it wins the loss and ruins the answers.", "float", low=0, above=True,
          high=1, source=DPO_CONFIG),
    Field("lr_scheduler_type", "Schedule", "Training", "How the learning rate goes down over the run.", "choice"),
    Field("warmup_steps", "Warm-up", "Training", "Steps in which the learning rate rises from 0; below 1 it is a share "
          "of all steps.", "steps", unit="steps", low=0),
    Field("max_steps", "Steps", "Training", "Optimizer steps; wins over epochs. -1 leaves it to the epochs.", "int",
          unit="steps", low=1, extra=(-1,)),
    Field("num_train_epochs", "Epochs", "Training", "Passes over the pairs, where steps are not given.", "float",
          unit="epochs", low=0, above=True),
    Field("per_device_train_batch_size", "Batch", "Training", "Pairs in memory at once on each device; each pair is "
          "two sequences.", "int", unit="pairs", low=1),
    Field("gradient_accumulation_steps", "Accumulation", "Training", "Batches that make one step. Batch × accumulation "
          "× devices is what one step learns from; more of it costs time, not memory.", "int", unit="batches", low=1),
    Field("seed", "Seed", "Training", "Start of the order of the pairs and of everything random.", "int", low=0),
    Field("bf16", "Compute in bf16", "Memory", "Mixed precision. TRL turns it on when the recipe says nothing, which "
          "fails without an accelerator that can: write false there.", "bool", unset=True,
          source=f"{DPO_CONFIG} (on unless fp16)"),
    Field("activation_checkpointing", "Checkpointing", "Memory", "Keeps few activations and computes the others again: "
          "far less memory, about a quarter more time. TRL turns it on.", "bool", unset=True, source=DPO_CONFIG),
    Field("use_peft", "LoRA adapter", "Memory", "Trains a small adapter on frozen weights: no second copy for the "
          "reference, about a tenth of the memory.", "bool", source=MODEL),
    Field("lora_r", "LoRA rank", "Memory", "Width of the adapter.", "int", low=1, source=MODEL),
    Field("lora_alpha", "LoRA alpha", "Memory", "Weight of the adapter: it is scaled by alpha / rank.", "int", low=1,
          source=MODEL),
    Field("lora_target_modules", "LoRA on", "Memory", "Which layers get an adapter. PEFT has no default for SmolLM3: "
          "write all-linear.", "list", ours="all-linear", why="without it, LoRA on SmolLM3 fails after loading",
          source=f"{MODEL}; PEFT 0.21"),
    Field("output_dir", "Output folder", "Saving", "Where checkpoints and the model go. A model that lies there is "
          "never replaced silently.", "text"),
    Field("save_strategy", "Checkpoints", "Saving", "When a checkpoint is written. In the file the word no must be in "
          "quotes.", "choice"),
    Field("save_steps", "Save every", "Saving", "Steps between checkpoints.", "steps", unit="steps", low=0, above=True),
    Field("save_total_limit", "Keep", "Saving", "Newest checkpoints that stay on the disk; without a limit all do.",
          "int", unit="checkpoints", low=1, ours=2, why="a checkpoint of SmolLM3-3B takes 37 GB"),
    Field("logging_steps", "Log every", "Measuring", "Steps between two points of the curves.", "steps", unit="steps",
          low=0, above=True, source=DPO_CONFIG),
    Field("logging_nan_inf_filter", "Hide NaN", "Measuring", "Logs NaN as if it were nothing: a ruined run then shows "
          "a loss of 0.0.", "bool", ours=False, why="NaN must show as NaN"),
    Field("eval_strategy", "Evaluation", "Measuring", "When held-out pairs are measured. In the file the word no must "
          "be in quotes.", "choice"),
    Field("eval_steps", "Evaluate every", "Measuring", "Steps between two evaluations; nothing means as often as is "
          "logged.", "steps", unit="steps", low=0, above=True),
    Field("report_to", "Tracker", "Measuring", "Where TRL also sends its metrics: trackio, or none. smoltui reads them "
          "without one.", "list"),
    Field("project", "Project", "Measuring", "Name of the project in the tracker.", "text"),
    Field("run_name", "Run name", "Measuring", "Name of the run, here and in the tracker; without one the tracker "
          "invents it.", "text"),
    Field("push_to_hub", "Push to the Hub", "Publishing", "Uploads the model at the end. A Job's disk is deleted, so a "
          "Job that pushes nothing keeps nothing.", "bool"),
    Field("hub_model_id", "Model on the Hub", "Publishing", "owner/name of the repository to push to.", "text"),
    Field("hub_private_repo", "Private", "Publishing", "Makes the repository private; nothing means as the account or "
          "organization has it.", "bool"),
)  # fmt: skip

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
        Field("test_split_size", "", "", "", "steps", low=0, above=True),
    )
}
"""Bounds of keys that are not in the form; TRL checks none of them but warns about the first."""


OTHERS = "Also in the file"
"""Group of the keys that a recipe holds and the form does not show."""

_KINDS = {"bool": "bool", "int": "int", "float": "float", "str": "text", "list[str]": "list"}


def field_for(key: str) -> Field:
    """The field of any key, one of TRL's that the form does not show and one it does not know included."""
    if key in BY_KEY:
        return BY_KEY[key]
    known = snapshot().keys.get(key)
    if known is None:
        return Field(key, key, OTHERS, "Not one of TRL's keys.", "file", source="")
    kind = "choice" if known.choices else next((_KINDS[name] for name in known.types if name in _KINDS), "file")
    if "dict" in known.types or known.default == "auto":
        kind = "file"
    help_ = "One of TRL's keys that this form has no words for: its meaning is in TRL's documentation."
    field = RANGES.get(key) or Field(key, "", "", "", kind)
    return replace(field, label=key, group=OTHERS, help=help_, source=f"TRL {known.owner}")
