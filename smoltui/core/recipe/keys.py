"""The keys TRL knows (a snapshot, `scripts/recipe_keys.py` makes it) and those it once knew."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """One key of `trl dpo --config`."""

    name: str
    types: tuple[str, ...]
    """Of str, int, float, bool, dict, list[…] and none (may be null)."""
    default: Any
    choices: tuple[str, ...]
    """Every word it may be; empty where it is not a choice."""
    owner: str
    """The class of TRL that holds it, such as DPOConfig."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one release of TRL reads from a recipe."""

    versions: Mapping[str, str]
    """Package name → version the snapshot was made with."""
    keys: Mapping[str, Key]
    launch: frozenset[str]
    """Options of `accelerate launch`, which `trl dpo` takes out of the same file and TRL itself does not read."""


@cache
def snapshot() -> Snapshot:
    """The stored snapshot; reading it takes a millisecond, asking TRL takes seconds."""
    data = json.loads(Path(__file__).with_name("keys.json").read_text(encoding="utf-8"))
    keys = {
        name: Key(name, tuple(entry["type"]), entry["default"], tuple(entry.get("choices", ())), entry["of"])
        for name, entry in data["keys"].items()
    }
    return Snapshot(versions=data["versions"], keys=keys, launch=frozenset(data["launch"]))


LOSSES = (
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft",
)  # fmt: skip
"""Values of loss_type, from TRL 1.16 `trainer/dpo_trainer.py`; TRL itself checks them only at the first step."""

GONE: Mapping[str, tuple[str, str]] = {
    "max_prompt_length": (
        "TRL has no limit for the prompt alone any more",
        "Delete the line: max_length bounds prompt and answer together, and a prompt as long as that is left out.",
    ),
    "max_completion_length": (
        "TRL has no limit for the answer alone any more",
        "Delete the line: max_length bounds prompt and answer together.",
    ),
    "warmup_ratio": (
        "it went into warmup_steps",
        "Write the same share as warmup_steps, for example warmup_steps: 0.1",
    ),
    "torch_dtype": ("it is called dtype now", "Write dtype instead."),
    "rpo_alpha": (
        "it became a mix of losses",
        "Write loss_type: [sigmoid, sft] with loss_weights: [1.0, …] instead.",
    ),
    "group_by_length": (
        "it became a sampling strategy",
        "Write train_sampling_strategy: group_by_length, with a length column and remove_unused_columns: false.",
    ),
    "overwrite_output_dir": (
        "TRL no longer asks",
        "Delete the line: smoltui asks before it replaces a model.",
    ),
    "label_pad_token_id": ("padding is never part of the loss", "Delete the line."),
    "padding_value": ("padding is never part of the loss", "Delete the line."),
    "reference_free": ("there is always a reference model", "Delete the line."),
    "generate_during_eval": ("TRL generates nothing while it evaluates", "Delete the line: see the Evaluate room."),
    "model_adapter_name": ("adapters are named by PEFT", "Delete the line."),
    "ref_adapter_name": ("adapters are named by PEFT", "Delete the line."),
    "is_encoder_decoder": ("only models that continue a text are trained", "Delete the line."),
    "evaluation_strategy": ("it is called eval_strategy now", "Write eval_strategy instead."),
    "max_seq_length": ("it is called max_length", "Write max_length instead."),
    "no_cuda": ("it is called use_cpu now", "Write use_cpu instead."),
    "device_map": ("TRL places the model itself", "Delete the line."),
}
"""Keys that older recipes hold: why TRL does not know them, and what to write (TRL 0.29 dropped most of them)."""

RENAMED: Mapping[str, str] = {
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}
"""Still read by transformers 5.23, gone in version 6; where both stand the new name wins."""


def near(name: str) -> list[str]:
    """At most three known keys that look like `name`, the nearest first."""
    plain = name.replace("-", "_").lower()
    return difflib.get_close_matches(plain, snapshot().keys, n=3, cutoff=0.6)
